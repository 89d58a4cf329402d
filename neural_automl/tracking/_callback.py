"""The callback for ``study.optimize``: any study's trials, as runs, once they have ended."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from neural_automl.artifacts import CURVE, SOURCE, load_artifact
from neural_automl.exceptions import FallbackWarning, StudyError
from neural_automl.registry import is_repeat
from neural_automl.studies import artifact_store_of
from neural_automl.tracking._create import TrackFunction, create_tracker
from neural_automl.tracking._live import GuardedRun, describe, named
from neural_automl.tracking._tracker import State, TrackedEnd, Tracker

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAIL",
}


class TrackingCallback:
    """Makes a run of each trial that has ended, of any objective; ``study.optimize`` calls it.

    Epochs are those of the trial's intermediate values, or of the curve that an
    ``ArchitectureObjective`` kept. A trial that was answered from an equal one, or not trained as
    it is infeasible, is no run. To follow a training while it goes on, give ``tracking`` to
    ``ArchitectureObjective`` instead, and not both.

    Args:
        tracking: See ``create_tracker``.
        strict: Whether a tracker that fails is an error; else it is a ``FallbackWarning``, and
            among the study's ``fallbacks``.
        **options: Of the tracker.

    Example:
        >>> import optuna
        >>> ended = []
        >>> callback = TrackingCallback(lambda trial, curve, end: ended.append(end.state))
        >>> study = optuna.create_study()
        >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 2, callbacks=[callback])
        >>> ended
        ['COMPLETE', 'COMPLETE']
    """

    def __init__(
        self, tracking: str | Tracker | TrackFunction, *, strict: bool = False, **options: Any
    ) -> None:
        self._tracker = create_tracker(tracking, **options)
        self._strict = strict

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Write one trial.

        Raises:
            FallbackWarning: The tracker failed, and that is an error.
        """
        if trial.state not in _STATES or _is_untrained(study, trial):
            return
        with warnings.catch_warnings():
            if self._strict:
                warnings.simplefilter("error", FallbackWarning)
            run = GuardedRun(self._tracker, study, describe(self._tracker.name, study, trial), None)
            files = _files(study, trial)
            for step, metrics in _curve(study, trial, files):
                run.log(step, metrics)
            known = trial.user_attrs
            reason = known.get("stopped") or known.get("infeasible") or known.get("error")
            run.end(
                TrackedEnd(
                    _STATES[trial.state],
                    values=named(_names(study), trial.values) if trial.values else {},
                    reason=str(reason or ""),
                    files=files,
                )
            )


def _is_untrained(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Tell what an ``ArchitectureObjective`` did not train; of others' trials nothing is known."""
    is_trained = "max_epochs" in trial.user_attrs and not is_repeat(trial)
    return "space" in study.user_attrs and not is_trained


def _names(study: optuna.Study) -> Sequence[str]:
    told = study.user_attrs.get("metrics")
    names = told.split(",") if isinstance(told, str) else study.metric_names or ()
    count = len(study.directions)
    if len(names) == count:
        return list(names)
    return ["value"] if count == 1 else [f"value_{place}" for place in range(count)]


def _files(study: optuna.Study, trial: FrozenTrial) -> dict[str, str]:
    store = artifact_store_of(study)
    files: dict[str, str] = {}
    if store is None:
        return files
    for name in (CURVE, SOURCE):
        try:
            files[name] = load_artifact(store, study, trial, name).decode()
        except StudyError:
            continue  # it kept none
    return files


def _curve(
    study: optuna.Study, trial: FrozenTrial, files: Mapping[str, str]
) -> list[tuple[int, dict[str, float]]]:
    if CURVE in files:
        rows = json.loads(files[CURVE])
        return [
            (int(row["epoch"]), {name: row[name] for name in row if name != "epoch"})
            for row in rows
        ]
    name = _names(study)[0]
    return [(step, {name: value}) for step, value in sorted(trial.intermediate_values.items())]
