"""A study as the base sampler sees it: every trial has every parameter, and none is pruned."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from neural_automl.pruners.multi_objective._vectors import reported
from neural_automl.samplers._define_by_run import contains, draw_value, trial_rng
from neural_automl.samplers._define_by_run._claims import Claims
from neural_automl.samplers._define_by_run._observations import CLAIM

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

#: What GPSampler and TPESampler note of their own proposal: it may be moved, so it must not count.
_RELATIVE: Final = "relative_params"


class StudyView:
    """Keeps a study in memory that mirrors another one, trial by trial with equal numbers.

    In it a trial has every parameter of the flat space: what it holds, then what its claim says of
    inactive ones, then a random value that belongs to its number. A PRUNED trial is COMPLETE with
    its last value, with several objectives its last vector. One that broke a constraint, was pruned
    without a value, or has a value that is infinite for the worse, is COMPLETE with the worst
    finite value of the others. A trial that holds no configuration is FAIL.

    Args:
        study: What is mirrored.
        base: The sampler that sees the view.
        flat: Every parameter that is always shown.
    """

    def __init__(
        self, study: Study, base: BaseSampler, flat: Mapping[str, BaseDistribution]
    ) -> None:
        storage = InMemoryStorage()
        storage.create_new_study(study.directions, study.study_name)
        self.study = optuna.Study(
            study.study_name, storage, sampler=base, pruner=optuna.pruners.NopPruner()
        )
        self._signs = [1.0 if d is StudyDirection.MINIMIZE else -1.0 for d in study.directions]
        self._flat = flat
        self._open: set[int] = set()
        self._ids: list[int] = []
        # In the terms of the study; the worst of each objective.
        self._worst: list[float] | None = None
        self._penalised: set[int] = set()

    @property
    def _storage(self) -> InMemoryStorage:
        storage = self.study._storage
        assert isinstance(storage, InMemoryStorage)
        return storage

    def update(self, trials: Sequence[FrozenTrial], claims: Claims, *, but: int) -> None:
        """Take over what has changed.

        Args:
            trials: Every trial of the mirrored study, by number.
            claims: What they hold; just read.
            but: The number of the trial that is being sampled.
        """
        for trial in trials[len(self._ids) :]:
            waiting = trial.state is TrialState.WAITING
            template = create_trial(state=TrialState.WAITING) if waiting else None
            self._ids.append(self._storage.create_new_trial(self.study._study_id, template))
            self._open.add(trial.number)
        for number in sorted(self._open):
            self._take(trials[number], claims, but)
        # `study._get_trials` keeps a list from ask to ask, as in `Study.ask`.
        self.study._thread_local.cached_all_trials = None

    def frozen(self, number: int) -> FrozenTrial:
        """A copy of a trial of the view, to be filled while its values are chosen."""
        trial = copy.copy(self._storage.get_trial(self._ids[number]))
        trial.params, trial.distributions = dict(trial.params), dict(trial.distributions)
        return trial

    def put(
        self, number: int, values: Mapping[str, Any], shapes: Mapping[str, BaseDistribution]
    ) -> None:
        """Give a trial parameters; a value that its distribution does not have is left out."""
        for name, value in values.items():
            distribution = shapes.get(name)
            if distribution is not None and contains(distribution, value):
                internal = distribution.to_internal_repr(value)
                self._storage.set_trial_param(self._ids[number], name, internal, distribution)

    def notes_of_base(self, number: int, known: Mapping[str, Any]) -> dict[str, Any]:
        """The system attributes that the base sampler gave a trial, if they shall last."""
        attributes = self._storage.get_trial(self._ids[number]).system_attrs
        return {
            key: value
            for key, value in attributes.items()
            if key not in known and _RELATIVE not in key
        }

    def _take(self, trial: FrozenTrial, claims: Claims, but: int) -> None:
        mirrored = self._storage.get_trial(self._ids[trial.number])
        if trial.state is TrialState.WAITING:
            return
        if mirrored.state is TrialState.WAITING:
            self._storage.set_trial_state_values(self._ids[trial.number], TrialState.RUNNING)
        for key, value in trial.system_attrs.items():
            if (
                key != CLAIM
                and not key.startswith("constraints")
                and key not in mirrored.system_attrs
            ):
                self._storage.set_trial_system_attr(self._ids[trial.number], key, value)
        if trial.number == but:
            return
        held = claims.of(trial.number)
        if held.configuration is not None and not mirrored.params:
            self._put_held(trial, held.values, held.configuration.distributions)
        if trial.state.is_finished():
            self._finish(trial, held.configuration is not None)

    def _put_held(
        self,
        trial: FrozenTrial,
        values: Mapping[str, Any],
        active: Mapping[str, BaseDistribution],
    ) -> None:
        shapes = {**trial.distributions, **active, **self._flat}
        filled = {
            name: values[name]
            if name in values and contains(distribution, values[name])
            else draw_value(distribution, trial_rng(0, trial.number, name))
            for name, distribution in self._flat.items()
        }
        self.put(trial.number, {**values, **filled}, shapes)

    def _finish(self, trial: FrozenTrial, is_configuration: bool) -> None:
        number, trial_id = trial.number, self._ids[trial.number]
        if trial.state is TrialState.FAIL or not is_configuration:
            self._open.discard(number)
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
            return
        values = self._shown_values(trial)
        if values is None:
            if self._worst is None:
                return  # nothing finite to compare it with: it stays open until there is
            self._penalised.add(number)
            values = self._worst
        else:
            self._note(values)
        self._open.discard(number)
        self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, values)

    def _shown_values(self, trial: FrozenTrial) -> list[float] | None:
        """The values of a finished trial; None if it shall count as the worst."""
        if any(not value <= 0 for value in trial.constraints.values()):
            return None
        values: Sequence[float]
        if trial.state is TrialState.PRUNED:
            rows = [
                row for row in reported(self.study, trial).values() if not any(map(math.isnan, row))
            ]
            if not rows:
                return None
            values = rows[-1]
        else:
            values = trial.values
        if any(sign * value == math.inf for sign, value in zip(self._signs, values, strict=True)):
            return None
        return list(values)

    def _note(self, values: Sequence[float]) -> None:
        """Move the worst values, and every trial that is shown with them."""
        finite = [math.isfinite(value) for value in values]
        if not all(finite):
            return
        before = self._worst
        self._worst = [
            sign * max(sign * value, sign * old)
            for sign, value, old in zip(self._signs, values, before or values, strict=True)
        ]
        if before is not None and self._worst != before:
            for number in self._penalised:
                # The storage is ours, and no sampler keeps values: the change is seen by all.
                shown = self._storage.get_trial(self._ids[number])
                shown.values = list(self._worst)
