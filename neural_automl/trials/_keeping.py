"""What trials keep beside the database: where, for how long, and of which the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from optuna.artifacts import get_all_artifact_meta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.study import StudyDirection
from optuna.trial import TrialState

from neural_automl.artifacts import WEIGHTS, save_artifacts
from neural_automl.checkpoints import Checkpoints, Leftovers
from neural_automl.registry import is_repeat
from neural_automl.studies import artifact_store_of

if TYPE_CHECKING:
    import optuna
    from numpy.typing import NDArray
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial, Trial

    from neural_automl.architecture import Architecture
    from neural_automl.trials._run import TrialRun


def check_kept(weights: int | None, quota: int | None, rungs: Sequence[int] | None) -> None:
    """Check what shall be kept.

    Raises:
        ValueError: A number is below 1, or weights are needed longer.
    """
    for name, number in (("keep_weights", weights), ("checkpoint_quota", quota)):
        if number is not None and number < 1:
            raise ValueError(f"`{name}` must be at least 1 but got {number}")
    if weights is not None and rungs is not None:
        raise ValueError(
            "`keep_weights` does not go with `rungs`: a training on the next rung begins with the "
            "weights of the one before"
        )


class Keeping:
    """What the trials of one objective keep.

    Args:
        store: Where; ``"auto"`` is a folder beside the study's SQLite database, None nowhere.
        checkpoints: Whether the state of a training is kept after each epoch.
        quota: Bytes that the checkpoints of all trainings under way may take together.
        weights: Of how many of the best trials the weights are kept; None is all.
    """

    def __init__(
        self,
        store: ArtifactStore | Literal["auto"] | None,
        *,
        checkpoints: bool,
        quota: int | None,
        weights: int | None,
    ) -> None:
        self.store = store
        self.checkpoints = checkpoints
        self.quota = quota
        self.weights = weights
        self._leftovers = Leftovers()

    def store_of(self, study: optuna.Study) -> ArtifactStore | None:
        """Return where the trials of a study keep what they keep."""
        return artifact_store_of(study) if self.store == "auto" else self.store

    def checkpoints_of(self, trial: Trial) -> Checkpoints | None:
        """Return the checkpoints of a trial, None where it shall keep none."""
        store = self.store_of(trial.study)
        if store is None or not self.checkpoints:
            return None
        self._leftovers.note(store, trial)
        return Checkpoints(store, trial, quota=self.quota)

    def save(self, trial: Trial, architecture: Architecture, run: TrialRun, values: Any) -> None:
        """Keep source, curve and, of one of the best, the weights of a training that ended.

        Args:
            trial: The trial, not told yet.
            architecture: What was trained.
            run: How.
            values: What will be told.
        """
        store = self.store_of(trial.study)
        if store is not None:
            kept = self.weights is None or is_among_best(trial.study, values, self.weights)
            save_artifacts(store, trial, architecture, run.weights, run.curve, keep_weights=kept)

    def tidy(self) -> None:
        """Remove the checkpoints of this objective's trials that have ended since."""
        self._leftovers.remove()

    def remove_weights(self, study: optuna.Study) -> None:
        """Remove the weights of trials that are not, or not any more, among the best."""
        store = self.store_of(study)
        if self.weights is not None and store is not None:
            remove_weights(store, study, self.weights)


def is_among_best(study: optuna.Study, values: float | Sequence[float], count: int) -> bool:
    """Return whether a trial that would end with these values is among the best so many.

    It is where fewer completed ones beat it; repeats, which have no weights of their own, do not
    count. Of several objectives, one beats another that is no worse in any and better in one, so
    that the whole Pareto front is always among the best.

    Args:
        study: The study.
        values: One for each objective.
        count: At least 1.
    """
    trials = _trained(study)
    losses = _losses(study, [[values] if isinstance(values, float) else list(values)])
    return _number_better(losses[0], _losses(study, [trial.values for trial in trials])) < count


def remove_weights(store: ArtifactStore, study: optuna.Study, count: int) -> None:
    """Remove the weights of completed trials that are not among the best so many.

    Of equal trials the earlier is the better one; repeats do not count.
    """
    trials = _trained(study)
    losses = _losses(study, [trial.values for trial in trials])
    for index, trial in enumerate(trials):
        better = _number_better(losses[index], losses)
        equal = int(np.sum(np.all(losses[:index] == losses[index], axis=1)))
        if better + (equal if len(study.directions) == 1 else 0) >= count:
            _remove(store, study, trial)


def _trained(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if not is_repeat(trial)]


def _losses(study: optuna.Study, values: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    signs = [-1.0 if way == StudyDirection.MAXIMIZE else 1.0 for way in study.directions]
    return np.asarray(values, float).reshape(-1, len(signs)) * signs


def _number_better(own: NDArray[np.float64], others: NDArray[np.float64]) -> int:
    beats = np.all(others <= own, axis=1) & np.any(others < own, axis=1)
    return int(np.sum(beats))


def _remove(store: ArtifactStore, study: optuna.Study, trial: FrozenTrial) -> None:
    for meta in get_all_artifact_meta(trial, storage=study._storage):
        if meta.filename == WEIGHTS:
            try:
                store.remove(meta.artifact_id)
            except ArtifactNotFound:
                continue
