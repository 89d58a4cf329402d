"""Searches and what comes after them, with TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural_automl import ArchitectureSpace, AutoMLEngine
from neural_automl.backends import backend_of
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.retraining import retrain
from tests.evaluation.helpers import blobs

pytestmark = pytest.mark.slow

SPACE = """network Blobs {
  input: (4,)
  layers:
    Dense(choice(4, 8, 16, 32), "relu")
    Dense(3)
  optimizer: Adam(learning_rate=0.05)
  train { epochs: 3 }
}"""


def data() -> dict[str, Any]:
    train, validation, test = (blobs(60, seed=seed) for seed in (0, 1, 2))
    return {"train_data": train, "validation_data": validation, "test_data": test}


def search(folder: Path, backend: Any, trials: int) -> Any:
    engine = AutoMLEngine(
        search_strategy="random", backend=backend, output_dir=folder, seed=0, device="cpu"
    )
    space = ArchitectureSpace.from_dsl(SPACE)
    train, validation, test = data().values()
    return engine.search(space, train, validation, test_data=test, max_trials=trials)


def test_a_study_begun_with_pytorch_goes_on_with_tensorflow(tmp_path: Path) -> None:
    begun = search(tmp_path, "pytorch", 2)
    gone_on = search(tmp_path, "tensorflow", 4)

    assert gone_on.study.study_name == begun.study.study_name
    complete = [t for t in gone_on.study.trials if "val_accuracy" in t.user_attrs]
    trained = [t for t in complete if "cached_from" not in t.user_attrs]
    fingerprints = [t.user_attrs["evaluator_fingerprint"] for t in trained]
    assert len(trained) == 4
    assert fingerprints[0] == fingerprints[1] != fingerprints[2] == fingerprints[3]
    assert backend_of(gone_on.weights()) == (
        "pytorch" if gone_on.best_trial.number in (t.number for t in trained[:2]) else "tensorflow"
    )
    # Either backend's weights are measured by the other.
    assert 0 <= gone_on.test_metrics()["test_accuracy"] <= 1


def test_what_pytorch_found_is_trained_again_with_tensorflow(tmp_path: Path) -> None:
    result = search(tmp_path, "pytorch", 2)
    evaluator = ArchitectureEvaluator(**data(), backend="tensorflow", device="cpu")

    found = retrain(result, evaluator=evaluator, top_k=1, epochs=15, seeds=2)

    x, y = data()["test_data"]
    assert backend_of(found.weights()) == "tensorflow"
    assert (found.predict(x) == y).mean() == found.best.runs[0].metrics["test_accuracy"] > 0.9
    assert found.predict_proba(x, ensemble=True).shape == (60, 3)
    np.testing.assert_allclose(found.predict_proba(x).sum(axis=1), 1, rtol=1e-5)
