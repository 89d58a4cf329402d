"""The workers of one search: begun on an executor, watched, and tidied up after."""

from __future__ import annotations

import threading
import time
import warnings
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from neural_automl._fallbacks import add_fallback
from neural_automl.checkpoints import remove_leftovers
from neural_automl.exceptions import FallbackWarning, StudyError
from neural_automl.executor import BaseExecutor, SequentialExecutor, create_executor
from neural_automl.executor._process import cores
from neural_automl.studies import is_in_memory, quiet_optuna, sqlite_path
from neural_automl.trials._rungs import RUNG
from neural_automl.workers._budget import DEADLINE, Budget
from neural_automl.workers._interruption import REQUESTED, ends_on_sigterm
from neural_automl.workers._leases import Watch
from neural_automl.workers._recovery import recover
from neural_automl.workers._worker import Outcome, SearchWorker, joint_outcome

if TYPE_CHECKING:
    import optuna

    from neural_automl.executor import Result

#: Seconds between two looks at a search that runs elsewhere.
_LOOK: Final = 0.5
#: More workers than these on one SQLite file wait for each other.
_FEW: Final = 8
_SEQUENTIAL: Final = "sequential"


def default_workers(executor: str | BaseExecutor) -> int:
    """Return how many workers there are where nobody says: one, or one a core."""
    return 1 if executor == _SEQUENTIAL or isinstance(executor, SequentialExecutor) else cores()


def run_search(
    study: optuna.Study,
    worker: SearchWorker,
    executor: str | BaseExecutor,
    max_workers: int,
    strict: bool,
) -> str:
    """Run workers until the budget of a study is spent, and return why they ended.

    Args:
        study: Holds the budget.
        worker: What each does.
        executor: A name, or one that stays open.
        max_workers: How many.
        strict: Whether an executor that can't be had is an error.

    Raises:
        StudyError: The database can't be shared, or trials failed in a row.
        ExecutorError: The executor is gone.
    """
    if Budget(study).is_spent():
        return "trained already"
    _check_sharing(worker.url, executor, max_workers)
    try:
        outcome = _run_on(study, worker, executor, max_workers, strict)
    finally:
        _tidy(study, worker)
    if outcome.error is not None:
        raise outcome.error
    return outcome.reason


def _run_on(
    study: optuna.Study,
    worker: SearchWorker,
    executor: str | BaseExecutor,
    max_workers: int,
    strict: bool,
) -> Outcome:
    if isinstance(executor, BaseExecutor):
        return _run(study, worker, executor, max_workers, owned=False)
    with create_executor(executor, max_workers, strict=strict) as made:
        if made.fallback is not None:
            add_fallback(study, made.fallback)
            max_workers = 1
        return _run(study, worker, made, max_workers, owned=True)


def _tidy(study: optuna.Study, worker: SearchWorker) -> None:
    """Set back the trials of workers that died for good, and remove what they had no time to."""
    recover(study, Watch())
    store = worker.objective.keeping.store
    if store is not None and store != "auto":
        remove_leftovers(store, study)


def queue_interrupted(study: optuna.Study) -> None:
    """Queue what Ctrl-C cut off, once."""
    trials = study.get_trials(deepcopy=False)
    resumed = {trial.user_attrs.get("resumed_from") for trial in trials}
    for trial in trials:
        if trial.user_attrs.get(RUNG):
            continue  # its network is due to go on again
        if trial.user_attrs.get("interrupted") and trial.number not in resumed:
            study.enqueue_trial(trial.params, user_attrs={"resumed_from": trial.number})


def _run(
    study: optuna.Study, worker: SearchWorker, executor: BaseExecutor, count: int, *, owned: bool
) -> Outcome:
    with quiet_optuna():
        if isinstance(executor, SequentialExecutor):
            return worker(0)  # in this thread, so that Ctrl-C reaches the training
        rows: Future[list[Result]] = Future()

        def execute() -> None:
            call = worker if executor.shares_memory else worker.alone()
            try:
                rows.set_result(executor.execute_trials(call, range(count)))
            # Whatever it is, an exit too: the engine waits for this, and raises it in its thread.
            except BaseException as error:  # noqa: BLE001
                rows.set_exception(error)

        thread = threading.Thread(target=execute, name="executor", daemon=True)
        thread.start()
        try:
            with ends_on_sigterm():
                told = _watch(study, worker, executor, rows)
        except BaseException as error:
            _end(study, worker, executor, owned=owned)
            thread.join()
            if isinstance(error, KeyboardInterrupt):
                return Outcome("interrupted")
            raise
        return _joint(study, rows.result(), told)


def _watch(
    study: optuna.Study, worker: SearchWorker, executor: BaseExecutor, rows: Future[Any]
) -> bool:
    """Wait for the workers; where they are elsewhere, call the callbacks here.

    Returns:
        Whether the workers were told to end, by SIGTERM.
    """
    calls, told = not executor.shares_memory, False
    seen = {trial.number for trial in _finished(study)} if calls and worker.callbacks else set()
    while True:
        is_last = _is_done(rows)
        if REQUESTED.is_set() and not told:
            told = True
            if not executor.hand_back() and not executor.shares_memory:
                study.set_user_attr(DEADLINE, time.time())  # they leave after their trials
        if calls and worker.callbacks:
            for trial in _finished(study):
                if trial.number not in seen:
                    seen.add(trial.number)
                    for callback in worker.callbacks:
                        callback(study, trial)
        if is_last:
            return told


def _is_done(rows: Future[Any]) -> bool:
    try:
        rows.exception(timeout=_LOOK)
    except TimeoutError:
        return rows.done()
    return True


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _end(study: optuna.Study, worker: SearchWorker, executor: BaseExecutor, *, owned: bool) -> None:
    """Let the workers leave: at once where the executor is ours, else after their trials."""
    if worker.stop is not None:
        worker.stop.set()
    if not executor.shares_memory and not owned:
        study.set_user_attr(DEADLINE, time.time())
    if owned:
        executor.shutdown()


def _joint(study: optuna.Study, rows: list[Result], told: bool) -> Outcome:
    outcomes = [row["result"] for row in rows if isinstance(row["result"], Outcome)]
    failures = [str(row.get("error")) for row in rows if not isinstance(row["result"], Outcome)]
    if told:
        outcomes.append(Outcome("interrupted"))
        failures = []  # of children that had not begun yet: what dies of SIGTERM is not lost
    outcome = joint_outcome(outcomes, failures)
    lost = failures + [str(other.error) for other in outcomes if other.error is not None]
    if outcome.error is None:
        for text in lost:
            reason = f"a worker was lost and the others did its part: {text}"
            add_fallback(study, reason)
            warnings.warn(reason, FallbackWarning, stacklevel=2)
    return outcome


def _check_sharing(url: str, executor: str | BaseExecutor, max_workers: int) -> None:
    alone = executor == _SEQUENTIAL or isinstance(executor, SequentialExecutor)
    if is_in_memory(url) and not alone:
        raise StudyError(
            "a database in memory belongs to one thread: use the executor sequential, or give a "
            "file"
        )
    if max_workers > _FEW and sqlite_path(url) is not None:
        warnings.warn(
            f"{max_workers} workers share one SQLite file, where one writes at a time; above "
            f"{_FEW} a PostgreSQL database is the better place",
            UserWarning,
            stacklevel=2,
        )
