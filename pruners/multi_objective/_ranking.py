"""Where one trial stands among others with several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neural_automl.samplers.evolution._ranks import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_dominated(own: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Return whether another is nowhere worse and somewhere better.

    Args:
        own: Losses, shape (objectives,).
        others: Losses, shape (n, objectives).
    """
    return bool(((others <= own).all(axis=1) & (others < own).any(axis=1)).any())


def number_better(own: NDArray[np.float64], others: NDArray[np.float64]) -> int:
    """Return how many others stand before one: in a better front, or lonelier in its own.

    Each objective counts by its order alone, so that the unit of a cost, or its logarithm, makes
    no difference.

    Args:
        own: Losses, shape (objectives,); they may be infinite.
        others: Losses, shape (n, objectives).
    """
    losses = np.vstack([others, own])
    places = np.stack(
        [np.unique(column, return_inverse=True)[1] for column in losses.T], axis=1
    ).astype(np.float64)
    scores = ranks(places)
    return int((scores[:-1] < scores[-1]).sum())
