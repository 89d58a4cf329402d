"""The graph laid out for PyTorch: names, layouts, and a permutation where the layout changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from neural_automl._forms import Apply, Input, call
from neural_automl._strides import suggests_channels_last
from neural_automl.backends._plan import Plan, Step
from neural_automl.cost import inputs_of
from neural_automl.graph import layouts, natural_layout
from neural_automl.primitives import PRIMITIVES, Layout

if TYPE_CHECKING:
    from neural_automl._forms import ModuleForm
    from neural_automl.graph import Graph, Node

_FIRST: Final[Layout] = "channels_first"

#: To the other layout, by the number of axes with the batch.
_TO_FIRST: Final = {3: (0, 2, 1), 4: (0, 3, 1, 2)}
_TO_LAST: Final = {3: (0, 2, 1), 4: (0, 2, 3, 1)}


def make_plan(graph: Graph) -> Plan:
    """Lay a graph out: images enter and leave channels first, everything else channels last."""
    return _Planner(graph).plan()


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._steps: list[Step] = []
        self._counts: Counter[str] = Counter()
        self._made_in = layouts(graph)
        # The value of a node in each layout that it has been brought into.
        self._values: dict[tuple[int, Layout], int] = {(0, self._made_in[0]): 0}

    def plan(self) -> Plan:
        for index, node in enumerate(self._graph.built_nodes()[1:], start=1):
            self._add(index, node)
        shape = self._graph.nodes[self._graph.logits].shape
        output = self._value(self._graph.logits, natural_layout(shape))
        return Plan(tuple(self._steps), output, self._graph)

    def _add(self, index: int, node: Node) -> None:
        shapes = [self._graph.nodes[source].shape for source in node.inputs]
        layout = self._made_in[index]
        inputs = tuple(self._value(source, layout) for source in node.inputs)
        form = PRIMITIVES[node.op].pytorch(node.attribute_values(), layout, *shapes)
        if form.promise is not None:
            form = replace(form, promise=replace(form.promise, path=node.path))
        if node.op == "GroupNorm" and suggests_channels_last(*inputs_of(self._graph, index)):
            # PyTorch 2.13 ends the process in the backward pass of a channels-last input that
            # needs no gradient. Tensor.contiguous would leave a single pixel as it is.
            sizes = (-1, shapes[0][-1], *shapes[0][:-1])
            laid = call("torch.reshape", call("torch.flatten", Input(0), 1), sizes)
            form = replace(form, forward=Apply((laid,)))
        self._values[index, layout] = self._append(form, inputs, index)

    def _append(self, form: ModuleForm, inputs: tuple[int, ...], node: int) -> int:
        name = ""
        if form.module is not None:
            self._counts[form.name] += 1
            name = f"{form.name}{self._counts[form.name]}"
        self._steps.append(Step(name, form, inputs, node))
        return len(self._steps)

    def _value(self, node: int, layout: Layout) -> int:
        """Return the value of a node in a layout, permuting it the first time."""
        shape = self._graph.nodes[node].shape
        made_in = self._made_in[node]
        if len(shape) == 1 or layout == made_in:
            return self._values[node, made_in]
        if (node, layout) not in self._values:
            order = (_TO_FIRST if layout == _FIRST else _TO_LAST)[len(shape) + 1]
            form = PRIMITIVES["Permute"].pytorch({"order": order}, made_in, shape)
            self._values[node, layout] = self._append(form, (self._values[node, made_in],), node)
        return self._values[node, layout]
