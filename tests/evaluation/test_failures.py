from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neural_automl.architecture import Architecture
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import (
    DataError,
    DivergenceError,
    OutOfMemoryError,
)
from neural_automl.values import Call
from tests.evaluation.helpers import (
    Recorder,
    blobs,
    convolutional,
    dense,
    fake,
    images,
    plane,
    run,
)


class Script(nn.Module):
    """A network whose loss is what a script says, one entry a training step."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.losses = losses

    def forward(self, x: Tensor) -> Tensor:
        value = self.losses.pop(0) if self.training else 1.0
        return x[:, :3] * 0 + self.weight * value


@pytest.mark.parametrize("bad", [nan, inf])
def test_a_loss_that_is_not_finite_ends_the_training_at_once(bad: float) -> None:
    losses = [1.0, 1.0, bad, 1.0, 1.0, 1.0]
    recorder = Recorder()
    evaluator = ArchitectureEvaluator(blobs(40), blobs(20), device="cpu")
    architecture = fake(lambda: Script(losses), dense(training={"batch_size": 10}))
    with pytest.raises(DivergenceError, match="in epoch 1 after 20 samples"):
        evaluator.evaluate(architecture, recorder.context())
    assert len(losses) == 3
    assert recorder.calls == []


def test_a_network_that_diverges_for_real_is_found() -> None:
    evaluator = ArchitectureEvaluator(plane(60), plane(20), device="cpu")
    wild = dense(units=1, optimizer=Call("SGD", {"learning_rate": 1e6}))
    with pytest.raises(DivergenceError):
        run(evaluator, wild, epochs=50)


def test_a_metric_that_is_not_finite_is_not_reported() -> None:
    recorder = Recorder()
    evaluator = ArchitectureEvaluator(blobs(60), metrics={"odd": lambda *_: nan}, device="cpu")
    with pytest.raises(DivergenceError, match="val_odd became nan in epoch 1"):
        evaluator.evaluate(dense(), recorder.context())
    assert recorder.reports == []


def test_an_error_of_a_report_passes_through(evaluator: ArchitectureEvaluator) -> None:
    def fail(step: int, metrics: object) -> None:
        raise KeyError(step)

    context = Recorder().context()
    with pytest.raises(KeyError):
        evaluator.evaluate(dense(), type(context)(2, 0, report=fail))


def watched(make: Callable[[], nn.Module]) -> tuple[Callable[[], nn.Module], list[Any]]:
    """Return a builder that keeps weak references to what it builds."""
    references: list[Any] = []

    def build() -> nn.Module:
        model = make()
        references.append(weakref.ref(model))
        references.extend(weakref.ref(parameter) for parameter in model.parameters())
        return model

    return build, references


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop", "Nadam"])
def test_the_network_is_freed(evaluator: ArchitectureEvaluator, optimizer: str) -> None:
    real = dense(optimizer=Call(optimizer))
    build, references = watched(real.build)
    gc.collect()
    gc.disable()
    try:
        evaluator.evaluate(fake(build, real), Recorder().context())
        assert len(references) == 5
        assert all(reference() is None for reference in references)
    finally:
        gc.enable()


class Hungry(nn.Module):
    """A network that wants a petabyte for its activations."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 3)
        self.cycle = [self]  # so that only a collection frees it

    def forward(self, x: Tensor) -> Any:
        return self.dense(x) + torch.empty(2**50)


def test_a_network_too_large_is_our_error_and_is_freed(evaluator: ArchitectureEvaluator) -> None:
    build, references = watched(Hungry)
    with pytest.raises(OutOfMemoryError, match="on cpu") as caught:
        evaluator.evaluate(fake(build), Recorder().context())
    assert caught.value.__traceback__ is not None  # still alive, and yet:
    assert len(references) == 3
    assert all(reference() is None for reference in references)
    run(evaluator, dense())  # and the next one trains


def test_weights_too_large_to_be_made_are_our_error(evaluator: ArchitectureEvaluator) -> None:
    with pytest.raises(OutOfMemoryError):
        run(evaluator, dense(hidden=2**40))


@pytest.mark.parametrize(
    ("data", "architecture", "message"),
    [
        pytest.param(images(9), dense(), r"\(6, 6, 1\) do not fit .* \(4,\)", id="shape"),
        pytest.param(
            images(9, (6, 6, 1)), convolutional((8, 8, 1)), r"\(6, 6, 1\).*\(8, 8, 1\)", id="size"
        ),
        pytest.param(blobs(12, classes=4), dense(units=3), "label 3 but the output", id="classes"),
        pytest.param(plane(12), dense(units=3), r"hold 1 values", id="values"),
        pytest.param(
            images(9, (5, 5, 5)), convolutional((5, 5, 5)), "`data_layout`", id="ambiguous"
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_before_training(
    data: Any, architecture: Architecture, message: str
) -> None:
    evaluator = ArchitectureEvaluator(data, data, device="cpu")
    with pytest.raises(DataError, match=message):
        evaluator.check(architecture)
    with pytest.raises(DataError, match=message):
        evaluator.check(architecture.graph)
    built: list[int] = []

    def build() -> nn.Module:
        built.append(1)
        return nn.Identity()

    with pytest.raises(DataError, match=message):
        run(evaluator, fake(build, architecture))
    assert built == []


def test_validation_data_that_does_not_fit_is_named() -> None:
    evaluator = ArchitectureEvaluator(blobs(12, 3), blobs(12, 5), device="cpu")
    with pytest.raises(DataError, match="the validation data has the label 4"):
        evaluator.check(dense())


def test_a_share_of_0_and_no_validation_data_is_refused(evaluator: ArchitectureEvaluator) -> None:
    architecture = dense(training={"validation_split": 0.0})
    with pytest.raises(DataError, match="no validation data"):
        run(ArchitectureEvaluator(blobs(60), device="cpu"), architecture)
    run(evaluator, architecture)  # its validation data is given


def test_a_metric_for_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match="for a classification"):
        ArchitectureEvaluator(blobs(9), task="classification", metrics=["r2"])
    evaluator = ArchitectureEvaluator(blobs(9), metrics=["r2"], device="cpu")
    with pytest.raises(ValueError, match="for a classification"):
        run(evaluator, dense())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "jax"}, "`backend` must be one of 'pytorch', 'tensorflow' but got 'jax'"),
        ({"task": "ranking"}, "`task` must be one of"),
        ({"keep": "all"}, "`keep` must be one of 'last', 'best'"),
        ({"data_layout": "NCHW"}, "`data_layout` must be one of"),
        ({"mixed_precision": "fp8"}, "`mixed_precision` must be one of"),
        ({"epochs": 0}, "`epochs` must be at least 1 but got 0"),
        ({"threads": 0}, "`threads` must be at least 1 but got 0"),
        ({"validation_split": 1.0}, "`validation_split` must be between 0 and 1 but got 1.0"),
        ({"metrics": ["acc"]}, "`metrics` must be among"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchitectureEvaluator(blobs(9), **options)


def test_mixed_precision_needs_cuda() -> None:
    evaluator = ArchitectureEvaluator(blobs(60), mixed_precision=True, device="cpu")
    with pytest.raises(ValueError, match="needs a CUDA device but this is cpu"):
        run(evaluator, dense())
