"""The metrics that can be asked for by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from neural_automl.data import Task
from neural_automl.parameters import did_you_mean

CLASSIFICATION_METRICS: Final = ("accuracy", "f1", "precision", "recall", "auroc")
REGRESSION_METRICS: Final = ("mse", "mae", "r2", "rmse")

#: Every metric that can be asked for by name.
METRIC_NAMES: Final = (*CLASSIFICATION_METRICS, *REGRESSION_METRICS)

#: What is measured where nothing is asked for; the first decides which epoch is the best.
DEFAULT_METRICS: Final[Mapping[Task, tuple[str, ...]]] = {
    "classification": ("accuracy",),
    "regression": ("mse", "mae", "r2"),
}
_METRICS_OF: Final[Mapping[Task, tuple[str, ...]]] = {
    "classification": CLASSIFICATION_METRICS,
    "regression": REGRESSION_METRICS,
}


def check_names(names: Iterable[str], task: Task | None = None) -> None:
    """Check names of metrics, and that they are for a task.

    Raises:
        ValueError: One is not; the message lists those that are.
    """
    known = METRIC_NAMES if task is None else _METRICS_OF[task]
    what = "" if task is None else f" for a {task}"
    for name in names:
        if name not in known:
            raise ValueError(
                f"`metrics`{what} must be among {', '.join(known)} but got {name!r}"
                + did_you_mean(name, known)
            )


def qualified_name(function: object) -> str:
    """Return a function's, or another callable's class's, module and name."""
    parts = ("__module__", "__qualname__")
    return ".".join(str(getattr(function, part, getattr(type(function), part))) for part in parts)
