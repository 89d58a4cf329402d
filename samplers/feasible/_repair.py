"""From a configuration that may not be proposed to the nearest that may, ring by ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from neural_automl.samplers._define_by_run import (
    Configuration,
    Suggest,
    changeable,
    complete,
    draw,
    is_long,
    other_values,
)
from neural_automl.samplers._define_by_run._enumeration import (
    ContinuousRangeError,
    enumerate_configurations,
    snapped,
)
from neural_automl.samplers._define_by_run._judge import Judge
from neural_automl.samplers.feasible._guide import Guide

# Edits from the start at most.
_RINGS: Final = 12
# Configurations that each ring starts from, and that it makes of them at most.
_BEAM: Final = 6
_WIDEST: Final = 240
# Evaluations in one ring of what the guide takes for infeasible.
_DOUBTFUL: Final = 6
_RESTARTS: Final = 20
_DRAWS: Final = 60
# Runs of the function when all is looked through.
_LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Point:
    """A configuration on the way, with every value that it was completed from."""

    configuration: Configuration
    values: Mapping[str, Any]
    edited: frozenset[str]


class OutOfAttempts(Exception):
    """As many configurations were looked at as may be."""


class Repair:
    """Looks for the nearest configuration that is feasible and not taken.

    Args:
        suggest: The define-by-run function.
        judge: Gives verdicts, each once.
        guide: Orders what is looked at, and learns from it.
        taken: Whether a key, of values or an identity, is held by another trial.
        fixed: Values that hold as they are.
        rng: Breaks ties.
        max_attempts: Configurations to look at.
    """

    def __init__(
        self,
        suggest: Suggest,
        judge: Judge,
        guide: Guide,
        taken: Callable[[Any], bool],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
        max_attempts: int,
    ) -> None:
        self._suggest = suggest
        self._judge = judge
        self._guide = guide
        self._taken = taken
        self._fixed = fixed
        self._rng = rng
        self._left = max_attempts
        #: Whether every configuration was looked at.
        self.complete = False

    def find(self, start: Configuration, values: Mapping[str, Any]) -> Configuration | None:
        """Find it.

        Args:
            start: Where to start; it is taken itself if it may be.
            values: What to complete with where an edit makes a parameter active.

        Returns:
            The configuration, or None if there is none or `max_attempts` did not suffice.
        """
        try:
            if self.is_allowed(start):
                return start
            found = self._rings(start, values)
            for _ in range(_RESTARTS):
                if found is not None or not changeable(start, self._fixed):
                    break
                found = self._rings(
                    *self._restart(),
                )
            return found if found is not None else self._all()
        except OutOfAttempts:
            return None

    def is_allowed(self, configuration: Configuration) -> bool:
        """Whether a configuration may be proposed; it is looked at unless it is taken.

        Raises:
            OutOfAttempts: It would be one too many to look at.
        """
        if self._taken(configuration.key):
            return False
        verdict = self._judge.known(configuration)
        if verdict is None:
            if self._left == 0:
                raise OutOfAttempts
            self._left -= 1
            verdict = self._judge(configuration)
            self._guide.learn(configuration, verdict.excess)
        return verdict.is_feasible and not self._taken(verdict.identity)

    def _restart(self) -> tuple[Configuration, Mapping[str, Any]]:
        draws = [draw(self._suggest, self._rng, self._fixed) for _ in range(_DRAWS)]
        start = draws[int(np.argmin(self._excesses(draws)))]
        return start, start.values

    def _rings(self, start: Configuration, values: Mapping[str, Any]) -> Configuration | None:
        beam = [_Point(start, values, frozenset())]
        tried = {start.key}
        for _ in range(_RINGS):
            ring = self._ring(beam, tried)
            if not ring:
                return None
            found = self._first_allowed([point.configuration for point in ring])
            if found is not None:
                return found
            order = self._by_excess([point.configuration for point in ring])
            beam = [ring[k] for k in order[:_BEAM]]
        return None

    def _ring(self, beam: Sequence[_Point], tried: set[Any]) -> list[_Point]:
        """What is one edit further than the beam, each once, in random order."""
        edits = [
            (point, name, value)
            for point in beam
            for name in changeable(point.configuration, self._fixed)
            if name not in point.edited
            for value in self._others(
                point.configuration.distributions[name], point.configuration.values[name]
            )
        ]
        ring = []
        for index in self._rng.permutation(len(edits))[:_WIDEST]:
            point, name, value = edits[int(index)]
            value = snapped(point.configuration.distributions[name], value)
            values = {**point.values, name: value}
            near = complete(self._suggest, values, self._rng, self._fixed)
            if near.key not in tried:
                tried.add(near.key)
                ring.append(_Point(near, {**values, **near.values}, point.edited | {name}))
        return ring

    def _others(self, distribution: BaseDistribution, value: Any) -> list[Any]:
        """Other values of a parameter, the ends of a long range among them: limits end there."""
        found = other_values(distribution, value, self._rng)
        if isinstance(distribution, IntDistribution | FloatDistribution) and is_long(distribution):
            found += [end for end in (distribution.low, distribution.high) if end != value]
        return list(dict.fromkeys(found))

    def _first_allowed(self, ring: Sequence[Configuration]) -> Configuration | None:
        """Look at a ring in the order of the guide; at what it doubts, only a little."""
        excesses = self._excesses(ring)
        doubtful = 0
        for k in self._order(excesses):
            if excesses[k] > 0:
                if doubtful == _DOUBTFUL:
                    return None
                doubtful += self._judge.known(ring[k]) is None
            if self.is_allowed(ring[k]):
                return ring[k]
        return None

    def _by_excess(self, ring: Sequence[Configuration]) -> list[int]:
        return self._order(self._excesses(ring))

    def _excesses(self, ring: Sequence[Configuration]) -> Any:
        """What the guide expects; of what was looked at, whether it is feasible is known."""
        expected = self._guide.predict(ring)
        for k, configuration in enumerate(ring):
            verdict = self._judge.known(configuration)
            if verdict is not None:
                inside = min(expected[k], 0.0)
                expected[k] = inside if verdict.is_feasible else max(expected[k], 1e-9)
        return expected

    def _order(self, excesses: Any) -> list[int]:
        """Random among what is expected to be feasible, then by excess."""
        ties = self._rng.random(len(excesses))
        return [int(k) for k in np.lexsort((ties, np.maximum(excesses, 0.0)))]

    def _all(self) -> Configuration | None:
        """Look through everything, in random order of the values."""
        every: Iterator[Configuration] = enumerate_configurations(
            self._suggest, fixed=self._fixed, rng=self._rng
        )
        count = 0
        try:
            for configuration in islice(every, _LONGEST):
                count += 1
                if self.is_allowed(configuration):
                    return configuration
        except ContinuousRangeError:
            return None
        self.complete = count < _LONGEST
        return None
