"""Arithmetic over numbers, open numbers and ``channels``: folding, and the values it may take."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits
from neural_automl.dsl._values import (
    Channels,
    Number,
    Open,
    Operation,
    Value,
    is_number,
    open_leaves,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS: Final = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
#: Integers beyond this could not be written as one word.
_LARGEST: Final = 10 ** (_limits.WORD_LENGTH - 1)
TOO_LARGE: Final = "a number is too large"


def is_too_large(number: Number) -> bool:
    """Return whether a number is beyond what can be written."""
    if isinstance(number, float):
        return not math.isfinite(number)
    return not -_LARGEST <= number <= _LARGEST


class ArithmeticFault(ValueError):
    """Numbers that cannot be combined."""


def compute(operator: str, *numbers: Number) -> Number:
    """Return the result of one operation; an exact quotient of integers is an integer.

    Raises:
        ArithmeticFault: The result is no finite number, or the divisor is zero.
    """
    try:
        result = _combine(operator, *numbers)
    except OverflowError:
        raise ArithmeticFault(TOO_LARGE) from None
    if is_too_large(result):
        raise ArithmeticFault(TOO_LARGE)
    return result


def _combine(operator: str, first: Number, second: Number = 0) -> Number:
    match operator:
        case "neg":
            return -first
        case "add":
            return first + second
        case "sub":
            return first - second
        case "mul":
            return first * second
    if second == 0:
        raise ArithmeticFault("division by zero")
    if isinstance(first, int) and isinstance(second, int) and first % second == 0:
        return first // second
    return first / second


class Combinations:
    """Tries the combinations of an expression's open values, within a budget for one text."""

    def __init__(self) -> None:
        self._left = _limits.COMBINATIONS_OF_TEXT

    def values(self, value: Value) -> list[Number] | None:
        """Return numbers that a value may take; None if it depends on ``channels``.

        All of them if they are few, otherwise those at the ends of its ranges: each one listed
        is really taken.

        Raises:
            ArithmeticFault: Some combination cannot be computed.
        """
        if is_number(value.data):
            return [value.data]
        if isinstance(value.data, Channels) or _has_channels(value):
            return None
        leaves = {_identity(leaf): leaf for leaf in open_leaves(value)}
        limit = min(_limits.COMBINATIONS, self._left)
        options = [self._options(leaf, limit) for leaf in leaves.values()]
        if math.prod(map(len, options)) > limit:
            options = [sorted({min(values), max(values)}) for values in options]
        taken = []
        for combination in itertools.islice(itertools.product(*options), _limits.COMBINATIONS):
            self._left -= 1
            taken.append(_evaluate(value, dict(zip(leaves, combination, strict=True))))
        return taken

    def _options(self, leaf: Open, limit: int) -> list[Number]:
        if leaf.kind == "categorical":
            found: dict[Number, None] = {}
            for member in leaf.members:
                found.update(dict.fromkeys(self.values(member) or ()))
            return list(found) or [1]
        low, high = (member.data for member in leaf.members)
        integers = isinstance(low, int) and isinstance(high, int)
        step = leaf.step or (1 if integers and leaf.kind == "range" else None)
        if step is None or (high - low) / step >= limit:
            return [low, high]
        count = round((high - low) / step)
        return [low + i * step for i in range(count + 1)]


def _identity(leaf: Open) -> Any:
    return leaf.name or leaf.tie or id(leaf)


def _has_channels(value: Value) -> bool:
    data = value.data
    if isinstance(data, Operation):
        return any(map(_has_channels, data.operands))
    if isinstance(data, Open):
        return any(map(_has_channels, data.members))
    return isinstance(data, Channels)


def _evaluate(value: Value, chosen: Mapping[Any, Number]) -> Number:
    data = value.data
    if isinstance(data, Open):
        return chosen[_identity(data)]
    if isinstance(data, Operation):
        return compute(data.operator, *(_evaluate(operand, chosen) for operand in data.operands))
    number: Number = data
    return number
