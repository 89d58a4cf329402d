"""Values after evaluation: names are replaced by what they stand for, arithmetic is folded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from neural_automl.exceptions import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neural_automl.dsl._errors import Position
    from neural_automl.dsl._tree import Argument

Number = int | float


class _Unknown(Enum):
    UNKNOWN = "unknown"


#: Stands for a value that is wrong (and reported) or not given; every check lets it pass.
UNKNOWN: Final = _Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Value:
    """One value.

    Args:
        data: None, a bool, a number, a string, or one of the classes below.
        at: Where it is written.
        size: Elements, written out.
        depth: Levels of nesting, written out.
        parts: Numbers and open values of its arithmetic, written out.
        via: Where the name that stood for it was bound; empty where it stands itself.
    """

    data: Any
    at: Position
    size: int = 1
    depth: int = 0
    parts: int = 1
    via: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A tuple or a list."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """An open value.

    Args:
        kind: Of the dictionary form.
        members: The values of a choice, or the two ends of a range.
        step: Of a range.
        name: The name that ties it to others, or None.
        tie: A number that ties the uses of one macro argument; they get a name if it is needed.
        level: How many repetitions of open depth the macro call stands in.
    """

    kind: Literal["categorical", "range", "log_range"]
    members: tuple[Value, ...]
    step: Number | None = None
    name: str | None = None
    tie: int | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic that holds an open value or ``channels``."""

    operator: str
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Channels:
    """The width that comes in, here or at an earlier place.

    Args:
        mark: The macro call where it was written as an argument; None for here.
        back: How many layers earlier in its sequence.
        up: How many structures further out that sequence is.
    """

    mark: int | None = None
    back: int = 0
    up: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """The bare name of a layer or operation."""

    name: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a layer, operation or schedule, not looked into yet."""

    name: str
    arguments: tuple[Argument, ...]
    scope: Any


@dataclass(frozen=True, slots=True)
class Bound:
    """A checked call: ``{"type", "params"}`` in the dictionary form."""

    type: str
    params: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that messages show without quotes."""

    text: str

    def __str__(self) -> str:
        return self.text


def describe(value: Value) -> str:
    """Return a value in the words of the language, roughly: messages cut it anyway."""
    data = value.data
    if data is None:
        return "none"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, Items):
        return f"({', '.join(map(describe, data.items[:20]))})"
    if isinstance(data, Open):
        name = "choice" if data.kind == "categorical" else data.kind
        return f"{name}({', '.join(map(describe, data.members[:20]))})"
    if isinstance(data, Operation):
        return "an expression"
    if isinstance(data, Channels):
        return "channels"
    if isinstance(data, Word):
        return data.name
    if isinstance(data, Called):
        return f"{data.name}(...)"
    return repr(data)


def shown(value: Value) -> str:
    """Return a value for a message, cut at 40 characters."""
    return excerpt(Shown(describe(value)))


def spelled(data: object) -> str:
    """Return plain data as the language writes it, cut at 40 characters."""
    if isinstance(data, list | tuple):
        return excerpt(Shown(f"({', '.join(map(spelled, data[:20]))})"))
    if data is None or isinstance(data, bool):
        return str(data).lower()
    return excerpt(data)


def is_number(data: Any) -> bool:
    """Return whether it is a plain number."""
    return isinstance(data, int | float) and not isinstance(data, bool)


def is_numeric(value: Value) -> bool:
    """Return whether every value that it may take is a number."""
    data = value.data
    if isinstance(data, Open):
        return data.kind != "categorical" or all(map(is_numeric, data.members))
    return is_number(data) or isinstance(data, Operation | Channels)


def has_open(value: Value) -> bool:
    """Return whether anything in a value is left open, or depends on ``channels``."""
    data = value.data
    if isinstance(data, Items):
        return any(map(has_open, data.items))
    return isinstance(data, Open | Operation | Channels)


def is_continuous(value: Value) -> bool:
    """Return whether a value may be any number between two ends."""
    data = value.data
    if isinstance(data, Operation):
        return any(map(is_continuous, data.operands))
    if not isinstance(data, Open):
        return False
    if data.kind == "categorical":
        return any(map(is_continuous, data.members))
    return data.step is None and not all(isinstance(end.data, int) for end in data.members)


def open_leaves(value: Value) -> Iterator[Open]:
    """Yield the open values that arithmetic combines, in text order."""
    if isinstance(value.data, Open):
        yield value.data
    elif isinstance(value.data, Operation):
        for operand in value.data.operands:
            yield from open_leaves(operand)


def leaf_paths(value: Value, path: str) -> Iterator[str]:
    """Yield the study path of each open leaf: the path itself if there is but one."""
    count = sum(1 for _ in open_leaves(value))
    return (path if count == 1 else f"{path}[{i}]" for i in range(count))


def named(value: Value, name: str) -> Value:
    """Return the value with its open values tied under a name."""
    return _retie(value, name, iter(()), lambda leaf, path: replace(leaf, name=path))


def tied(value: Value, ties: Iterator[int], level: int) -> Value:
    """Return the value with its open values tied to each other wherever they are used."""
    return _retie(value, "", ties, lambda leaf, path: replace(leaf, tie=next(ties), level=level))


def _retie(value: Value, path: str, ties: Iterator[int], change: Any) -> Value:
    data = value.data
    if isinstance(data, Items):
        items = (_retie(x, f"{path}[{i}]", ties, change) for i, x in enumerate(data.items))
        return replace(value, data=Items((*items,)))
    if isinstance(data, Open | Operation):
        return _retie_leaves(value, leaf_paths(value, path), change)
    return value


def _retie_leaves(value: Value, paths: Iterator[str], change: Any) -> Value:
    data = value.data
    if isinstance(data, Open):
        path = next(paths)
        free = data.name is None and data.tie is None
        return replace(value, data=change(data, path)) if free else value
    if isinstance(data, Operation):
        operands = (_retie_leaves(operand, paths, change) for operand in data.operands)
        return replace(value, data=replace(data, operands=(*operands,)))
    return value


def marked(value: Value, mark: int) -> Value:
    """Return the value with ``channels`` meaning the width at a macro call."""
    data = value.data
    if isinstance(data, Channels) and data.mark is None:
        return replace(value, data=replace(data, mark=mark))
    if isinstance(data, Items):
        items = (marked(item, mark) for item in data.items)
        return replace(value, data=Items((*items,)))
    if isinstance(data, Operation):
        operands = (marked(operand, mark) for operand in data.operands)
        return replace(value, data=replace(data, operands=(*operands,)))
    if isinstance(data, Open):
        members = (marked(member, mark) for member in data.members)
        return replace(value, data=replace(data, members=(*members,)))
    return value
