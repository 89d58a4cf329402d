"""Every parameter that a define-by-run function can suggest, whatever else is chosen."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neural_automl.samplers._define_by_run import (
    Configuration,
    NumericDistribution,
    Suggest,
    complete,
    draw,
    from_unit,
    n_values,
)
from neural_automl.samplers._define_by_run._enumeration import all_values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Runs of the function at most; a larger space keeps what was found until then.
_RUNS: Final = 5_000
_DRAWS: Final = 10
# Of a longer range these shares of it are tried.
_COUNTS: Final = 20
_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def flat_space(suggest: Suggest) -> dict[str, BaseDistribution]:
    """Find every parameter by running the function.

    Each value of each parameter is tried once beside the values of the run in which the parameter
    was first seen, so that whatever one decision makes active is found. A parameter whose
    distribution depends on others is left out, as it has no place in a space that is always the
    same. Equal functions give equal spaces, in every worker.
    """
    rng = np.random.default_rng(0)
    found: dict[str, BaseDistribution] = {}
    varying: set[str] = set()
    tried: set[tuple[str, int]] = set()
    queue: deque[tuple[Configuration, str, int, Any]] = deque()

    def note(run: Configuration) -> None:
        for name, distribution in run.distributions.items():
            if name not in found:
                found[name] = distribution
                for index, value in enumerate(_probes(distribution)):
                    queue.append((run, name, index, value))
            elif found[name] != distribution:
                varying.add(name)

    for _ in range(_DRAWS):
        note(draw(suggest, rng))
    runs = 0
    while queue and runs < _RUNS:
        run, name, index, value = queue.popleft()
        if (name, index) in tried:
            continue
        tried.add((name, index))
        if run.values[name] != value:
            note(complete(suggest, {**run.values, name: value}, rng))
            runs += 1
    return {name: found[name] for name in sorted(found) if name not in varying}


def _probes(distribution: BaseDistribution) -> list[Any]:
    # Whole numbers up to some length are counts, on which structure depends.
    if not isinstance(distribution, NumericDistribution) or n_values(distribution) <= _COUNTS:
        return all_values(distribution)
    return list(dict.fromkeys(from_unit(distribution, share) for share in _SHARES))
