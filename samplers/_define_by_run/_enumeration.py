"""Every configuration of a define-by-run function, depth first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from neural_automl.samplers._define_by_run._configuration import Configuration
from neural_automl.samplers._define_by_run._recording import RecordingTrial, Suggest
from neural_automl.samplers._define_by_run._values import n_values

if TYPE_CHECKING:
    import numpy as np
    from optuna.distributions import BaseDistribution


class ContinuousRangeError(ValueError):
    """A range has no end of values; the message says which and how to give it steps."""


def enumerate_configurations(
    suggest: Suggest,
    *,
    fixed: Mapping[str, Any] | None = None,
    rng: np.random.Generator | None = None,
) -> Iterator[Configuration]:
    """Yield every configuration once: the last parameter that is suggested changes fastest.

    Args:
        suggest: The define-by-run function; it is run once for each configuration.
        fixed: Values that hold as they are.
        rng: Orders the values of each parameter; None keeps the order of the distribution.

    Raises:
        ContinuousRangeError: A parameter has no end of values.
    """
    # The values still to come at each level of the tree, deepest last; the first is the current.
    path: list[list[Any]] = []
    while True:
        level = 0

        def choose(name: str, distribution: BaseDistribution) -> Any:
            nonlocal level
            if level == len(path):
                path.append(_values(name, distribution, rng))
            level += 1
            return path[level - 1][0]

        trial = RecordingTrial(choose, fixed=fixed)
        result = suggest(trial)
        yield Configuration(trial._params, trial._distributions, result, trial._constraints)
        while path and len(path[-1]) == 1:
            path.pop()
        if not path:
            return
        path[-1] = path[-1][1:]


def all_values(distribution: BaseDistribution) -> list[Any]:
    """Every value of a distribution that is not continuous, in its order."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        low, step = distribution.low, distribution.step
        return [snapped(distribution, low + k * step) for k in range(int(n_values(distribution)))]
    raise TypeError(f"`distribution` must have an end of values but got {distribution!r}.")


def snapped(distribution: BaseDistribution, value: Any) -> Any:
    """The value of a stepped range that a value is nearly: 0.3 for 0.1 + 0.2.

    Floats that are reached over different steps differ in the last digit, and would count as
    different values.
    """
    if not isinstance(distribution, FloatDistribution) or distribution.step is None:
        return value
    k = round((value - distribution.low) / distribution.step)
    return min(max(distribution.low + k * distribution.step, distribution.low), distribution.high)


def _values(
    name: str, distribution: BaseDistribution, rng: np.random.Generator | None
) -> list[Any]:
    if math.isinf(n_values(distribution)):
        raise ContinuousRangeError(
            f"`{name}` must have an end of values but got {distribution}; give it a `step`, or "
            "suggest a category."
        )
    values = all_values(distribution)
    if rng is None:
        return values
    return [values[int(k)] for k in rng.permutation(len(values))]
