"""Open values: what a space leaves to the search wherever a value may stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import count
from math import inf
from typing import Any

from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.parameters import as_number
from neural_automl.values import Call, Expression, from_plain, frozen, to_plain


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """One of several values.

    Args:
        values: At least one, all different. Numbers do not mix with strings. A value may itself
            be open; its parameter then exists only where it is chosen.
        name: Choices of one name are one parameter of the study, wherever they stand.

    Raises:
        SpaceError: No value, equal values, mixed kinds, or what no study can store.

    Example:
        >>> Choice(16, 32, 64).values
        (16, 32, 64)
    """

    values: tuple[Any, ...]
    name: str | None

    def __init__(self, *values: Any, name: str | None = None) -> None:
        object.__setattr__(self, "values", frozen(values))
        object.__setattr__(self, "name", check_name(name))
        if not values:
            raise SpaceError("a choice needs at least one value")
        labels: set[Any] = set()
        for value in self.values:
            _check_value(value)
            label = value_label(value)
            if label in labels:
                raise SpaceError(f"the values of a choice must differ but {label!r} stands twice")
            labels.add(label)
        kinds = {_kind(value) for value in self.values} - {None}
        if len(kinds) > 1:
            raise SpaceError(f"a choice can't mix {' and '.join(sorted(map(str, kinds)))}")

    def __str__(self) -> str:
        return value_text(self)

    def to_plain(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _hpo({"type": "categorical", "values": to_plain(self.values)}, self.name)


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two ends, both of which belong to it.

    Args:
        low: Smallest value.
        high: Largest value; the step must reach it.
        step: Distance of neighbours. Integers have step 1 where none is given; floats without
            a step are continuous.
        name: Ranges of one name are one parameter of the study.

    Raises:
        SpaceError: ``low`` above ``high``, a step of zero or less, or one that misses ``high``.
    """

    low: int | float
    high: int | float
    step: int | float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        _normalise_ends(self, "range")
        if self.step is not None:
            step = as_number(self.step)
            if step is None:
                raise SpaceError(
                    f"the step of a range must be a number but got {excerpt(self.step)}"
                )
            if not 0 < step < inf:
                raise SpaceError(f"the step of a range must be above 0 but got {excerpt(step)}")
            object.__setattr__(self, "step", step)
            if (_exact(self.high) - _exact(self.low)) % _exact(step):
                raise SpaceError(
                    f"a step of {excerpt(step)} from {excerpt(self.low)} does not reach "
                    f"{excerpt(self.high)}"
                )

    @property
    def is_integer(self) -> bool:
        """Whether all its values are integers."""
        return all(isinstance(n, int) for n in (self.low, self.high, self.step or 0))

    def size(self) -> int | float:
        """Return how many values it has; ``inf`` where it is continuous."""
        step = 1 if self.step is None and self.is_integer else self.step
        if step is None:
            return 1 if self.low == self.high else inf
        return int((_exact(self.high) - _exact(self.low)) / _exact(step)) + 1

    def numbers(self) -> list[int | float]:
        """Return its values in order; only the low end where it is continuous."""
        if self.is_integer:
            return list(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        if self.step is None:
            return [self.low]
        return [_at(self.low, self.step, place) for place in range(int(self.size()))]

    def as_written(self, number: float) -> float:
        """Return a value as its ends and its step write it: 0.3 from 0.1 in steps of 0.1.

        A sum of floats is 0.30000000000000004 there; an architecture, its text and its source
        would show that, and two sums to the same value could differ.
        """
        if self.step is None or self.is_integer:
            return number
        return _at(self.low, self.step, round((number - self.low) / self.step))

    def __str__(self) -> str:
        return value_text(self)

    def to_plain(self) -> dict[str, Any]:
        """Return the dictionary form."""
        plain: dict[str, Any] = {"type": "range", "start": self.low, "end": self.high}
        if self.step is not None:
            plain["step"] = self.step
        return _hpo(plain, self.name)


@dataclass(frozen=True, slots=True)
class LogRange:
    """A number between two ends, uniform in its logarithm.

    Args:
        low: Smallest value, above 0.
        high: Largest value.
        name: Ranges of one name are one parameter of the study.

    Raises:
        SpaceError: ``low`` is not above 0, or above ``high``.
    """

    low: int | float
    high: int | float
    name: str | None = None

    def __post_init__(self) -> None:
        _normalise_ends(self, "log_range")
        if self.low <= 0:
            raise SpaceError(f"the low end of a log_range must be above 0 but got {self.low}")

    @property
    def is_integer(self) -> bool:
        """Whether all its values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def size(self) -> int | float:
        """Return how many values it has; ``inf`` where it is continuous."""
        if self.is_integer:
            return int(self.high - self.low) + 1
        return 1 if self.low == self.high else inf

    def __str__(self) -> str:
        return value_text(self)

    def to_plain(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _hpo({"type": "log_range", "low": self.low, "high": self.high}, self.name)


Open = Choice | Range | LogRange


def _hpo(plain: dict[str, Any], name: str | None) -> dict[str, Any]:
    return {"hpo": plain if name is None else {**plain, "name": name}}


def _normalise_ends(value: Range | LogRange, what: str) -> None:
    for key in ("low", "high"):
        end = getattr(value, key)
        number = as_number(end)
        if number is None or not abs(number) < inf:
            raise SpaceError(f"the ends of a {what} must be finite numbers but got {excerpt(end)}")
        object.__setattr__(value, key, number)
    if value.low > value.high:
        raise SpaceError(
            f"a {what} must not begin above its end but got {excerpt(value.low)} and "
            f"{excerpt(value.high)}"
        )
    check_name(value.name)


@lru_cache(maxsize=4096)
def _at(low: int | float, step: int | float, place: int) -> float:
    return float(_exact(low) + place * _exact(step))


def _exact(number: int | float) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth."""
    return Fraction(number if isinstance(number, int) else repr(number))


def check_name(name: Any) -> str | None:
    """Return the name of a tie.

    Raises:
        SpaceError: It is neither None nor a string of at least one character.
    """
    if name is not None and (not isinstance(name, str) or not name):
        raise SpaceError(f"the name of a tie must be a string, not empty, but got {excerpt(name)}")
    return name


def _check_value(value: Any) -> None:
    if isinstance(value, float) and not abs(value) < inf:
        raise SpaceError(f"the numbers of a choice must be finite but got {value}")
    if isinstance(value, tuple):
        for element in value:
            _check_value(element)
    elif value is not None and not isinstance(
        value, bool | int | float | str | Open | Expression | Call
    ):
        raise SpaceError(
            "the values of a choice must be none, numbers, strings, tuples, open values, "
            f"expressions or calls but got {excerpt(value)} of type {type(value).__name__}"
        )


def _kind(value: Any) -> str | None:
    """Return what a value counts as where a choice may not mix: None mixes with all."""
    if isinstance(value, Choice):
        return next(filter(None, map(_kind, value.values)), None)
    if isinstance(value, bool):
        return "booleans"
    if isinstance(value, int | float | Range | LogRange | Expression):
        return "numbers"
    if isinstance(value, str):
        return "strings"
    if isinstance(value, tuple):
        return "tuples"
    return "calls" if isinstance(value, Call) else None


def value_label(value: Any) -> Any:
    """Return a value as a study stores it: anything but none, bool, number, string as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value_text(value)


def value_text(value: Any) -> str:
    """Return the text of a value in the space language."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        inner = ", ".join(value_text(element) for element in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, Choice):
        return f"choice({', '.join(value_text(element) for element in value.values)})"
    if isinstance(value, Range):
        step = "" if value.step is None else f", step={value.step}"
        return f"range({value.low}, {value.high}{step})"
    if isinstance(value, LogRange):
        return f"log_range({value.low}, {value.high})"
    if isinstance(value, Call):
        return f"{value.type}({', '.join(f'{k}={value_text(v)}' for k, v in value.params.items())})"
    if isinstance(value, Expression):
        return value.text(value_text)
    return str(value)


def offer_text(offer: Any) -> str:
    """Return in words what a decision chooses from: an open value, or a tuple of labels."""
    if not isinstance(offer, tuple):
        return value_text(offer)
    return " | ".join(str(x).lower() if isinstance(x, bool) else str(x) for x in offer)


def value_from_plain(value: Any) -> Any:
    """Return the value of its dictionary form, open ones included.

    Raises:
        SpaceError: An open value's form is unknown, or breaks a rule of its kind.
        ValueError: Another value's does.
    """
    return from_plain(value, _open_from_plain)


def _open_from_plain(hpo: Any) -> Open:
    name = hpo.get("name") if isinstance(hpo, Mapping) else None
    match hpo:
        case {"type": "categorical", "values": list() | tuple() as values}:
            return Choice(*(value_from_plain(value) for value in values), name=name)
        case {"type": "range", "start": low, "end": high}:
            return Range(low, high, hpo.get("step"), name=name)
        case {"type": "log_range", "low": low, "high": high}:
            return LogRange(low, high, name=name)
    raise SpaceError(
        "an open value must be categorical (values), range (start, end) or log_range (low, high) "
        f"but got {excerpt(hpo)}"
    )


def open_values(value: Any) -> Iterator[Open]:
    """Yield the open values in a value, outermost only, from left to right."""
    if isinstance(value, Open):
        yield value
    elif isinstance(value, Expression):
        yield from (leaf for leaf in value.leaves() if isinstance(leaf, Open))
    elif isinstance(value, tuple):
        for element in value:
            yield from open_values(element)
    elif isinstance(value, Call):
        for element in value.params.values():
            yield from open_values(element)


def operand_names(
    expression: Expression,
    name: str,
    own: Callable[[Open], str | None] = lambda operand: operand.name,
) -> list[str]:
    """Return the study's name of each open operand of an expression, from left to right.

    A single operand that bears no name of its own gets the parameter's; several are numbered.
    """
    borne = [own(operand) for operand in open_values(expression)]
    if borne.count(None) == 1:
        return [each or name for each in borne]
    numbers = count()
    return [each or f"{name}[{next(numbers)}]" for each in borne]


def with_name(value: Open, name: str) -> Open:
    """Return an open value that bears a name."""
    return (
        Choice(*value.values, name=name) if isinstance(value, Choice) else replace(value, name=name)
    )


def is_numeric(value: Any) -> bool:
    """Return whether a value is a number, or open over nothing but numbers."""
    if isinstance(value, Choice):
        return all(is_numeric(element) for element in value.values)
    return isinstance(value, Range | LogRange | Expression) or as_number(value) is not None
