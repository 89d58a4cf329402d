from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from neural_automl.architecture import LayerConfig
from neural_automl.data import DataSplits
from neural_automl.evaluation import ArchitectureEvaluator, _sources
from neural_automl.evaluation._batches import TensorBatches
from neural_automl.exceptions import (
    DataError,
    EvaluationError,
)
from tests.evaluation.helpers import (
    FAST,
    Recorder,
    blobs,
    convolutional,
    dense,
    fake,
    images,
    run,
    tensors,
    without_time,
)

NET = convolutional((6, 6, 1), 3, LayerConfig("Dropout", {"rate": 0.5}), optimizer=FAST)


def test_the_metrics_are_flat_and_complete(evaluator: ArchitectureEvaluator) -> None:
    metrics = evaluator.evaluate(dense(), Recorder().context(epochs=3))
    names = ("train_loss", "val_accuracy", "val_loss")
    assert set(metrics) == {
        *names,
        *(f"{name}.best" for name in names),
        "best_epoch",
        "epochs",
        "train_seconds",
    }
    assert all(type(value) is float for value in metrics.values())
    assert metrics["epochs"] == 3


def test_the_last_and_the_best_are_those_of_the_reports(evaluator: ArchitectureEvaluator) -> None:
    recorder = Recorder()
    metrics = evaluator.evaluate(dense(optimizer=FAST), recorder.context(epochs=5))
    steps, reports = zip(*recorder.reports, strict=True)
    assert steps == (1, 2, 3, 4, 5)
    for name, choose in (("val_accuracy", max), ("val_loss", min), ("train_loss", min)):
        column = [report[name] for report in reports]
        assert metrics[name] == column[-1]
        assert metrics[f"{name}.best"] == choose(column)
    accuracies = [report["val_accuracy"] for report in reports]
    assert metrics["best_epoch"] == 1 + accuracies.index(max(accuracies))


def test_each_epoch_reports_saves_and_asks_and_the_end_keeps(
    evaluator: ArchitectureEvaluator,
) -> None:
    recorder = Recorder()
    evaluator.evaluate(dense(), recorder.context(epochs=2))
    an_epoch = ["save", "should_stop"]
    assert recorder.calls == ["report 1", *an_epoch, "report 2", *an_epoch, "keep"]


def test_a_stopped_training_returns_what_it_has(evaluator: ArchitectureEvaluator) -> None:
    recorder = Recorder(stop_after=2)
    metrics = evaluator.evaluate(dense(), recorder.context(epochs=9))
    assert metrics["epochs"] == 2
    assert without_time(metrics) == run(evaluator, dense(), epochs=2)


def test_the_layout_of_images_does_not_change_a_result() -> None:
    x, y = images(60, (6, 6, 1))
    forms = (x, x[..., 0], x.transpose(0, 3, 1, 2), torch.from_numpy(x).permute(0, 3, 1, 2))
    results = [run(ArchitectureEvaluator((form, y), device="cpu"), NET) for form in forms]
    assert all(result == pytest.approx(results[0], rel=1e-6) for result in results)


def test_bytes_are_images_from_0_to_1() -> None:
    x, y = images(40)
    as_bytes = np.round(x * 255).astype(np.uint8)
    as_floats = as_bytes.astype(np.float32) / np.float32(255)
    pairs = [ArchitectureEvaluator((form, y), device="cpu") for form in (as_bytes, as_floats)]
    assert run(pairs[0], NET) == run(pairs[1], NET)


def test_a_tensor_set_gives_the_result_of_its_arrays(evaluator: ArchitectureEvaluator) -> None:
    same = ArchitectureEvaluator(tensors(60), tensors(30, seed=1), device="cpu")
    assert run(same, dense()) == run(evaluator, dense())
    assert same.data_fingerprint == evaluator.data_fingerprint


@pytest.mark.parametrize("own_generator", [False, True], ids=["global", "own generator"])
def test_a_shuffling_loader_is_reproducible(own_generator: bool) -> None:
    generator = torch.Generator() if own_generator else None
    loader = DataLoader(tensors(60), batch_size=16, shuffle=True, generator=generator)
    evaluator = ArchitectureEvaluator(loader, DataLoader(tensors(30, 1)), device="cpu")
    first = run(evaluator, dense(optimizer=FAST))
    assert run(evaluator, dense(optimizer=FAST)) == first
    assert run(evaluator, dense(optimizer=FAST), seed=1) != first


