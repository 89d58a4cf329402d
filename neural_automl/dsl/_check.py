"""Checks of values against the parameters that they are given for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits
from neural_automl.dsl._arithmetic import TOO_LARGE, ArithmeticFault, Combinations, is_too_large
from neural_automl.dsl._evaluate import Evaluator, Scope, bind
from neural_automl.dsl._values import (
    UNKNOWN,
    Bound,
    Called,
    Channels,
    Items,
    Number,
    Open,
    Operation,
    Shown,
    Value,
    Word,
    describe,
    is_continuous,
    is_number,
    shown,
    spelled,
)
from neural_automl.hyperparameters import SCHEDULES
from neural_automl.parameters import Parameter, as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from neural_automl.dsl._errors import Position, Problems
    from neural_automl.dsl._tree import Argument

_WHOLE: Final = ("integer", "size", "padding", "shape")
_COUNT: Final = Parameter("count", "integer", minimum=0)


class Checker:
    """Checks values; what is wrong is recorded and becomes ``UNKNOWN``.

    Args:
        problems: Where errors go.
        evaluator: Evaluates arguments.
    """

    def __init__(self, problems: Problems, evaluator: Evaluator) -> None:
        self._problems = problems
        self.evaluator = evaluator
        self._combinations = Combinations()

    def arguments(
        self,
        owner: str,
        parameters: Sequence[Parameter],
        arguments: Iterable[Argument],
        scope: Scope,
        at: Position,
    ) -> dict[str, Value]:
        """Return the checked values of a call's arguments by parameter name, as written."""
        names = [parameter.name for parameter in parameters]
        bound, correct = bind(owner, names, arguments, self._problems)
        checked = {}
        for name, argument in bound.items():
            value = self.evaluator.value(argument.value, scope)
            checked[name] = self.value(parameters[names.index(name)], value, at)
        missing = [p.name for p in parameters if p.required and p.name not in bound]
        if missing and correct:
            self._problems.add(f"{owner} requires {' and '.join(map(repr, missing))}", at)
        return checked

    def value(self, parameter: Parameter, value: Value, at: Position) -> Value:
        """Return a value in the normal form of its parameter.

        Args:
            parameter: What it is given for.
            value: Any value.
            at: Of the layer: where a value that came by let or macro is reported.
        """
        if value.data is UNKNOWN:
            return value
        try:
            return self._normal(parameter, value)
        except _Fault as fault:
            note = f" ({value.via})" if value.via else ""
            self._problems.add(f"{fault}{note}", at if value.via else fault.at)
            return Value(UNKNOWN, value.at)

    def fail(self, message: str, at: Position) -> None:
        """Record an error."""
        self._problems.add(message, at)

    def count(self, value: Value, at: Position) -> tuple[Value, int]:
        """Return the checked count of a repetition and how large it may become."""
        value = self.value(_COUNT, value, at)
        if value.data is UNKNOWN:
            return value, 0
        numbers = self._combinations.values(value)
        where = at if value.via else value.at
        if numbers is None:
            self._problems.add("a repetition can't depend on channels", where)
            return Value(UNKNOWN, value.at), 0
        largest = int(max(numbers))
        if largest > _limits.REPETITION:
            message = f"a repetition is limited to {_limits.REPETITION:,} but may be {largest:,}"
            self._problems.add(message, where)
            return Value(UNKNOWN, value.at), 0
        return value, largest

    # --- one value ------------------------------------------------------------------------

    def _normal(self, parameter: Parameter, value: Value) -> Value:
        data = value.data
        if isinstance(data, Open):
            return self._open(parameter, value, data)
        if isinstance(data, Operation | Channels):
            return self._expression(parameter, value)
        if isinstance(data, Items):
            return self._items(parameter, value, data)
        if isinstance(data, Called) and parameter.kind == "schedule" and data.name in SCHEDULES:
            schedule = SCHEDULES[data.name]
            scope = data.scope
            bound = self.arguments(data.name, schedule, data.arguments, scope, value.at)
            return replace(value, data=Bound(data.name, bound))
        if isinstance(data, Called | Word) and parameter.kind == "schedule":
            message = f"'{parameter.name}' must be a number or a schedule but got {shown(value)}"
            raise _Fault(message, value.at)
        return replace(value, data=_ask(parameter, _plain(value), value.at))

    def _open(self, parameter: Parameter, value: Value, data: Open) -> Value:
        members = (*(self._normal(parameter, member) for member in data.members),)
        if data.step is not None and parameter.kind in _WHOLE:
            step = as_integer(data.step)
            if step is None:
                message = f"'{parameter.name}' must be an integer but has steps of {data.step}"
                raise _Fault(message, value.at)
            data = replace(data, step=step)
        return replace(value, data=replace(data, members=members))

    def _items(self, parameter: Parameter, value: Value, data: Items) -> Value:
        samples = [self._sample(item) for item in data.items]
        if None in samples and parameter.kind in ("size", "padding", "shape"):
            samples = [1 if sample is None else sample for sample in samples]
        _ask(parameter, samples, value.at)
        single = replace(parameter, kind="integer", nullable=False)
        return replace(value, data=Items((*(self._normal(single, x) for x in data.items),)))

    def _sample(self, value: Value) -> Any:
        """Return one value that a member may take; None where it depends on ``channels``."""
        data = value.data
        if isinstance(data, Open) and data.kind == "categorical":
            return self._sample(data.members[0])
        if isinstance(data, Open):
            return data.members[0].data
        if isinstance(data, Operation | Channels):
            numbers = self._numbers(value)
            return numbers[0] if numbers else None
        if isinstance(data, Items):
            return Shown(describe(value))
        return _plain(value)

    def _numbers(self, value: Value) -> list[Number] | None:
        try:
            return self._combinations.values(value)
        except ArithmeticFault as fault:
            raise _Fault(f"{fault} for some of the choices", value.at) from None

    def _expression(self, parameter: Parameter, value: Value) -> Value:
        if parameter.kind in _WHOLE and is_continuous(value):
            message = (
                f"'{parameter.name}' must be an integer but is computed from a continuous range"
            )
            raise _Fault(message, value.at)
        numbers = self._numbers(value)
        if numbers is None:
            if parameter.kind in ("boolean", "string", "shape"):
                _ask(parameter, Shown(describe(value)), value.at)
            return value
        for number in dict.fromkeys(numbers):
            try:
                _ask(parameter, number, value.at)
            except _Fault as fault:
                if len(numbers) == 1:
                    raise
                raise _Fault(f"{fault} for some of the choices", value.at) from None
        return value


