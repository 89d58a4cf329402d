"""From what trials cost to one number for each that the process is to predict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RESOLUTION = 0.05
# In steps of that: what is farther below the best is tied.
_FARTHEST = 1e6


def rank_gauss(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal scores: ranks, ties averaged, through the inverse normal; mean 0 and variance 1."""
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    return standardise(scores)


def standardise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and variance 1, or all 0 where all are equal."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def worth(values: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """What the process predicts: normal scores of values that are cut to a resolution.

    By ranks, outliers do no harm. But by ranks alone a step beyond the best counts as much however
    small it is, and where many trials differ by little, as on a plateau, their noise is spread
    over all the scores. So values that differ by less than a twentieth of what the search has
    gained so far are tied.

    Args:
        values: Finite, larger is better. Shape (n,).
        usual: What a configuration drawn at random is worth.
    """
    best = float(values.max())
    resolution = _RESOLUTION * (best - usual)
    if resolution <= 0 or not math.isfinite(resolution):
        return rank_gauss(values)
    # Halved, as the distance of two finite numbers may be infinite.
    cut = np.maximum(values, best - _FARTHEST * resolution)
    return rank_gauss(np.round((0.5 * cut - 0.5 * best) / (0.5 * resolution)))


def scalarise(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One objective from several: augmented Tchebycheff with weights drawn from the simplex.

    Objectives enter by their rank, so that the weights part the front evenly whatever the scales.

    Source: Knowles, ParEGO, IEEE Transactions on Evolutionary Computation 10(1), 2006, eq. 2.
    """
    scaled = np.asarray(rankdata(values, axis=0)) / len(values)
    weighted = scaled * rng.dirichlet(np.ones(values.shape[1]))
    return np.asarray(weighted.max(axis=1) + 0.05 * weighted.sum(axis=1))
