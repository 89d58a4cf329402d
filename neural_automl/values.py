"""Values that are more than a number or a string: expressions and calls, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, Protocol, runtime_checkable

from neural_automl.exceptions import excerpt
from neural_automl.parameters import as_integer, as_number

#: The operand that stands for the number of channels that come in.
CHANNELS: Final = "channels"

Number = int | float

_DEEPEST: Final = 100
_LARGEST: Final = 10_000


@runtime_checkable
class Plain(Protocol):
    """A value that knows its form in the dictionary."""

    def to_plain(self) -> Any:
        """Return JSON-able data."""
        ...


def to_plain(value: Any) -> Any:
    """Return a value as JSON-able data: tuples as lists, expressions and calls as dicts."""
    if isinstance(value, list | tuple):
        return [to_plain(element) for element in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(element) for key, element in value.items()}
    if isinstance(value, Plain):
        return value.to_plain()
    return value


def from_plain(value: Any, of_open: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of JSON-able data: lists as tuples, ``expr`` and ``type`` as objects.

    Args:
        of_open: Makes the open value of what a dictionary holds under ``hpo``; without it no
            value may be open.

    Raises:
        ValueError: A dictionary is none of these, or is malformed.
    """
    if isinstance(value, list | tuple):
        return tuple(from_plain(element, of_open) for element in value)
    if not isinstance(value, Mapping):
        return frozen(value)
    if of_open is not None and set(value) == {"hpo"}:
        return of_open(value["hpo"])
    if set(value) == {"expr"}:
        parts = value["expr"]
        if not isinstance(parts, list | tuple) or not parts or not isinstance(parts[0], str):
            raise ValueError(
                f"an 'expr' must be a list of an operator and operands but got {excerpt(parts)}"
            )
        return Expression(parts[0], tuple(from_plain(operand, of_open) for operand in parts[1:]))
    if "type" in value and set(value) <= {"type", "params"}:
        return call_from_plain(value, of_open)
    raise ValueError(f"a value must be plain, an 'expr' or a 'type' but got {excerpt(value)}")


def call_from_plain(value: Any, of_open: Callable[[Any], Any] | None = None) -> Call:
    """Return the call of ``{"type", "params"}``.

    Raises:
        ValueError: It has another form.
    """
    params = value.get("params") or {} if isinstance(value, Mapping) else None
    if params is None or not isinstance(params, Mapping) or not isinstance(value.get("type"), str):
        raise ValueError(f"a call must have a 'type' and 'params' but got {excerpt(value)}")
    return Call(value["type"], {str(k): from_plain(v, of_open) for k, v in params.items()})


def frozen(value: Any) -> Any:
    """Return a value that nobody can change: lists as tuples, foreign numbers as Python's."""
    if isinstance(value, list | tuple):
        return tuple(frozen(element) for element in value)
    if isinstance(value, bool | str) or value is None:
        return value
    number = as_number(value)
    return value if number is None else number


@dataclass(frozen=True, slots=True)
class Call:
    """A name with parameters: an optimizer, a schedule, an operation in a cell.

    Args:
        type: The name.
        params: Parameters by name, in the order given.
    """

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", {k: frozen(v) for k, v in self.params.items()})

    def __hash__(self) -> int:
        return hash((self.type, frozenset(self.params.items())))

    def to_plain(self) -> dict[str, Any]:
        """Return ``{"type", "params"}``."""
        return {"type": self.type, "params": to_plain(self.params)}


def _divide(left: Number, right: Number) -> Number:
    if right == 0:
        raise ValueError("a division by zero")
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


_OPERATORS: Final[Mapping[str, Callable[..., Number]]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": _divide,
    "neg": lambda value: -value,
}

#: How an operator is written, and how tightly it binds.
_SIGNS: Final = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}


