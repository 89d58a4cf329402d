"""Sequences, from a file to a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import DataError

GENERATOR = np.random.default_rng(0)
WORDS = GENERATOR.integers(0, 20, (240, 6))
ENDS_LOW = (WORDS[:, -1] < 10).astype(int)
WAVES = GENERATOR.normal(size=(240, 6, 2))


def space(input_shape: str, *layers: str) -> ArchitectureSpace:
    lines = "\n    ".join(layers)
    return ArchitectureSpace.from_dsl(
        f"network S {{\n  input: {input_shape}\n  layers:\n    {lines}\n    Dense(2)\n"
        '  loss: "cross_entropy"\n  optimizer: Adam(learning_rate=0.02)\n  train { epochs: 12 }\n}'
    )


def save(path: Path, x: Any, y: Any) -> Path:
    np.savez(path, x=x, y=y)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, ">i4"])
def test_integers_of_a_file_stay_integers(tmp_path: Path, dtype: Any) -> None:
    splits = load_data(save(tmp_path / "s.npz", WORDS.astype(dtype), ENDS_LOW), test_split=0.2)
    assert splits.test is not None
    for x, _ in (splits.train, splits.validation, splits.test):
        assert x.dtype.kind in "iu"
        assert x.dtype.isnative
    assert splits.sample_shape == (6,)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(["LSTM(8)"], id="LSTM"),
        pytest.param(["GRU(8)"], id="GRU"),
        pytest.param(['Conv1D(8, 3, padding="same")', "Flatten()"], id="Conv1D"),
        pytest.param(["TransformerEncoder(2, 8)", "Flatten()"], id="Transformer"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integers_reach_an_embedding(tmp_path: Path, layers: list[str], dtype: Any) -> None:
    splits = load_data(save(tmp_path / "s.npz", WORDS.astype(dtype), ENDS_LOW))
    network = space("(6,)", "Embedding(20, 8)", *layers).sample_architecture(seed=0)
    metrics = ArchitectureEvaluator(splits, device="cpu").evaluate(
        network, EvaluationContext(epochs=12, seed=0)
    )
    assert metrics["val_accuracy.best"] > 0.8


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(["LSTM(8)"], id="LSTM"),
        pytest.param(["GRU(8)"], id="GRU"),
        pytest.param(['Conv1D(8, 3, padding="same")', "Flatten()"], id="Conv1D"),
    ],
)
def test_numbers_reach_the_layers_of_sequences(tmp_path: Path, layers: list[str]) -> None:
    splits = load_data(save(tmp_path / "s.npz", WAVES, (WAVES[:, 5, 0] > 0).astype(int)))
    network = space("(6, 2)", *layers).sample_architecture(seed=0)
    metrics = ArchitectureEvaluator(splits, device="cpu").evaluate(
        network, EvaluationContext(epochs=12, seed=0)
    )
    assert metrics["val_accuracy.best"] > 0.8


def test_sequences_of_another_length_are_refused_before_training(tmp_path: Path) -> None:
    splits = load_data(save(tmp_path / "s.npz", WORDS, ENDS_LOW))
    network = space("(7,)", "Embedding(20, 8)", "GRU(8)").sample_architecture(seed=0)
    with pytest.raises(DataError, match=r"shape \(6,\) do not fit the input shape \(7,\)"):
        ArchitectureEvaluator(splits, device="cpu").check(network)


def test_a_search_over_sequences(tmp_path: Path) -> None:
    splits = load_data(save(tmp_path / "s.npz", WORDS, ENDS_LOW), test_split=0.2)
    text = space("(6,)", "Embedding(20, choice(4, 8))", "choice { GRU(8) | LSTM(8) }")
    engine = AutoMLEngine(search_strategy="random", output_dir=tmp_path, device="cpu")
    result = engine.search(text, splits, max_trials=2)
    assert result.test_metrics()["test_accuracy"] > 0.6


@pytest.mark.parametrize(
    ("x", "message"),
    [
        pytest.param(WORDS, "holds the integers 0 to 19 but .* 0 to 18", id="too large"),
        pytest.param(np.where(WORDS == 19, 0, WORDS - 1), "integers -1 to 17 but", id="negative"),
        pytest.param(WORDS.astype(np.uint64) + 2**63, r"to 92233\d+ but", id="beyond int64"),
        pytest.param(WORDS.astype(float), "needs integers but .* floating-point", id="floats"),
    ],
)
def test_what_an_embedding_cannot_look_up_is_refused_before_training(
    tmp_path: Path, x: Any, message: str
) -> None:
    splits = load_data(save(tmp_path / "s.npz", x, ENDS_LOW))
    text = space("(6,)", "Embedding(19, 8)", "GRU(choice(4, 8))")
    engine = AutoMLEngine(output_dir=tmp_path / "out", device="cpu")
    with pytest.raises(DataError, match=f"the training data .*{message}|Embedding {message}"):
        engine.search(text, splits, max_trials=1)
    assert not (tmp_path / "out").exists()


def test_the_ids_of_every_part_are_checked(tmp_path: Path) -> None:
    splits = load_data(save(tmp_path / "s.npz", WORDS, ENDS_LOW))
    x, y = splits.validation
    network = space("(6,)", "Embedding(20, 8)", "GRU(8)").sample_architecture(seed=0)
    with pytest.raises(DataError, match="the validation data holds the integers 1 to 20"):
        ArchitectureEvaluator(splits.train, (x + 1, y), device="cpu").check(network)
    ArchitectureEvaluator(splits, device="cpu").check(network)
    tested = ArchitectureEvaluator(
        splits.train, splits.validation, test_data=(x + 1, y), device="cpu"
    )
    with pytest.raises(DataError, match="the test data holds the integers 1 to 20"):
        tested.measure_test(network, network.build("pytorch").state_dict())
