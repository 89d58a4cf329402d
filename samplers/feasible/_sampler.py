"""Any Optuna sampler, made to propose only what is feasible and new."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler

from neural_automl.samplers._define_by_run import (
    Configuration,
    ConfigurationSampler,
    PerStudy,
    RecordingTrial,
    Suggest,
    changeable,
    contains,
    trial_rng,
)
from neural_automl.samplers._define_by_run._claims import Claims, write_claim
from neural_automl.samplers._define_by_run._enumeration import snapped
from neural_automl.samplers._define_by_run._exclusive import claim_first, give_up
from neural_automl.samplers._define_by_run._judge import Excess, Identity, Judge
from neural_automl.samplers.feasible._flat import flat_space
from neural_automl.samplers.feasible._guide import Guide
from neural_automl.samplers.feasible._repair import Repair
from neural_automl.samplers.feasible._reseed import reseed
from neural_automl.samplers.feasible._view import StudyView

if TYPE_CHECKING:
    import numpy as np
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is known of one study.

    Args:
        base: The base sampler that learns from it: a copy, as samplers keep caches of one study.
        flat: Every parameter that the base is always shown.
        claims: What the trials hold.
        view: What the base sees.
        guide: What was learnt about feasibility.
    """

    base: BaseSampler
    flat: Mapping[str, BaseDistribution]
    claims: Claims
    view: StudyView
    guide: Guide