@dataclass(frozen=True, slots=True)
class Expression:
    """An operator and its operands.

    Args:
        operator: ``add``, ``sub``, ``mul``, ``div``, ``neg``; or ``channels``: the width that
            comes in, with no operands here, with ``(back, up)`` so many layers earlier in the
            sequence that is so many structures further out.
        operands: Numbers, other expressions, ``"channels"``, or open values of a space.

    Raises:
        ValueError: An unknown operator, the wrong number of operands, an operand that is no
            number, or more than 100 levels or 10,000 operands.

    Example:
        >>> str(Expression("mul", (Expression("add", ("channels", 1)), 2)))
        '(channels + 1) * 2'
    """

    operator: str
    operands: tuple[Any, ...] = ()
    extent: tuple[int, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.operator != CHANNELS and self.operator not in _OPERATORS:
            raise ValueError(
                f"an expression's operator must be one of {', '.join(_OPERATORS)} or channels "
                f"but got {excerpt(self.operator)}"
            )
        operands = tuple(frozen(operand) for operand in self.operands)
        object.__setattr__(self, "operands", operands)
        wanted = {CHANNELS: (0, 2), "neg": (1,)}.get(self.operator, (2,))
        if len(operands) not in wanted:
            counts = " or ".join(map(str, wanted))
            raise ValueError(f"'{self.operator}' takes {counts} operands but got {len(operands)}")
        for operand in operands:
            self._check_operand(operand)
        extents = [operand.extent for operand in operands if isinstance(operand, Expression)]
        depth = 1 + max((deep for deep, _ in extents), default=0)
        size = len(operands) + sum(size for _, size in extents)
        if depth > _DEEPEST or size > _LARGEST:
            raise ValueError(
                f"an expression may have {_DEEPEST} levels and {_LARGEST} operands but has "
                f"{depth} and {size}"
            )
        object.__setattr__(self, "extent", (depth, size))

    def _check_operand(self, operand: Any) -> None:
        if self.operator == CHANNELS:
            if isinstance(operand, bool) or not isinstance(operand, int) or operand < 0:
                raise ValueError(
                    f"channels goes back by integers from 0 on but got {excerpt(operand)}"
                )
        elif isinstance(operand, float) and not isfinite(operand):
            raise ValueError(f"an expression is made of finite numbers but got {operand}")
        elif operand != CHANNELS and isinstance(
            operand, bool | str | tuple | Mapping | Call | None
        ):
            raise ValueError(f"an expression is made of numbers but got {excerpt(operand)}")

    def replace(self, resolve: Callable[[Any], Any]) -> Any:
        """Return the expression with each leaf resolved, as a number where all are numbers.

        Args:
            resolve: Called with each operand that is neither a number nor arithmetic:
                ``"channels"``, a ``channels`` expression that goes back, an open value; may
                return a number or leave the operand as it is.

        Raises:
            ValueError: A division by zero, or a number too large.
        """
        if self.operator == CHANNELS:
            leaf = self if self.operands else CHANNELS
            resolved = resolve(leaf)
            return self if resolved == leaf else resolved
        operands = tuple(_replace_operand(operand, resolve) for operand in self.operands)
        if all(isinstance(operand, int | float) for operand in operands):
            return _compute(self.operator, operands)
        return Expression(self.operator, operands)

    def substitute(self, resolve: Callable[[Any], Any]) -> Any:
        """Return the expression with each leaf resolved, as ``replace``, but compute nothing."""
        if self.operator == CHANNELS:
            return self.replace(resolve)
        return Expression(
            self.operator,
            tuple(
                operand.substitute(resolve)
                if isinstance(operand, Expression)
                else _replace_operand(operand, resolve)
                for operand in self.operands
            ),
        )

    def to_plain(self) -> dict[str, Any]:
        """Return ``{"expr": [operator, *operands]}``."""
        return {"expr": [self.operator, *map(to_plain, self.operands)]}

    def leaves(self) -> Iterator[Any]:
        """Yield what ``replace`` resolves, and the numbers, from left to right."""
        if self.operator == CHANNELS:
            yield self if self.operands else CHANNELS
            return
        for operand in self.operands:
            if isinstance(operand, Expression):
                yield from operand.leaves()
            else:
                yield operand

    def text(self, of_leaf: Callable[[Any], str] = str) -> str:
        """Return the expression as the space language writes it."""
        if self.operator == CHANNELS:
            return f"channels({', '.join(map(str, self.operands))})" if self.operands else CHANNELS
        texts = [self._operand_text(place, of_leaf) for place in range(len(self.operands))]
        if self.operator == "neg":
            return f"-{texts[0]}"
        return f" {_SIGNS[self.operator][0]} ".join(texts)

    def _operand_text(self, place: int, of_leaf: Callable[[Any], str]) -> str:
        operand = self.operands[place]
        if not isinstance(operand, Expression):
            return CHANNELS if operand == CHANNELS else of_leaf(operand)
        text = operand.text(of_leaf)
        mine = _SIGNS.get(self.operator, ("-", 3))[1]
        theirs = _SIGNS.get(operand.operator, ("", 3 if operand.operator == CHANNELS else 0))[1]
        return f"({text})" if theirs < mine or (theirs == mine and place) else text

    def __str__(self) -> str:
        return self.text()


def _compute(operator: str, operands: tuple[Number, ...]) -> Number:
    try:
        value = _OPERATORS[operator](*operands)
    except OverflowError as error:
        raise ValueError("an expression comes to a number too large") from error
    whole = as_integer(value)
    return value if whole is None else whole


def _replace_operand(operand: Any, resolve: Callable[[Any], Any]) -> Any:
    if isinstance(operand, Expression):
        return operand.replace(resolve)
    if isinstance(operand, int | float):
        return operand
    return resolve(operand)


def resolve_channels(value: Any, width: Callable[[int, int], int]) -> Any:
    """Return a value in which the widths that come in are numbers.

    Args:
        width: Called with how many layers back, and how many structures up.

    Raises:
        ValueError: A division by zero.
    """

    def resolve(leaf: Any) -> Any:
        if isinstance(leaf, Expression):
            return width(*leaf.operands)
        return width(0, 0) if leaf == CHANNELS else leaf

    if isinstance(value, Expression):
        return value.replace(resolve)
    if isinstance(value, tuple):
        return tuple(resolve_channels(element, width) for element in value)
    if isinstance(value, Call):
        params = {key: resolve_channels(element, width) for key, element in value.params.items()}
        return Call(value.type, params)
    return value


def uses_channels(value: Any, *, far: bool = False) -> bool:
    """Return whether a value depends on a width.

    Args:
        far: Count only widths of earlier layers.
    """
    if isinstance(value, Expression):
        return any(
            isinstance(leaf, Expression) or (leaf == CHANNELS and not far)
            for leaf in value.leaves()
        )
    if isinstance(value, tuple):
        return any(uses_channels(element, far=far) for element in value)
    if isinstance(value, Call):
        return any(uses_channels(element, far=far) for element in value.params.values())
    return False
