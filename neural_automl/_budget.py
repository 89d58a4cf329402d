"""When a search has enough, or nothing will come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from optuna.trial import TrialState

from neural_automl._rungs import Ladder, Rungs
from neural_automl.exceptions import NoFeasibleArchitectureError, StudyError
from neural_automl.registry import full_trainings, is_trained
from neural_automl.samplers._define_by_run import EXHAUSTED

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

#: So many trials in a row without a training end a search: nothing more will come.
_IN_A_ROW_WITHOUT_TRAINING: Final = 200
_FAILURES_IN_A_ROW: Final = 3


class Budget:
    """Ends a search when enough was trained, or nothing will be.

    With rungs a trial is charged by its epochs: see ``Ladder``, which reads the budget from the
    study.

    Attributes:
        reason: Why it ended it, or None.
        error: What to raise, or None.
    """

    def __init__(self, max_trials: int) -> None:
        self._max_trials = max_trials
        self._failures = 0
        self.reason: str | None = None
        self.error: Exception | None = None

    def is_spent(self, study: optuna.Study) -> bool:
        """Return whether so many trials have trained, or with rungs as many epochs."""
        rungs = Rungs.of(study)
        if rungs is not None:
            return Ladder(study, rungs).is_spent()
        return full_trainings(study) >= self._max_trials

    def goes_on(self, study: optuna.Study) -> bool:
        """Return whether a network is to go on to a higher rung though the space is exhausted."""
        rungs = Rungs.of(study)
        if rungs is None or self.error is not None:
            return False
        return Ladder(study, rungs).next() is not None

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Stop the study if this trial was the last."""
        if trial.state == TrialState.FAIL:
            self._after_failure(study, trial)
        else:
            if "cached_from" not in trial.user_attrs:
                self._failures = 0
            if not is_trained(trial):
                self._after_nothing(study, trial)
        if self.error is None and self.is_spent(study):
            self.reason = "budget"
            study.stop()

    def _after_failure(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._failures += 1
        lines = trial.user_attrs.get("error", "unknown error").strip().splitlines()
        _, nothing, reason = lines[-1].partition(f"{NoFeasibleArchitectureError.__name__}: ")
        if nothing:
            self.error = NoFeasibleArchitectureError(reason)
            study.stop()
        elif self._failures == _FAILURES_IN_A_ROW:
            self.error = StudyError(
                f"{_FAILURES_IN_A_ROW} trials in a row failed, the last, {trial.number}, with: "
                f"{lines[-1]} (its attribute 'error' holds the traceback)"
            )
            study.stop()

    def _after_nothing(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Stop if many trials in a row were infeasible, or repeats of what is known."""
        finished = _finished(study)
        recent = finished[-_IN_A_ROW_WITHOUT_TRAINING:]
        if len(recent) < _IN_A_ROW_WITHOUT_TRAINING or any(map(is_trained, recent)):
            return
        if any("cached_from" in other.user_attrs for other in recent):
            self.reason = EXHAUSTED
        else:
            self.error = NoFeasibleArchitectureError(
                f"none of the last {_IN_A_ROW_WITHOUT_TRAINING} proposals could be trained; the "
                f"last one {trial.user_attrs['infeasible']}"
            )
        study.stop()


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
