"""The owner's configuration example runs as it is written, with images that a CPU trains."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from neural_automl import AutoMLEngine
from neural_automl.architecture_space import ArchitectureSpace, Choice, LayerChoice, LogRange
from neural_automl.exceptions import FallbackWarning

if TYPE_CHECKING:
    from pathlib import Path

    from neural_automl.data import Array
    from neural_automl.engine import SearchResult

SIZE = 12  # for 224


def make_engine() -> AutoMLEngine:
    """Copy the owner's lines."""
    return AutoMLEngine(
        # Search
        search_strategy="bayesian",
        acquisition_function="ei",
        n_initial_random=10,
        # Early stopping
        early_stopping="asha",
        reduction_factor=4,
        # Execution
        executor_type="ray",
        max_workers=8,
        # Training
        backend="pytorch",
        device="auto",
        # Output
        output_dir="./results",
    )


def make_space() -> ArchitectureSpace:
    """Copy the owner's lines, with something for each ellipsis."""
    return ArchitectureSpace(
        input_shape=(SIZE, SIZE, 3),
        layer_choices=[
            LayerChoice(
                [
                    {"type": "Conv2D", "params": {"filters": Choice(4, 8), "kernel_size": 3}},
                    {"type": "SepConv", "params": {"filters": Choice(4, 8)}},
                ]
            ),
            LayerChoice(["ReLU", "SkipConnection"]),
        ],
        fixed_layers=["GlobalAveragePooling2D", {"type": "Dense", "params": {"units": 3}}],
        hyperparameters={"optimizer.learning_rate": LogRange(1e-3, 1e-1), "training.batch_size": 8},
        constraints={"params": 100_000, "macs": 50_000_000},
    )


def make_data(count: int) -> tuple[Array, Array]:
    """Return images whose colour is their class."""
    labels = np.arange(count) % 3
    images = np.random.default_rng(count).random((count, SIZE, SIZE, 3), dtype=np.float32)
    images[np.arange(count), :, :, labels] += 1
    return images, labels


def check(engine: AutoMLEngine, result: SearchResult, folder: Path) -> None:
    """Check every part of a result."""
    trials = result.study.trials
    assert result.stop_reason == "budget"
    assert (folder / "results" / "study.db").is_file()
    assert result.study.user_attrs["strategy"] == "bayesian"
    assert result["best_metrics"]["val_accuracy"] == result.best_trial.value
    assert result["best_architecture"].cost.params <= 100_000
    history = result.history()
    assert isinstance(history, pd.DataFrame)
    assert len(history) == len(trials)
    rates = history["params_optimizer.learning_rate"].dropna()  # what waits may have none yet
    assert len(rates) >= 4
    assert rates.between(1e-3, 1e-1).all()
    assert result.pareto_front == {result.best_trial.number: result.best_architecture}
    assert result.ledger["epochs_trained"] == engine.get_search_summary()["epochs_trained"] > 0
    assert engine.get_search_summary()["trained"] == 4
    images, _ = make_data(5)
    assert set(result.predict(images)) <= {0, 1, 2}
    with torch.no_grad():
        assert result.model(torch.from_numpy(images).permute(0, 3, 1, 2)).shape == (5, 3)
    assert "class Network" in result.to_source()
    page = result.report(folder / "report.html")
    assert "<html" in page.read_text(encoding="utf-8")
    loaded = AutoMLEngine().load_checkpoint("./results")
    assert loaded.best_trial.number == result.best_trial.number
    assert all(torch.equal(loaded.weights()[k], value) for k, value in result.weights().items())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_the_configuration_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[int] = []

    engine = make_engine()
    result = engine.search(
        make_space(),
        make_data(60),
        make_data(30),
        max_trials=4,
        max_epochs_per_trial=2,
        callbacks=[lambda study, trial: seen.append(trial.number)],
    )

    assert "fallbacks" not in result.study.user_attrs
    # Workers that came when the budget was nearly spent handed their trials back: these wait.
    ended = [trial.number for trial in result.study.trials if trial.state.is_finished()]
    assert sorted(seen) == ended
    check(engine, result, tmp_path)


def test_the_configuration_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "neural_automl.executor._ray", None)

    engine = make_engine()
    with pytest.warns(FallbackWarning, match="ray was replaced by sequential"):
        result = engine.search(
            make_space(), make_data(60), make_data(30), max_trials=4, max_epochs_per_trial=2
        )

    assert engine.get_search_summary()["fallbacks"][0].startswith("ray was replaced by sequential")
    check(engine, result, tmp_path)
