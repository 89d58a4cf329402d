"""Open values: what a space leaves to the search wherever a value may stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.parameters import Parameter, as_integer
from neural_automl.values import Call, Expression, from_plain, to_plain


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """One of several values.

    Args:
        values: At least one, all different. Numbers do not mix with strings. A value may itself
            be open; its parameter then exists only where it is chosen.
        name: Choices of one name are one parameter of the study, wherever they stand.

    Raises:
        SpaceError: No value, equal values, or mixed kinds.

    Example:
        >>> Choice(16, 32, 64).values
        (16, 32, 64)
    """

    values: tuple[Any, ...]
    name: str | None

    def __init__(self, *values: Any, name: str | None = None) -> None:
        object.__setattr__(self, "values", tuple(_frozen(value) for value in values))
        object.__setattr__(self, "name", name)
        if not values:
            raise SpaceError("a choice needs at least one value")
        labels = [value_label(value) for value in self.values]
        for index, label in enumerate(labels):
            if label in labels[:index]:
                raise SpaceError(f"the values of a choice must differ but {label!r} stands twice")
        kinds = {_kind(value) for value in self.values} - {None}
        if len(kinds) > 1:
            raise SpaceError(f"a choice can't mix {' and '.join(sorted(map(str, kinds)))}")

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
        _check_ends("range", self.low, self.high)
        if self.step is not None:
            if isinstance(self.step, bool) or not isinstance(self.step, int | float):
                raise SpaceError(f"the step of a range must be a number but got {self.step!r}")
            if not 0 < self.step < inf:
                raise SpaceError(f"the step of a range must be above 0 but got {self.step}")
            if (Decimal(str(self.high)) - Decimal(str(self.low))) % Decimal(str(self.step)):
                raise SpaceError(
                    f"a step of {self.step} from {self.low} does not reach {self.high}"
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
        return int((Decimal(str(self.high)) - Decimal(str(self.low))) / Decimal(str(step))) + 1

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
        _check_ends("log_range", self.low, self.high)
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

    def to_plain(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _hpo({"type": "log_range", "low": self.low, "high": self.high}, self.name)


Open = Choice | Range | LogRange


def _hpo(plain: dict[str, Any], name: str | None) -> dict[str, Any]:
    return {"hpo": plain if name is None else {**plain, "name": name}}


def _check_ends(what: str, low: Any, high: Any) -> None:
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float) or not abs(end) < inf:
            raise SpaceError(f"the ends of a {what} must be finite numbers but got {excerpt(end)}")
    if low > high:
        raise SpaceError(f"a {what} must not begin above its end but got {low} and {high}")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(element) for element in value) if isinstance(value, list) else value


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
    # Sizes may be a number or a tuple, and a schedule stands where a number may.
    return None


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
        return f'"{value}"'
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
    return str(value)


def value_from_plain(value: Any) -> Any:
    """Return the value of its dictionary form, open ones included.

    Raises:
        SpaceError: The form is unknown, or breaks a rule of its kind.
    """
    if isinstance(value, Mapping) and set(value) == {"hpo"}:
        return _open_from_plain(value["hpo"])
    if isinstance(value, Mapping) and set(value) == {"expr"}:
        operator, *operands = value["expr"]
        return Expression(operator, tuple(value_from_plain(operand) for operand in operands))
    if isinstance(value, Mapping) and "type" in value:
        params = value.get("params", {})
        return Call(value["type"], {key: value_from_plain(v) for key, v in params.items()})
    if isinstance(value, list | tuple):
        return tuple(value_from_plain(element) for element in value)
    return from_plain(value)


def _open_from_plain(hpo: Mapping[str, Any]) -> Open:
    name = hpo.get("name")
    match hpo:
        case {"type": "categorical", "values": values}:
            return Choice(*(value_from_plain(value) for value in values), name=name)
        case {"type": "range", "start": low, "end": high}:
            return Range(low, high, hpo.get("step"), name=name)
        case {"type": "log_range", "low": low, "high": high}:
            return LogRange(low, high, name=name)
    raise SpaceError(
        "an open value must be categorical (values), range (start, end) or log_range (low, high) "
        f"but got {excerpt(dict(hpo))}"
    )


def open_values(value: Any) -> Iterator[Open]:
    """Yield the open values in a value, outermost only, from left to right."""
    if isinstance(value, Open):
        yield value
    elif isinstance(value, Expression):
        for leaf in value.leaves():
            yield from open_values(leaf)
    elif isinstance(value, tuple):
        for element in value:
            yield from open_values(element)
    elif isinstance(value, Call):
        for element in value.params.values():
            yield from open_values(element)


def conform(parameter: Parameter, value: Any) -> Any:
    """Return a value, open or not, as its parameter wants it: integral floats as integers.

    Every value of a choice and both ends of a range are checked.

    Raises:
        TypeError: A value is of another kind.
        ValueError: A value is out of bounds.
    """
    if isinstance(value, Choice):
        return Choice(*(conform(parameter, element) for element in value.values), name=value.name)
    if isinstance(value, Range):
        low, high = parameter.check(value.low), parameter.check(value.high)
        whole = as_integer(value.step) if isinstance(low, int) and value.step else None
        return Range(low, high, value.step if whole is None else whole, name=value.name)
    if isinstance(value, LogRange):
        return LogRange(parameter.check(value.low), parameter.check(value.high), name=value.name)
    if isinstance(value, Expression):
        return value
    if isinstance(value, tuple) and any(True for _ in open_values(value)):
        return tuple(conform(parameter, element) for element in value)
    return parameter.check(value)
