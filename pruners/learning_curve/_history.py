"""What the other trials of a study reached, kept so that a decision reads only what is new."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from typing import TYPE_CHECKING

from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_OVER = (TrialState.COMPLETE, TrialState.PRUNED)


def as_loss(value: float, sign: float) -> float:
    """Return a value so that smaller is better; NaN is the worst."""
    return math.inf if math.isnan(value) else sign * value


class History:
    """Finished trials by step, and the trials that are not finished yet.

    Trials that failed do not count: what they reported may be wrong.

    Args:
        sign: 1 where the study minimises, -1 where it maximises.
    """

    def __init__(self, sign: float) -> None:
        self.best = math.inf
        self.completed = 0
        self._sign = sign
        self._by_step: defaultdict[int, list[float]] = defaultdict(list)
        self._count = 0
        self._seen = 0
        self._open: list[int] = []
        self._running: list[FrozenTrial] = []

    def update(self, trials: list[FrozenTrial]) -> None:
        """Take in what finished since the last call.

        Args:
            trials: All of the study, in order of their numbers.
        """
        still_open = []
        self._running = []
        for place in [*self._open, *range(self._seen, len(trials))]:
            trial = trials[place]
            if not trial.state.is_finished():
                still_open.append(place)
                if trial.state == TrialState.RUNNING:
                    self._running.append(trial)
            elif trial.state in _OVER:
                self._add(trial)
        self._open = still_open
        self._seen = len(trials)

    def _add(self, trial: FrozenTrial) -> None:
        if trial.intermediate_values:
            self._count += 1
            for step, value in trial.intermediate_values.items():
                insort(self._by_step[step], as_loss(value, self._sign))
        self.completed += trial.state == TrialState.COMPLETE
        if trial.state == TrialState.COMPLETE and all(
            excess <= 0 for excess in trial.constraints.values()
        ):
            assert trial.value is not None
            self.best = min(self.best, as_loss(trial.value, self._sign))

    def rank(self, number: int, step: int, loss: float) -> tuple[int, int]:
        """Return how many other trials were better at a step, and how many there are in all.

        Trials that ended before the step are among all: they were worse when they ended. A trial
        that still runs counts with what it has reported.
        """
        better = bisect_left(self._by_step.get(step, []), loss)
        total = self._count
        for trial in self._running:
            values = trial.intermediate_values
            if trial.number != number and values:
                total += 1
                better += step in values and as_loss(values[step], self._sign) < loss
        return better, total
