"""Latency is measured; limits on it, and soft limits, in the objective."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.evaluation import Latency, measure_latency
from neural_automl.objective import ArchitectureObjective
from neural_automl.trials import _screen
from tests.search.fakes import CurveEvaluator, small_space, width_of

DENSE = LayerConfig("Dense", {"units": 2})
CONV = LayerConfig("Conv2D", {"filters": 4, "kernel_size": 3})
EMBEDDING = LayerConfig("Embedding", {"input_dim": 5, "output_dim": 3})


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((4,), (DENSE,)),
        ((6, 8, 3), (CONV,)),
        ((7,), (EMBEDDING, LayerConfig("LSTM", {"units": 2}))),
        ((9, 2), (LayerConfig("GRU", {"units": 2}), DENSE)),
    ],
    ids=["features", "images", "ids", "sequences"],
)
def test_every_kind_of_input_is_timed(shape: tuple[int, ...], layers: tuple[LayerConfig]) -> None:
    latency = measure_latency(Architecture(shape, layers), min_run_time=0.01)

    assert latency.median > 0
    assert latency.iqr >= 0
    assert latency.is_noisy == (latency.iqr > 0.1 * latency.median)


def test_more_work_takes_longer() -> None:
    small = Architecture((8, 8, 1), (CONV,))
    large = Architecture((96, 96, 1), (CONV,) * 3)

    times = [measure_latency(a, min_run_time=0.05).median for a in (small, large)]

    assert times[0] < times[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1 but got 0"),
        ({"threads": 0}, "`threads` must be at least 1 but got 0"),
        ({"min_run_time": 0.0}, "`min_run_time` must be above 0 but got 0.0"),
    ],
)
def test_arguments_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure_latency(Architecture((4,), (DENSE,)), **options)  # type: ignore[arg-type]


def run(objective: ArchitectureObjective, trials: int = 12) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective, n_trials=trials)
    return study


def test_what_is_too_slow_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _screen,
        "measure_latency",
        lambda architecture, device: Latency(width_of(architecture) * 1e-3, 1e-5, False),
    )
    evaluator = CurveEvaluator()
    objective = ArchitectureObjective(
        small_space(), evaluator, epochs=2, max_latency=0.01, artifact_store=None
    )

    study = run(objective)

    assert {width_of(a) for a in evaluator.trained} == {4, 8}
    slow = [t for t in study.trials if t.params["layers[0].Dense.units"] > 8]
    assert slow
    assert {t.state for t in slow} == {TrialState.PRUNED}
    assert all(t.constraints["latency"] > 0 for t in slow)
    assert "s a sample, above 0.01 s" in slow[0].user_attrs["infeasible"]
    fast = next(t for t in study.trials if t.state == TrialState.COMPLETE)
    assert fast.constraints["latency"] < 0
    assert fast.user_attrs["latency"] == fast.params["layers[0].Dense.units"] * 1e-3


def test_a_soft_limit_is_recorded_and_trained() -> None:
    evaluator = CurveEvaluator()
    objective = ArchitectureObjective(
        small_space(), evaluator, epochs=2, soft_constraints={"params": 60}, artifact_store=None
    )

    study = run(objective)

    assert {t.state for t in study.trials} == {TrialState.COMPLETE}
    for trial in study.trials:
        assert trial.constraints["params <= 60"] == trial.user_attrs["params"] - 60
    assert any(t.constraints["params <= 60"] > 0 for t in study.trials)


def test_a_latency_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="`max_latency` must be above 0 seconds but got -1"):
        ArchitectureObjective(small_space(), CurveEvaluator(), max_latency=-1)
