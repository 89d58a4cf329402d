"""The best networks of a search, trained again with several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from neural_automl.evaluation import (
    ArchitectureEvaluator,
    EvaluationContext,
    direction_of,
    on_everything,
)
from neural_automl.exceptions import (
    DivergenceError,
    EvaluationError,
    OutOfMemoryError,
    StudyError,
)
from neural_automl.identity import identity_of
from neural_automl.registry import architecture_of, front_trials, metrics_of, space_of
from neural_automl.retraining._comparison import compare
from neural_automl.retraining._retrained import Candidate, Retrained, Run
from neural_automl.search._result import SearchResult

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture

#: The study's attribute that holds what was found last.
ATTRIBUTE: Final = "retrained"
#: How many times as long as in the search, where nobody says.
_LONGER: Final = 2

Callback = Callable[[int, int, Mapping[str, float]], None]


def retrain(
    found: SearchResult | optuna.Study,
    *,
    evaluator: ArchitectureEvaluator | None = None,
    top_k: int = 3,
    epochs: int | None = None,
    seeds: int | Sequence[int] = 5,
    metric: str | None = None,
    callback: Callback | None = None,
) -> Retrained:
    """Train the best networks of a search again, and compare them on the test data.

    Each is trained with every seed on the training and the validation data together, and measured
    on the test data once. No weights of the search are used. The summary is kept as the study's
    attribute ``retrained``.

    Args:
        found: A search's result, or a study; of several objectives, its Pareto front is trained.
        evaluator: With test data; needed for a study, or a result that was loaded.
        top_k: How many networks, those that compute the same counted once.
        epochs: Of each training; by default twice those of the search.
        seeds: How many, from 0, or which; at least 2.
        metric: To rank and compare by, ``test_accuracy``; by default the study's own.
        callback: Called after each training with trial, seed and test metrics.

    Raises:
        StudyError: No trial completed, there is no test data, or the study was of other data.
        EvaluationError: No network could be trained.
        ValueError: An option is out of its range.

    Example:
        ``retrain(result, top_k=3, seeds=5).verdict``
    """
    study = found.study if isinstance(found, SearchResult) else found
    chosen = _seeds(seeds)
    for name, value in (("top_k", top_k), ("epochs", epochs)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1 but got {value}.")
    trainer = _evaluator(found, evaluator)
    trials = _top(study, top_k)
    ranked_by = _metric(study, trainer, next(iter(trials.values())), metric)
    _check_data(study, list(trials), trainer)
    everything = on_everything(trainer)
    candidates, failed = [], {}
    for trial, architecture in trials.items():
        longer = epochs or _LONGER * _epochs(study, trial, trainer, architecture)
        try:
            runs = tuple(
                _run(everything, architecture, longer, seed, trial, callback) for seed in chosen
            )
        except (DivergenceError, OutOfMemoryError) as error:
            failed[trial] = str(error)
        else:
            candidates.append(Candidate(trial, architecture, longer, runs))
    if not candidates:
        reasons = "; ".join(f"trial {trial}: {reason}" for trial, reason in failed.items())
        raise EvaluationError(f"no network could be trained again: {reasons}")
    maximize = direction_of(ranked_by) == "maximize"
    candidates.sort(key=lambda each: (-1 if maximize else 1) * each.mean(ranked_by))
    scores = {each.trial: each.scores(ranked_by) for each in candidates}
    made = Retrained(
        study.study_name,
        ranked_by,
        tuple(candidates),
        tuple(compare(scores, maximize=maximize)),
        failed,
        everything,
    )
    study.set_user_attr(ATTRIBUTE, made.to_dict())
    return made


def _run(
    evaluator: ArchitectureEvaluator,
    architecture: Architecture,
    epochs: int,
    seed: int,
    trial: int,
    callback: Callback | None,
) -> Run:
    kept: dict[str, Any] = {}
    context = EvaluationContext(epochs=epochs, seed=seed, keep_weights=kept.update)
    epochs = int(evaluator.evaluate(architecture, context)["epochs"])
    metrics = evaluator.measure_test(architecture, kept)
    if callback is not None:
        callback(trial, seed, metrics)
    return Run(seed, metrics, epochs, kept)


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if len(set(chosen)) < max(2, len(chosen)):
        raise ValueError(
            "`seeds` must be at least 2, or at least 2 different numbers, as the spread is that of "
            f"several trainings, but got {seeds}."
        )
    return chosen


def _evaluator(
    found: SearchResult | optuna.Study, given: ArchitectureEvaluator | None
) -> ArchitectureEvaluator:
    own = found.evaluator if isinstance(found, SearchResult) else None
    evaluator = given or own
    if not isinstance(evaluator, ArchitectureEvaluator) or not evaluator.has_test_data:
        raise StudyError(
            "there is no test data to compare networks on; give an `evaluator` that has some"
        )
    return evaluator


def _top(study: optuna.Study, count: int) -> dict[int, Architecture]:
    """Return the best networks by the number of their trial, those that differ."""
    space = space_of(study)
    ranked: list[FrozenTrial] = front_trials(study, len(study.get_trials(deepcopy=False)))
    found: dict[str, tuple[int, Architecture]] = {}
    for trial in ranked:
        architecture = architecture_of(space, trial)
        found.setdefault(identity_of(architecture), (trial.number, architecture))
        if len(found) == count:
            break
    if not found:
        raise StudyError(f"no trial of the study {study.study_name!r} completed")
    return dict(found.values())


def _metric(
    study: optuna.Study,
    evaluator: ArchitectureEvaluator,
    architecture: Architecture,
    asked: str | None,
) -> str:
    measured = [name.removeprefix("val_") for name in evaluator.metrics_for(architecture)]
    if asked is not None:
        name = asked.removeprefix("val_").removeprefix("test_")
        if name not in measured:
            known = ", ".join(f"test_{each}" for each in measured)
            raise ValueError(f"`metric` must be among {known} but got {asked!r}.")
        return f"test_{name}"
    own = [name.removeprefix("val_").removesuffix(".best") for name in metrics_of(study)]
    return f"test_{next((name for name in own if name in measured), measured[0])}"


def _check_data(
    study: optuna.Study, trials: Sequence[int], evaluator: ArchitectureEvaluator
) -> None:
    """Check that the test data is not what the search trained on.

    Raises:
        StudyError: The study was of other data, or of another split of it.
    """
    for trial in study.get_trials(deepcopy=False):
        searched = trial.user_attrs.get("data_fingerprint")
        if trial.number in trials and searched not in (None, evaluator.data_fingerprint):
            raise StudyError(
                f"trial {trial.number} was trained on other data, or on another split of it, so "
                "that the test data may not be new to it; give the data of the search"
            )


def _epochs(
    study: optuna.Study, number: int, evaluator: ArchitectureEvaluator, architecture: Architecture
) -> int:
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number and isinstance(trial.user_attrs.get("max_epochs"), int):
            return int(trial.user_attrs["max_epochs"])
    return evaluator.epochs_for(architecture)
