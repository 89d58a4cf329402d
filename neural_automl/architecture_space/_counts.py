"""What a number that is open may come to: of a count, or of arithmetic."""

from __future__ import annotations

from typing import Any, Final

from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Open,
    Range,
    open_values,
    operand_names,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.values import Expression

#: What is decided about ties: name to the place of the value.
Ties = frozenset[tuple[str, Any]]
#: One way to decide a value: what it says about ties, and the number.
Option = tuple[Ties, Any]

_MOST: Final = 10_000


class TooManyOptionsError(Exception):
    """A value may come to more numbers than are looked at."""


def number_options(
    value: Any, most: int, name: str = "", *, tied: bool = False, continuous: bool = False
) -> list[Option]:
    """Return every way to decide a number.

    Args:
        value: A number, an open value of numbers, or an expression.
        most: How many ways are looked at.
        name: The study's name of the value, where it bears none of its own.
        tied: Whether all that bears that name is one decision.
        continuous: Whether the low end may stand for a continuous value.

    Raises:
        TooManyOptionsError: There are more.
        ValueError: A division by zero.
    """
    if isinstance(value, Expression):
        return _expression_options(value, most, name, tied)
    if not isinstance(value, Open):
        return [(frozenset(), value)]
    tie = value.name or (name if tied else None)
    base = value.name or name
    options: list[Option] = []
    if isinstance(value, Choice):
        for place, element in enumerate(value.values):
            inner = f"{base}[{place}]"
            below = number_options(
                element, most, inner, tied=tie is not None, continuous=continuous
            )
            options.extend((_with_tie(ties, tie, place), number) for ties, number in below)
            if len(options) > most:
                raise TooManyOptionsError
        return options
    numbers = _numbers(value, most, continuous)
    return [(_with_tie(frozenset(), tie, place), n) for place, n in enumerate(numbers)]


def _with_tie(ties: Ties, tie: str | None, place: int) -> Ties:
    return ties if tie is None else ties | {(tie, place)}


def _numbers(value: Range | LogRange, most: int, continuous: bool) -> list[int | float]:
    size = value.size()
    if size > most:
        if continuous and not value.is_integer:
            return [value.low]
        raise TooManyOptionsError
    if isinstance(value, Range):
        return value.numbers()
    return list(range(int(value.low), int(value.high) + 1)) if value.is_integer else [value.low]


def _expression_options(value: Expression, most: int, name: str, tied: bool) -> list[Option]:
    ways: list[tuple[Ties, tuple[Any, ...]]] = [(frozenset(), ())]
    for operand, own in zip(open_values(value), operand_names(value, name), strict=True):
        options = number_options(operand, most, own, tied=tied)
        if len(ways) * len(options) > most:
            raise TooManyOptionsError
        ways = [
            (ties | more, (*numbers, number))
            for ties, numbers in ways
            for more, number in options
            if _agree(ties, more)
        ]
    result: list[Option] = []
    for ties, numbers in ways:
        result.append((ties, _fill(value, numbers)))
    return result


def _fill(value: Expression, numbers: tuple[Any, ...]) -> Any:
    left = iter(numbers)
    return value.replace(lambda leaf: next(left) if isinstance(leaf, Open) else leaf)


def _agree(one: Ties, other: Ties) -> bool:
    decided = dict(one)
    return all(decided.get(name, place) == place for name, place in other)


def count_options(count: Any, name: str = "") -> list[tuple[Ties, int]]:
    """Return every way to decide the count of a repetition.

    Raises:
        SpaceError: There are more than 10,000, or one is no number of copies.
    """
    try:
        options = number_options(count, _MOST + 1, name)
    except TooManyOptionsError:
        raise SpaceError(
            f"a repetition must be open over {_MOST} numbers at most, integers from 0, but got "
            f"{excerpt(count)}"
        ) from None
    except ValueError as error:
        raise SpaceError(
            f"a repetition must be 0 to {_MOST} times but is {excerpt(count)}: {error}"
        ) from error
    for _, number in options:
        if not isinstance(number, int) or not 0 <= number <= _MOST:
            raise SpaceError(
                f"a repetition must be 0 to {_MOST} times but can be {excerpt(number)}"
            )
    return options


def possible_counts(count: Any) -> list[int]:
    """Return every number of copies that a count allows, in order.

    Raises:
        SpaceError: There are more than 10,000 ways to decide it, or one is no number of copies.
    """
    return sorted({number for _, number in count_options(count)})


def largest_count(count: Any) -> int:
    """Return the largest number of copies that a count allows."""
    return possible_counts(count)[-1]
