"""What a configuration is worth proposing: how far from feasible, and what it is the same as."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neural_automl.samplers._define_by_run._configuration import Configuration

# True or an excess of 0 and below: feasible. False or an excess above 0: not.
Excess = Callable[[Any], "bool | float"]
Identity = Callable[[Any], Hashable]

# So many verdicts are kept; the oldest go first.
_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one configuration.

    Args:
        excess: Above 0 if it is infeasible, and then by how much.
        identity: What it is the same as; its own values where no `identity` was given. None if it
            is infeasible: what may not be tried needs no identity, and may have none.
    """

    excess: float
    identity: Hashable | None

    @property
    def is_feasible(self) -> bool:
        """Whether it may be tried."""
        return self.excess <= 0


class Judge:
    """Works out verdicts, each once.

    Args:
        feasible: Whether the result of a configuration may be tried, or by how much it may not.
        identity: What is equal for results that are the same in effect.

    Attributes:
        n_evaluations: How often the two functions were called.
    """

    def __init__(self, feasible: Excess | None, identity: Identity | None) -> None:
        for name, function in (("feasible", feasible), ("identity", identity)):
            if function is not None and not callable(function):
                raise TypeError(f"`{name}` must be a function of a result but got {function!r}.")
        self._feasible = feasible
        self._identity = identity
        self._verdicts: dict[Hashable, Verdict] = {}
        self.n_evaluations = 0

    def known(self, configuration: Configuration) -> Verdict | None:
        """The verdict, if it was worked out before."""
        return self._verdicts.get(configuration.key)

    def __call__(self, configuration: Configuration) -> Verdict:
        """Give the verdict on a configuration.

        Raises:
            TypeError: `feasible` gives neither a bool nor a number.
        """
        verdict = self._verdicts.get(configuration.key)
        if verdict is None:
            verdict = self._work_out(configuration)
            if len(self._verdicts) >= _KEPT:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[configuration.key] = verdict
        return verdict

    def _work_out(self, configuration: Configuration) -> Verdict:
        excess = max(configuration.constraints.values(), default=-1.0)
        if excess <= 0 and self._feasible is not None:
            self.n_evaluations += 1
            excess = _as_excess(self._feasible(configuration.result))
        if excess > 0:
            return Verdict(excess, None)
        if self._identity is None:
            return Verdict(excess, configuration.key)
        self.n_evaluations += 1
        return Verdict(excess, self._identity(configuration.result))


def _as_excess(answer: Any) -> float:
    if isinstance(answer, bool | np.bool_):
        return -1.0 if answer else 1.0
    if not isinstance(answer, int | float | np.integer | np.floating):
        raise TypeError(f"`feasible` must give a bool or a number but gave {answer!r}.")
    # What cannot be compared with 0 is not known to be feasible.
    return math.inf if math.isnan(answer) else float(answer)
