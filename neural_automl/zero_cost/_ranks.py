"""Several proxies as one: by ranks, since no two of them have a unit in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm, rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray


def log_ranks(scores: Mapping[str, Sequence[float] | NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return, for each network of a pool, the sum of the logarithms of its ranks; 0 is the best.

    A rank is the share of the pool that is no better. Ties share their mean rank; what a proxy
    says nothing of (NaN) is behind all that it scores.

    Args:
        scores: By proxy, one of each network.

    Raises:
        ValueError: There is none, or the lengths differ.

    Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search",
    CVPR 2024, equation 9.
    """
    columns = _columns(scores)
    return np.asarray(np.log(_ranks(columns) / columns.shape[1]).sum(0))


def rank_gauss(scores: Sequence[float]) -> NDArray[np.float64]:
    """Return scores by the quantile of the normal distribution that their rank stands at."""
    ranks = _ranks(np.asarray([scores], dtype=float))[0]
    return np.asarray(norm.ppf((ranks - 0.5) / len(ranks)))


def _columns(scores: Mapping[str, Sequence[float] | NDArray[np.float64]]) -> NDArray[np.float64]:
    lengths = {name: len(column) for name, column in scores.items()}
    if not lengths or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"each proxy must have a score of each network but they have {lengths}")
    return np.array([list(column) for column in scores.values()], dtype=float)


def _ranks(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    # NaN goes below everything, infinities stay where they belong.
    least = np.where(np.isnan(columns), -np.inf, columns)
    return np.array([rankdata(column, method="average") for column in least])
