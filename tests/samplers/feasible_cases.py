"""Samplers to wrap, and searches of small spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import BaseTrial, TrialState

from tests.samplers.spaces import cells, cells_value, tree_value

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study


BASES: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=4),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=4),
    "gp": lambda: optuna.samplers.GPSampler(
        seed=0, n_startup_trials=4, warn_independent_sampling=False
    ),
}


base = pytest.mark.parametrize("make_base", BASES.values(), ids=BASES)


def few_c(cell: tuple[str, ...]) -> float:
    """All "a", or all but one, which is "c": 5 of 81 cells."""
    return cell.count("c") + 2 * cell.count("b") - 1


def run(sampler: BaseSampler, n_trials: int, suggest: Callable[[BaseTrial], Any] = cells) -> Study:
    study = optuna.create_study(sampler=sampler)
    value = cells_value if suggest is cells else tree_value
    study.optimize(lambda trial: value(suggest(trial)), n_trials=n_trials)
    return study


def completed(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials if trial.state is TrialState.COMPLETE]


def distinct(configurations: list[dict[str, Any]]) -> int:
    return len({tuple(sorted(params.items())) for params in configurations})
