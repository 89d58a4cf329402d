"""What a layer, an optimizer or a section may be given: names, kinds, defaults, bounds.

One schema serves the space language, spaces written in Python and the dictionary form.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, Literal

from neural_automl.exceptions import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal[
    "integer", "number", "boolean", "string", "size", "padding", "shape", "schedule", "operations"
]


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Args:
        name: As it is written.
        kind: ``size`` is an integer or a tuple of them, one a dimension; ``padding`` is
            ``"valid"``, ``"same"``, an integer or a tuple of them; ``shape`` is a tuple;
            ``schedule`` is a number or a learning-rate schedule; ``operations`` is a list of
            names of layers or calls.
        default: The value where none is given; ``REQUIRED`` where one must be.
        minimum: Smallest number allowed, of each element.
        below: The number must be smaller than this.
        above: The number must be larger than this.
        options: The strings allowed; empty allows any.
        nullable: Whether ``None`` may be given.
        spell: How messages show a value: as Python does, or as the space language does.

    Raises:
        ValueError: There is no such kind.
    """

    name: str
    kind: Kind
    default: Any = REQUIRED
    minimum: float | None = None
    below: float | None = None
    above: float | None = None
    options: tuple[str, ...] = ()
    nullable: bool = False
    spell: Callable[[object], str] = field(default=excerpt, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in _CHECKS:
            raise ValueError(
                f"the kind of '{self.name}' must be one of {', '.join(_CHECKS)} but got "
                f"{excerpt(self.kind)}"
            )

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is REQUIRED

    def check(self, value: Any) -> Any:
        """Return a concrete value in its normal form: tuples, and integers for integral floats.

        Raises:
            TypeError: The value is of another kind.
            ValueError: The value is out of bounds.
        """
        if value is None and self.nullable:
            return None
        return _CHECKS[self.kind](self, value)

    def _wrong_kind(self, value: Any, wanted: str) -> TypeError:
        return TypeError(f"'{self.name}' must be {wanted} but got {self.spell(value)}")

    def _check_bounds(self, number: float, value: Any) -> None:
        if self.minimum is not None and self.below is not None:
            if not self.minimum <= number < self.below:
                raise ValueError(
                    f"'{self.name}' must be between {self.minimum:g} and {self.below:g} "
                    f"({self.below:g} excluded) but got {self.spell(value)}"
                )
        elif self.minimum is not None and not number >= self.minimum:
            positive = "positive, " if self.minimum == 1 else ""
            raise ValueError(
                f"'{self.name}' must be {positive}at least {self.minimum:g} "
                f"but got {self.spell(value)}"
            )
        elif self.below is not None and not number < self.below:
            raise ValueError(
                f"'{self.name}' must be below {self.below:g} but got {self.spell(value)}"
            )
        if self.above is not None and not number > self.above:
            raise ValueError(
                f"'{self.name}' must be above {self.above:g} but got {self.spell(value)}"
            )

    def _integer(self, value: Any) -> int:
        number = as_integer(value)
        if number is None:
            raise self._wrong_kind(value, "an integer")
        self._check_bounds(number, value)
        return number

    def _number(self, value: Any) -> int | float:
        number = as_number(value)
        if number is None:
            raise self._wrong_kind(value, "a number")
        if isinstance(number, float) and not isfinite(number):
            raise self._wrong_kind(value, "a finite number")
        self._check_bounds(number, value)
        return number

    def _boolean(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong_kind(value, "true or false")
        return value

    def _string(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._wrong_kind(value, "a string")
        if self.options and value not in self.options:
            raise ValueError(
                f"'{self.name}' must be one of {', '.join(self.options)} "
                f"but got {self.spell(value)}" + did_you_mean(value, self.options)
            )
        return value

    def _size(self, value: Any) -> int | tuple[int, ...]:
        if isinstance(value, list | tuple):
            if not 1 <= len(value) <= 3:
                raise self._wrong_kind(value, "an integer or a tuple of 1 to 3, one a dimension")
            return tuple(self._integer(element) for element in value)
        return self._integer(value)

    def _padding(self, value: Any) -> str | int | tuple[int, ...]:
        if isinstance(value, str):
            if value not in ("valid", "same"):
                raise ValueError(
                    f'\'{self.name}\' must be "valid", "same", an integer or a tuple '
                    f"but got {self.spell(value)}"
                )
            return value
        if not isinstance(value, list | tuple) and as_number(value) is None:
            raise self._wrong_kind(value, '"valid", "same", an integer or a tuple')
        return self._size(value)

    def _shape(self, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise self._wrong_kind(value, "a tuple of integers")
        return tuple(self._integer(element) for element in value)

    def _schedule(self, value: Any) -> Any:
        if value is None or isinstance(value, str | list | tuple | Mapping) or _is_number(value):
            return self._number(value)
        return value  # a schedule: its own parameters are checked against its own schema

    def _operations(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise self._wrong_kind(value, "a list of operations")
        for element in value:
            if element is None or isinstance(element, list | tuple) or _is_number(element):
                raise self._wrong_kind(element, "a list of operations")
        return tuple(value)


_CHECKS: Final[Mapping[str, Any]] = {
    "integer": Parameter._integer,
    "number": Parameter._number,
    "boolean": Parameter._boolean,
    "string": Parameter._string,
    "size": Parameter._size,
    "padding": Parameter._padding,
    "shape": Parameter._shape,
    "schedule": Parameter._schedule,
    "operations": Parameter._operations,
}


def as_number(value: Any) -> int | float | None:
    """Return a number, NumPy's too, as Python's own, anything else (a boolean too) as None."""
    if type(value) in (int, float):
        number: int | float = value
        return number
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else None


def as_integer(value: Any) -> int | None:
    """Return an integer or an integral float as an integer, anything else as None."""
    number = as_number(value)
    if isinstance(number, float):
        return int(number) if number.is_integer() else None
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, bool) or as_number(value) is not None


#: What others call things, in lower case, and the name here; used where that name is known.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "swish": "silu",
    "hard_swish": "silu",
    "p": "rate",
    "ops": "operations",
    "out_features": "units",
    "hidden_size": "units",
    "out_channels": "filters",
    "dilation": "dilation_rate",
    "bias": "use_bias",
    "heads": "num_heads",
    "linear": "Dense",
    "fc": "Dense",
    "fullyconnected": "Dense",
    "conv": "Conv2D",
    "identity": "SkipConnection",
    "skip": "SkipConnection",
    "concat": "Concatenate",
    "uniform": "range",
    "randint": "range",
    "loguniform": "log_range",
    "log_uniform": "log_range",
    "categorical": "choice",
    "null": "none",
    "nil": "none",
    "yes": "true",
    "no": "false",
    "def": "define",
    "macro": "define",
    "model": "network",
    "training": "train",
    "memory": "peak_memory",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "average": "avg",
}


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names that a reader may have meant, nearest first."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    lower = str(name)[:100].lower()
    if lower in by_lower:
        return [by_lower[lower]]
    if _OTHER_NAMES.get(lower, "").lower() in by_lower:
        return [_OTHER_NAMES[lower]]
    matches = difflib.get_close_matches(lower, by_lower, n=limit, cutoff=0.6)
    return [by_lower[match] for match in matches]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` with near names, or an empty string."""
    names = near_names(name, known)
    return f"; did you mean {' or '.join(names)}?" if names else ""


def find_parameter(parameters: Sequence[Parameter], name: str) -> Parameter | None:
    """Return the parameter of that name, or None."""
    return next((parameter for parameter in parameters if parameter.name == name), None)


def check_parameters(
    owner: str, parameters: Sequence[Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return concrete values in their normal form, with the defaults of those not given.

    Raises:
        TypeError: A value is of another kind, a name is unknown, a required one is missing.
        ValueError: A value is out of bounds.
    """
    known = {parameter.name for parameter in parameters}
    for name in values:
        if name not in known:
            raise TypeError(f"{owner} has no parameter '{name}'{did_you_mean(name, known)}")
    checked = {}
    for parameter in parameters:
        if parameter.name in values:
            checked[parameter.name] = parameter.check(values[parameter.name])
        elif parameter.default is REQUIRED:
            raise TypeError(f"{owner} requires '{parameter.name}'")
        else:
            checked[parameter.name] = parameter.default
    return checked
