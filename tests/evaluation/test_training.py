from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.evaluation._optimizers import make_optimizer
from neural_automl.evaluation._settings import TrainingSettings
from neural_automl.evaluation._training import Measure, make_step
from neural_automl.values import Call
from tests.evaluation.helpers import (
    FAST,
    Recorder,
    blobs,
    convolutional,
    dense,
    fake,
    images,
    plane,
    run,
    tensors,
)

CPU = torch.device("cpu")


def test_a_network_learns_to_tell_classes_apart(evaluator: ArchitectureEvaluator) -> None:
    metrics = run(evaluator, dense(optimizer=FAST), epochs=10)
    assert metrics["val_accuracy"] > 0.95
    assert metrics["val_loss"] < 0.3


def test_a_network_learns_a_regression() -> None:
    evaluator = ArchitectureEvaluator(plane(100), plane(40, seed=1), device="cpu")
    metrics = run(evaluator, dense(units=1, hidden=32, optimizer=FAST), epochs=20)
    assert evaluator.task == "regression"
    assert metrics["val_r2"] > 0.9
    assert metrics["val_mse"] == pytest.approx(metrics["val_loss"], rel=1e-5)


def test_a_network_learns_several_values_a_sample() -> None:
    evaluator = ArchitectureEvaluator(plane(100, 3), plane(40, 3, seed=1), device="cpu")
    metrics = run(evaluator, dense(units=3, hidden=32, optimizer=FAST), epochs=20)
    assert metrics["val_r2"] > 0.9


def test_a_network_learns_yes_and_no() -> None:
    evaluator = ArchitectureEvaluator(blobs(60, 2), blobs(30, 2, seed=1), device="cpu")
    metrics = run(evaluator, dense(units=1, optimizer=FAST), epochs=10)
    assert metrics["val_accuracy"] > 0.95
    assert metrics["val_loss"] < 0.3


def test_a_network_learns_tokens() -> None:
    tokens = np.arange(60).reshape(20, 3) % 5
    evaluator = ArchitectureEvaluator((tokens, tokens[:, 0]), validation_split=0.25, device="cpu")
    layers = (
        LayerConfig("Embedding", {"input_dim": 5, "output_dim": 8}),
        LayerConfig("Flatten"),
        LayerConfig("Dense", {"units": 5}),
    )
    metrics = run(evaluator, Architecture((3,), layers, optimizer=FAST), epochs=20)
    assert metrics["train_loss"] < 0.5


def test_a_network_trains_in_training_mode_and_is_measured_in_the_other() -> None:
    modes: list[bool] = []

    class Watching(nn.Linear):
        def forward(self, x: Tensor) -> Any:
            modes.append(self.training)
            return super().forward(x)

    evaluator = ArchitectureEvaluator(blobs(32), blobs(20), device="cpu")
    run(evaluator, fake(lambda: Watching(4, 3)), epochs=3)
    assert modes == [True, False] * 3


def test_the_order_of_the_samples_is_the_seeds(evaluator: ArchitectureEvaluator) -> None:
    def make() -> nn.Module:
        model = nn.Linear(4, 3)
        nn.init.constant_(model.weight, 0.1)
        nn.init.constant_(model.bias, 0.0)
        return model

    architecture = fake(make, dense(training={"batch_size": 7}))
    assert run(evaluator, architecture, seed=0) == run(evaluator, architecture, seed=0)
    assert run(evaluator, architecture, seed=0) != run(evaluator, architecture, seed=1)


NET = convolutional((6, 6, 1), 3, LayerConfig("Dropout", {"rate": 0.5}), optimizer=FAST)


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    evaluator = ArchitectureEvaluator(images(60), device="cpu")
    first = run(evaluator, NET)
    assert run(evaluator, NET) == first
    assert run(ArchitectureEvaluator(images(60), device="cpu"), NET) == first
    assert run(evaluator, NET, seed=1) != first


def test_the_callers_random_numbers_are_not_touched(evaluator: ArchitectureEvaluator) -> None:
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    run(evaluator, dense())
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # type: ignore[index]  # noqa: NPY002


def test_the_callers_random_numbers_do_not_matter(evaluator: ArchitectureEvaluator) -> None:
    first = run(evaluator, dense())
    torch.rand(5)
    assert run(evaluator, dense()) == first


def test_patience_ends_a_training_that_does_not_improve() -> None:
    still = dense(optimizer=Call("SGD", {"learning_rate": 1e-30}), training={"patience": 3})
    evaluator = ArchitectureEvaluator(blobs(60), device="cpu")
    assert run(evaluator, still, epochs=20)["epochs"] == 4
    improving = dense(optimizer=Call("SGD", {"learning_rate": 1e-3}), training={"patience": 3})
    assert run(evaluator, improving, epochs=6)["epochs"] == 6


def first_step(limit: float | None) -> float:
    """Return how far one step of plain descent moves the weights."""
    training: dict[str, Any] = {"batch_size": 100}
    if limit is not None:
        training["gradient_clip"] = limit
    architecture = dense(optimizer=Call("SGD", {"learning_rate": 1.0}), training=training)
    before = Recorder(), Recorder()
    evaluator = ArchitectureEvaluator(blobs(60), blobs(20), device="cpu")
    evaluator.evaluate(architecture, before[0].context(epochs=1))
    still = dense(optimizer=Call("SGD", {"learning_rate": 1e-30}), training=training)
    evaluator.evaluate(still, before[1].context(epochs=1))
    moved, start = before[0].weights, before[1].weights
    return float(sum((moved[name] - start[name]).square().sum() for name in moved) ** 0.5)


