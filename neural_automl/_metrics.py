"""What must be measured so that a search can optimise it."""

from __future__ import annotations

from collections.abc import Sequence

from neural_automl.evaluation import METRIC_NAMES
from neural_automl.objective import COST_METRICS
from neural_automl.parameters import did_you_mean


def measured(metrics: Sequence[str]) -> list[str]:
    """Return what an evaluator shall measure on its validation data for such metrics.

    Raises:
        ValueError: One is no name of a metric.
    """
    names = []
    for metric in metrics:
        if metric in COST_METRICS or metric in ("val_loss", "train_loss"):
            continue
        if metric == "flops":
            raise ValueError("flops are twice the macs: ask for the metric macs")
        if not metric.startswith("val_"):
            raise ValueError(
                f"a metric must be val_loss, train_loss, val_ and the name of a metric, or one of "
                f"{', '.join(COST_METRICS)} but got {metric!r}"
                + did_you_mean(f"val_{metric}", [f"val_{name}" for name in METRIC_NAMES])
            )
        names.append(metric.removeprefix("val_"))
    return names
