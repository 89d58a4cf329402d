"""What a model does, laid out in order for a framework; and the name of its class."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from neural_automl._forms import ModuleForm
    from neural_automl.backends._repeats import Item
    from neural_automl.graph import Graph


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the model's forward pass.

    Args:
        name: Attribute of the module that holds its weights, behind those of its blocks, as
            ``block1.conv2``; or an empty string.
        form: Constructor and expression.
        inputs: The values it reads: 0 is the model's input, ``n`` the result of step ``n - 1``.
        node: The node of the graph that it gives the tensor of.
        blocks: That it stands in, outermost first.
    """

    name: str
    form: ModuleForm
    inputs: tuple[int, ...]
    node: int
    blocks: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a model does, in order.

    Args:
        steps: One for each value after the input.
        output: The value that the model puts out.
        graph: Where it comes from.
        root: Its blocks.
    """

    steps: tuple[Step, ...]
    output: int
    graph: Graph
    root: Item

    def last_uses(self) -> list[int]:
        """Return, for each value, the last step that reads it (past the end: the output)."""
        last = [-1] * (len(self.steps) + 1)
        for index, step in enumerate(self.steps):
            for source in step.inputs:
                last[source] = index
        last[self.output] = len(self.steps)
        return last

    def __deepcopy__(self, memo: dict[int, Any]) -> Plan:
        """Return itself: nothing in it changes, and to copy it takes longer than all weights."""
        return self


#: What the file uses or a reader could confuse: l, I and O look like digits.
_TAKEN: Final = {"torch", "nn", "F", "Tensor", "annotations", "l", "I", "O", "__debug__"}
_LONGEST: Final = 40


def class_name(name: str) -> str:
    """Return a network's name as the name of a Python class, cut at 40 characters."""
    cleaned = re.sub(r"\W", "_", name, flags=re.ASCII)[:_LONGEST] or "Network"
    taken = cleaned in _TAKEN or keyword.iskeyword(cleaned) or hasattr(builtins, cleaned)
    return f"Network_{cleaned}"[:_LONGEST] if cleaned[0].isdigit() or taken else cleaned