def test_the_gradient_is_clipped_by_its_norm() -> None:
    assert first_step(None) > 0.5
    assert first_step(0.01) == pytest.approx(0.01, rel=1e-3)
    assert first_step(1e6) == pytest.approx(first_step(None), rel=1e-4)


def test_a_schedule_moves_the_learning_rate() -> None:
    decay = {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 1e-30}
    scheduled = dense(optimizer=Call("SGD", {"learning_rate": Call("ExponentialDecay", decay)}))
    evaluator = ArchitectureEvaluator(blobs(32), blobs(20), device="cpu")
    kept = [Recorder(), Recorder()]
    for recorder, epochs in zip(kept, (1, 4), strict=True):
        evaluator.evaluate(scheduled, recorder.context(epochs))
    for name, value in kept[0].weights.items():
        assert torch.equal(value, kept[1].weights[name])  # the first step is the only one


@pytest.mark.parametrize("count", [33, 65])
def test_batch_normalization_survives_a_last_batch_of_one(count: int) -> None:
    layers = (
        LayerConfig("Dense", {"units": 4}),
        LayerConfig("BatchNormalization"),
        LayerConfig("Dense", {"units": 3}),
    )
    evaluator = ArchitectureEvaluator(blobs(count), blobs(1), device="cpu")
    assert run(evaluator, Architecture((4,), layers))["epochs"] == 2
    loader = DataLoader(tensors(count), batch_size=32)
    loaded = ArchitectureEvaluator(loader, blobs(1), device="cpu")
    assert run(loaded, Architecture((4,), layers))["epochs"] == 2


def falling_then_rising() -> Callable[[Tensor, Tensor], float]:
    values = iter([0.1, 0.9, 0.5, 0.2])
    return lambda outputs, targets: next(values)


@pytest.mark.parametrize(("keep", "epoch"), [("last", 4), ("best", 2)])
def test_the_weights_are_those_of_the_last_or_the_best_epoch(keep: Any, epoch: int) -> None:
    data = (blobs(60), blobs(20, seed=1))
    evaluator = ArchitectureEvaluator(
        *data, metrics={"score": falling_then_rising()}, keep=keep, device="cpu"
    )
    recorder, shorter = Recorder(), Recorder()
    metrics = evaluator.evaluate(dense(), recorder.context(epochs=4))
    assert metrics["best_epoch"] == 2
    plain = ArchitectureEvaluator(*data, device="cpu")
    plain.evaluate(dense(), shorter.context(epochs=epoch))
    for name, value in recorder.weights.items():
        assert value.device.type == "cpu"
        assert torch.equal(value, shorter.weights[name])


@pytest.mark.parametrize("limit", [None, 0.5], ids=["free", "clipped"])
def test_a_step_in_mixed_precision_trains(limit: float | None) -> None:
    # The CPU has both halves of it, autocast and gradient scaling: the code is CUDA's.
    training = {} if limit is None else {"gradient_clip": limit}
    # Plain descent: an adaptive optimizer would hide a gradient of a wrong scale.
    descent = Call("SGD", {"learning_rate": 0.2})
    settings = TrainingSettings.of(dense(optimizer=descent, training=training))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = dense().build()
    kinds: set[torch.dtype] = set()
    model.register_forward_hook(lambda module, inputs, output: kinds.add(output.dtype))
    measure = Measure("cross_entropy", ("accuracy",), {}, autocast=True)
    optimizer, scaler = make_optimizer(model, settings, CPU), torch.amp.GradScaler("cpu")
    step = make_step(model, optimizer, settings, measure, CPU, scaler)
    x, y = (torch.from_numpy(part) for part in blobs(60))
    losses = [float(step(x, y)) for _ in range(20)]
    assert losses[-1] < losses[0] / 2
    assert kinds == {torch.bfloat16}


def test_threads_are_limited_while_it_trains() -> None:
    seen: set[int] = set()

    def count(outputs: Tensor, targets: Tensor) -> int:
        seen.add(torch.get_num_threads())
        return 1

    before = torch.get_num_threads()
    evaluator = ArchitectureEvaluator(
        blobs(30), threads=before + 1, metrics={"threads": count}, device="cpu"
    )
    run(evaluator, dense())
    assert seen == {before + 1}
    assert torch.get_num_threads() == before


def test_validation_metrics_do_not_depend_on_batches() -> None:
    # 300 samples are one batch and a rest: a mean over batches would weigh the rest too much.
    recorder = Recorder()
    evaluator = ArchitectureEvaluator(blobs(60), blobs(300, seed=1), device="cpu")
    metrics = evaluator.evaluate(dense(), recorder.context(epochs=1))
    model = dense().build("pytorch")
    model.load_state_dict(recorder.weights)
    x, y = (torch.from_numpy(part) for part in blobs(300, seed=1))
    with torch.no_grad():
        logits = model(x)
    assert metrics["val_loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, y)))
    assert metrics["val_accuracy"] == pytest.approx(float((logits.argmax(1) == y).float().mean()))
