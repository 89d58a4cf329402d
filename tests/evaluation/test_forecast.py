"""The time of a search, estimated from a few short trainings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from neural_automl.evaluation import EvaluationContext, estimate_seconds
from neural_automl.exceptions import EvaluationError, NeuralAutoMLError
from tests.search.fakes import small_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture


class Slow:
    """Takes a hundredth of a second an epoch; some networks cannot be trained."""

    def __init__(self, broken: int = 0) -> None:
        self.broken, self.epochs = broken, [0]

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        self.epochs.append(context.epochs)
        if len(self.epochs) <= self.broken + 1:
            raise EvaluationError("no")
        time.sleep(0.01)
        return {"val_accuracy": 0.5}


def test_trials_times_epochs_times_an_epoch() -> None:
    evaluator = Slow()

    seconds = estimate_seconds(small_space(), evaluator, trials=20, epochs=10, samples=3)

    assert seconds >= 20 * 10 * 0.01
    assert evaluator.epochs == [0, 1, 1, 1, 1]
    default = estimate_seconds(small_space(), Slow(), trials=1, samples=1)
    assert default >= small_space().longest_training() * 0.01


def test_networks_that_cannot_be_trained_are_left_out() -> None:
    assert estimate_seconds(small_space(), Slow(broken=3), 1, epochs=1, samples=4) > 0
    with pytest.raises(NeuralAutoMLError, match="none of 5 architectures could be trained"):
        estimate_seconds(small_space(), Slow(broken=9), 1, samples=4)


@pytest.mark.parametrize(("trials", "samples", "name"), [(0, 1, "trials"), (1, 0, "samples")])
def test_counts_below_one(trials: int, samples: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1 but got 0"):
        estimate_seconds(small_space(), Slow(), trials, samples=samples)
