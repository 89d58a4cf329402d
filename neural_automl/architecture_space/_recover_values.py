"""From a concrete value back to the decisions of an open one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Open,
    Range,
    open_values,
    operand_names,
    value_label,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES
from neural_automl.parameters import REQUIRED, as_number
from neural_automl.values import Call, Expression, uses_channels

#: What is decided so far, by name.
Bound = Mapping[str, Any]


def bind(bound: Bound, name: str, value: Any) -> Bound | None:
    """Return what is decided with one more decision; None where it was decided otherwise."""
    if name not in bound:
        return {**bound, name: value}
    before = bound[name]
    same = before == value and isinstance(before, bool) == isinstance(value, bool)
    return bound if same else None


class ValueMatcher:
    """Finds the decisions under which a value that may be open is a concrete one.

    Args:
        most: Steps after which it is given up.
    """

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def count(self) -> None:
        """Count a step.

        Raises:
            SpaceError: It is one too many.
        """
        self._left -= 1
        if self._left < 0:
            raise SpaceError(
                f"the choices of the architecture can't be told: {self._most:,} ways to read it "
                "were tried"
            )

    def all(self, triples: Sequence[tuple[Any, Any, str]], bound: Bound) -> Iterator[Bound]:
        """Yield the decisions under which each value is its concrete one.

        Args:
            triples: Value, concrete value, and the study's name of the value.
            bound: What is decided.
        """
        if not triples:
            yield bound
            return
        stack = [self.one(*triples[0], bound)]
        while stack:
            decided = next(stack[-1], None)
            if decided is None:
                stack.pop()
            elif len(stack) < len(triples):
                stack.append(self.one(*triples[len(stack)], decided))
            else:
                yield decided

    def one(self, value: Any, target: Any, name: str, bound: Bound) -> Iterator[Bound]:
        """Yield the decisions under which one value is a concrete one."""
        if isinstance(value, Choice):
            own = value.name or name
            for place, element in enumerate(value.values):
                self.count()
                decided = bind(bound, own, value_label(element))
                if decided is not None:
                    yield from self.one(element, target, f"{own}[{place}]", decided)
        elif isinstance(value, Range | LogRange):
            number = as_number(target)
            if number is not None and _contains(value, number):
                kept = number if value.is_integer else float(number)
                decided = bind(bound, value.name or name, kept)
                if decided is not None:
                    yield decided
        elif isinstance(value, Expression):
            yield from self._expression(value, target, name, bound)
        elif isinstance(value, tuple) and any(True for _ in open_values(value)):
            parts = target if isinstance(target, tuple) else (target,) * len(value)
            if len(parts) == len(value):
                yield from self.all(
                    [
                        (v, t, f"{name}[{k}]")
                        for k, (v, t) in enumerate(zip(value, parts, strict=True))
                    ],
                    bound,
                )
        elif isinstance(value, Call):
            yield from self._call(value, target, name, bound)
        elif is_same(value, target):
            yield bound

    def options(self, value: Any, name: str, bound: Bound) -> Iterator[tuple[Any, Bound]]:
        """Yield every concrete value of an open one, with its decisions.

        Raises:
            SpaceError: It is continuous: it has no end of them.
        """
        if isinstance(value, Choice):
            own = value.name or name
            for place, element in enumerate(value.values):
                decided = bind(bound, own, value_label(element))
                if decided is not None:
                    yield from self.options(element, f"{own}[{place}]", decided)
        elif isinstance(value, Range | LogRange):
            for number in _numbers(value):
                self.count()
                decided = bind(bound, value.name or name, number)
                if decided is not None:
                    yield number, decided
        elif isinstance(value, Expression):
            yield from self._results(value, name, bound)
        else:
            yield value, bound

    def _expression(
        self, value: Expression, target: Any, name: str, bound: Bound
    ) -> Iterator[Bound]:
        for result, decided in self._results(value, name, bound):
            # A width is known when the network is lowered, and whoever asks compares networks.
            if uses_channels(result) or is_same(result, target):
                yield decided

    def _results(self, value: Expression, name: str, bound: Bound) -> Iterator[tuple[Any, Bound]]:
        operands = list(open_values(value))
        names = operand_names(value, name)
        ways: list[tuple[tuple[Any, ...], Bound]] = [((), bound)]
        for operand, own in zip(operands, names, strict=True):
            ways = [
                ((*numbers, number), decided)
                for numbers, before in ways
                for number, decided in self.options(operand, own, before)
            ]
        for numbers, decided in ways:
            self.count()
            result = _filled(value, numbers)
            if result is not None:
                yield result, decided

    def _call(self, value: Call, target: Any, name: str, bound: Bound) -> Iterator[Bound]:
        if not isinstance(target, Call) or target.type != value.type:
            return
        defaults = defaults_of(value.type)
        if any(key not in value.params and key not in defaults for key in target.params):
            return
        missing = {key for key in value.params if key not in target.params} - defaults.keys()
        if missing:
            return
        given, wanted = {**defaults, **value.params}, {**defaults, **target.params}
        yield from self.all([(v, wanted[key], f"{name}.{key}") for key, v in given.items()], bound)


def _filled(value: Expression, numbers: tuple[Any, ...]) -> Any:
    left = iter(numbers)
    try:
        return value.replace(lambda leaf: next(left) if isinstance(leaf, Open) else leaf)
    except ValueError:  # a division by zero: no network has it
        return None


def defaults_of(call: str) -> dict[str, Any]:
    """Return the parameters that an optimizer or a schedule has where none are given."""
    parameters = {**OPTIMIZERS, **SCHEDULES}.get(call, ())
    return {p.name: p.default for p in parameters if p.default is not REQUIRED}


def is_same(one: Any, other: Any) -> bool:
    """Whether two concrete values mean the same: 1 is 1.0, (3, 3) is 3."""
    one, other = _collapsed(one), _collapsed(other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _collapsed(value: Any) -> Any:
    if isinstance(value, tuple) and value and all(element == value[0] for element in value):
        return value[0]
    return value


def _contains(value: Range | LogRange, number: int | float) -> bool:
    if not value.low <= number <= value.high:
        return False
    if value.is_integer and number != int(number):
        return False
    step = value.step if isinstance(value, Range) else None
    if step is None:
        return True
    place = value.low + round((number - value.low) / step) * step
    return abs(place - number) <= 1e-9 * max(abs(value.low), abs(value.high), 1)


def _numbers(value: Range | LogRange) -> Sequence[int | float]:
    if value.is_integer and isinstance(value, LogRange):
        return range(int(value.low), int(value.high) + 1)
    if value.is_integer or (isinstance(value, Range) and value.step is not None):
        return value.numbers() if isinstance(value, Range) else ()
    if value.low == value.high:
        return (value.low,)
    raise SpaceError(
        f"the choices of the architecture can't be told: {excerpt(value)} is part of arithmetic "
        "and has no end of values"
    )
