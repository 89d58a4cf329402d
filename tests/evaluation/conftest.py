"""The evaluator that most tests of this folder use."""

from __future__ import annotations

import pytest

from neural_automl.evaluation import ArchitectureEvaluator
from tests.evaluation.helpers import blobs


@pytest.fixture
def evaluator() -> ArchitectureEvaluator:
    return ArchitectureEvaluator(blobs(60), blobs(30, seed=1), device="cpu")
