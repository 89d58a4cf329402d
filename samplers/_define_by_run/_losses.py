"""What each trial cost: values and last values of pruned trials on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from neural_automl.samplers._define_by_run._observations import Observation

if TYPE_CHECKING:
    from numpy.typing import NDArray


def losses(
    observations: Sequence[Observation], directions: Sequence[StudyDirection]
) -> NDArray[np.float64]:
    """What each trial cost, smaller is better; worst where it has no value to teach.

    A pruned trial gets the final value that its last one stands for at its step (`final_values`).
    An infeasible one, and an infinite value, count as the worst finite value.

    Args:
        observations: Trials that ended COMPLETE or PRUNED.
        directions: Of the study.

    Returns:
        Shape (n, objectives).
    """
    signs = np.array([-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in directions])
    found = np.full((len(observations), len(signs)), math.inf)
    for row, observation in zip(found, observations, strict=True):
        if observation.violation <= 0 and observation.values is not None:
            row[:] = signs * observation.values
    if len(signs) == 1:
        found[:, 0] = final_values(observations, found[:, 0], float(signs[0]))
    return np.stack([_finite(column) for column in found.T], axis=1)


def final_values(
    observations: Sequence[Observation], values: NDArray[np.float64], sign: float
) -> NDArray[np.float64]:
    """Put in for each pruned trial the final value that its last one stands for.

    Its last value is placed among the values that complete trials had at that step, and gets the
    final value of that place. Outside their range the distance to the nearest end is kept. Without
    complete trials to compare with, the last value itself is taken.

    Args:
        observations: n finished trials.
        values: What they cost; infinite where unknown. Shape (n,).
        sign: -1 if the study maximises, else 1.
    """
    complete = [
        (observation.intermediate, value)
        for observation, value in zip(observations, values, strict=True)
        if observation.state is TrialState.COMPLETE and math.isfinite(value)
    ]
    result = values.copy()
    for index, observation in enumerate(observations):
        if observation.state is not TrialState.PRUNED or observation.violation > 0:
            continue
        if observation.last is None:
            continue
        step, last = observation.last
        pairs = [(sign * seen[step], value) for seen, value in complete if step in seen]
        pairs = [pair for pair in pairs if math.isfinite(pair[0])]
        result[index] = _match(sign * last, pairs)
    return result


def _match(last: float, pairs: list[tuple[float, float]]) -> float:
    if not pairs:
        return last
    seen = np.sort([pair[0] for pair in pairs])
    final = np.sort([pair[1] for pair in pairs])
    beyond = last - min(max(last, float(seen[0])), float(seen[-1]))
    return float(np.interp(last, seen, final)) + beyond


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    return np.clip(np.nan_to_num(values, nan=finite.max()), finite.min(), finite.max())
