"""The study of a search, opened: made or gone on with, agreed on, and with what it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neural_automl.search._card import SCALING
from neural_automl.search._checks import check_study
from neural_automl.search._running import queue_interrupted
from neural_automl.studies import artifact_directory, make_artifact_store, open_study
from neural_automl.trials._terms import agree
from neural_automl.workers._leases import Watch
from neural_automl.workers._recovery import recover
from neural_automl.workers._settings import StudySettings

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from neural_automl.objective import ArchitectureObjective


def open_search(
    storage: str,
    name: str | None,
    objective: ArchitectureObjective,
    sampler: BaseSampler,
    strategy: str,
    pruner: BasePruner,
    *,
    engine_options: Mapping[str, Any],
    epochs: int | None,
    data: Mapping[str, Any] | None,
) -> optuna.Study:
    """Return the study of a search, ready for its workers.

    Args:
        storage: URL.
        name: Of the study; by default that of the space.
        objective: What is run; it gets the storage's artifact store.
        sampler: Of the study.
        strategy: What that is, in words.
        pruner: Of the study.
        engine_options: That workers elsewhere make their engine with.
        epochs: The search's ``max_epochs_per_trial``.
        data: Arguments of ``load_data``, for workers elsewhere; None where the data came otherwise.

    Raises:
        StudyError: The study searches another space, or for something else.
    """
    study = open_study(
        storage,
        name or objective.space.name,
        directions=objective.directions,
        sampler=sampler,
        pruner=pruner,
    )
    check_study(study)
    agree(study, objective.terms())
    study.set_user_attr("strategy", strategy)
    scaling = getattr(objective.evaluator, "scaling", "")
    if scaling:
        study.set_user_attr(SCALING, scaling)
    artifacts = artifact_directory(storage)
    objective.keeping.store = make_artifact_store(artifacts)
    StudySettings(engine_options, epochs, data, str(artifacts.absolute())).write(study)
    recover(study, Watch())  # what a search held that was killed on this machine
    queue_interrupted(study)
    return study