def test_a_loader_keeps_its_batch_size() -> None:
    seen: list[int] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Any:
            if self.training:
                seen.append(len(x))
            return self.dense(x)

    loader = DataLoader(tensors(40), batch_size=16)
    evaluator = ArchitectureEvaluator(loader, blobs(10), device="cpu")
    run(evaluator, fake(Watching, dense(training={"batch_size": 7})), epochs=1)
    assert seen == [16, 16, 8]
    seen.clear()
    arrays = ArchitectureEvaluator(blobs(40), blobs(10), device="cpu")
    run(arrays, fake(Watching, dense(training={"batch_size": 7})), epochs=1)
    assert seen == [7, 7, 7, 7, 7, 5]


def test_splits_are_training_validation_and_test() -> None:
    splits = DataSplits(blobs(40), blobs(20, seed=1), blobs(20, seed=2), "classification", 3, "")
    whole = ArchitectureEvaluator(splits, device="cpu")
    parts = ArchitectureEvaluator(
        splits.train, splits.validation, test_data=splits.test, device="cpu"
    )
    recorder = Recorder()
    assert run(whole, dense()) == without_time(parts.evaluate(dense(), recorder.context()))
    assert whole.measure_test(dense(), recorder.weights) == parts.measure_test(
        dense(), recorder.weights
    )
    with pytest.raises(ValueError, match="give no other beside them"):
        ArchitectureEvaluator(splits, splits.validation)


@pytest.mark.parametrize(
    ("own", "architectures", "share"),
    [
        pytest.param(None, None, 0.2, id="default"),
        pytest.param(None, 0.5, 0.5, id="architecture's"),
        pytest.param(0.1, 0.5, 0.1, id="evaluator's"),
    ],
)
def test_validation_data_is_held_out_of_the_training_data(
    own: float | None, architectures: float | None, share: float
) -> None:
    counts: list[int] = []

    def count(outputs: Tensor, targets: Tensor) -> int:
        counts.append(len(targets))
        return 1

    training = {} if architectures is None else {"validation_split": architectures}
    evaluator = ArchitectureEvaluator(
        blobs(60), validation_split=own, metrics={"count": count}, device="cpu"
    )
    run(evaluator, dense(training=training), epochs=1)
    run(evaluator, dense(training={"validation_split": 0.3}), epochs=1)
    assert counts == [round(60 * share), round(60 * (own or 0.3))]


def test_metrics_by_name_and_own_functions() -> None:
    named = ArchitectureEvaluator(blobs(60), metrics=["f1", "accuracy"], device="cpu")
    assert {"val_f1", "val_accuracy", "val_loss"} < set(run(named, dense()))
    own = ArchitectureEvaluator(
        blobs(60), metrics={"mean_error": lambda outputs, targets: outputs.mean()}, device="cpu"
    )
    metrics = run(own, dense(optimizer=FAST), epochs=4)
    assert "val_accuracy" not in metrics
    assert metrics["val_mean_error.best"] <= metrics["val_mean_error"]


