"""What a search refuses before a study is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.evaluation import METRIC_NAMES, ArchitectureEvaluator
from neural_automl.exceptions import EvaluationError, StudyError
from neural_automl.parameters import did_you_mean
from neural_automl.studies import is_text
from neural_automl.trials import _rung_start
from neural_automl.trials._run import COST_METRICS
from neural_automl.trials._rungs import Rungs

if TYPE_CHECKING:
    import optuna

# Drawn until the data fits one: a size that is open may be too small in most of them.
_SAMPLES: Final = 64


def check_names(
    storage: str | Path | None, study_name: str | None, metrics: str | Sequence[str] | None
) -> None:
    """Check the names that an engine is given.

    Raises:
        ValueError: One cannot be used.
    """
    if storage == "":
        raise ValueError("`storage` must be a URL or a path but is empty.")
    if study_name is not None and not is_text(study_name):
        raise ValueError(f"`study_name` must be text in UTF-8 but got {study_name!r}.")
    if metrics and not isinstance(metrics, str) and len(set(metrics)) < len(metrics):
        raise ValueError(f"`metrics` must be different but got {', '.join(metrics)}.")


def check_data(space: ArchitectureSpace, evaluator: ArchitectureEvaluator) -> None:
    """Check that data fits a space; where an embedding's size is open, that one of them does."""
    for seed in range(_SAMPLES):
        try:
            evaluator.check(space.sample_architecture(seed=seed))
        except EvaluationError:  # this embedding has too little room; another may have it
            if seed == _SAMPLES - 1:
                raise
        else:
            return


def check_rungs(
    rungs: tuple[int, ...],
    reduction_factor: int | None,
    metrics: Sequence[str] | None,
    early_stopping: object,
) -> None:
    """Check that rungs can be searched on, with the engine's other options.

    Raises:
        ValueError: They can't.
    """
    made = Rungs(rungs, 3 if reduction_factor is None else reduction_factor)
    _rung_start.check_rungs(made, metrics or ("val_accuracy",), COST_METRICS)
    if early_stopping not in (None, "none"):
        raise ValueError("`rungs` stop trainings by themselves: give no `early_stopping`")


def check_study(study: optuna.Study) -> None:
    """Check that a study's trials, if it has any, are those of searches.

    Raises:
        StudyError: They are another program's.
    """
    trials = study.get_trials(deepcopy=False)
    if "space" not in study.user_attrs and any(trial.state.is_finished() for trial in trials):
        raise StudyError(
            f"the study {study.study_name!r} holds trials of another program; use another study "
            "name"
        )


def measured(metrics: Sequence[str]) -> list[str]:
    """Return what an evaluator shall measure on its validation data for such metrics.

    Raises:
        ValueError: One is no name of a metric.
    """
    of_data = [f"val_{name}" for name in METRIC_NAMES]
    known = [*of_data, "val_loss", "train_loss", *COST_METRICS]
    for metric in metrics:
        if metric == "flops":
            raise ValueError("flops are twice the macs: ask for the metric macs")
        if metric not in known:
            begun = [name for name in known if name.startswith((metric, f"val_{metric}"))]
            near = did_you_mean((begun or [metric])[0], known)
            raise ValueError(f"a metric must be among {', '.join(known)} but got {metric!r}{near}")
    return [metric.removeprefix("val_") for metric in metrics if metric in of_data]
