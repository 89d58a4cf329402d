"""What each trial cost: values and last values of pruned trials on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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

    Its last value is placed among the values that others had at that step, complete trials and
    those that were pruned later, and gets the final value of that place. Outside their range the
    distance to the nearest end is kept. With nothing to compare, the last value itself is taken.
    Trials that were pruned late come first, so that early ones, which complete trials alone all
    beat, have others to be told apart by.

    Args:
        observations: n finished trials.
        values: What they cost; infinite where unknown. Shape (n,).
        sign: -1 if the study maximises, else 1.
    """
    result = values.copy()
    known: list[tuple[Mapping[int, float], float]] = []
    pruned: dict[int, list[int]] = {}
    for index, observation in enumerate(observations):
        if observation.state is TrialState.COMPLETE and math.isfinite(values[index]):
            known.append((observation.intermediate, float(values[index])))
        elif (
            observation.state is TrialState.PRUNED
            and observation.violation <= 0
            and (last := observation.last) is not None
        ):
            pruned.setdefault(last[0], []).append(index)
    for step in sorted(pruned, reverse=True):
        pairs = [(sign * seen[step], value) for seen, value in known if step in seen]
        pairs = [pair for pair in pairs if math.isfinite(pair[0])]
        lasts = [sign * observations[index].intermediate[step] for index in pruned[step]]
        result[pruned[step]] = _match(np.array(lasts), pairs)
        known += [
            (observations[index].intermediate, float(result[index]))
            for index in pruned[step]
            if math.isfinite(result[index])
        ]
    return result


def values_are_known(observations: Sequence[Observation]) -> bool:
    """Whether some trial that may be tried has a finite value, a last one if it was pruned."""
    return any(
        observation.violation <= 0 and any(map(math.isfinite, _values(observation)))
        for observation in observations
    )


def _values(observation: Observation) -> Sequence[float]:
    if observation.values is not None:
        return observation.values
    return () if observation.last is None else observation.last[1:]


def _match(lasts: NDArray[np.float64], pairs: list[tuple[float, float]]) -> NDArray[np.float64]:
    if not pairs:
        return lasts
    seen, final = np.sort(np.array(pairs), axis=0).T
    with np.errstate(over="ignore"):  # the distance of two finite numbers may be infinite
        beyond = lasts - np.clip(lasts, seen[0], seen[-1])
        return np.asarray(np.interp(lasts, seen, final) + beyond)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    return np.clip(np.nan_to_num(values, nan=finite.max()), finite.min(), finite.max())
