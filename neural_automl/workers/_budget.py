"""When a search has enough, or nothing will come of it: told from the study, by every worker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import TrialState

from neural_automl.exceptions import NoFeasibleArchitectureError, TrialsFailedError
from neural_automl.registry import is_trained
from neural_automl.samplers._define_by_run import EXHAUSTED, SKIPPED
from neural_automl.trials._rungs import Ladder, Rungs
from neural_automl.workers._interruption import REQUESTED
from neural_automl.workers._leases import PERIOD, Lease, Watch
from neural_automl.workers._recovery import own_name, recover

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
_UNTRAINED: Final = frozenset({"infeasible", "cached_from"})
_LONGEST_PAUSE: Final = 1.0
#: A worker looks at the whole study when its trial's number is so near the budget, beside twice
#: the number of running trials, and after so many seconds, as the budget may have been changed.
_MARGIN: Final = 4
_LOOK_SECONDS: Final = 5.0


def set_budget(study: optuna.Study, max_trials: int, deadline: float | None) -> None:
    """Write the budget of a search into its study."""
    study.set_user_attr(MAX_TRIALS, max_trials)
    if deadline is not None or study.user_attrs.get(DEADLINE) is not None:
        study.set_user_attr(DEADLINE, deadline)


class Budget:
    """Ends a worker's loop when enough was trained, or nothing will be.

    Workers share a budget without a lock. A trial may train if those with lower numbers that
    trained, or still may, are fewer than the budget: numbers rise in the order in which trials are
    made, so that the trial with the highest number among those that train has seen all others, and
    no more than the budget train, however many workers there are.

    With rungs a trial is charged by its epochs: see ``Ladder``, which reads the budget from the
    study. Workers that begin at once may then exceed it, by a trial of the lowest rung each.

    Args:
        study: Holds the budget.
        stop: Set to end the loop before its next trial.
        sleep: Waits some seconds.

    Attributes:
        reason: Why it ended the loop, or None.
        error: What to raise, or None.
        is_pausing: Whether it stopped the loop in order to look whether there is more to do.
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
        self._untrained = 0
        self._any_repeat = False
        self._margin = 0
        self._wants_look = False
        self._looked = self._recovered = float("-inf")
        self._max_trials, self._deadline = 0, float("inf")
        self._read()
        self._rungs = Rungs.of(study)
        self.reason: str | None = None
        self.error: Exception | None = None
        self.is_pausing = False

    def seconds_left(self) -> float | None:
        """Return the seconds until no trial begins any more; None where there is no such time."""
        left = self._deadline - time.time()
        return None if left == float("inf") else max(0.0, left)

    def is_spent(self) -> bool:
        """Return whether so many trials have trained, or with rungs as many epochs."""
        if self._rungs is not None:
            return Ladder(self._study, self._rungs).is_spent()
        trials = self._study.get_trials(deepcopy=False)
        return sum(map(is_trained, trials)) >= self._max_trials

    def may_begin(self) -> bool:
        """Return whether a further trial shall begin, once that is clear.

        Where those that run would spend the budget, their end is waited for: they may turn out to
        need no training.
        """
        pause = 0.05
        self.is_pausing = False
        while self.error is None and not self._is_over():
            self._recover()
            if self._rungs is not None:
                if not self.is_spent():
                    return True
                self.reason = "budget"
                break
            trials = self._study.get_trials(deepcopy=False)
            trained = sum(map(is_trained, trials))
            running = sum(map(self._runs, trials))
            self._margin, self._looked = 2 * running + _MARGIN, time.monotonic()
            if trained >= self._max_trials:
                self.reason = "budget"
                break
            if trained + running < self._max_trials:
                return True
            pause = self._wait(pause)
        return False

    def goes_on(self) -> bool:
        """Return whether a network is to go on to a higher rung though the space is exhausted."""
        if self._rungs is None or self.error is not None or self._is_over():
            return False
        return Ladder(self._study, self._rungs).next() is not None

    def admit(self, trial: Trial) -> bool:
        """Return whether a trial that was begun may go on, once that is clear.

        One that may not is to be handed back.
        """
        # Fewer trials than the budget have lower numbers: there is nothing to read.
        if self._rungs is not None or trial.number < self._max_trials:
            return True
        pause = 0.05
        with Lease(trial, own_name()):
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

    def after(self, trial: Trial, state: TrialState) -> None:
        """Take note of a trial, before its end is written: to read it again is not free.

        Args:
            trial: With all its attributes.
            state: How it ends.
        """
        attributes = trial.user_attrs
        if state == TrialState.FAIL:
            self._after_failure(trial.number, attributes.get("error", "unknown error"))
        else:
            if "cached_from" not in attributes:
                self._failures = 0
            self._after_success(attributes)
        self._wants_look = self._shall_look(trial.number)

    def pause(self, study: optuna.Study) -> None:
        """Stop the loop if there is a reason, after everyone else who might."""
        if study._stop_flag:
            return  # by the sampler, or by a callback: not to be begun again
        if self.error is not None or self.reason is not None or self._wants_look:
            self.is_pausing = True
            study.stop()

    def _shall_look(self, number: int) -> bool:
        """Return whether the budget may be spent after a trial: reading every trial is not free."""
        return (
            self._rungs is not None
            or number + 1 + self._margin >= self._max_trials
            or time.monotonic() - self._looked > _LOOK_SECONDS
            or self._is_interrupted()
        )

    def _is_interrupted(self) -> bool:
        return REQUESTED.is_set() or (self._stop is not None and self._stop.is_set())

    def _read(self) -> None:
        attributes = self._study.user_attrs
        self._max_trials = int(attributes.get(MAX_TRIALS, 0))
        deadline = attributes.get(DEADLINE)
        self._deadline = float("inf") if deadline is None else float(deadline)

    def _is_over(self) -> bool:
        """Whether the loop shall end, whatever the trials are; read anew, as it may be changed."""
        self._read()
        if self._is_interrupted():
            self.reason = "interrupted"
        elif time.time() >= self._deadline:
            self.reason = "timeout"
        return self.reason is not None

    def _recover(self) -> None:
        """Take up the trials of dead workers, now and then."""
        if time.monotonic() - self._recovered > PERIOD:
            recover(self._study, self._watch)
            self._recovered = time.monotonic()

    def _wait(self, pause: float) -> float:
        # At random, so that waiters do not ask all at once.
        self._sleep(pause * random.uniform(0.5, 1.5))
        return min(2 * pause, _LONGEST_PAUSE)

    def _runs(self, trial: FrozenTrial) -> bool:
        return trial.state == TrialState.RUNNING and self._watch.is_alive(trial)

    def _after_failure(self, number: int, text: str) -> None:
        self._failures += 1
        lines = text.strip().splitlines()
        _, nothing, reason = lines[-1].partition(f"{NoFeasibleArchitectureError.__name__}: ")
        if nothing:
            self.error = NoFeasibleArchitectureError(reason)
        elif self._failures == _FAILURES_IN_A_ROW:
            self.error = TrialsFailedError(
                f"{_FAILURES_IN_A_ROW} trials in a row failed, the last, {number}, with: "
                f"{lines[-1]} (its attribute 'error' holds the traceback)"
            )

    def _after_success(self, attributes: Mapping[str, Any]) -> None:
        """Stop if many trials in a row were infeasible, or repeats of what is known."""
        if SKIPPED in attributes:
            return  # neither a training nor a sign that there is none
        if not _UNTRAINED & attributes.keys():
            self._untrained, self._any_repeat = 0, False
            return
        self._untrained += 1
        self._any_repeat |= "cached_from" in attributes
        if self._untrained < _IN_A_ROW_WITHOUT_TRAINING:
            return
        if self._any_repeat:
            self.reason = EXHAUSTED
        else:
            self.error = NoFeasibleArchitectureError(
                f"none of the last {_IN_A_ROW_WITHOUT_TRAINING} proposals could be trained; the "
                f"last one {attributes['infeasible']}"
            )
