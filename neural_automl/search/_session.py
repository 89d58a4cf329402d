"""One search of a study, from its opening to what is published of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neural_automl.registry import write_ledger
from neural_automl.report import publish
from neural_automl.search._opening import open_search
from neural_automl.search._running import run_search
from neural_automl.search._warm import begin_warm, find_earlier
from neural_automl.studies import storage_errors
from neural_automl.tracking._create import prepare
from neural_automl.workers._budget import set_budget
from neural_automl.workers._worker import Callback, SearchWorker

if TYPE_CHECKING:
    import optuna

    from neural_automl.objective import ArchitectureObjective
    from neural_automl.search._options import EngineOptions


def run_session(
    options: EngineOptions,
    objective: ArchitectureObjective,
    *,
    max_trials: int,
    epochs: int | None,
    timeout: float | None,
    data: Mapping[str, Any] | None,
    callbacks: Sequence[Callback],
) -> tuple[optuna.Study, str]:
    """Search until a study's budget is spent, and return the study and why the search ended.

    Args:
        options: Of the engine.
        objective: What is run.
        max_trials: Trials of the study that shall have trained.
        epochs: The search's ``max_epochs_per_trial``.
        timeout: Seconds after which no further trial begins.
        data: Arguments of ``load_data``, for workers elsewhere; None where the data came otherwise.
        callbacks: Called with study and trial after each trial.

    Raises:
        StudyError: The database can't be used, the study searches another space, or three trials
            in a row failed.
        TrackingError: The tracker can't begin.
    """
    url, executor, workers = options.url, options.executor_type, options.workers
    with storage_errors(url):
        # Before the study is made: a wrong name leaves none behind.
        name = options.study_name or objective.space.name
        earlier = find_earlier(options.warm_start, url, name)
        study = open_search(
            url,
            name,
            objective,
            *options.make_sampler(objective, max_trials),
            options.make_pruner(objective.longest_training()),
            engine_options=options.recorded(),
            epochs=epochs,
            data=data,
        )
        if earlier is not None:
            set_budget(study, max_trials, None)  # the timeout begins after the scores
            begin_warm(study, objective, earlier, options.warm_options, executor, workers)
        prepare(options.tracker, study.study_name)
        set_budget(study, max_trials, None if timeout is None else time.time() + timeout)
        worker = SearchWorker(
            url,
            study.study_name,
            objective,
            study.sampler,
            study.pruner,
            callbacks=callbacks,
            storage=study._storage,
            stop=threading.Event(),
            strict=options.strict,
        )
        reason = run_search(study, worker, executor, workers, options.strict)
        write_ledger(study)
        publish(study)
    return study, reason
