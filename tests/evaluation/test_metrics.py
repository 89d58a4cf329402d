from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor
from torch.nn import functional

from neural_automl.data import Task
from neural_automl.evaluation._metrics import METRICS, compute
from neural_automl.evaluation._names import (
    CLASSIFICATION_METRICS,
    DEFAULT_METRICS,
    REGRESSION_METRICS,
    check_names,
)

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(50, 4, generator=GENERATOR)
LABELS = torch.randint(0, 4, (50,), generator=GENERATOR)
BITS = torch.randint(0, 2, (50, 4), generator=GENERATOR).float()


def measure(name: str, outputs: Tensor, targets: Tensor, loss: str) -> float:
    return compute(outputs, targets, loss, (name,), {})[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", lambda y, z: sklearn_metrics.accuracy_score(y, z.argmax(1))),
        ("f1", lambda y, z: sklearn_metrics.f1_score(y, z.argmax(1), average="macro")),
        ("recall", lambda y, z: sklearn_metrics.recall_score(y, z.argmax(1), average="macro")),
        (
            "precision",
            lambda y, z: sklearn_metrics.precision_score(y, z.argmax(1), average="macro"),
        ),
        ("auroc", lambda y, z: sklearn_metrics.roc_auc_score(y, z.softmax(1), multi_class="ovr")),
    ],
)
def test_metrics_of_classes_are_scikit_learns(name: str, expected: object) -> None:
    assert callable(expected)
    found = measure(name, LOGITS, LABELS, "cross_entropy")
    assert found == pytest.approx(expected(LABELS, LOGITS), abs=1e-6)


@pytest.mark.parametrize("columns", [1, 4], ids=["two classes", "several labels"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", lambda y, z: np.mean(np.asarray(y) == (np.asarray(z) > 0))),
        ("f1", lambda y, z: sklearn_metrics.f1_score(y, z > 0, average=average(y))),
        ("recall", lambda y, z: sklearn_metrics.recall_score(y, z > 0, average=average(y))),
        ("precision", lambda y, z: sklearn_metrics.precision_score(y, z > 0, average=average(y))),
        ("auroc", lambda y, z: sklearn_metrics.roc_auc_score(y, z, average="macro")),
    ],
)
def test_metrics_of_yes_and_no_are_scikit_learns(name: str, expected: object, columns: int) -> None:
    assert callable(expected)
    logits, bits = LOGITS[:, :columns], BITS[:, :columns]
    found = measure(name, logits, bits, "binary_crossentropy")
    assert found == pytest.approx(float(expected(bits, logits)), abs=1e-6)


def average(targets: Tensor) -> str:
    return "binary" if targets.shape[1] == 1 else "macro"


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", sklearn_metrics.mean_squared_error),
        ("mae", sklearn_metrics.mean_absolute_error),
        ("r2", sklearn_metrics.r2_score),
    ],
)
def test_metrics_of_values_are_scikit_learns(name: str, expected: object, columns: int) -> None:
    assert callable(expected)
    outputs, targets = LOGITS[:, :columns], LOGITS[:, :columns] * 0.5 + BITS[:, :columns]
    found = measure(name, outputs, targets, "mse")
    assert found == pytest.approx(expected(targets, outputs), rel=1e-6)


def test_rmse_is_the_root_of_mse() -> None:
    outputs, targets = torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [0.0]])
    assert measure("rmse", outputs, targets, "mse") == pytest.approx(4.5**0.5)


@pytest.mark.parametrize(("error", "score"), [(0.0, 1.0), (0.5, 0.0)], ids=["met", "missed"])
def test_r2_of_equal_targets_is_finite(error: float, score: float) -> None:
    targets = torch.full((5, 1), 2.0)
    assert measure("r2", targets + error, targets, "mse") == score


def test_r2_is_exact_far_from_zero() -> None:
    # In float32 the squares of such targets have no digit left for their differences.
    targets = torch.arange(100.0).unsqueeze(1) + 1e5
    outputs = targets + 1
    assert measure("r2", outputs, targets, "mse") == pytest.approx(
        sklearn_metrics.r2_score(targets.double(), outputs.double()), rel=1e-9
    )


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "expected"),
    [
        ("cross_entropy", LOGITS, LABELS, functional.cross_entropy(LOGITS, LABELS)),
        (
            "binary_crossentropy",
            LOGITS,
            BITS,
            functional.binary_cross_entropy(LOGITS.sigmoid(), BITS),
        ),
        ("mse", LOGITS, BITS, ((LOGITS - BITS) ** 2).mean()),
        ("mae", LOGITS, BITS, (LOGITS - BITS).abs().mean()),
        (
            "huber",
            torch.tensor([[0.5], [3.0]]),
            torch.zeros(2, 1),
            torch.tensor((0.125 + 2.5) / 2),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_loss_is_the_mean_over_all_samples(
    loss: str, outputs: Tensor, targets: Tensor, expected: Tensor
) -> None:
    assert compute(outputs, targets, loss, (), {})["loss"] == pytest.approx(float(expected))


def test_own_functions_see_all_logits_and_targets() -> None:
    seen: list[tuple[int, ...]] = []

    def own(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append((*outputs.shape, *targets.shape))
        return outputs.sum()

    metrics = compute(LOGITS, LABELS, "cross_entropy", ("accuracy",), {"total": own})
    assert seen == [(50, 4, 50)]
    assert metrics["total"] == pytest.approx(float(LOGITS.sum()))
    assert set(metrics) == {"accuracy", "total", "loss"}


def test_every_name_has_a_function_and_every_task_a_default() -> None:
    assert set(METRICS) == {*CLASSIFICATION_METRICS, *REGRESSION_METRICS}
    assert set(DEFAULT_METRICS) == set(get_args(Task))
    for task, names in DEFAULT_METRICS.items():
        check_names(names, task)


@pytest.mark.parametrize(
    ("names", "task", "message"),
    [
        pytest.param(["acuracy"], None, "'acuracy'; did you mean accuracy", id="near name"),
        pytest.param(["bleu"], None, "must be among accuracy, .*, rmse but got 'bleu'", id="all"),
        pytest.param(["r2"], "classification", "for a classification .* got 'r2'", id="of values"),
        pytest.param(["f1"], "regression", "for a regression must be among mse", id="of classes"),
    ],
)
def test_a_wrong_name_is_refused_and_the_right_ones_listed(
    names: list[str], task: Task | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_names(names, task)
