"""A training that was cut off after any epoch and goes on ends as if it had not been."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import EvaluationError
from neural_automl.values import Call
from tests.evaluation.helpers import Recorder, blobs, convolutional, dense, images, tensors

EPOCHS = 3
SHAPE = (6, 6, 1)
COSINE = Call("CosineDecay", {"initial_learning_rate": 0.05})
DROPOUT = LayerConfig("Dropout", {"rate": 0.4})


def drop(**options: Any) -> Architecture:
    layers = (LayerConfig("Dense", {"units": 16}), DROPOUT, LayerConfig("Dense", {"units": 3}))
    return Architecture((4,), layers, **options)


def recurrent() -> Architecture:
    layers = (LayerConfig("LSTM", {"units": 5}), LayerConfig("Dense", {"units": 3}))
    return Architecture((4, 1), layers, optimizer=Call("Adam", {"learning_rate": 0.01}))


def evaluator_of(architecture: Architecture, **options: Any) -> ArchitectureEvaluator:
    if architecture.input_shape == (4,):
        data = blobs(60), blobs(20, seed=1)
    elif architecture.input_shape == (4, 1):
        data = tuple((x[..., None], y) for x, y in (blobs(60), blobs(20, seed=1)))  # type: ignore[assignment]
    else:
        data = images(60), images(20)
    return ArchitectureEvaluator(*data, device="cpu", **options)


@pytest.mark.parametrize(
    "architecture",
    [
        drop(optimizer=Call("SGD", {"learning_rate": COSINE, "momentum": 0.9})),
        drop(optimizer=Call("Adam", {"learning_rate": COSINE})),
        drop(optimizer=Call("AdamW", {"learning_rate": 0.01, "weight_decay": 0.01})),
        drop(optimizer=Call("RMSprop", {"learning_rate": 0.01})),
        drop(training={"gradient_clip": 0.1, "batch_size": 7}),
        convolutional(optimizer=Call("AdamW", {"learning_rate": COSINE})),
        convolutional(SHAPE, 3, DROPOUT, optimizer=Call("SGD", {"learning_rate": 0.1})),
        recurrent(),
    ],
    ids=[
        "sgd_cosine", "adam_cosine", "adamw", "rmsprop", "clipped", "conv_adamw", "conv_sgd",
        "lstm",
    ],
)  # fmt: skip
@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_cut_off_anywhere_ends_as_if_it_had_not_been(
    architecture: Architecture, keep: Any
) -> None:
    whole = Recorder()
    evaluator = evaluator_of(architecture, keep=keep, clock=iter(range(10**6)).__next__)
    expected = evaluator.evaluate(architecture, whole.context(EPOCHS, seed=3))
    for epoch in range(1, EPOCHS + 1):
        rest = Recorder()
        torch.rand(5)  # another process has drawn other numbers
        earlier = whole.states[epoch - 1]
        found = evaluator.evaluate(architecture, rest.context(EPOCHS, seed=3, earlier=earlier))
        assert [step for step, _ in rest.reports] == list(range(epoch + 1, EPOCHS + 1))
        assert rest.reports == whole.reports[epoch:]
        assert found == {**expected, "train_seconds": found["train_seconds"]}
        assert found["train_seconds"] == expected["train_seconds"]
        assert rest.weights.keys() == whole.weights.keys()
        for name, value in rest.weights.items():
            assert torch.equal(value, whole.weights[name]), name


def test_the_order_of_a_loader_that_shuffles_goes_on() -> None:
    loader = DataLoader(tensors(40), batch_size=8, shuffle=True)
    evaluator = ArchitectureEvaluator(loader, blobs(20, seed=1), device="cpu")
    whole, rest = Recorder(), Recorder()
    evaluator.evaluate(dense(), whole.context(3))
    evaluator.evaluate(dense(), rest.context(3, earlier=whole.states[0]))
    for name, value in rest.weights.items():
        assert torch.equal(value, whole.weights[name])


def test_a_training_that_ran_out_of_patience_trains_no_further_epoch() -> None:
    architecture = dense(training={"patience": 1}, optimizer=Call("SGD", {"learning_rate": 5.0}))
    evaluator = evaluator_of(architecture)
    whole, rest = Recorder(), Recorder()
    ended = int(evaluator.evaluate(architecture, whole.context(30))["epochs"])
    assert ended < 30
    evaluator.evaluate(architecture, rest.context(30, earlier=whole.states[-1]))
    assert rest.reports == []


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(weights={}),
        lambda state: state["weights"].update(more=torch.zeros(1)),
        lambda state: state.pop("optimizer"),
        lambda state: state.update(shuffle=torch.zeros(3, dtype=torch.uint8)),
    ],
    ids=["no_weights", "more_weights", "no_optimizer", "no_generator"],
)
def test_a_state_of_another_training_is_refused(change: Any) -> None:
    whole = Recorder()
    evaluator = evaluator_of(dense())
    evaluator.evaluate(dense(), whole.context(1))
    change(whole.states[0])
    with pytest.raises(EvaluationError, match="the checkpoint does not fit this training"):
        evaluator.evaluate(dense(), Recorder().context(2, earlier=whole.states[0]))


def test_a_state_does_not_change_with_later_training() -> None:
    whole = Recorder()
    evaluator_of(dense()).evaluate(dense(), whole.context(2))
    first, second = (state["weights"] for state in whole.states)
    assert any(not np.array_equal(first[name], second[name]) for name in first)