class Untouchable:
    """Data that fails whoever looks at it."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test data was touched: {name}")

    def __iter__(self) -> Any:
        raise AssertionError("the test data was read")


def test_test_data_is_not_touched_before_it_is_measured() -> None:
    evaluator = ArchitectureEvaluator(blobs(60), test_data=Untouchable(), device="cpu")
    evaluator.check(dense())
    run(evaluator, dense())
    assert evaluator.fingerprint
    assert evaluator.data_fingerprint
    assert evaluator.has_test_data
    with pytest.raises(AssertionError, match=r"touched|read"):
        evaluator.measure_test(dense(), {})


def test_test_metrics_are_those_of_the_weights() -> None:
    recorder = Recorder()
    validation = blobs(30, seed=1)
    evaluator = ArchitectureEvaluator(
        blobs(60), validation, test_data=validation, metrics=["accuracy", "f1"], device="cpu"
    )
    metrics = evaluator.evaluate(dense(optimizer=FAST), recorder.context(epochs=3))
    measured = evaluator.measure_test(dense(), recorder.weights)
    assert measured == {
        f"test_{name}": metrics[f"val_{name}"] for name in ("accuracy", "f1", "loss")
    }


def test_measuring_needs_test_data_and_weights_that_fit(evaluator: ArchitectureEvaluator) -> None:
    assert not evaluator.has_test_data
    with pytest.raises(DataError, match="no test data"):
        evaluator.measure_test(dense(), {})
    with_test = ArchitectureEvaluator(blobs(60), test_data=blobs(9), device="cpu")
    with pytest.raises(EvaluationError, match="weights do not fit"):
        with_test.measure_test(dense(), dense(hidden=5).build().state_dict())
    with pytest.raises(DataError, match="the test data has the label 2"):
        with_test.measure_test(dense(units=2), {})


def test_the_layout_can_be_said_where_shapes_do_not_tell() -> None:
    x, y = images(12, (5, 5, 5))
    last = ArchitectureEvaluator((x, y), data_layout="channels_last", device="cpu")
    turned = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    first = ArchitectureEvaluator((turned, y), data_layout="channels_first", device="cpu")
    net = convolutional((5, 5, 5))
    assert run(last, net) == pytest.approx(run(first, net), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [("mse", "val_r2"), ("cross_entropy", "val_accuracy"), (None, "val_accuracy")],
)
def test_the_loss_says_the_task_of_whole_numbers(loss: str | None, metric: str) -> None:
    evaluator = ArchitectureEvaluator(blobs(30, classes=2), device="cpu")
    assert metric in run(evaluator, dense(units=1 if loss == "mse" else 2, loss=loss))


def test_the_context_may_name_the_device(evaluator: ArchitectureEvaluator) -> None:
    with pytest.raises(ValueError, match="the device 'cuda:9' is not available"):
        evaluator.evaluate(dense(), Recorder().context(device="cuda:9"))
    evaluator.evaluate(dense(), Recorder().context(device="cpu"))


def test_seconds_are_the_clocks_and_leave_reports_out() -> None:
    now = iter([0.0, 2.0, 10.0, 13.0])
    evaluator = ArchitectureEvaluator(blobs(30), device="cpu", clock=lambda: next(now))
    metrics = evaluator.evaluate(dense(), Recorder().context(epochs=2))
    assert metrics["train_seconds"] == 5.0


@pytest.mark.parametrize(
    ("own", "architectures", "epochs"), [(None, None, 10), (None, 7, 7), (3, 7, 3)]
)
def test_epochs_are_the_evaluators_or_the_architectures(
    own: int | None, architectures: int | None, epochs: int
) -> None:
    evaluator = ArchitectureEvaluator(blobs(9), epochs=own)
    training = {} if architectures is None else {"epochs": architectures}
    assert evaluator.epochs_for(dense(training=training)) == epochs


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"keep": "best"}, False),
        ({"metrics": ["f1"]}, False),
        ({"metrics": {"own": without_time}}, False),
        ({"mixed_precision": False}, False),
        ({"validation_split": 0.3}, False),
        ({"task": "classification"}, False),
        ({"validation_data": blobs(9)}, False),
        ({"epochs": 5}, True),
        ({"threads": 2}, True),
        ({"device": "cpu"}, True),
        ({"test_data": blobs(9)}, True),
        ({"data_fingerprint": "mine"}, True),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_fingerprint_changes_with_what_changes_a_result(
    options: dict[str, Any], same: bool
) -> None:
    plain, other = ArchitectureEvaluator(blobs(9)), ArchitectureEvaluator(blobs(9), **options)
    assert (plain.fingerprint == other.fingerprint) is same


def test_the_data_fingerprint_is_of_training_and_validation_data() -> None:
    one, two = blobs(9), blobs(9, seed=1)
    prints = [
        ArchitectureEvaluator(one).data_fingerprint,
        ArchitectureEvaluator(two).data_fingerprint,
        ArchitectureEvaluator(one, two).data_fingerprint,
        ArchitectureEvaluator(two, one).data_fingerprint,
    ]
    assert len(set(prints)) == 4
    assert ArchitectureEvaluator(one, test_data=two).data_fingerprint == prints[0]
    assert ArchitectureEvaluator(one, data_fingerprint="mine").data_fingerprint == "mine"


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_an_evaluator_goes_to_another_process(
    evaluator: ArchitectureEvaluator, dumps: Callable[[Any], bytes]
) -> None:
    expected = run(evaluator, dense())
    small = len(dumps(ArchitectureEvaluator(blobs(60), blobs(30, seed=1), device="cpu")))
    sent = dumps(evaluator)
    assert len(sent) < small * 1.05  # without what lies on the device
    again = pickle.loads(sent)
    assert run(again, dense()) == expected
    assert again.data_fingerprint == evaluator.data_fingerprint


def test_data_is_brought_to_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def count(x: Tensor, y: Tensor, device: torch.device) -> TensorBatches:
        made.append(len(x))
        return TensorBatches(x, y, device)

    monkeypatch.setattr(_sources, "TensorBatches", count)
    evaluator = ArchitectureEvaluator(blobs(60), blobs(30, seed=1), device="cpu")
    for seed in range(3):
        run(evaluator, dense(hidden=4 + seed), seed=seed)
    assert made == [60, 30]


def test_one_evaluator_serves_networks_of_several_forms() -> None:
    x, y = images(40)
    evaluator = ArchitectureEvaluator((x, y % 2), device="cpu")
    nets = [
        convolutional((6, 6, 1), 2),
        convolutional((6, 6, 1), 1, loss="binary_crossentropy"),
        convolutional((6, 6, 1), 1, loss="mse"),
    ]
    results = [run(evaluator, net) for net in nets]
    assert [run(evaluator, net) for net in nets] == results
