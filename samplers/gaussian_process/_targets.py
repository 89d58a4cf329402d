"""From what trials cost to one number for each that the process is to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rank_gauss(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal scores: ranks, ties averaged, through the inverse normal; mean 0 and variance 1."""
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    return standardise(scores)


def standardise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and variance 1, or all 0 where all are equal."""
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def scalarise(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One objective from several: augmented Tchebycheff with weights drawn from the simplex.

    Objectives enter by their rank, so that the weights part the front evenly whatever the scales.

    Source: Knowles, ParEGO, IEEE Transactions on Evolutionary Computation 10(1), 2006, eq. 2.
    """
    scaled = np.asarray(rankdata(values, axis=0)) / len(values)
    weighted = scaled * rng.dirichlet(np.ones(values.shape[1]))
    return np.asarray(weighted.max(axis=1) + 0.05 * weighted.sum(axis=1))
