"""Values of one distribution: drawing, checking, and the way to the unit interval and back."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

NumericDistribution = IntDistribution | FloatDistribution

_LONG = 8


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution can give the value; never raises."""
    kind = type(distribution)
    if kind is CategoricalDistribution and value in distribution.choices:  # type: ignore[attr-defined]
        return True
    if kind is FloatDistribution and type(value) is float and distribution.step is None:  # type: ignore[attr-defined]
        return bool(distribution.low <= value <= distribution.high)  # type: ignore[attr-defined]
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:  # a value of another type than the distribution's
        return False


def n_values(distribution: BaseDistribution) -> float:
    """How many values a distribution has; infinite for a continuous range."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if not isinstance(distribution, NumericDistribution):
        raise TypeError(f"`distribution` must be one of Optuna's three but got {distribution!r}.")
    if distribution.step is None:
        return 1 if distribution.single() else math.inf
    return round((distribution.high - distribution.low) / distribution.step) + 1


def is_long(distribution: BaseDistribution) -> bool:
    """Whether it is a range of numbers that small and large steps can be made in."""
    return isinstance(distribution, NumericDistribution) and n_values(distribution) > _LONG


def draw_value(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """Draw one value, uniform over categories, steps or the range (its logarithm if it is log)."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(rng.integers(len(distribution.choices)))]
    if isinstance(distribution, NumericDistribution):
        return from_unit(distribution, float(rng.random()))
    raise TypeError(f"`distribution` must be one of Optuna's three but got {distribution!r}.")


def to_unit(distribution: NumericDistribution, value: float) -> float:
    """Where a number lies between the ends of its range, 0 to 1, on the log scale if it is log."""
    low, high = ends(distribution)
    if low == high:
        return 0.5
    x = math.log(value) if distribution.log else float(value)
    return min(max((x - low) / (high - low), 0.0), 1.0)


def from_unit(distribution: NumericDistribution, unit: float) -> int | float:
    """The number of a range that lies at `unit`, 0 to 1; steps have equal shares."""
    low, high = ends(distribution)
    x = low + min(max(unit, 0.0), 1.0) * (high - low)
    x = math.exp(x) if distribution.log else x
    if distribution.step is not None:
        steps = round((distribution.high - distribution.low) / distribution.step)
        k = min(max(round((x - distribution.low) / distribution.step), 0), steps)
        x = distribution.low + k * distribution.step
    x = min(max(x, distribution.low), distribution.high)
    return round(x) if isinstance(distribution, IntDistribution) else float(x)


def other_values(
    distribution: BaseDistribution, value: Any, rng: np.random.Generator, n_numeric: int = 4
) -> list[Any]:
    """Give every other category; of a number, one step each way and draws around it.

    Args:
        distribution: Where the values come from.
        value: The value to leave out.
        rng: Draws the numbers, normally distributed around `value` with a fifth of the range as
            standard deviation (Hutter et al., Sequential Model-Based Optimization for General
            Algorithm Configuration, LION 2011, section 4.3).
        n_numeric: How many numbers to draw at most.
    """
    if isinstance(distribution, CategoricalDistribution):
        index = distribution.to_internal_repr(value) if contains(distribution, value) else -1
        return [choice for i, choice in enumerate(distribution.choices) if i != index]
    if not isinstance(distribution, NumericDistribution):
        raise TypeError(f"`distribution` must be one of Optuna's three but got {distribution!r}.")
    if n_values(distribution) <= n_numeric + 1:
        units = np.linspace(0.0, 1.0, 4 * int(n_values(distribution)))
        found = [from_unit(distribution, float(unit)) for unit in units]
    else:
        found = []
        center = to_unit(distribution, value) if contains(distribution, value) else 0.5
        if distribution.step is not None:
            found += [value - distribution.step, value + distribution.step]
        # Reflected at the ends: cut off there, they would heap up in the corners of the space.
        units = 1.0 - np.abs(1.0 - np.abs(center + 0.2 * rng.standard_normal(n_numeric)))
        found += [from_unit(distribution, float(unit)) for unit in units]
    distinct = dict.fromkeys(x for x in found if x != value and contains(distribution, x))
    return list(distinct)


def other_value(distribution: BaseDistribution, value: Any, rng: np.random.Generator) -> Any:
    """Draw one value that differs from the given one, or give it back if there is no other.

    A category is drawn from the others; a number is a near one or, as often, one from the whole
    range, so that a mutation can refine and can leap.
    """
    if isinstance(distribution, CategoricalDistribution) or rng.random() < 0.5:
        others = other_values(distribution, value, rng)
    else:
        others = [x for x in (draw_value(distribution, rng) for _ in range(4)) if x != value]
        others = others[:1] or other_values(distribution, value, rng)
    return others[int(rng.integers(len(others)))] if others else value


@lru_cache(4096)
def ends(distribution: NumericDistribution) -> tuple[float, float]:
    """Where the unit interval of a range begins and ends, as logarithms if it is log."""
    # Half a step is added at each end, so that the outer steps have the share of the inner ones.
    half = 0.0 if distribution.step is None else distribution.step / 2
    if distribution.single():
        half = 0.0
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
