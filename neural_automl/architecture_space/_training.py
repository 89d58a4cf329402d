"""The part of a space that is about training: loss, optimizer and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._conform import conform
from neural_automl.architecture_space._counts import TooManyOptionsError, number_options
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Range,
    value_from_plain,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.hyperparameters import (
    DEVICES,
    OPTIMIZERS,
    SCHEDULES,
    TRAINING,
    canonical_loss,
    is_device,
)
from neural_automl.parameters import Parameter, did_you_mean, find_parameter
from neural_automl.values import Call, Expression, to_plain, uses_channels

if TYPE_CHECKING:
    from neural_automl.architecture_space._suggest import Walk

_SECTIONS: Final = ("loss", "optimizer", "training", "execution")
_MOST: Final = 10_000


@dataclass(frozen=True)
class TrainingSpace:
    """Loss, optimizer, training and execution of a space, each possibly open."""

    loss: Any = None
    optimizer: Call | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_hyperparameters(cls, sections: Mapping[str, Any]) -> TrainingSpace:
        """Return the training of a space's sections or hyperparameters.

        Raises:
            SpaceError: A section or a value breaks a rule.
        """
        space = cls()
        for name, value in sections.items():
            if name in ("training", "execution") and isinstance(value, Mapping):
                for key, element in value.items():
                    space = space.with_value(f"{name}.{key}", element)
            else:
                space = space.with_value(name, value)
        return space

    def with_value(self, name: str, value: Any) -> TrainingSpace:
        """Return it with one value set.

        Raises:
            SpaceError: There is no such hyperparameter, or the value breaks a rule.
        """
        section, _, key = str(name).partition(".")
        try:
            value = value_from_plain(value)
            if section == "loss" and not key:
                return replace(self, loss=_loss(value))
            if section == "optimizer":
                return replace(self, optimizer=self._with_optimizer(key, value))
            if section == "training" and key:
                checked = _conform("training", TRAINING, key, value)
                return replace(self, training={**self.training, key: checked})
            if section == "execution" and key == "device":
                return replace(self, execution={**self.execution, key: _device(value)})
        except SpaceError as error:
            raise SpaceError(error.message, path=name) from error
        except (TypeError, ValueError) as error:
            raise SpaceError(str(error), path=name) from error
        names = [
            "loss",
            "optimizer",
            *(f"training.{p.name}" for p in TRAINING),
            *(f"optimizer.{p.name}" for p in OPTIMIZERS["Adam"]),
            "execution.device",
        ]
        raise SpaceError(f"there is no hyperparameter {name!r}{did_you_mean(name, names)}")

    def _with_optimizer(self, key: str, value: Any) -> Call:
        if not key:
            call = Call(value) if isinstance(value, str) else value
            return _optimizer(call)
        current = self.optimizer or Call("Adam")
        return _optimizer(Call(current.type, {**current.params, key: value}))

    def sections(self) -> dict[str, Any]:
        """Return the sections that were given, as copies."""
        given = {name: getattr(self, name) for name in _SECTIONS}
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in given.items()
            if value is not None and value != {}
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form of the sections that were given."""
        return {name: to_plain(value) for name, value in self.sections().items()}

    def values(self) -> list[tuple[Any, str]]:
        """Return every value with its name in a study."""
        values = [(self.loss, "loss"), (self.optimizer, "optimizer")]
        return values + [(value, f"training.{key}") for key, value in self.training.items()]

    def longest(self) -> int:
        """Return the most epochs that it can come to."""
        default = find_parameter(TRAINING, "epochs")
        return _largest(self.training.get("epochs", default.default if default else 1))

    def suggest(self, walk: Walk) -> dict[str, Any]:
        """Return what an architecture is trained with, decided by a walk."""
        return {
            "loss": walk.value(self.loss, "loss"),
            "optimizer": walk.value(self.optimizer, "optimizer"),
            "training": {
                key: walk.value(value, f"training.{key}") for key, value in self.training.items()
            },
        }


def _largest(value: Any) -> int:
    if isinstance(value, Choice):
        return max(_largest(element) for element in value.values)
    if isinstance(value, Expression):
        return max(int(number) for _, number in number_options(value, _MOST))
    return int(value.high if isinstance(value, Range | LogRange) else value)


def _loss(value: Any) -> Any:
    if isinstance(value, Choice):
        return Choice(*(_loss(element) for element in value.values), name=value.name)
    if not isinstance(value, str):
        raise TypeError(f"a loss must be a name but got {excerpt(value)}")
    return canonical_loss(value)


def _device(value: Any) -> str:
    if not isinstance(value, str) or not is_device(value):
        raise ValueError(
            f"a device must be one of {', '.join(DEVICES)}, cuda:N but got {excerpt(value)}"
        )
    return value


def _optimizer(call: Any) -> Call:
    if not isinstance(call, Call):
        raise TypeError(f"an optimizer must be a name or a call but got {excerpt(call)}")
    return _checked_call("optimizer", OPTIMIZERS, call)


def _checked_call(what: str, table: Mapping[str, tuple[Parameter, ...]], call: Call) -> Call:
    near = {name.lower(): name for name in table}
    kind = call.type if call.type in table else near.get(call.type.lower(), "")
    if not kind:
        raise ValueError(
            f"{what} must be one of {', '.join(table)} but got {call.type!r}"
            + did_you_mean(call.type, table)
        )
    params = {key: _conform(kind, table[kind], key, value) for key, value in call.params.items()}
    for parameter in table[kind]:
        if parameter.required and parameter.name not in params:
            raise TypeError(f"{kind} requires '{parameter.name}'")
    return Call(kind, params)


def _conform(owner: str, parameters: tuple[Parameter, ...], key: str, value: Any) -> Any:
    parameter = find_parameter(parameters, key)
    if parameter is None:
        near = did_you_mean(key, (p.name for p in parameters))
        raise TypeError(f"{owner} has no parameter '{key}'{near}")
    if isinstance(value, Call) and parameter.kind == "schedule":
        return _checked_call("a schedule", SCHEDULES, value)
    value = conform(parameter, value)
    _check_arithmetic(parameter, value)
    return value


def _check_arithmetic(parameter: Parameter, value: Any) -> None:
    """Check every number that arithmetic may come to: no layer is there to fail by itself.

    Raises:
        TypeError: One is of another kind.
        ValueError: One is out of bounds, or an integer comes of too many numbers to look at.
    """
    if isinstance(value, Choice):
        for element in value.values:
            _check_arithmetic(parameter, element)
    if not isinstance(value, Expression):
        return
    if uses_channels(value):
        raise ValueError(f"'{parameter.name}' can't depend on channels")
    try:
        options = number_options(value, _MOST)
    except TooManyOptionsError:
        if parameter.kind != "integer":
            return  # an architecture checks the one that it comes to
        raise ValueError(
            f"the arithmetic of '{parameter.name}' must be over {_MOST} numbers at most, none of "
            f"them continuous, but is {excerpt(value)}"
        ) from None
    for _, number in options:
        parameter.check(number)
