"""Calls written down as data, so that building a model and printing its source are one thing.

A backend evaluates a form to get the module or the tensor, and prints the same form to get the
line of source code. Nothing is described twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Input:
    """The tensor that comes in at this place."""

    index: int = 0


@dataclass(frozen=True, slots=True)
class Raw:
    """A piece of source code, such as the name of a parameter."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, by its dotted name, called with values, inputs or other forms.

    A user's own class or function stands for itself. ``spread`` are calls that give more keyword
    arguments, written with ``**``. ``omitted`` are keyword arguments that are at their default, and
    ``order`` how those and the others would be written.
    """

    function: str | Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    spread: tuple[Call, ...] = ()
    omitted: tuple[tuple[str, Any], ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Apply:
    """The module of this node called with forms; or ``of``, one without weights or source code."""

    args: tuple[Any, ...] = (Input(),)
    kwargs: tuple[tuple[str, Any], ...] = ()
    of: Call | str | None = None


@dataclass(frozen=True, slots=True)
class Infix:
    """``left operator right``; the operator is ``+`` or ``*``."""

    operator: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Index:
    """``value[index]``; the index is an integer or a tuple of integers and slices."""

    value: Any
    index: Any


Form = Input | Call | Apply | Infix | Index


@dataclass(frozen=True, slots=True)
class Promise:
    """What a user said of a module of theirs; building and running it hold it to that.

    Args:
        layer: The layer's name.
        params: Trainable parameters.
        shape: Of the output without the batch, in the layout of the module.
        path: Where the layer stands, for messages.
    """

    layer: str
    params: int
    shape: tuple[int, ...]
    path: str = ""

    @property
    def where(self) -> str:
        """The path as a message begins with it."""
        return f"{self.path}: " if self.path else ""


@dataclass(frozen=True, slots=True)
class ModuleForm:
    """How one node looks in a framework.

    Args:
        forward: The expression that gives the node's tensor.
        module: The constructor of the module with the node's weights, or None.
        name: Stem of the module's attribute name.
        promise: What a user's module is held to; None for the modules of the framework.
    """

    forward: Form = Apply()
    module: Call | None = None
    name: str = ""
    promise: Promise | None = None


def call(function: str, *args: Any, **kwargs: Any) -> Call:
    """Write a call down."""
    return Call(function, args, tuple(kwargs.items()))


def brief(
    function: str, *args: Any, defaults: Mapping[str, Any], values: Mapping[str, Any]
) -> Call:
    """Write a call down without the keyword arguments that are at the function's own default."""
    given = {name: value for name, value in values.items() if value != defaults[name]}
    omitted = {name: value for name, value in values.items() if name not in given}
    return Call(
        function,
        args,
        tuple(given.items()),
        omitted=tuple(omitted.items()),
        order=tuple(values),
    )


APPLY: Final = Apply()
