"""Values that are more than a number or a string: expressions and calls, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from neural_automl.exceptions import excerpt
from neural_automl.parameters import as_integer

#: The operand that stands for the number of channels that come in.
CHANNELS: Final = "channels"

Number = int | float


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


def from_plain(value: Any) -> Any:
    """Return the value of JSON-able data: lists as tuples, ``expr`` and ``type`` as objects.

    Raises:
        ValueError: A dictionary is neither an expression nor a call.
    """
    if isinstance(value, list | tuple):
        return tuple(from_plain(element) for element in value)
    if isinstance(value, Mapping):
        if set(value) == {"expr"}:
            operator, *operands = value["expr"]
            return Expression(operator, tuple(from_plain(operand) for operand in operands))
        if "type" in value and set(value) <= {"type", "params"}:
            return Call.from_plain(value)
        raise ValueError(f"a value must be plain, an 'expr' or a 'type' but got {excerpt(value)}")
    return value


@dataclass(frozen=True, slots=True)
class Call:
    """A name with parameters: an optimizer, a schedule, an operation in a cell.

    Args:
        type: The name.
        params: Parameters by name, in the order given.
    """

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.type, tuple(self.params.items())))

    def to_plain(self) -> dict[str, Any]:
        """Return ``{"type", "params"}``."""
        return {"type": self.type, "params": to_plain(self.params)}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Call:
        """Return the call of ``{"type", "params"}``."""
        params = value.get("params", {})
        return cls(value["type"], {key: from_plain(element) for key, element in params.items()})


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


@dataclass(frozen=True, slots=True)
class Expression:
    """An operator and its operands.

    Args:
        operator: ``add``, ``sub``, ``mul``, ``div``, ``neg``, or ``channels`` with no operands.
        operands: Numbers, other expressions, ``"channels"``, or open values of a space.
    """

    operator: str
    operands: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        wanted = {CHANNELS: 0, "neg": 1}.get(self.operator, 2)
        if self.operator != CHANNELS and self.operator not in _OPERATORS:
            raise ValueError(
                f"an expression's operator must be one of {', '.join(_OPERATORS)} or channels "
                f"but got {self.operator!r}"
            )
        if len(self.operands) != wanted:
            raise ValueError(
                f"'{self.operator}' takes {wanted} operands but got {len(self.operands)}"
            )

    def replace(self, resolve: Callable[[Any], Any]) -> Any:
        """Return the expression with each leaf resolved, as a number where all are numbers.

        Args:
            resolve: Called with each operand that is neither a number nor an expression;
                may return a number or leave the operand as it is.

        Raises:
            ValueError: A division by zero.
        """
        if self.operator == CHANNELS:
            resolved = resolve(CHANNELS)
            return self if resolved == CHANNELS else resolved
        operands = tuple(_replace_operand(operand, resolve) for operand in self.operands)
        if all(isinstance(operand, int | float) for operand in operands):
            value = _OPERATORS[self.operator](*operands)
            whole = as_integer(value)
            return value if whole is None else whole
        return Expression(self.operator, operands)

    def to_plain(self) -> dict[str, Any]:
        """Return ``{"expr": [operator, *operands]}``."""
        return {"expr": [self.operator, *map(to_plain, self.operands)]}

    def leaves(self) -> Iterator[Any]:
        """Yield the operands that are not expressions, from left to right."""
        for operand in self.operands:
            if isinstance(operand, Expression):
                yield from operand.leaves()
            else:
                yield operand


def _replace_operand(operand: Any, resolve: Callable[[Any], Any]) -> Any:
    if isinstance(operand, Expression):
        return operand.replace(resolve)
    if isinstance(operand, int | float):
        return operand
    return resolve(operand)
