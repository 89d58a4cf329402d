"""Evaluation of what is written as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._arithmetic import (
    OPERATORS,
    TOO_LARGE,
    ArithmeticFault,
    compute,
    is_too_large,
)
from neural_automl.dsl._errors import Position, Problems, near, place, quoted
from neural_automl.dsl._tables import is_layer, layer_names
from neural_automl.dsl._values import (
    UNKNOWN,
    Called,
    Channels,
    Items,
    Open,
    Operation,
    Value,
    Word,
    is_number,
    is_numeric,
    shown,
)
from neural_automl.hyperparameters import SCHEDULES
from neural_automl.layers import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONSTANTS: Final[Mapping[str, Any]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "none": None,
    "None": None,
}
#: Argument names of the open values, in order; ``choice`` takes any number by position.
_RANGES: Final = {"range": ("low", "high", "step", "name"), "log_range": ("low", "high", "name")}
#: Words that parameters take as strings.
_STRINGS: Final = ("valid", "same", "conv", "add", "concat", "avg", "max")
OPEN_VALUES: Final = ("choice", *_RANGES, "HPO")


@dataclass(frozen=True, slots=True)
class Scope:
    """What names stand for.

    Args:
        names: Parameters of a macro, or lets.
        macro: The macro's name; None in the network.
        later: Lets that are not bound yet, and where they will be.
    """

    names: Mapping[str, Value]
    macro: str | None = None
    later: Mapping[str, Position] = field(default_factory=dict)


class _Argument(Protocol):
    @property
    def name(self) -> str | None: ...
    @property
    def at(self) -> Position: ...


_A = TypeVar("_A", bound=_Argument)


def bind(
    owner: str, names: Sequence[str], arguments: Iterable[_A], problems: Problems
) -> tuple[dict[str, _A], bool]:
    """Return arguments by parameter name, and whether all of them could be placed."""
    bound: dict[str, _A] = {}
    correct, by_name = True, False
    for i, argument in enumerate(arguments):
        name = argument.name
        hint = ""
        if name is None and by_name:
            message = "a positional value can't follow a named one"
        elif name is None and i >= len(names):
            known = f"at most {len(names)}" if names else "no"
            message = f"{owner} takes {known} value{'' if len(names) == 1 else 's'}"
        elif name is not None and name not in names:
            message = f"{owner} has no parameter {quoted(name)}"
            hint = near(name, names)
        else:
            by_name = by_name or name is not None
            name = names[i] if name is None else name
            if name not in bound:
                bound[name] = argument
                continue
            message = f"'{name}' is given twice"
        by_name = by_name or argument.name is not None
        problems.add(message, argument.at, hint)
        correct = False
    return bound, correct


class Evaluator:
    """Evaluates syntax nodes; what is wrong is recorded and becomes ``UNKNOWN``."""

    def __init__(self, problems: Problems, macros: Iterable[str]) -> None:
        self._problems = problems
        self._macros = frozenset(macros)

    def value(self, node: _tree.Expression, scope: Scope) -> Value:
        """Return the value of a node."""
        if isinstance(node, _tree.Number):
            return self._number(node)
        if isinstance(node, _tree.Text):
            return Value(node.value, node.at)
        if isinstance(node, _tree.Name):
            return self._name(node, scope)
        if isinstance(node, _tree.Items):
            items = [self.value(item, scope) for item in node.items]
            return self._group(Items((*items,)), items, node.at)
        if isinstance(node, _tree.Chain):
            return self._chain(node, scope)
        if isinstance(node, _tree.Negative):
            value = self.value(node.operand, scope)
            for _ in range(min(node.signs, _limits.EXPRESSION + 1)):
                value = self._operate("neg", (value,), node.at)
            return value
        return self._call(node, scope)

    def _fail(self, message: str, at: Position, hint: str = "") -> Value:
        self._problems.add(message, at, hint)
        return Value(UNKNOWN, at)

    def _number(self, node: _tree.Number) -> Value:
        if is_too_large(node.value):
            return self._fail(TOO_LARGE, node.at)
        return Value(node.value, node.at)

    def _name(self, node: _tree.Name, scope: Scope) -> Value:
        name = node.text
        if name in scope.names:
            value = scope.names[name]
            via = value.via or f"'{name[:40]}' is bound at {place(value.at)}"
            depth = value.depth + (scope.macro is None)
            if depth > _limits.NESTING:
                return self._fail(f"nesting is limited to {_limits.NESTING}", node.at)
            return replace(value, at=node.at, depth=depth, via=via)
        if name in CONSTANTS:
            return Value(CONSTANTS[name], node.at)
        if name == "channels":
            return Value(Channels(), node.at)
        if is_layer(name):
            return Value(Word(name), node.at)
        if name in scope.later:
            return self._fail(
                f"{quoted(name)} is used before its let",
                node.at,
                f"it is bound at {place(scope.later[name])}",
            )
        if name in self._macros:
            return self._fail(f"{quoted(name)} is a macro, it stands for layers", node.at)
        hint = near(name, [*scope.names, *CONSTANTS, "channels"]) or _how_to_bind(name, scope)
        return self._fail(f"unknown name {quoted(name)}", node.at, hint)

    # --- arithmetic -----------------------------------------------------------------------

    def _chain(self, node: _tree.Chain, scope: Scope) -> Value:
        if len(node.operands) > _limits.EXPRESSION:
            return self._too_long(node.operands[_limits.EXPRESSION].at)
        value = self.value(node.operands[0], scope)
        for sign, operand in zip(node.operators, node.operands[1:], strict=True):
            value = self._operate(OPERATORS[sign], (value, self.value(operand, scope)), node.at)
        return value

    def _too_long(self, at: Position) -> Value:
        return self._fail(f"an expression is limited to {_limits.EXPRESSION} parts", at)

    def _operate(self, operator: str, operands: tuple[Value, ...], at: Position) -> Value:
        if any(operand.data is UNKNOWN for operand in operands):
            return Value(UNKNOWN, at)
        for operand in operands:
            if not is_numeric(operand):
                got = shown(operand)
                return self._fail(f"arithmetic needs numbers but got {got}", operand.at)
        if all(is_number(operand.data) for operand in operands):
            try:
                number = compute(operator, *(operand.data for operand in operands))
            except ArithmeticFault as fault:
                return self._fail(str(fault), operands[-1].at)
            return Value(number, at)
        parts = sum(operand.parts for operand in operands) + (len(operands) == 1)
        if parts > _limits.EXPRESSION:
            return self._too_long(at)
        value = self._group(Operation(operator, operands), operands, at)
        # Operations of a chain do not nest in the text; their own limit bounds them.
        depth = max(operand.depth for operand in operands)
        return replace(value, parts=parts, depth=depth)

    def _group(self, data: Any, members: Sequence[Value], at: Position) -> Value:
        size = 1 + sum(member.size for member in members)
        depth = 1 + max((member.depth for member in members), default=0)
        parts = 1 + sum(member.parts - 1 for member in members) if isinstance(data, Open) else 1
        if any(member.data is UNKNOWN for member in members):
            return Value(UNKNOWN, at)
        if size > _limits.VALUE:
            return self._fail(f"a value is limited to {_limits.VALUE:,} elements", at)
        if depth > _limits.NESTING:
            return self._fail(f"nesting is limited to {_limits.NESTING}", at)
        return Value(data, at, size, depth, parts)

    # --- calls ----------------------------------------------------------------------------

    def _call(self, node: _tree.Call, scope: Scope) -> Value:
        if node.name == "choice":
            return self._choice(node, scope)
        if node.name in _RANGES:
            return self._range(node, scope)
        if node.name == "HPO":
            return self._hpo(node, scope)
        if node.name == "channels":
            return self._channels(node, scope)
        if node.name in SCHEDULES or is_layer(node.name):
            return Value(Called(node.name, node.arguments, scope), node.at)
        if node.name in self._macros:
            return self._fail(f"{quoted(node.name)} is a macro, it stands for layers", node.at)
        hint = near(node.name, [*OPEN_VALUES, *SCHEDULES, *layer_names()])
        return self._fail(f"unknown value {quoted(node.name)}", node.at, hint)

    def _hpo(self, node: _tree.Call, scope: Scope) -> Value:
        inner = node.arguments[0].value if len(node.arguments) == 1 else None
        if not isinstance(inner, _tree.Call) or inner.name not in ("choice", *_RANGES):
            return self._fail("HPO holds one choice, range or log_range", node.at)
        return self.value(inner, scope)

    def _channels(self, node: _tree.Call, scope: Scope) -> Value:
        """Read ``channels(back, up)``, which printing uses for the width at a macro call."""
        bound, correct = bind("channels", ("back", "up"), node.arguments, self._problems)
        steps = {name: self.value(argument.value, scope) for name, argument in bound.items()}
        for value in steps.values():
            if not isinstance(value.data, int) or not 0 <= value.data <= _limits.LAYERS:
                return self._fail("channels(back, up) takes whole numbers from 0", value.at)
        if not correct:
            return Value(UNKNOWN, node.at)
        back, up = (steps[name].data if name in steps else 0 for name in ("back", "up"))
        return Value(Channels(None, back, up), node.at)

    def study_name(self, argument: _tree.Argument | None, scope: Scope) -> str | None:
        """Return the name that ties a choice to others."""
        if argument is None:
            return None
        value = self.value(argument.value, scope)
        if value.data is UNKNOWN:
            return None
        if not isinstance(value.data, str) or not 0 < len(value.data) <= _limits.NAME_LENGTH:
            limit = f"a string of 1 to {_limits.NAME_LENGTH:,} characters"
            got = shown(value)
            self._problems.add(f"'name' must be {limit} but got {got}", value.at)
            return None
        return value.data

    def _choice(self, node: _tree.Call, scope: Scope) -> Value:
        positional = [argument for argument in node.arguments if argument.name is None]
        if len(positional) > _limits.CHOICE:
            at = positional[_limits.CHOICE].at
            return self._fail(f"a choice is limited to {_limits.CHOICE:,} parts", at)
        names = [*(f"{i}" for i in range(len(positional))), "name"]
        bound, correct = bind("choice", names, node.arguments, self._problems)
        if not positional:
            return self._fail("a choice needs at least one value", node.at)
        members = [self.value(argument.value, scope) for argument in positional]
        name = self.study_name(bound.get("name"), scope)
        if not correct or not self._fit_together(members):
            return Value(UNKNOWN, node.at)
        return self._group(Open("categorical", (*members,), name=name), members, node.at)

    def _fit_together(self, members: list[Value]) -> bool:
        """Record mixed and equal members; return whether the choice can be used."""
        kind: str | None = None
        seen: set[Any] = set()
        for member in members:
            if member.data is UNKNOWN:
                return False
            if isinstance(member.data, Word | Called):
                self._fail("a choice of layers or schedules can't be a value", member.at)
                return False
            this = _kind(member)
            if this is not None and kind is not None and this != kind:
                self._fail(f"a choice can't mix {kind} and {this}", member.at)
                return False
            kind = kind or this
            key = _key(member)
            if key is not None and key in seen:
                got = shown(member)
                self._fail(f"a choice can't offer {got} twice", member.at)
                return False
            seen.add(key)
        return True

    def _range(self, node: _tree.Call, scope: Scope) -> Value:
        names = _RANGES[node.name]
        bound, correct = bind(node.name, names, node.arguments, self._problems)
        missing = [name for name in ("low", "high") if name not in bound]
        if missing and correct:
            return self._fail(f"{node.name} requires '{missing[0]}'", node.at)
        name = self.study_name(bound.pop("name", None), scope)
        values = {key: self.value(argument.value, scope) for key, argument in bound.items()}
        for key, value in values.items():
            if value.data is not UNKNOWN and not is_number(value.data):
                got = shown(value)
                self._fail(f"'{key}' of {node.name} must be a plain number but got {got}", value.at)
                correct = False
        if not correct or any(value.data is UNKNOWN for value in values.values()):
            return Value(UNKNOWN, node.at)
        if not all(isinstance(value.data, int) for value in values.values()):
            values = {key: replace(v, data=float(v.data)) for key, v in values.items()}
        if not self._ends_fit(node, values):
            return Value(UNKNOWN, node.at)
        low, high = values["low"], values["high"]
        step = values["step"].data if "step" in values else None
        kind: Any = node.name
        return self._group(Open(kind, (low, high), step, name), (low, high), node.at)

    def _ends_fit(self, node: _tree.Call, values: Mapping[str, Value]) -> bool:
        low, high = values["low"].data, values["high"].data
        step = values["step"].data if "step" in values else None
        if low > high:
            message = f"{node.name} must not fall, but {low} is above {high}"
            self._fail(message, values["high"].at)
        elif node.name == "log_range" and low <= 0:
            self._fail(f"log_range must start above 0 but starts at {low}", values["low"].at)
        elif step is not None and step <= 0:
            self._fail(f"'step' must be positive but got {step}", values["step"].at)
        elif step is not None and not _reaches(low, high, step):
            message = f"{high} is not reached from {low} in steps of {step}"
            self._fail(message, values["high"].at, _last_reached(low, high, step))
        else:
            return True
        return False


def _how_to_bind(name: str, scope: Scope) -> str:
    word = quoted(name)[1:-1]
    if name in ACTIVATIONS or name in _STRINGS:
        return f'a string stands in quotes: "{word}"'
    if scope.macro is not None:
        bound = f"a macro sees only its parameters: define {quoted(scope.macro)[1:-1]}({word}, ...)"
    else:
        bound = f"write let {word} = ... before it"
    return f'{bound}; a string stands in quotes: "{word}"'


def _reaches(low: float, high: float, step: float) -> bool:
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int):
        return (high - low) % step == 0
    steps = (high - low) / step
    return math.isfinite(steps) and abs(steps - round(steps)) < 1e-6


def _last_reached(low: float, high: float, step: float) -> str:
    steps = (high - low) / step
    if not math.isfinite(steps):
        return ""
    return f"the last value reached is {low + math.floor(steps + 1e-6) * step:g}"


def _kind(value: Value) -> str | None:
    """Return what a member of a choice is, None where it mixes with anything."""
    if value.data is None:
        return None
    if isinstance(value.data, bool):
        return "booleans"
    if isinstance(value.data, str):
        return "strings"
    if isinstance(value.data, Items):
        return "tuples"
    if isinstance(value.data, Open) and value.data.kind == "categorical":
        return next(filter(None, map(_kind, value.data.members)), None)
    return "numbers"


def _key(value: Value) -> Any:
    """Return a plain value in a form that equals that of equal values; None for others."""
    data = value.data
    if isinstance(data, Items):
        keys = (*map(_key, data.items),)
        return None if None in keys else keys
    if isinstance(data, Open | Operation | Channels):
        return None
    return (isinstance(data, bool), data)
