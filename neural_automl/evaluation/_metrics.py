"""Metrics over a whole data set: from all logits and targets at once, never a mean of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from neural_automl.evaluation._optimizers import LOSS_FUNCTIONS

Metric: TypeAlias = Callable[[Tensor, Tensor, str], float]


def compute(
    outputs: Tensor,
    targets: Tensor,
    loss: str,
    names: tuple[str, ...],
    own: Mapping[str, Callable[[Tensor, Tensor], Any]],
) -> dict[str, float]:
    """Return the loss and the metrics of a data set.

    Args:
        outputs: Logits or values, shape (N, C).
        targets: Labels, shape (N,), or values, shape (N, C).
        loss: A name of ``hyperparameters.LOSSES``.
        names: Of the table.
        own: Functions of outputs and targets, by name.
    """
    outputs = outputs.float()
    metrics = {name: METRICS[name](outputs, targets, loss) for name in names}
    metrics.update({name: float(function(outputs, targets)) for name, function in own.items()})
    metrics["loss"] = float(LOSS_FUNCTIONS[loss](outputs, targets))
    return metrics


def _accuracy(outputs: Tensor, targets: Tensor, loss: str) -> float:
    if loss == "cross_entropy":
        right = outputs.argmax(1) == targets
    else:
        right = (outputs > 0) == (targets > 0.5)
    return int(right.sum()) / right.numel()


def _mse(outputs: Tensor, targets: Tensor, loss: str) -> float:
    return float((outputs.double() - targets.double()).square().mean())


def _rmse(outputs: Tensor, targets: Tensor, loss: str) -> float:
    return sqrt(_mse(outputs, targets, loss))


def _mae(outputs: Tensor, targets: Tensor, loss: str) -> float:
    return float((outputs.double() - targets.double()).abs().mean())


def _r2(outputs: Tensor, targets: Tensor, loss: str) -> float:
    """Return the mean over the columns of 1 - residual / total.

    A column of equal targets counts 1 where it is met exactly and else 0, as in scikit-learn:
    its own formula would divide by 0.
    """
    truth = targets.double()
    residual = (outputs.double() - truth).square().sum(0)
    total = (truth - truth.mean(0)).square().sum(0)
    score = torch.where(total > 0, 1 - residual / total, (residual == 0).double())
    return float(score.mean())


def _torchmetrics(function: str, **options: Any) -> Metric:
    def metric(outputs: Tensor, targets: Tensor, loss: str) -> float:
        # Takes a second to import, and only those who ask for such a metric need it.
        from torchmetrics.functional import classification

        count = outputs.shape[1]
        if loss == "cross_entropy":
            scores, labels = outputs.softmax(1), targets
            kind, size = "multiclass", {"num_classes": count, **options}
        else:
            scores, labels = outputs.sigmoid(), (targets > 0.5).long()
            kind, size = "multilabel", {"num_labels": count, **options}
            if count == 1:
                kind, size = "binary", {}
                scores, labels = scores.flatten(), labels.flatten()
        return float(getattr(classification, f"{kind}_{function}")(scores, labels, **size))

    return metric


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": _accuracy,
    "f1": _torchmetrics("f1_score", average="macro"),
    "precision": _torchmetrics("precision", average="macro"),
    "recall": _torchmetrics("recall", average="macro"),
    "auroc": _torchmetrics("auroc", average="macro"),
    "mse": _mse,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
}
