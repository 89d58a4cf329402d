from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.evaluation import EvaluationContext, MetricTracker, direction_of


def tracked(values: list[float], name: str = "val_accuracy") -> MetricTracker:
    tracker = MetricTracker()
    for step, value in enumerate(values, start=1):
        tracker.update(step, {name: value})
    return tracker


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("val_accuracy", "maximize"),
        ("accuracy", "maximize"),
        ("val_r2", "maximize"),
        ("val_f1", "maximize"),
        ("test_auroc", "maximize"),
        ("val_loss", "minimize"),
        ("train_loss", "minimize"),
        ("loss", "minimize"),
        ("val_mse", "minimize"),
        ("val_mae", "minimize"),
        ("val_rmse", "minimize"),
        ("val_top1_error", "minimize"),
        ("Val_Loss", "minimize"),
        ("val_lossless", "maximize"),
    ],
)
def test_the_words_of_a_name_say_where_a_metric_improves(metric: str, direction: str) -> None:
    assert direction_of(metric) == direction
    assert MetricTracker().direction(metric) == direction


def test_a_direction_that_is_given_wins_over_the_name() -> None:
    tracker = MetricTracker({"val_loss": "maximize", "val_speed": "minimize"})
    tracker.update(1, {"val_loss": 1.0, "val_speed": 1.0})
    tracker.update(2, {"val_loss": 2.0, "val_speed": 2.0})
    assert tracker.best("val_loss") == 2.0
    assert tracker.best("val_speed") == 1.0


@pytest.mark.parametrize(
    ("name", "best", "step"),
    [
        pytest.param("val_accuracy", 0.9, 2, id="up, the first of equals"),
        pytest.param("val_loss", 0.2, 1, id="down, the first of equals"),
    ],
)
def test_the_best_is_found_with_its_step(name: str, best: float, step: int) -> None:
    tracker = tracked([0.2, 0.9, 0.9, 0.2, 0.5], name)
    assert tracker.best(name) == best
    assert tracker.best_step(name) == step
    assert tracker.last(name) == 0.5
    assert tracker.last_step(name) == 5


def test_history_keeps_every_step_and_is_a_copy() -> None:
    tracker = tracked([0.1, 0.3])
    history = tracker.history("val_accuracy")
    assert history == {1: 0.1, 2: 0.3}
    history[3] = 1.0
    assert tracker.best("val_accuracy") == 0.3
    assert tracker.history("never") == {}


def test_metrics_may_come_at_different_steps() -> None:
    tracker = MetricTracker()
    tracker.update(1, {"a": 1.0})
    tracker.update(3, {"a": 3.0, "b": 2.0})
    assert tracker.names == ("a", "b")
    assert tracker.history("b") == {3: 2.0}


@pytest.mark.parametrize("step", [1, 2])
def test_a_step_must_rise(step: int) -> None:
    with pytest.raises(ValueError, match=rf"'val_accuracy' got {step} after 2"):
        tracked([0.1, 0.2]).update(step, {"val_accuracy": 0.3})


@pytest.mark.parametrize("method", ["last", "last_step", "best", "best_step", "statistics"])
def test_a_metric_that_never_came_is_named_beside_the_known_ones(method: str) -> None:
    with pytest.raises(KeyError, match=r"no metric 'val_f1'; there are: val_accuracy"):
        getattr(tracked([0.1]), method)("val_f1")
    with pytest.raises(KeyError, match="none yet"):
        getattr(MetricTracker(), method)("val_f1")


def test_statistics_are_over_the_steps() -> None:
    assert tracked([1.0, 2.0, 6.0]).statistics("val_accuracy") == pytest.approx(
        {"mean": 3.0, "std": (14 / 3) ** 0.5, "min": 1.0, "max": 6.0}
    )


def test_a_summary_has_the_last_and_the_best_of_each() -> None:
    tracker = tracked([0.5, 0.4])
    tracker.update(2, {"val_loss": 1.5})
    assert tracker.summary() == {
        "val_accuracy": 0.4,
        "val_accuracy.best": 0.5,
        "val_loss": 1.5,
        "val_loss.best": 1.5,
    }


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_best_is_the_extreme_and_last_the_last(values: list[float]) -> None:
    assert tracked(values).best("val_accuracy") == max(values)
    assert tracked(values, "val_loss").best("val_loss") == min(values)
    assert tracked(values).last("val_accuracy") == values[-1]


def test_a_context_does_nothing_by_default() -> None:
    context = EvaluationContext(epochs=1, seed=7)
    context.report(1, {"val_loss": 0.1})
    context.save_checkpoint({"epoch": 1})
    assert context.should_stop() is False
    assert context.load_checkpoint() is None
    assert context.device == "auto"
    assert pickle.loads(pickle.dumps(context)) == context


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_context_trains_at_least_one_epoch(epochs: int) -> None:
    with pytest.raises(ValueError, match=f"`epochs` must be at least 1 but got {epochs}"):
        EvaluationContext(epochs=epochs, seed=0)
