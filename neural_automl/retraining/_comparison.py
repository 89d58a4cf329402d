"""Whether networks that were trained with equal seeds can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Chance that networks that are equally good are told apart somewhere among all pairs.
LEVEL: Final = 0.05

Scores: TypeAlias = Mapping[int, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks, seed by seed.

    Attributes:
        better: Number of the trial that is ahead in the mean.
        other: Number of the other one.
        difference: By how much it is ahead, above 0 or 0.
        interval: Where the difference lies, so that all pairs' intervals together hold the truth
            in 95 of 100 repetitions: wider, the more pairs there are.
        p_value: Of the paired t-test, two-sided, times the number of pairs (Bonferroni), at most 1.
    """

    better: int
    other: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval[0] > 0 or self.interval[1] < 0


def compare(scores: Scores, *, maximize: bool) -> list[Comparison]:
    """Compare every two networks by a paired t-test over their seeds.

    Every pair counts, also where only those with the best are of interest: which one is the best
    is read from the same numbers.

    Args:
        scores: The metric by the number of the trial, each with the same seeds in the same order.
        maximize: Whether a larger metric is better.

    Returns:
        A comparison of each pair; none, where there is one seed.

    Source: Student's paired t-test, with the correction of Bonferroni (Dunn 1961).
    """
    pairs = list(combinations(scores, 2))
    sign = 1.0 if maximize else -1.0
    made = []
    for one, other in pairs:
        ahead = sign * (np.asarray(scores[one]) - np.asarray(scores[other]))
        if len(ahead) < 2:
            continue
        if ahead.mean() < 0:
            one, other, ahead = other, one, -ahead
        made.append(_compared(one, other, ahead, len(pairs)))
    return made


def _compared(one: int, other: int, ahead: NDArray[np.float64], pairs: int) -> Comparison:
    mean, seeds = float(ahead.mean()), len(ahead)
    error = float(ahead.std(ddof=1)) / sqrt(seeds)
    reach = float(stats.t.ppf(1 - LEVEL / pairs / 2, seeds - 1)) * error
    # Where every seed gives the same difference, its sign is not chance.
    p = float(mean == 0)
    if error > 0:
        p = 2 * float(stats.t.sf(mean / error, seeds - 1))
    return Comparison(one, other, mean, (mean - reach, mean + reach), min(1.0, p * pairs))


def not_told_apart(best: int, comparisons: Sequence[Comparison]) -> list[int]:
    """Return the networks that one cannot be told apart from."""
    return [
        each.other if each.better == best else each.better
        for each in comparisons
        if best in (each.better, each.other) and not each.told_apart
    ]
