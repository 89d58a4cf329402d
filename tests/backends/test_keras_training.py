"""Training with TensorFlow: as with PyTorch, step by step, and going on after a cut."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.backends import transfer_weights
from neural_automl.evaluation import ArchitectureEvaluator, _keras, _keras_steps, _training
from neural_automl.evaluation._batches import Batch, TensorBatches
from neural_automl.evaluation._device import guard_memory
from neural_automl.evaluation._optimizers import LOSS_FUNCTIONS, make_optimizer
from neural_automl.evaluation._settings import TrainingSettings
from neural_automl.exceptions import (
    DataError,
    DivergenceError,
    EvaluationError,
    FallbackWarning,
    OutOfMemoryError,
)
from neural_automl.hyperparameters import LOSSES, OPTIMIZERS
from neural_automl.values import Call
from tests.evaluation.helpers import (
    FAST,
    Recorder,
    blobs,
    convolutional,
    dense,
    images,
    plane,
    run,
    without_time,
)

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
COSINE = Call("CosineDecay", {"initial_learning_rate": 0.05})


@pytest.fixture
def _eager() -> Iterator[None]:
    """Run functions step by step: tracing one takes longer than the few steps of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


eagerly = pytest.mark.usefixtures("_eager")


def evaluator_of(*data: Any, **options: Any) -> ArchitectureEvaluator:
    pair = data or (blobs(60), blobs(30, seed=1))
    return ArchitectureEvaluator(*pair, backend="tensorflow", device="cpu", **options)


# --- what is learned -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "architecture", "metric"),
    [
        ((blobs(60), blobs(30, seed=1)), dense(optimizer=FAST), "val_accuracy"),
        ((blobs(60, 2), blobs(30, 2, seed=1)), dense(units=1, optimizer=FAST), "val_accuracy"),
        ((plane(100, 3), plane(40, 3, seed=1)), dense(3, 32, optimizer=FAST), "val_r2"),
        ((plane(100), plane(40, seed=1)), dense(1, 32, optimizer=FAST), "val_r2"),
    ],
    ids=["classes", "yes and no", "several values", "a value"],
)
def test_a_network_learns(data: Any, architecture: Architecture, metric: str) -> None:
    metrics = run(evaluator_of(*data), architecture, epochs=20)

    assert metrics[metric] > 0.9
    assert metrics["epochs"] == 20


def test_batches_of_tensorflow_are_data() -> None:
    train, validation = (
        tf.data.Dataset.from_tensor_slices(blobs(60, seed=seed)).batch(16) for seed in (0, 1)
    )

    metrics = run(evaluator_of(train, validation), dense(optimizer=FAST), epochs=15)

    assert metrics["val_accuracy"] > 0.9


@eagerly
def test_images_in_every_layout_and_ids() -> None:
    pictures, labels = images(20)
    first = pictures.transpose(0, 3, 1, 2)
    expected = run(evaluator_of((pictures, labels), (pictures, labels)), convolutional())

    found = run(evaluator_of((first, labels), (first, labels)), convolutional())

    assert found == expected
    text = (LayerConfig("Embedding", {"input_dim": 9, "output_dim": 4}), LayerConfig("Flatten"))
    words = np.random.default_rng(0).integers(0, 9, (20, 5))
    architecture = Architecture((5,), (*text, LayerConfig("Dense", {"units": 3})))
    assert run(evaluator_of((words, labels), (words, labels)), architecture)["val_loss"] > 0


# --- as in PyTorch -------------------------------------------------------------------------------

EXACT = tuple(name for name in OPTIMIZERS if name != "Nadam")


def losses_of_both(architecture: Architecture, loss: str, data: Any, count: int = 6) -> Any:
    """Return the losses of some steps from equal weights on equal batches."""
    settings = TrainingSettings.of(architecture)
    torch.manual_seed(0)
    module, model = architecture.build("pytorch"), architecture.build("tensorflow")
    transfer_weights(module, model, architecture)
    measure = _training.Measure(loss, (), {}, autocast=False)
    with_torch = _training.make_step(
        module, make_optimizer(module, settings, CPU), settings, measure, CPU
    )
    with_keras = _keras_steps.make_step(
        model, _keras_steps.make_optimizer(model, settings), settings, loss
    )
    x, y = map(torch.from_numpy, data)
    return np.array([(float(with_torch(x, y)), float(with_keras(x, y))) for _ in range(count)])


