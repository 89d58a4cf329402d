"""Every configuration of a conditional space, once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neural_automl.samplers._define_by_run import (
    Configuration,
    ConfigurationSampler,
    PerStudy,
    Suggest,
    draw,
)
from neural_automl.samplers._define_by_run._claims import Claims, stop_exhausted, write_claim
from neural_automl.samplers._define_by_run._enumeration import enumerate_configurations
from neural_automl.samplers._define_by_run._exclusive import claim_first, give_up
from neural_automl.samplers._define_by_run._judge import Excess, Identity, Judge

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


class ExhaustiveSampler(ConfigurationSampler):
    """Proposes every configuration of a define-by-run function once, depth first.

    Only feasible ones, and of those that are the same in effect only one. Workers that share a
    study share the work: each takes the next configuration that no trial holds. After the last one
    the study stops, with its attribute `stop_reason` set to `space exhausted`. Fixed parameters of
    `study.enqueue_trial` are completed with the first values that are new.

    Args:
        suggest: The define-by-run function; for equal values it must suggest equal names.
        feasible: Of the result of `suggest`: whether it may be tried, as a bool, or by how much it
            may not, as a number above 0. A constraint that `suggest` sets on its trial counts too.
        identity: Of a feasible result: what is equal for results that are the same in effect. By
            default, the parameters.
        seed: Of names that `suggest` does not know; the order has nothing random.

    Raises:
        TypeError: A function cannot be called, or `seed` is no integer.
        ContinuousRangeError: A parameter that is first to be suggested has no end of values; others
            raise when they are reached. It is a ValueError.
        ValueError: `suggest` suggests nothing or differs when it is given the same values.

    Example::

        import optuna
        from neural_automl.samplers.grid import ExhaustiveSampler

        def suggest(trial):
            depth = trial.suggest_int("depth", 1, 3)
            return [trial.suggest_categorical(f"kernel_{i}", [1, 3]) for i in range(depth)]

        study = optuna.create_study(sampler=ExhaustiveSampler(suggest))
        study.optimize(lambda trial: sum(suggest(trial)))
        len(study.trials)  # 2 + 4 + 8
    """

    def __init__(
        self,
        suggest: Suggest,
        *,
        feasible: Excess | None = None,
        identity: Identity | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(suggest, seed=seed)
        self._judge = Judge(feasible, identity)
        next(enumerate_configurations(suggest))
        self._progress: PerStudy[_Progress] = PerStudy()

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Propose the next configuration that no other trial holds."""
        with self._progress.lock:
            progress = self._read(study, trial)
            source = (
                _Progress(progress.claims, enumerate_configurations(self._suggest, fixed=fixed))
                if fixed
                else progress
            )
            found = claim_first(
                study,
                trial,
                progress.claims,
                lambda: source.next(self._judge, trial.number),
                lambda found: found.values,
                rng,
            )
            if found is None and not fixed:
                give_up(study, trial, progress.claims, "every configuration was looked at")
            if found is None:
                # The user asks for something that is not feasible or not new: it is tried.
                found = draw(self._suggest, rng, fixed)
                write_claim(study, trial, found.values)
            return found

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Stop the study if this trial was the last."""
        with self._progress.lock:
            progress = self._read(study, None)
            if progress.next(self._judge, -1) is None:
                stop_exhausted(study)

    def _read(self, study: Study, trial: FrozenTrial | None) -> _Progress:
        progress = self._progress.of(
            study,
            lambda: _Progress(
                Claims(self._suggest, self._judge), enumerate_configurations(self._suggest)
            ),
        )
        progress.claims.update(study, but=None if trial is None else trial.number)
        return progress


class _Progress:
    """Where one study is in the enumeration."""

    def __init__(self, claims: Claims, every: Iterator[Configuration]) -> None:
        self.claims = claims
        self._every = every
        # What came up and is not yet held by a finished trial: a running one may withdraw.
        self._pending: list[Configuration] = []
        self._met: set[Hashable] = set()

    def next(self, judge: Judge, number: int) -> Configuration | None:
        """The first configuration that no other trial holds, or None at the end."""
        self._pending = [c for c in self._pending if not self._is_done(c, judge)]
        for configuration in self._pending:
            if not self.claims.is_taken(configuration, number):
                return configuration
        for configuration in self._every:
            # Worked out only where no trial has these very values.
            if not self._is_settled(configuration.key):
                verdict = judge(configuration)
                if not verdict.is_feasible or verdict.identity in self._met:
                    continue
                self._met.add(verdict.identity)
                if self._is_settled(verdict.identity):
                    continue
                self._pending.append(configuration)
                if not self.claims.is_taken(configuration, number):
                    return configuration
        return None

    def _is_done(self, configuration: Configuration, judge: Judge) -> bool:
        return self._is_settled(configuration.key) or self._is_settled(
            judge(configuration).identity
        )

    def _is_settled(self, key: Hashable) -> bool:
        return any(self.claims.of(n).settled for n in self.claims.holders(key, but=-1))
