"""How long a search will take, from a few short trainings."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from neural_automl.evaluation._context import EvaluationContext, Evaluator
from neural_automl.exceptions import EvaluationError, NeuralAutoMLError

if TYPE_CHECKING:
    from neural_automl.architecture_space import ArchitectureSpace


def estimate_seconds(
    space: ArchitectureSpace,
    evaluator: Evaluator,
    trials: int,
    *,
    epochs: int | None = None,
    samples: int = 5,
    seed: int = 0,
) -> float:
    """Estimate the seconds of a search by one worker that stops no training early.

    Some architectures are trained for one epoch each, a first one besides to warm up; the median
    is taken for all.

    Args:
        trials: Networks that the search shall train.
        epochs: Of one training; by default the longest that the space asks for.
        samples: Architectures to time.
        seed: Of their draw.

    Raises:
        ValueError: A count is below 1.
        NeuralAutoMLError: None of the architectures could be trained.
    """
    for name, count in (("trials", trials), ("samples", samples)):
        if count < 1:
            raise ValueError(f"`{name}` must be at least 1 but got {count}")
    times = []
    for draw in range(samples + 1):
        architecture = space.sample_architecture(seed=seed + draw)
        begun = time.perf_counter()
        try:
            evaluator.evaluate(architecture, EvaluationContext(epochs=1, seed=seed))
        except EvaluationError:
            continue  # a search gives such a network up too
        times.append(time.perf_counter() - begun)
    if not times:
        raise NeuralAutoMLError(f"none of {samples + 1} architectures could be trained")
    return median(times[1:] or times) * (epochs or space.longest_training()) * trials