class _Fault(ValueError):
    """A value that its parameter does not take.

    Args:
        message: The rule and the value.
        at: Where the value is written.
    """

    def __init__(self, message: str, at: Position) -> None:
        super().__init__(message)
        self.at = at


def _ask(parameter: Parameter, data: Any, at: Position) -> Any:
    try:
        checked = parameter.check(data)
    except (TypeError, ValueError):
        # Asked again for its words, with the value as the language writes it.
        raise _Fault(_complaint(parameter, data), at) from None
    numbers = checked if isinstance(checked, tuple) else (checked,)
    if any(is_number(number) and is_too_large(number) for number in numbers):
        raise _Fault(f"'{parameter.name}': {TOO_LARGE}", at)
    if isinstance(checked, tuple):
        return Items(tuple(Value(element, at) for element in checked))
    return checked


def _complaint(parameter: Parameter, data: Any) -> str:
    try:
        replace(parameter, spell=spelled).check(data)
    except (TypeError, ValueError) as error:
        return str(error)
    raise AssertionError(parameter.name)  # the same check has just failed


def _plain(value: Value) -> Any:
    """Return what a parameter checks: the value itself, or its text where it is none."""
    if value.data is UNKNOWN or isinstance(value.data, Called | Word | Bound):
        return Shown(describe(value))
    return value.data
