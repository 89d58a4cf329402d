"""What the writers of source code have in common, whatever framework a file is for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neural_automl._forms import Call, Input
from neural_automl.backends._scopes import arguments_of, with_parameters
from neural_automl.backends._texts import summarize_block
from neural_automl.backends._user_code import check_arguments, functions_of, written

if TYPE_CHECKING:
    from neural_automl.backends._plan import Plan, Step
    from neural_automl.backends._scopes import Key, Kind, Scope


class Writer(ABC):
    """Writes the blocks of a file.

    Args:
        kinds: Of blocks, by their token.
        own: How the file writes a user's classes and functions.
    """

    def __init__(self, kinds: Mapping[Any, Kind], own: Mapping[Callable[..., Any], str]) -> None:
        self._kinds = kinds
        self._own = own

    @abstractmethod
    def block(self, kind: Kind, summary: str) -> list[str]:
        """Return the lines of a block's class or function."""

    def blocks(self, plan: Plan) -> list[str]:
        """Return the lines of all blocks, what is inside before what it is inside of."""
        return [
            text
            for kind in self._kinds.values()
            for text in ("", "", *self.block(kind, summarize_block(plan, kind.scope.item)))
        ]

    def _module(self, step: Step, number: int, names: Mapping[Key, str]) -> Call | None:
        """Return the call that makes a step's module; None without one.

        Args:
            number: Of the step's entry in its block.
            names: Of the block's parameters.
        """
        if step.form.module is None:
            return None
        return with_parameters(written(step.form.module, self._own), (number,), names)

    def _made(self, block: Scope, number: int, names: Mapping[Key, str]) -> Call:
        """Return the call of a block's class with what it is made with."""
        kind = self._kinds[block.item.token]
        return Call(kind.name, *arguments_of(kind, block, number, names))


def known_values(scope: Scope) -> dict[int, str]:
    """Return the names of the values that a block's function takes: ``x``, ``x2``."""
    names = ["x", *(f"x{number}" for number in range(2, len(scope.inputs) + 1))]
    return dict(zip(scope.inputs, names, strict=True))


def read_values(scope: Scope) -> tuple[Input, ...]:
    """Return what a block is called on."""
    return tuple(Input(index) for index in range(len(scope.inputs)))


def checked_functions(plan: Plan) -> list[Callable[..., Any]]:
    """Return the classes and functions of a user's own, whose calls a file can hold.

    Raises:
        ExportError: It cannot hold one.
    """
    for step in plan.steps:
        if step.form.module is not None:
            check_arguments(step.form.module)
    return functions_of(plan)


def file_text(
    described: Sequence[str],
    imports: Sequence[str],
    blocks: Sequence[str],
    network: Sequence[str],
) -> str:
    """Return a file in its order."""
    future = "from __future__ import annotations"
    lines = [*described, "", future, "", *imports, *blocks, "", "", *network]
    return "\n".join(lines) + "\n"