@eagerly
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("extra", [{}, {"weight_decay": 0.1}], ids=["plain", "decay"])
def test_optimizers_take_the_steps_of_pytorch(name: str, extra: dict[str, float]) -> None:
    optimizer = Call(name, {"learning_rate": 0.05, **extra})

    pairs = losses_of_both(dense(optimizer=optimizer), "cross_entropy", blobs(30))

    np.testing.assert_allclose(pairs[:, 0], pairs[:, 1], rtol=1e-3)
    assert pairs[-1, 0] < pairs[0, 0]


@eagerly
@pytest.mark.parametrize(
    ("params", "training"),
    [
        ({"momentum": 0.9}, {}),
        ({"momentum": 0.9, "nesterov": True}, {}),
        ({"nesterov": True}, {}),
        ({"weight_decay": 0.5}, {"gradient_clip": 0.01}),
        ({}, {"gradient_clip": 1e3}),
    ],
    ids=["momentum", "nesterov", "nesterov without momentum", "clipped", "clipped by nothing"],
)
def test_sgd_takes_the_steps_of_pytorch(params: Any, training: Any) -> None:
    optimizer = Call("SGD", {"learning_rate": 0.1, **params})

    pairs = losses_of_both(
        dense(optimizer=optimizer, training=training), "cross_entropy", blobs(30)
    )

    np.testing.assert_allclose(pairs[:, 0], pairs[:, 1], rtol=1e-4)


@eagerly
def test_nadam_differs_in_its_schedule_of_momentum_but_learns() -> None:
    pairs = losses_of_both(dense(optimizer=Call("Nadam", {})), "cross_entropy", blobs(30), 40)

    assert pairs[-1, 1] < pairs[0, 1]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_those_of_pytorch(loss: str) -> None:
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(12, 4)).astype(np.float32) * 3
    targets = (
        rng.integers(0, 4, 12) if loss == "cross_entropy" else rng.random((12, 4), dtype=np.float32)
    )

    found = float(_keras_steps.LOSS_FUNCTIONS[loss](tf.constant(outputs), tf.constant(targets)))

    expected = float(LOSS_FUNCTIONS[loss](torch.from_numpy(outputs), torch.from_numpy(targets)))
    assert found == pytest.approx(expected, rel=1e-5)


@eagerly
def test_a_convolution_with_batch_norm_is_trained_as_in_pytorch() -> None:
    architecture = convolutional(optimizer=Call("SGD", {"learning_rate": 0.1}))
    pictures, labels = images(30)

    pairs = losses_of_both(
        architecture, "cross_entropy", (pictures.transpose(0, 3, 1, 2).copy(), labels)
    )

    np.testing.assert_allclose(pairs[:, 0], pairs[:, 1], rtol=1e-3)


# --- seeds, checkpoints, weights -----------------------------------------------------------------


def drop(**options: Any) -> Architecture:
    layers = (
        LayerConfig("Dense", {"units": 16}),
        LayerConfig("Dropout", {"rate": 0.4}),
        LayerConfig("Dense", {"units": 3}),
    )
    return Architecture((4,), layers, **options)


def test_equal_seeds_give_equal_bits_and_leave_the_generators_alone() -> None:
    import random

    evaluator, first, second = evaluator_of(), Recorder(), Recorder()
    random.seed(7)
    expected = random.Random(7).random()
    found = [evaluator.evaluate(drop(), r.context(2, seed=3)) for r in (first, second)]

    assert random.random() == expected
    assert without_time(found[0]) == without_time(found[1])
    assert all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())
    assert run(evaluator, drop(), seed=4) != without_time(found[0])


@pytest.mark.parametrize(
    "architecture",
    [
        drop(optimizer=Call("Adam", {"learning_rate": COSINE})),
        convolutional((6, 6, 1), 3, LayerConfig("Dropout", {"rate": 0.4})),
    ],
    ids=["dropout and cosine", "batch norm"],
)
@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_cut_off_goes_on_as_if_it_had_not_been(
    architecture: Architecture, keep: Any
) -> None:
    data = (blobs(60), blobs(20, seed=1))
    if architecture.input_shape != (4,):
        data = (images(60), images(20))
    evaluator, whole, rest = evaluator_of(*data, keep=keep), Recorder(), Recorder()
    expected = evaluator.evaluate(architecture, whole.context(3, seed=3))

    found = evaluator.evaluate(architecture, rest.context(3, seed=3, earlier=whole.states[0]))

    assert without_time(found) == without_time(expected)
    assert rest.reports == whole.reports[1:]
    assert all(torch.equal(value, rest.weights[name]) for name, value in whole.weights.items())


