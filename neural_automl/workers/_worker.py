"""A worker: one loop of ``study.optimize`` on a shared storage, until the budget is spent."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from neural_automl._fallbacks import fallbacks_forbidden
from neural_automl.exceptions import StudyError
from neural_automl.samplers._define_by_run import EXHAUSTED, STOP_REASON
from neural_automl.studies import absolute_url, open_storage, quiet_optuna, storage_errors
from neural_automl.workers._budget import Budget
from neural_automl.workers._interruption import HandedBack, Interrupts, ends_on_sigterm
from neural_automl.workers._leases import WORKER
from neural_automl.workers._recovery import hand_back, own_name

if TYPE_CHECKING:
    import threading

    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

    from neural_automl.objective import ArchitectureObjective

Callback = Callable[[optuna.Study, "FrozenTrial"], None]


@dataclass(frozen=True)
class Outcome:
    """Why a worker left.

    Attributes:
        reason: As ``SearchResult.stop_reason`` has it.
        error: What the search shall raise, or None.
    """

    reason: str
    error: Exception | None = None


@dataclass(frozen=True)
class SearchWorker:
    """What each worker of a search does; it may be pickled.

    Attributes:
        url: Of the storage.
        study_name: Of the study.
        objective: What is run.
        sampler: Proposes; each worker has a copy.
        pruner: Stops.
        callbacks: Called with study and trial after each trial; not pickled.
        storage: Already open, for workers in this process; not pickled.
        stop: Set to let workers of this process leave after their trial; not pickled.
        strict: Whether a fallback ends the search.
    """

    url: str = field(repr=False)
    study_name: str
    objective: ArchitectureObjective
    sampler: BaseSampler
    pruner: BasePruner
    callbacks: Sequence[Callback] = ()
    storage: BaseStorage | None = field(default=None, repr=False)
    stop: threading.Event | None = None
    strict: bool = False

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "callbacks": (), "storage": None, "stop": None}
        return {**state, "url": absolute_url(self.url)}

    def __call__(self, place: int) -> Outcome:
        """Work until the budget is spent.

        Args:
            place: Which of the search's workers this is, from 0.
        """
        with storage_errors(self.url):
            storage = self.storage or open_storage(self.url, must_exist=True)
            study = optuna.load_study(
                study_name=self.study_name,
                storage=storage,
                # Samplers and pruners keep what they know of a study, for one thread.
                sampler=copy.deepcopy(self.sampler) if place else self.sampler,
                pruner=self.pruner,
            )
            with fallbacks_forbidden(self.strict) as ends:
                return work(study, self.objective, [*self.callbacks, *ends], self.stop)

    def alone(self) -> SearchWorker:
        """Return the same without callbacks, which the engine calls itself."""
        return replace(self, callbacks=())


def work(
    study: optuna.Study,
    objective: ArchitectureObjective,
    callbacks: Sequence[Callback] = (),
    stop: threading.Event | None = None,
) -> Outcome:
    """Run trials of a study in this thread until its budget is spent.

    Args:
        study: Holds the budget.
        objective: What is run.
        callbacks: Called with study and trial after each trial.
        stop: Set to leave after a trial.
    """
    interrupts = Interrupts()
    budget = Budget(study, stop=stop, sleep=interrupts.sleep)
    name = own_name()

    def run(trial: Trial) -> float | tuple[float, ...]:
        trial.set_user_attr(WORKER, name)
        if interrupts.is_pending or not budget.admit(trial):
            hand_back(study, trial._trial_id)
            raise HandedBack
        state = TrialState.FAIL
        try:
            with interrupts.let_through():
                values = objective(trial)
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
            raise
        except HandedBack:
            state = TrialState.WAITING
            raise
        finally:
            if state != TrialState.WAITING:
                budget.after(trial, state)
                if not callbacks:
                    budget.pause(study)
        return values

    after: list[Callback] = [*callbacks]
    if callbacks:
        after.append(lambda study, _: budget.pause(study))
    optimize = partial(study.optimize, run, callbacks=after or None, catch=(Exception,))
    with quiet_optuna(), ends_on_sigterm():
        try:
            with interrupts.held():
                _loop(optimize, budget, interrupts)
        except KeyboardInterrupt:
            return Outcome("interrupted")
        finally:
            objective.tidy()
            objective.remove_weights(study)
    return _outcome(study, budget)


def _loop(optimize: Callable[..., None], budget: Budget, interrupts: Interrupts) -> None:
    while budget.may_begin():
        interrupts.check()
        try:
            with _others_may_tell():
                optimize(timeout=budget.seconds_left())
        except HandedBack:
            continue
        if not budget.is_pausing:
            break
    # What ends a space does not end the climb on its rungs.
    while budget.goes_on():
        interrupts.check()
        with contextlib.suppress(HandedBack), _others_may_tell():
            optimize(n_trials=1)


@contextlib.contextmanager
def _others_may_tell() -> Iterator[None]:
    """Leave a trial that ends here and was another worker's by then, or told by one.

    Raises:
        HandedBack: It was.
    """
    try:
        yield
    except (ValueError, AssertionError, UpdateFinishedTrialError) as error:
        # Optuna says so in a ValueError, on whose way out it may assert that it can't be.
        cause = error.__context__ if isinstance(error, AssertionError) else error
        told = isinstance(cause, ValueError) and str(cause).startswith("Cannot tell a ")
        if not told and not isinstance(cause, UpdateFinishedTrialError):
            raise
        raise HandedBack("a trial was taken over by another worker") from error


def _outcome(study: optuna.Study, budget: Budget) -> Outcome:
    if budget.error is not None:
        return Outcome("error", budget.error)
    if budget.reason is None and study.user_attrs.get(STOP_REASON) == EXHAUSTED:
        return Outcome(EXHAUSTED)
    if budget.reason is None and budget.seconds_left() != 0.0:
        return Outcome("stopped")
    return Outcome(budget.reason or "timeout")


def joint_outcome(outcomes: Sequence[Outcome], failures: Sequence[str]) -> Outcome:
    """Return why a search of several workers ended.

    Args:
        outcomes: Of the workers that left by themselves.
        failures: What became of the others, a text each.

    Returns:
        The first among these that any worker has: the budget is spent, it was interrupted, there
        is nothing left, the time is up, a callback stopped it. Else the error of one of them.
    """
    reasons = {outcome.reason for outcome in outcomes}
    for reason in ("budget", "interrupted", EXHAUSTED, "timeout", "stopped"):
        if reason in reasons:
            return Outcome(reason)
    for outcome in outcomes:
        if outcome.error is not None:
            return outcome
    return Outcome("error", StudyError(f"no worker ran to its end: {failures[0]}"))
