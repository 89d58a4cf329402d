"""Whole configurations of a define-by-run function: drawn, completed, replayed, compared."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_automl.samplers._define_by_run._recording import RecordingTrial, Suggest
from neural_automl.samplers._define_by_run._values import contains, draw_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True, eq=False)
class Configuration:
    """Every value that one run of a define-by-run function suggested. Equal values are equal.

    Args:
        values: Name to value, in order of suggestion.
        distributions: Name to distribution, in order of suggestion.
        result: What the function returned; no part of equality.
        constraints: What the function noted by `set_constraint`; above 0 is broken.
    """

    values: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    result: Any = None
    constraints: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def key(self) -> frozenset[tuple[str, Hashable]]:
        """The values as a set of pairs: hashable, and equal whatever the order."""
        return values_key(self.values)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Configuration) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)


def values_key(values: Mapping[str, Any]) -> frozenset[tuple[str, Hashable]]:
    """Name and value of each parameter, as a set; a NaN category equals itself here."""
    return frozenset(
        (name, value if value == value else ("nan",)) for name, value in values.items()
    )


def draw(
    suggest: Suggest, rng: np.random.Generator, fixed: Mapping[str, Any] | None = None
) -> Configuration:
    """Draw a configuration at random, each value when it is asked for.

    Args:
        suggest: The define-by-run function.
        rng: Draws the values.
        fixed: Values that hold as they are, as those of `study.enqueue_trial`.
    """
    return complete(suggest, {}, rng, fixed)


def complete(
    suggest: Suggest,
    values: Mapping[str, Any],
    rng: np.random.Generator,
    fixed: Mapping[str, Any] | None = None,
) -> Configuration:
    """Run the function with the given values where they are valid, and draw the rest.

    Args:
        suggest: The define-by-run function.
        values: Name to value. A name that is not asked for has no effect.
        rng: Draws what is missing or outside its distribution.
        fixed: Values that hold as they are, even outside their distribution, as in a study.
    """

    def choose(name: str, distribution: BaseDistribution) -> Any:
        if name in values and contains(distribution, values[name]):
            return values[name]
        return draw_value(distribution, rng)

    return _record(suggest, RecordingTrial(choose, fixed=fixed))


def replay(suggest: Suggest, values: Mapping[str, Any]) -> Configuration | None:
    """The configuration that the values stand for, or None if they leave one open.

    Names that the function does not ask for are left out. None where a name is missing or its
    value is outside its distribution: such values belong to another function, or to a trial that
    has not suggested everything yet.
    """

    def choose(name: str, distribution: BaseDistribution) -> Any:
        if name not in values or not contains(distribution, values[name]):
            raise _LeftOpen
        return values[name]

    try:
        return _record(suggest, RecordingTrial(choose))
    except _LeftOpen:
        return None


def trial_rng(seed: int | None, trial_number: int, stream: str = "") -> np.random.Generator:
    """The random numbers of one trial.

    Workers that share a seed differ, because their trials do; a trial that is asked again after a
    restart gets the same numbers.

    Args:
        seed: The seed of the sampler. None gives fresh numbers each time.
        trial_number: The number of the trial in its study.
        stream: Tells apart what draws independently for one trial.
    """
    if seed is None:
        return np.random.default_rng()
    return np.random.default_rng([seed, trial_number, zlib.crc32(stream.encode())])


class _LeftOpen(Exception):
    """Leaves the user's function where the values end."""


def _record(suggest: Suggest, trial: RecordingTrial) -> Configuration:
    result = suggest(trial)
    return Configuration(trial._params, trial._distributions, result, trial._constraints)
