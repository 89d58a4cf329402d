"""Values as their parameters want them, open or not; what a node is given, checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._counts import possible_counts
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Range,
    is_numeric,
    open_values,
)
from neural_automl.exceptions import SpaceError, UnknownLayerError, excerpt
from neural_automl.layers import find_layer, operation_call
from neural_automl.parameters import (
    Parameter,
    as_integer,
    check_parameters,
    did_you_mean,
    find_parameter,
)
from neural_automl.values import Call, Expression, frozen, to_plain, uses_channels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neural_automl.layers import LayerType

Position = tuple[int, int] | None

_TUPLE_KINDS: Final = ("size", "padding", "shape")
_WHOLE_KINDS: Final = ("integer", *_TUPLE_KINDS)


def conform(parameter: Parameter, value: Any) -> Any:
    """Return a value, open or not, as its parameter wants it: integral floats as integers.

    Every value of a choice and both ends of a range are checked; of an expression its operands,
    and its value where nothing in it is open.

    Raises:
        TypeError: A value is of another kind.
        ValueError: A value is out of bounds.
    """
    value = frozen(value)
    if isinstance(value, Choice):
        return Choice(*(conform(parameter, element) for element in value.values), name=value.name)
    if isinstance(value, Range):
        return _conform_range(parameter, value)
    if isinstance(value, LogRange):
        return LogRange(parameter.check(value.low), parameter.check(value.high), name=value.name)
    if isinstance(value, Expression):
        return _conform_expression(parameter, value)
    if isinstance(value, tuple) and parameter.kind in _TUPLE_KINDS and is_deferred(value):
        return _conform_tuple(parameter, value)
    return parameter.check(value)


def is_deferred(value: Any) -> bool:
    """Return whether a value is known only when something is chosen or lowered."""
    return uses_channels(value) or any(True for _ in open_values(value))


def _conform_range(parameter: Parameter, value: Range) -> Range:
    low, high, step = parameter.check(value.low), parameter.check(value.high), value.step
    if step is not None and isinstance(low, int) and isinstance(high, int):
        whole = as_integer(step)
        if whole is None and parameter.kind in _WHOLE_KINDS:
            raise TypeError(
                f"'{parameter.name}' must be an integer but a range of it has the step {step}"
            )
        step = step if whole is None else whole
    return Range(low, high, step, name=value.name)


def _conform_expression(parameter: Parameter, value: Expression) -> Any:
    if parameter.kind not in (*_WHOLE_KINDS, "number", "schedule"):
        raise TypeError(f"'{parameter.name}' takes no arithmetic but got {excerpt(value)}")
    for operand in open_values(value):
        if not is_numeric(operand):
            raise TypeError(f"arithmetic is over numbers but got {excerpt(operand)}")
    return value if is_deferred(value) else parameter.check(value.replace(lambda leaf: leaf))


def _conform_tuple(parameter: Parameter, value: tuple[Any, ...]) -> tuple[Any, ...]:
    # Elements that are open say nothing of the length, which is checked with ones in their place.
    element = replace(parameter, kind="integer")
    parameter.check(tuple(max(1, int(parameter.minimum or 1)) for _ in value))
    return tuple(conform(element, part) for part in value)


def layer_parameters(
    type: str,  # noqa: A002 - the word of the dictionary form
    values: Sequence[Any],
    params: Mapping[str, Any],
    position: Position,
) -> dict[str, Any]:
    """Return the parameters of a layer by name, conformed, in the order given.

    Args:
        values: Parameters by position.
        params: Parameters by name.

    Raises:
        UnknownLayerError: No layer has that name.
        SpaceError: A parameter is unknown, missing, given twice, of another kind or out of bounds.
    """
    try:
        row, preset = find_layer(type)
    except UnknownLayerError as error:
        raise UnknownLayerError(error.message, position=position) from error
    if len(values) > len(row.parameters):
        raise SpaceError(
            f"{type} takes at most {len(row.parameters)} values but got {len(values)}",
            position=position,
        )
    given = dict(zip((parameter.name for parameter in row.parameters), values, strict=False))
    for name in params:
        if name in given:
            raise SpaceError(f"'{name}' of {type} is given twice", position=position)
    given.update(params)
    checked = {name: _layer_value(row, type, name, given[name], position) for name in given}
    for parameter in row.parameters:
        if parameter.required and parameter.name not in {*checked, *preset}:
            raise SpaceError(f"{type} requires '{parameter.name}'", position=position)
    return checked


def _layer_value(row: LayerType, owner: str, name: str, value: Any, position: Position) -> Any:
    parameter = find_parameter(row.parameters, name)
    if parameter is None:
        near = did_you_mean(name, (p.name for p in row.parameters))
        raise SpaceError(f"{owner} has no parameter '{name}'{near}", position=position)
    try:
        return conform(parameter, value)
    except SpaceError as error:
        raise SpaceError(f"{owner}: {error.message}", position=position) from error
    except (TypeError, ValueError) as error:
        raise SpaceError(f"{owner}: {error}", position=position) from error


_MOST: Final = 10_000
_COUNT: Final = Parameter("count", "integer", minimum=0)


def check_count(count: Any, position: Position) -> Any:
    """Return the count of a repetition, integral floats as integers.

    Raises:
        SpaceError: It is not made of integers from 0 to 10,000, depends on a width, or is the
            number 0.
    """
    try:
        count = conform(_COUNT, count)
    except (TypeError, ValueError):
        # Said anew: a count is never called by a parameter's name.
        raise _wrong_count(count, position) from None
    if isinstance(count, int) and not 1 <= count <= _MOST:
        raise SpaceError(
            f"a repetition must be 1 to {_MOST} times but got {excerpt(count)}", position=position
        )
    if uses_channels(count):
        raise SpaceError("the count of a repetition can't depend on channels", position=position)
    try:
        possible_counts(count)
    except SpaceError as error:
        raise SpaceError(error.message, position=position) from error
    return count


def _wrong_count(count: Any, position: Position) -> SpaceError:
    return SpaceError(
        f"a repetition must be a number, or open over integers from 0 to {_MOST}, but got "
        f"{excerpt(to_plain(count))}",
        position=position,
    )


def operation_meaning(operation: str | Call) -> tuple[str, str]:
    """Return a form that two spellings of one operation share."""
    name, params = operation_call(operation)
    row, preset = find_layer(name)
    values = check_parameters(name, row.parameters, {**preset, **params})
    square = {
        k: v[0] if isinstance(v, tuple) and len(set(v)) == 1 else v for k, v in values.items()
    }
    return row.name, repr(square)
