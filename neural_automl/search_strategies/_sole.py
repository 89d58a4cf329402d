"""The sampler of a space with one architecture, of which Optuna asks a sampler nothing."""

from __future__ import annotations

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

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let this trial be the last if another has tried the architecture."""
        super().before_trial(study, trial)
        # Before the trial runs, as who runs it may ask then whether the study was stopped.
        if any(map(_has_tried, study.get_trials(deepcopy=False, states=_FINISHED))):
            stop_exhausted(study)


def _has_tried(trial: FrozenTrial) -> bool:
    return "infeasible" not in trial.user_attrs or "cached_from" in trial.user_attrs