class FeasibleSampler(ConfigurationSampler):
    """Wraps a sampler: its proposals are whole, feasible, and unlike those of any other trial.

    The base sampler is asked once for each trial. What it proposes is taken if it is feasible and
    no other trial, finished or running, holds it or one that is the same in effect; else the
    nearest configuration that is. The base sees every parameter in every trial, so that samplers
    that work on the parameters that all trials share learn on conditional spaces too, and sees
    pruned and infeasible trials as completed ones with their last value or the worst one. The study
    itself holds what was proposed and no more.

    When nothing is left, the study stops with its attribute `stop_reason` set to `space exhausted`,
    and the trial that found out is PRUNED with the attribute `infeasible`. Where the fixed
    parameters of `study.enqueue_trial` leave nothing that is feasible and new, what the base gives
    beside them is taken as it is.

    Args:
        base: Any sampler. It is copied for each study. Broken constraints are shown to it as the
            worst values, and not as constraints.
        suggest: The define-by-run function; for equal values it must suggest equal names.
        feasible: Of the result of `suggest`: whether it may be tried, as a bool; or, as a number,
            by how much it may not (0 and below: it may). A number guides the way to what is
            feasible. A constraint that `suggest` sets on its trial counts too.
        identity: Of a feasible result: what is equal for results that are the same in effect. By
            default, the parameters.
        max_attempts: Configurations that are looked at for one proposal before it is given up.
        seed: Of the proposals, those of `base` included, together with the number of the trial, so
            that workers that share it differ. None leaves `base` its own random numbers.

    Raises:
        TypeError: `base` is no sampler, or a function cannot be called, or `max_attempts` or `seed`
            is no integer.
        ValueError: `suggest` suggests nothing or differs when it is given the same values, or
            `max_attempts` is below 1.

    Example::

        import optuna
        from neural_automl.samplers.feasible import FeasibleSampler

        def suggest(trial):
            return [trial.suggest_int(f"width_{i}", 8, 64, step=8)
                    for i in range(trial.suggest_int("depth", 1, 4))]

        sampler = FeasibleSampler(
            optuna.samplers.TPESampler(), suggest=suggest, feasible=lambda widths: sum(widths) - 100
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: abs(sum(suggest(trial)) - 90), n_trials=20)
    """

    def __init__(
        self,
        base: BaseSampler,
        *,
        suggest: Suggest,
        feasible: Excess | None = None,
        identity: Identity | None = None,
        max_attempts: int = 1_000,
        seed: int | None = None,
    ) -> None:
        if not isinstance(base, BaseSampler):
            raise TypeError(f"`base` must be an Optuna sampler but got {base!r}.")
        if not isinstance(max_attempts, int) or isinstance(max_attempts, bool):
            raise TypeError(f"`max_attempts` must be an integer but got {max_attempts!r}.")
        if max_attempts < 1:
            raise ValueError(f"`max_attempts` must be at least 1 but got {max_attempts}.")
        super().__init__(suggest, seed=seed)
        self._base = base
        self._judge = Judge(feasible, identity)
        self._max_attempts = max_attempts
        self._memories: PerStudy[_Memory] = PerStudy()

    @property
    def base(self) -> BaseSampler:
        """The sampler that is wrapped, as it was given."""
        return self._base

    @property
    def n_evaluations(self) -> int:
        """How often `feasible` and `identity` were called by this sampler, together."""
        return self._judge.n_evaluations

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Ask the base once, and move what it proposes to what is feasible and new."""
        with self._memories.lock:
            memory = self._read(study, trial)
            first, values = self._ask(memory, trial, fixed)
            found = None
            if not fixed or changeable(first, fixed):
                found = self._move(memory, study, trial, first, values, fixed, rng)
            if found is None:
                found = first  # what the user fixed leaves nothing that is feasible and new
                write_claim(study, trial, {**values, **first.values})
            self._show(memory, study, trial, found, values)
            return found

    def _move(
        self,
        memory: _Memory,
        study: Study,
        trial: FrozenTrial,
        first: Configuration,
        values: Mapping[str, Any],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Configuration | None:
        repair = Repair(
            self._suggest,
            self._judge,
            memory.guide,
            lambda key: bool(memory.claims.holders(key, trial.number)),
            fixed,
            rng,
            self._max_attempts,
        )
        found = claim_first(
            study,
            trial,
            memory.claims,
            lambda: repair.find(first, values),
            lambda found: {**values, **found.values},
            rng,
        )
        if found is None and not fixed:
            reason = (
                "every configuration was looked at"
                if repair.complete
                else f"looked at `max_attempts` = {self._max_attempts} configurations"
            )
            give_up(study, trial, memory.claims, reason)
        return found

    def _ask(
        self, memory: _Memory, trial: FrozenTrial, fixed: Mapping[str, Any]
    ) -> tuple[Configuration, dict[str, Any]]:
        """Ask the base once for each value, those of inactive parameters too."""
        base, view = memory.base, memory.view.study
        self._reseed(base, trial.number, "")
        frozen = memory.view.frozen(trial.number)
        relative = base.sample_relative(
            view, frozen, base.infer_relative_search_space(view, frozen)
        )

        def choose(name: str, distribution: BaseDistribution) -> Any:
            value = fixed.get(name, relative.get(name))
            if not contains(distribution, value):
                value = base.sample_independent(view, frozen, name, distribution)
            if name not in fixed:
                value = snapped(distribution, value)
            frozen.params[name], frozen.distributions[name] = value, distribution
            return value

        recording = RecordingTrial(choose, fixed=fixed, number=trial.number)
        result = self._suggest(recording)
        first = Configuration(
            recording.params, recording.distributions, result, recording.constraints
        )
        inactive = {
            name: choose(name, distribution)
            for name, distribution in memory.flat.items()
            if name not in first.values
        }
        return first, {**inactive, **first.values}

    def _show(
        self,
        memory: _Memory,
        study: Study,
        trial: FrozenTrial,
        found: Configuration,
        values: Mapping[str, Any],
    ) -> None:
        """Put the proposal into the view, and keep with the trial what the base noted of it."""
        shapes = {**found.distributions, **memory.flat}
        memory.view.put(trial.number, {**values, **found.values}, shapes)
        notes = memory.view.notes_of_base(trial.number, trial.system_attrs)
        for key, value in notes.items():
            study._storage.set_trial_system_attr(trial._trial_id, key, value)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Ask the base for a name that the configuration does not have."""
        with self._memories.lock:
            memory = self._read(study, trial)
            self._reseed(memory.base, trial.number, param_name)
            return memory.base.sample_independent(
                memory.view.study, memory.view.frozen(trial.number), param_name, param_distribution
            )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the base that a trial begins."""
        with self._memories.lock:
            memory = self._read(study, trial)
            memory.base.before_trial(memory.view.study, memory.view.frozen(trial.number))

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the base that a trial ends, in the state that it ends in."""
        with self._memories.lock:
            memory = self._read(study, trial)
            memory.base.after_trial(
                memory.view.study, memory.view.frozen(trial.number), state, values
            )

    def reseed_rng(self) -> None:
        """Give the base fresh random numbers; with a seed, each trial has its own already."""
        if self._seed is None:
            with self._memories.lock:
                self._base.reseed_rng()
                for memory in self._memories.all():
                    memory.base.reseed_rng()

    def _reseed(self, base: BaseSampler, number: int, stream: str) -> None:
        if self._seed is not None:
            reseed(base, trial_rng(self._seed, number, f"base:{stream}"))

    def _read(self, study: Study, trial: FrozenTrial) -> _Memory:
        """What is known of a study, brought up to date."""
        memory = self._memories.of(study, lambda: self._remember(study))
        trials = memory.claims.update(study, but=trial.number)
        memory.view.update(trials, memory.claims, but=trial.number)
        return memory

    def _remember(self, study: Study) -> _Memory:
        flat, base = flat_space(self._suggest), copy.deepcopy(self._base)
        claims = Claims(self._suggest, self._judge)
        return _Memory(base, flat, claims, StudyView(study, base, flat), Guide())

    def __str__(self) -> str:
        return f"FeasibleSampler({type(self._base).__name__})"
