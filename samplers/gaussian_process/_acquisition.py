"""How much a point promises, from the mean and deviation of the process there. Larger is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfcx, log_ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

Acquisition = Callable[["NDArray[np.float64]", "NDArray[np.float64]", float], "NDArray[np.float64]"]

_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_BETA = 1.5
# Targets have variance 1. Without a margin the smallest step beside the best is the most probable.
_MARGIN = 0.1


def log_ei(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Logarithm of the expected improvement over `best`, exact far below it too.

    Source: Ament et al., Unexpected Improvements to Expected Improvement, NeurIPS 2023, eq. 9.
    """
    u = (mean - best) / deviation
    result = np.empty_like(u)
    near = u > -1.0
    result[near] = np.log(
        np.exp(-0.5 * u[near] ** 2 - _LOG_ROOT_2PI) + u[near] * np.exp(log_ndtr(u[near]))
    )
    far = ~near
    v = np.maximum(u[far], -1e3)  # from there on the asymptote log(1 / u^2), continued
    inner = np.log1p(v * math.sqrt(math.pi / 2.0) * erfcx(-v / math.sqrt(2.0)))
    result[far] = -0.5 * u[far] ** 2 - _LOG_ROOT_2PI + inner - 2.0 * np.log(u[far] / v)
    return result + np.log(deviation)


def log_pi(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Logarithm of the probability of an improvement over `best` that is worth the name."""
    return np.asarray(log_ndtr((mean - best - _MARGIN) / deviation))


def ucb(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Upper confidence bound: the mean plus a multiple of the deviation."""
    return mean + _BETA * deviation


ACQUISITIONS: dict[str, Acquisition] = {"ei": log_ei, "pi": log_pi, "ucb": ucb}