@eagerly
@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(weights={}),
        lambda state: state["weights"].update(more=torch.zeros(1)),
        lambda state: state.update(optimizer=state["optimizer"][1:]),
        lambda state: state.pop("random"),
    ],
    ids=["no weights", "more weights", "short optimizer", "no generator"],
)
def test_a_state_of_another_training_is_refused(change: Any) -> None:
    recorder = Recorder()
    evaluator_of().evaluate(dense(), recorder.context(1))
    change(recorder.states[0])

    with pytest.raises(EvaluationError, match="the checkpoint does not fit this training"):
        evaluator_of().evaluate(dense(), Recorder().context(2, earlier=recorder.states[0]))


@eagerly
def test_training_stops_where_it_is_told_to() -> None:
    recorder = Recorder(stop_after=2)

    metrics = evaluator_of().evaluate(dense(), recorder.context(9))

    assert metrics["epochs"] == 2
    assert recorder.calls[:3] == ["report 1", "save", "should_stop"]
    assert set(recorder.weights) == {f"dense{n}/{w}" for n in (1, 2) for w in ("kernel", "bias")}


@eagerly
@pytest.mark.parametrize("trained_on", ["pytorch", "tensorflow"])
def test_weights_of_either_backend_are_measured(trained_on: Any) -> None:
    recorder, data = Recorder(), (blobs(60), blobs(30, seed=1))
    there = ArchitectureEvaluator(*data, backend=trained_on, device="cpu")
    there.evaluate(dense(optimizer=FAST), recorder.context(15))
    here = evaluator_of(*data, test_data=data[1])
    expected = there.evaluate(dense(optimizer=FAST), Recorder().context(15))

    found = here.measure_test(dense(), recorder.weights)

    assert found["test_accuracy"] == expected["val_accuracy"]
    assert found["test_loss"] == pytest.approx(expected["val_loss"], rel=1e-4)
    assert pickle.loads(pickle.dumps(here)).measure_test(dense(), recorder.weights) == found


# --- errors --------------------------------------------------------------------------------------


def test_a_training_that_diverges_ends() -> None:
    architecture = dense(optimizer=Call("SGD", {"learning_rate": 1e30}))

    with pytest.raises(DivergenceError, match="in epoch 1"):
        run(evaluator_of(), architecture)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([LayerConfig("Flatten")], "the network has no trainable parameter"),
        (
            [LayerConfig("Dense", {"units": 3}), LayerConfig("Zero")],
            "no parameter of the network has a part in its output",
        ),
    ],
    ids=["nothing to train", "nothing reached"],
)
def test_what_cannot_be_trained(layers: list[LayerConfig], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        run(evaluator_of(blobs(20, 3, 3), blobs(20, 3, 3)), Architecture((3,), tuple(layers)))


@pytest.mark.parametrize("device", ["cuda", "mps", "tpu", "CPU"])
def test_a_device_that_is_not_there(device: str) -> None:
    evaluator = ArchitectureEvaluator(blobs(20), blobs(20), backend="tensorflow", device=device)

    with pytest.raises(ValueError, match=f"the device '{device}' is not available to TensorFlow"):
        evaluator.choose_device()


def test_the_device_is_named_as_with_pytorch() -> None:
    assert evaluator_of().choose_device() == "cpu"
    assert _keras.choose_device("auto") == "cpu"
    with pytest.raises(ValueError, match="needs a CUDA device"):
        evaluator_of(mixed_precision=True).choose_device()


@eagerly
def test_weights_of_another_network_are_refused() -> None:
    evaluator = evaluator_of(blobs(20), blobs(20), test_data=blobs(20))
    recorder = Recorder()
    evaluator.evaluate(dense(), recorder.context(1))

    with pytest.raises(EvaluationError, match=r"dense1/kernel has the shape \(4, 9\) but got"):
        evaluator.measure_test(dense(hidden=9), recorder.weights)


def test_a_full_device_is_an_error_of_ours() -> None:
    def run_out() -> None:
        with _keras.memory_errors():
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    with pytest.raises(OutOfMemoryError, match="no memory for the network on cpu: OOM"):
        guard_memory(run_out, CPU)


def test_threads_that_cannot_be_changed_any_more_are_told() -> None:
    tf.constant(1.0) + 1  # it has begun

    with pytest.warns(FallbackWarning, match="can't be limited to 3 threads any more"):
        run(evaluator_of(threads=3), dense(), epochs=1)


def test_no_batch_at_all() -> None:
    class Nothing(TensorBatches):
        def whole(self, batch_size: int) -> Iterator[Batch]:
            return iter(())

    measure = _training.Measure("mse", (), {}, autocast=False)
    with pytest.raises(DataError, match="gave no batch"):
        _keras.validate(
            dense().build("tensorflow"),
            Nothing(torch.zeros(0, 4), torch.zeros(0), CPU),
            8,
            measure,
            "val_",
            CPU,
        )
