"""The sampler of a space with one architecture, of which Optuna asks a sampler nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from neural_automl.samplers._define_by_run._claims import stop_exhausted

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class SoleSampler(RandomSampler):
    """Stops the study at the first repeat: all there is has been tried.

    A trial that failed, or that broke a limit before it was trained, is none that says so: the
    engine knows better what to make of these.
    """

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Stop the study if another trial has finished before."""
        super().after_trial(study, trial, state, values)
        attributes = trial.user_attrs
        if state not in _FINISHED:
            return
        if "infeasible" in attributes and "cached_from" not in attributes:
            return
        finished = study.get_trials(deepcopy=False, states=_FINISHED)
        if any(other.number != trial.number for other in finished):
            stop_exhausted(study)
