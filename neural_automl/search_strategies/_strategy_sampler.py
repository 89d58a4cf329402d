"""A user's strategy as a sampler: what it proposes is checked, what trained is told to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import TrialState

from neural_automl.architecture import Architecture
from neural_automl.exceptions import SpaceError, StudyError, excerpt
from neural_automl.registry import metrics_of
from neural_automl.samplers._define_by_run import (
    Configuration,
    ConfigurationSampler,
    PerStudy,
    complete,
    replay,
)
from neural_automl.samplers._define_by_run._claims import Claims
from neural_automl.samplers._define_by_run._exclusive import claim_first
from neural_automl.samplers._define_by_run._judge import Judge
from neural_automl.trials._proposals import ExcessOf, IdentityOf, SuggestOf

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.search_strategies._strategy import SearchStrategy

#: So often a strategy may propose in a row what may not be trained.
_ATTEMPTS: Final = 100


@dataclass(slots=True)
class _Memory:
    """What is kept of one study: its own copy of the strategy, and the trials that it was told."""

    strategy: SearchStrategy
    claims: Claims
    told: set[int] = field(default_factory=set)


class StrategySampler(ConfigurationSampler):
    """Asks a strategy for each trial.

    Before it is asked it is told every trial that ended COMPLETE or PRUNED and that it was not told
    yet, whoever ran it. Each study has a copy of the strategy, and each process: what it knows
    comes from the study.

    Args:
        strategy: What is asked.
        space: What it proposes from.
        limits: By how much an architecture may not be trained.
        seed: Of names that the space does not know.
    """

    def __init__(
        self,
        strategy: SearchStrategy,
        space: ArchitectureSpace,
        limits: ExcessOf,
        *,
        seed: int | None = None,
    ) -> None:
        suggest = SuggestOf(space)
        super().__init__(suggest, seed=seed)
        self._strategy = strategy
        self._space = space
        self._judge = Judge(limits, IdentityOf())
        self._memories: PerStudy[_Memory] = PerStudy()

    @property
    def strategy(self) -> SearchStrategy:
        """The strategy, as it was given."""
        return self._strategy

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Ask the strategy until it proposes what may be trained.

        Raises:
            TypeError: It gives no architecture.
            StudyError: It gives none of the space; or, a hundred times in a row, one that breaks a
                limit or repeats a trial.
        """
        if fixed:
            return complete(self._suggest, fixed, rng, fixed)
        with self._memories.lock:
            memory = self._memories.of(study, self._remember)
            memory.claims.update(study, but=trial.number)
            self._tell(memory, study)
            found = claim_first(
                study,
                trial,
                memory.claims,
                lambda: self._ask(memory, trial.number),
                lambda configuration: configuration.values,
                rng,
            )
            assert found is not None  # _ask raises where there is nothing
            return found

    def _remember(self) -> _Memory:
        return _Memory(copy.deepcopy(self._strategy), Claims(self._suggest, self._judge))

    def _ask(self, memory: _Memory, number: int) -> Configuration:
        reason = ""
        for _ in range(_ATTEMPTS):
            configuration = self._configuration(memory.strategy.suggest(self._space, number))
            verdict = self._judge(configuration)
            if not verdict.is_feasible:
                broken = self._space.violations(configuration.result) or {"a limit": verdict.excess}
                listed = ", ".join(f"{name} by {excess:,.0f}" for name, excess in broken.items())
                reason = f"what breaks {listed}"
            elif memory.claims.is_taken(configuration, but=number):
                holders = memory.claims.holders(configuration.key, number)
                holders |= memory.claims.holders(verdict.identity, number)
                reason = f"the same as trial {min(holders)}"
            else:
                return configuration
        raise StudyError(
            f"the strategy {self._strategy.name!r} proposed {_ATTEMPTS} times in a row what can't "
            f"be trained, the last time {reason}"
        )

    def _configuration(self, architecture: Any) -> Configuration:
        if not isinstance(architecture, Architecture):
            raise TypeError(
                f"suggest of the strategy {self._strategy.name!r} must return an architecture of "
                f"the space but returned {excerpt(architecture)}"
            )
        try:
            choices = self._space.choices_of(architecture)
        except SpaceError as error:
            # An objective takes a SpaceError for an infeasible architecture, and goes on.
            raise StudyError(
                f"the strategy {self._strategy.name!r} proposed what is not in the space: {error}"
            ) from error
        configuration = replay(self._suggest, choices)
        assert configuration is not None  # choices_of gives a value for every name
        return configuration

    def _tell(self, memory: _Memory, study: Study) -> None:
        names = metrics_of(study)
        for trial in study._storage.get_all_trials(study._study_id, deepcopy=False):
            taught = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
            if not taught or trial.number in memory.told:
                continue
            memory.told.add(trial.number)
            configuration = replay(self._suggest, trial.params)
            if configuration is not None and configuration.result is not None:
                memory.strategy.update(configuration.result, _metrics(trial, names))


def _metrics(trial: FrozenTrial, names: list[str]) -> dict[str, float]:
    """Return every number that a trial recorded, with the values of the objectives."""
    metrics = {
        name: value
        for name, value in trial.user_attrs.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if trial.state is TrialState.COMPLETE:
        metrics.update(zip(names, trial.values, strict=True))
    return metrics
