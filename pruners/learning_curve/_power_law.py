"""Extrapolate one learning curve by a power law, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

#: Exponents of the grid: from almost logarithmic to over after two steps.
_EXPONENTS: Final = np.geomspace(0.05, 4.0, 32)
#: Fewest points that leave a degree of freedom beside c, b and the exponent's weight.
FEWEST_POINTS: Final = 3


@dataclass(frozen=True)
class Forecast:
    """What a curve is expected to reach.

    Attributes:
        mean: Expected loss at the last step.
        deviation: Its standard deviation.
        noise: Standard deviation of the points about the best curve.
    """

    mean: float
    deviation: float
    noise: float


@lru_cache(maxsize=1024)
def _basis(steps: tuple[int, ...], last: int) -> tuple[_Array, _Array, _Array, _Array]:
    """Return centred powers (n, 32), their means, sums of squares, and values at ``last``."""
    powers = np.array(steps, float)[:, None] ** -_EXPONENTS
    means = powers.mean(axis=0)
    centred = powers - means
    return centred, means, (centred**2).sum(axis=0), last**-_EXPONENTS - means


def extrapolate(steps: tuple[int, ...], losses: _Array, last: int) -> Forecast:
    """Fit c + b x^-a for 32 exponents a at once, b >= 0, and mix their predictions.

    For a fixed exponent the rest is linear (variable projection), so that nothing is iterated.
    The exponents are weighted by their residuals' likelihood.

    Args:
        steps: Rising, from 1; at least three.
        losses: One a step, finite; smaller is better.
        last: The step to look at.

    Source: Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (2), 1973, for the
    projection; Domhan et al., IJCAI 2015, for the use.
    """
    centred, _, squares, ahead = _basis(steps, last)
    count = len(steps)
    mean = losses.mean()
    rest = losses - mean
    total = float(rest @ rest)
    products = rest @ centred
    slopes = np.maximum(products / squares, 0.0)
    # Never quite zero: a curve that the law fits exactly would have no deviation at all.
    floor = 1e-12 * max(1.0, mean * mean) + 1e-9 * total
    residuals = np.maximum(total - slopes * (2 * products - slopes * squares), floor)
    freedom = max(count - 3, 1)
    logs = -0.5 * freedom * np.log(residuals)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    variances = residuals / freedom * (1 + 1 / count + ahead**2 / squares)
    offsets = slopes * ahead
    offset = float(weights @ offsets)
    variance = float(weights @ (variances + (offsets - offset) ** 2))
    noise = float(np.sqrt(residuals.min() / freedom))
    return Forecast(float(mean) + offset, variance**0.5, noise)
