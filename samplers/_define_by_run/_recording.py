"""A trial that records what a define-by-run function suggests, without a study."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.trial import BaseTrial

# A define-by-run function: calls `trial.suggest_*` and returns what the values describe.
Suggest = Callable[[BaseTrial], Any]
Choose = Callable[[str, BaseDistribution], Any]

# Building distributions is most of the cost of a recorded run, so equal ones are made once.
_CACHED = 16_384
_float = lru_cache(_CACHED, typed=True)(FloatDistribution)
_int = lru_cache(_CACHED, typed=True)(IntDistribution)


@lru_cache(_CACHED)
def _categorical(
    choices: tuple[CategoricalChoiceType, ...], types: tuple[type, ...]
) -> CategoricalDistribution:
    # The types tell (0, 1) from (False, True), which are equal and have one hash.
    return CategoricalDistribution(choices)


class RecordingTrial(BaseTrial):
    """A light trial outside any study: asks a callback for each value and keeps what was asked.

    It treats names and values as `optuna.trial.Trial` does: a name that is suggested again keeps
    its value; fixed parameters come first; a distribution of a single value is not asked for.

    Args:
        choose: Gives the value for a name and a distribution.
        fixed: Values that hold without asking, as those of `study.enqueue_trial`.
        number: What `trial.number` says.

    Example::

        trial = RecordingTrial(lambda name, distribution: draw_value(distribution, rng))
        suggest(trial)
        trial.params
    """

    def __init__(
        self, choose: Choose, *, fixed: Mapping[str, Any] | None = None, number: int = 0
    ) -> None:
        self._choose = choose
        self._fixed = fixed or {}
        self._number = number
        self._params: dict[str, Any] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._user_attrs: dict[str, Any] = {}
        self._constraints: dict[str, float] = {}

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        """Record a float; see `optuna.trial.Trial.suggest_float`."""
        value: float = self._suggest(name, _float(low, high, log=log, step=step))
        return value

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Record a float under the name that Optuna deprecates."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Record a float on the log scale under the name that Optuna deprecates."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Record a stepped float under the name that Optuna deprecates."""
        return self.suggest_float(name, low, high, step=q)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Record an integer; see `optuna.trial.Trial.suggest_int`."""
        value: int = self._suggest(name, _int(low, high, log=log, step=step))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Record a category; see `optuna.trial.Trial.suggest_categorical`."""
        key = tuple(choices)
        return self._suggest(name, _categorical(key, tuple(map(type, key))))

    def report(self, value: float, step: int) -> None:
        """Do nothing: nothing is trained on a recording trial."""

    def should_prune(self) -> bool:
        """Never prune."""
        return False

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep an attribute on this trial alone."""
        self._user_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Note a constraint; see `optuna.trial.Trial.set_constraint`.

        Raises:
            ValueError: The value is not a number.
        """
        if math.isnan(value):
            raise ValueError(f"The constraint {key!r} must be a number but got nan.")
        self._constraints.setdefault(key, float(value))

    @property
    def params(self) -> dict[str, Any]:
        """The values so far, in order of suggestion."""
        return dict(self._params)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The distributions so far, in order of suggestion."""
        return dict(self._distributions)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What `set_user_attr` kept."""
        return dict(self._user_attrs)

    @property
    def system_attrs(self) -> dict[str, Any]:
        """The fixed parameters under the key that Optuna uses, if there are any."""
        return {"fixed_params": dict(self._fixed)} if self._fixed else {}

    @property
    def relative_params(self) -> dict[str, Any]:
        """Empty: no sampler stands behind this trial."""
        return {}

    @property
    def datetime_start(self) -> dt.datetime | None:
        """None: a recording is not timed."""
        return None

    @property
    def number(self) -> int:
        """The number that was given."""
        return self._number

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints noted; above 0 is broken."""
        return dict(self._constraints)

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        before = self._distributions.get(name)
        if before is None:
            if name in self._fixed:
                value = self._fixed[name]
            elif distribution.single():
                value = distribution.to_external_repr(
                    0.0 if isinstance(distribution, CategoricalDistribution) else distribution.low  # type: ignore[attr-defined]
                )
            else:
                value = self._choose(name, distribution)
            self._params[name] = value
            self._distributions[name] = distribution
            return value
        if before is not distribution and before != distribution:
            _check_again(name, before, distribution)
        return self._params[name]


def _check_again(name: str, before: BaseDistribution, again: BaseDistribution) -> None:
    check_distribution_compatibility(before, again)  # raises ValueError, as in a study
    warnings.warn(
        f"The parameter {name!r} must have one distribution in a trial but got {again} after"
        f" {before}; its first value stays.",
        RuntimeWarning,
        stacklevel=4,
    )
