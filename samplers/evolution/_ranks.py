"""Ranks of losses with one or several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ranks(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank each row; smaller is better.

    With one objective, the loss itself. With several, the number of the non-dominated front, from
    0, and behind the point how crowded its front is there: within a front the lonelier is better.

    Args:
        losses: Shape (n, objectives), finite.

    Source: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE
        Transactions on Evolutionary Computation 6(2), 2002, section III.
    """
    if losses.shape[1] == 1:
        return losses[:, 0]
    result = np.empty(len(losses))
    left = np.arange(len(losses))
    front = 0
    while len(left):
        values = losses[left]
        no_worse = (values[:, None, :] <= values[None, :, :]).all(axis=2)
        better = (values[:, None, :] < values[None, :, :]).any(axis=2)
        first = ~(no_worse & better).any(axis=0)
        result[left[first]] = front + 0.5 / (1.0 + _gaps(values[first]))
        left = left[~first]
        front += 1
    return result


def _gaps(front: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart the neighbours of each point are (crowding distance); infinite at the ends."""
    total = np.zeros(len(front))
    for column in front.T:
        order = np.argsort(column, kind="stable")
        values = column[order]
        width = values[-1] - values[0]
        gaps = np.full(len(front), np.inf)
        if width > 0:
            gaps[1:-1] = (values[2:] - values[:-2]) / width
        total[order] += gaps
    return total
