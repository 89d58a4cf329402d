"""When a search has enough, or nothing will come of it: told from the study, by every worker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from optuna.trial import TrialState

from neural_automl._leases import Lease, Watch
from neural_automl.exceptions import NoFeasibleArchitectureError, StudyError
from neural_automl.registry import is_trained
from neural_automl.samplers._define_by_run import EXHAUSTED

if TYPE_CHECKING:
    import threading

    import optuna
    from optuna.trial import FrozenTrial, Trial

#: Attributes of a study: how many trials shall have trained, and the time (Unix, in seconds) after
#: which none begins.
MAX_TRIALS: Final = "max_trials"
DEADLINE: Final = "deadline"
#: So many trials in a row without a training end a search: nothing more will come.
_IN_A_ROW_WITHOUT_TRAINING: Final = 200
_FAILURES_IN_A_ROW: Final = 3
_LONGEST_PAUSE: Final = 1.0


def set_budget(study: optuna.Study, max_trials: int, deadline: float | None) -> None:
    """Write the budget of a search into its study."""
    study.set_user_attr(MAX_TRIALS, max_trials)
    if deadline is not None or study.user_attrs.get(DEADLINE) is not None:
        study.set_user_attr(DEADLINE, deadline)


def count_trained(study: optuna.Study) -> int:
    """Return how many trials of a study have trained."""
    return sum(map(is_trained, study.get_trials(deepcopy=False)))


class Budget:
    """Ends a worker's loop when enough was trained, or nothing will be.

    Workers share a budget without a lock. A trial may train if those with lower numbers that
    trained, or still may, are fewer than the budget: numbers rise in the order in which trials are
    made, so that the trial with the highest number among those that train has seen all others, and
    no more than the budget train, however many workers there are.

    Args:
        study: Holds the budget.
        stop: Set to end the loop before its next trial.
        sleep: Waits some seconds.

    Attributes:
        reason: Why it ended the loop, or None.
        error: What to raise, or None.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._study = study
        self._stop = stop
        self._sleep = sleep
        self._watch = Watch()
        self._failures = 0
        self._max_trials, self._deadline = 0, float("inf")
        self._read()
        self.reason: str | None = None
        self.error: Exception | None = None

    def seconds_left(self) -> float | None:
        """Return the seconds until no trial begins any more; None where there is no such time."""
        left = self._deadline - time.time()
        return None if left == float("inf") else max(0.0, left)

    def may_begin(self) -> bool:
        """Return whether a further trial shall begin, once that is clear.

        Where those that run would spend the budget, their end is waited for: they may turn out to
        need no training.
        """
        pause = 0.05
        while not self._is_over():
            trials = self._study.get_trials(deepcopy=False)
            trained = sum(map(is_trained, trials))
            if trained >= self._max_trials:
                self.reason = "budget"
                break
            if trained + sum(map(self._runs, trials)) < self._max_trials:
                return True
            pause = self._wait(pause)
        return False

    def admit(self, trial: Trial) -> bool:
        """Return whether a trial that was begun may go on, once that is clear.

        One that may not is to be handed back.
        """
        # Fewer trials than the budget have lower numbers: there is nothing to read.
        if trial.number < self._max_trials:
            return True
        pause = 0.05
        with Lease(trial):
            while not self._is_over():
                trials = self._study.get_trials(deepcopy=False)
                lower = [other for other in trials if other.number < trial.number]
                if sum(map(is_trained, trials)) >= self._max_trials:
                    return False
                claims = sum(map(is_trained, lower)) + sum(map(self._runs, lower))
                waiting = sum(other.state == TrialState.WAITING for other in lower)
                if claims + waiting < self._max_trials:
                    return True
                if waiting:
                    return False  # a waiting one comes first, and someone must take it up
                pause = self._wait(pause)
        return False

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Stop the loop if this trial was the last."""
        if trial.state == TrialState.FAIL:
            self._after_failure(trial)
        elif trial.user_attrs.get("infeasible") == EXHAUSTED:
            self.reason = EXHAUSTED
        else:
            if "cached_from" not in trial.user_attrs:
                self._failures = 0
            if not is_trained(trial):
                self._after_nothing(trial)
        if self.error is not None or self.reason is not None or not self.may_begin():
            study.stop()

    def _read(self) -> None:
        attributes = self._study.user_attrs
        self._max_trials = int(attributes.get(MAX_TRIALS, 0))
        deadline = attributes.get(DEADLINE)
        self._deadline = float("inf") if deadline is None else float(deadline)

    def _is_over(self) -> bool:
        """Whether the loop shall end, whatever the trials are; read anew, as it may be changed."""
        self._read()
        if self._stop is not None and self._stop.is_set():
            self.reason = "interrupted"
        elif time.time() >= self._deadline:
            self.reason = "timeout"
        return self.reason is not None

    def _wait(self, pause: float) -> float:
        # At random, so that waiters do not ask all at once.
        self._sleep(pause * random.uniform(0.5, 1.5))
        return min(2 * pause, _LONGEST_PAUSE)

    def _runs(self, trial: FrozenTrial) -> bool:
        return trial.state == TrialState.RUNNING and self._watch.is_alive(trial)

    def _after_failure(self, trial: FrozenTrial) -> None:
        self._failures += 1
        lines = trial.user_attrs.get("error", "unknown error").strip().splitlines()
        _, nothing, reason = lines[-1].partition(f"{NoFeasibleArchitectureError.__name__}: ")
        if nothing:
            self.error = NoFeasibleArchitectureError(reason)
        elif self._failures == _FAILURES_IN_A_ROW:
            self.error = StudyError(
                f"{_FAILURES_IN_A_ROW} trials in a row failed, the last, {trial.number}, with: "
                f"{lines[-1]} (its attribute 'error' holds the traceback)"
            )

    def _after_nothing(self, trial: FrozenTrial) -> None:
        """Stop if many trials in a row were infeasible, or repeats of what is known."""
        trials = self._study.get_trials(deepcopy=False)
        recent = [other for other in trials if other.state.is_finished()]
        recent = recent[-_IN_A_ROW_WITHOUT_TRAINING:]
        if len(recent) < _IN_A_ROW_WITHOUT_TRAINING or any(map(is_trained, recent)):
            return
        if any("cached_from" in other.user_attrs for other in recent):
            self.reason = EXHAUSTED
        else:
            self.error = NoFeasibleArchitectureError(
                f"none of the last {_IN_A_ROW_WITHOUT_TRAINING} proposals could be trained; the "
                f"last one {trial.user_attrs['infeasible']}"
            )
