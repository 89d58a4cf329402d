"""Several objectives at once: the front that is found covers more than that of NSGA-II."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import optuna
import pytest
from optuna._hypervolume import compute_hypervolume
from optuna.samplers import BaseSampler, NSGAIISampler

from tests.samplers.test_contract import Make, every

if TYPE_CHECKING:
    from optuna.trial import BaseTrial, Trial

N_TRIALS = 50
COSTS = {"wide": 3.0, "narrow": 1.0, "skip": 0.0}
GAINS = {"wide": 1.0, "narrow": 0.6, "skip": 0.1}


def layers(trial: BaseTrial) -> list[str]:
    """Up to eight layers."""
    depth = trial.suggest_int("depth", 2, 8)
    return [trial.suggest_categorical(f"layer_{i}", list(COSTS)) for i in range(depth)]


def error_and_cost(chosen: list[str]) -> tuple[float, float]:
    """Both between 0 and 1, smaller is better; late layers gain more, wide ones cost more."""
    gain = sum(GAINS[kind] * (i + 1) for i, kind in enumerate(chosen))
    return float(np.exp(-gain / 8.0)), sum(COSTS[kind] for kind in chosen) / 24.0


def _hypervolume(sampler: BaseSampler, scale: float = 1.0) -> float:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)

    def objective(trial: Trial) -> tuple[float, float]:
        error, cost = error_and_cost(layers(trial))
        return scale * error, -cost

    study.optimize(objective, n_trials=N_TRIALS)
    found = [[trial.values[0] / scale, -trial.values[1]] for trial in study.trials]
    return float(compute_hypervolume(np.array(found), np.ones(2)))


@every
def test_front_covers_more_than_that_of_nsga2(make: Make) -> None:
    ours = [_hypervolume(make(layers, seed=seed)) for seed in range(5)]
    theirs = [_hypervolume(NSGAIISampler(population_size=20, seed=seed)) for seed in range(5)]

    assert np.mean(ours) > np.mean(theirs)


@every
def test_scale_of_an_objective_does_not_matter(make: Make) -> None:
    # A power of two, so that the numbers are the same but for their exponent.
    assert _hypervolume(make(layers, seed=0)) == pytest.approx(
        _hypervolume(make(layers, seed=0), scale=2.0**20)
    )
