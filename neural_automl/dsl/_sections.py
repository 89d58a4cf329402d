"""The sections of a network besides its layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._arithmetic import TOO_LARGE, is_too_large
from neural_automl.dsl._errors import Position, Problems, near, quoted
from neural_automl.dsl._grammar import UNREADABLE, SyntaxFault, parse_words, words
from neural_automl.dsl._values import UNKNOWN, Bound, Items, Open, Value, describe, is_number, shown
from neural_automl.hyperparameters import (
    CONSTRAINT_ALIASES,
    CONSTRAINT_METRICS,
    DEVICES,
    LOSS_ALIASES,
    LOSSES,
    OPTIMIZERS,
    TRAINING,
    canonical_loss,
    is_device,
)
from neural_automl.parameters import Parameter, as_integer, find_parameter

if TYPE_CHECKING:
    from neural_automl.dsl._check import Checker
    from neural_automl.dsl._evaluate import Scope

_LOSS: Final = Parameter("loss", "string", options=(*LOSSES, *LOSS_ALIASES))
_SIZE: Final = Parameter("input", "integer", minimum=1)
_EXECUTION: Final = (Parameter("device", "string"),)
_ONE_OPTIMIZER: Final = (
    f"optimizer must be one of {', '.join(OPTIMIZERS)}: the parameters may be open, not the name"
)


class Sections:
    """Reads sections; what is wrong is recorded.

    Args:
        checker: Checks values.
        problems: Where errors go.
        scope: The network's lets.
    """

    def __init__(self, checker: Checker, problems: Problems, scope: Scope) -> None:
        self._checker = checker
        self._problems = problems
        self._scope = scope
        self.limits: dict[str, Position] = {}

    def _value(self, node: _tree.Expression | None) -> Value:
        assert node is not None  # the grammar gives every section but layers and settings a value
        return self._checker.evaluator.value(node, self._scope)

    # --- input and loss -------------------------------------------------------------------

    def input_shape(self, section: _tree.Section) -> list[int | None]:
        """Return the shape; a leading None is the batch."""
        value = self._value(section.value)
        if value.data is UNKNOWN:
            return []
        if not isinstance(value.data, Items) or not value.data.items:
            got = shown(value)
            message = f"input must be a tuple of sizes but got {got}"
            self._problems.add(message, value.at, "write (32, 32, 3), or (10,) for 10 features")
            return []
        items = value.data.items
        batch: list[int | None] = [None] if items[0].data is None else []
        sizes = [self._size(item) for item in items[len(batch) :]]
        if not sizes:
            self._problems.add("input has no size besides the batch", value.at)
        return [*batch, *sizes]

    def _size(self, item: Value) -> int:
        if not is_number(item.data) and item.data is not UNKNOWN:
            got = shown(item)
            hint = "none may stand first, for the batch" if item.data is None else ""
            message = f"the sizes of input must be plain integers but got {got}"
            self._problems.add(message, item.at, hint)
            return 1
        size = self._checker.value(_SIZE, item, item.at).data
        return 1 if size is UNKNOWN else int(size)

    def loss(self, section: _tree.Section) -> Value:
        """Return the loss as it is written: a name, or a choice of names."""
        node = section.value
        if isinstance(node, _tree.Name) and node.text not in self._scope.names:
            value = Value(node.text, node.at)
        else:
            value = self._value(node)
        if value.data is UNKNOWN:
            return value
        if isinstance(value.data, Open):
            return self._checker.value(_LOSS, value, value.at)
        known = [*LOSSES, *LOSS_ALIASES]
        name = value.data if isinstance(value.data, str) else ""
        try:
            canonical_loss(name)
        except ValueError:
            got = quoted(name) if name else shown(value)
            message = f"loss must be one of {', '.join(known)} but got {got}"
            self._problems.add(message, value.at, near(name, known))
        return value

    # --- optimizer ------------------------------------------------------------------------

    def optimizer(self, section: _tree.Section) -> Value:
        """Return the optimizer as a call with checked arguments."""
        node = section.value
        if isinstance(node, _tree.Name) and node.text in self._scope.names:
            value = self._value(node)
            if value.data is UNKNOWN:
                return value
            if not isinstance(value.data, str):
                return self._no_optimizer(describe(value), node.at)
            node = _tree.Text(value.data, node.at)
        if isinstance(node, _tree.Text):
            return self._quoted_optimizer(node)
        if isinstance(node, _tree.Name):
            node = _tree.Call(node.text, (), node.at)
        if isinstance(node, _tree.Call):
            return self._bound_optimizer(node, node.name)
        at = section.at if node is None else node.at
        return self._no_optimizer("something else", at)

    def _bound_optimizer(self, call: _tree.Call, name: str) -> Value:
        if name not in OPTIMIZERS:
            if name in ("choice", "HPO"):
                self._problems.add(_ONE_OPTIMIZER, call.at, "write Adam(log_range(1e-4, 1e-2))")
                return Value(UNKNOWN, call.at)
            return self._no_optimizer(call.name, call.at)
        arguments = self._checker.arguments(
            name, OPTIMIZERS[name], call.arguments, self._scope, call.at
        )
        return Value(Bound(name, arguments), call.at)

    def _no_optimizer(self, got: str, at: Position) -> Value:
        message = f"optimizer must be one of {', '.join(OPTIMIZERS)} but got {quoted(got)}"
        self._problems.add(message, at, near(got, OPTIMIZERS))
        return Value(UNKNOWN, at)

    def _quoted_optimizer(self, text: _tree.Text) -> Value:
        """Read ``"adam"`` in any case, and a quoted call as that call."""
        known = {name.lower(): name for name in OPTIMIZERS}
        if re.fullmatch(r"\s*\w*\s*", text.value):
            call = _tree.Call(text.value.strip(), (), text.at)
        else:
            node = self._inside(text)
            if not isinstance(node, _tree.Call):
                if node is not None:
                    self._no_optimizer(text.value, text.at)
                return Value(UNKNOWN, text.at)
            call = node
        return self._bound_optimizer(call, known.get(call.name.lower(), call.name))

    def _inside(self, text: _tree.Text) -> Any:
        """Return the syntax of a quoted value, with places in the text; None if it has none."""
        if len(text.value) > _limits.QUOTED:
            limit = f"a quoted optimizer is limited to {_limits.QUOTED:,} characters"
            self._problems.add(f"{limit} but has {len(text.value):,}", text.at)
            return None
        line, column = text.at
        tokens = []
        depth = 0
        for token in words(text.value):
            token.line, token.column = line, column + (token.column or 1)
            tokens.append(token)
            depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("_RPAR", "_RSQB"))
            if token.type in UNREADABLE:
                self._problems.add(f"unexpected {quoted(token)}", (line, token.column))
                return None
            if depth > _limits.NESTING:
                limit = f"nesting is limited to {_limits.NESTING}"
                self._problems.add(limit, (line, token.column))
                return None
        try:
            return parse_words(tokens, "quoted")
        except SyntaxFault as fault:
            found = quoted(fault.token) if fault.token is not None else "the end of the string"
            at = _tree.at(fault.token) if fault.token is not None else text.at
            self._problems.add(f"expected {fault.expected}, found {found}", at)
            return None

    # --- settings -------------------------------------------------------------------------

    def training(self, section: _tree.Section) -> dict[str, Value]:
        """Return the training settings, checked."""
        return self._settings("train", TRAINING, section)

    def execution(self, section: _tree.Section) -> dict[str, Value]:
        """Return the execution settings, checked."""
        settings = self._settings("execution", _EXECUTION, section)
        device = settings.get("device")
        if device is None or device.data is UNKNOWN:
            return settings
        if not isinstance(device.data, str) or not is_device(device.data):
            got = shown(device)
            message = f"a device must be one of {', '.join(DEVICES)}, cuda:N but got {got}"
            self._problems.add(message, device.at)
        return settings

    def _settings(
        self, owner: str, parameters: tuple[Parameter, ...], section: _tree.Section
    ) -> dict[str, Value]:
        settings: dict[str, Value] = {}
        names = [parameter.name for parameter in parameters]
        for setting in section.settings:
            parameter = find_parameter(parameters, setting.name)
            if parameter is None:
                message = f"{owner} has no setting {quoted(setting.name)}"
                self._problems.add(message, setting.at, near(setting.name, names))
            elif setting.name in settings:
                self._problems.add(f"'{setting.name}' is given twice", setting.at)
            else:
                value = self._value(setting.value)
                settings[setting.name] = self._checker.value(parameter, value, setting.at)
        return settings

    def constraints(self, section: _tree.Section) -> list[dict[str, Any]]:
        """Return the limits in the dictionary form."""
        limits: list[dict[str, Any]] = []
        seen: set[tuple[str, str]] = set()
        for limit in section.settings:
            metric = CONSTRAINT_ALIASES.get(limit.name, limit.name)
            if metric not in CONSTRAINT_METRICS:
                known = ", ".join(CONSTRAINT_METRICS)
                message = f"a constraint must limit one of {known} but got {quoted(limit.name)}"
                hint = near(limit.name, CONSTRAINT_METRICS)
                self._problems.add(message, limit.at, hint)
                continue
            if (metric, limit.operator) in seen:
                self._problems.add(f"'{limit.name} {limit.operator}' is given twice", limit.at)
            seen.add((metric, limit.operator))
            self.limits.setdefault(metric, limit.at)
            value = self._value(limit.value)
            if is_number(value.data):
                whole = as_integer(value.data)
                number = value.data if whole is None else whole
                if is_too_large(number):
                    self._problems.add(TOO_LARGE, value.at)
                limits.append({"metric": metric, "op": limit.operator, "limit": number})
            elif value.data is not UNKNOWN:
                got = shown(value)
                message = f"the limit of {limit.name} must be a plain number but got {got}"
                self._problems.add(message, value.at)
        return limits
