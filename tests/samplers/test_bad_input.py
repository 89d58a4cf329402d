"""Wrong arguments are refused at once; odd studies stop no sampler in the middle of a search."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import BaseTrial, Trial, TrialState

from neural_automl.exceptions import FallbackWarning
from neural_automl.samplers._define_by_run import replay, values_key
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from tests.samplers.spaces import cells, cells_value, tree, tree_value
from tests.samplers.test_contract import MAKERS, Make, every

NAN, INF = float("nan"), float("inf")
WITHOUT_VALUE = "random instead of Gaussian process (no trial has a finite value)"


def _distinct(study: optuna.Study) -> int:
    return len({values_key(trial.params) for trial in study.trials})


def _optimise(study: optuna.Study, objective: Any, n: int) -> None:
    """Optimise; no warning but that of a fallback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        study.optimize(objective, n_trials=n, catch=RuntimeError)


@every
@pytest.mark.parametrize(
    ("suggest", "error", "message"),
    [
        (lambda trial: None, ValueError, "must suggest at least one parameter but suggested none"),
        ("text", TypeError, "`suggest` must be a function of a trial but got 'text'"),
    ],
    ids=["nothing", "no function"],
)
def test_wrong_suggest(make: Make, suggest: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(suggest)


@every
def test_suggest_without_a_fixed_structure(make: Make) -> None:
    calls = iter(range(100))

    def suggest(trial: BaseTrial) -> float:
        return trial.suggest_float(f"x{next(calls)}", 0, 1)

    with pytest.raises(ValueError, match=r"must suggest equal parameters .* but differed in 'x0'"):
        make(suggest)


@every
@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, "`seed` must be at least 0 but got -1"),
        (1.5, TypeError, "`seed` must be an integer or None but got 1.5"),
        (True, TypeError, "`seed` must be an integer or None but got True"),
    ],
)
def test_wrong_seed(make: Make, seed: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(tree, seed=seed)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (GaussianProcessSampler, {"acquisition_function": "EI"}, '"ei", "pi", "ucb" but got \'EI'),
        (GaussianProcessSampler, {"n_startup_trials": 0}, "`n_startup_trials` must be at least 1"),
        (GaussianProcessSampler, {"max_observations": 1}, "`max_observations` must be at least 2"),
        (GaussianProcessSampler, {"n_random": 0}, "`n_random` must be at least 1 but got 0"),
        (GaussianProcessSampler, {"n_neighbours": 0}, "`n_neighbours` must be at least 1"),
        (EvolutionSampler, {"population_size": 1}, "`population_size` must be at least 2"),
        (EvolutionSampler, {"tournament_size": 0}, "`tournament_size` must be at least 1"),
        (EvolutionSampler, {"n_startup_trials": 0}, "`n_startup_trials` must be at least 1"),
        (EvolutionSampler, {"mutation_rate": 1.1}, "`mutation_rate` must be between 0 and 1"),
        (EvolutionSampler, {"crossover_rate": -1}, "`crossover_rate` must be between 0 and 1"),
        (EvolutionSampler, {"removal": "best"}, '"oldest" or "worst" but got \'best'),
    ],
)
def test_wrong_options(kind: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(tree, **options)


@every
@pytest.mark.parametrize(
    ("option", "value"), [("identity", "text"), ("feasible", 3)], ids=["identity", "feasible"]
)
def test_what_is_no_function(make: Make, option: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"`{option}` must be a function of a result but got"):
        make(tree, **{option: value})


def test_features_must_be_a_function() -> None:
    features: Any = [1.0]
    with pytest.raises(TypeError, match="`features` must be a function of a result but got"):
        GaussianProcessSampler(tree, features=features)


@every
@pytest.mark.parametrize(
    "values", [[1.0], [INF], [-INF], [NAN], [INF, 1.0, NAN, -INF, 2.0, 1e308, -1e308]]
)
def test_values_that_say_little_stop_no_study(make: Make, values: list[float]) -> None:
    study = optuna.create_study(sampler=make(tree, seed=0))

    def objective(trial: Trial) -> float:
        tree(trial)
        return values[trial.number % len(values)]

    _optimise(study, objective, 14)

    assert _distinct(study) == 14
    assert all(replay(tree, trial.params) is not None for trial in study.trials)


@every
@pytest.mark.parametrize("values", [[INF, NAN], [1.0, 1.0], [-INF, 0.0], [INF, -INF]])
def test_the_same_with_two_objectives(make: Make, values: list[float]) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=make(tree, seed=0))

    def objective(trial: Trial) -> tuple[float, float]:
        tree(trial)
        return values[0], values[1]

    _optimise(study, objective, 10)

    assert _distinct(study) == 10


@every
@pytest.mark.parametrize("last", [None, NAN, INF, 1e308, 1.0])
def test_trials_that_are_all_pruned(make: Make, last: float | None) -> None:
    study = optuna.create_study(sampler=make(tree, seed=0))

    def objective(trial: Trial) -> float:
        tree(trial)
        curve = [] if last is None else [-1e308, last, last]
        for step, value in enumerate(curve[: trial.number % 3 + 1]):
            trial.report(value, step)
        raise optuna.TrialPruned

    _optimise(study, objective, 10)

    assert _distinct(study) == 10
    assert {trial.state for trial in study.trials} == {TrialState.PRUNED}


@every
def test_trials_that_all_fail(make: Make) -> None:
    study = optuna.create_study(sampler=make(tree, seed=0))

    def objective(trial: Trial) -> float:
        tree(trial)
        raise RuntimeError

    _optimise(study, objective, 10)

    assert _distinct(study) == 10
    assert {trial.state for trial in study.trials} == {TrialState.FAIL}


@every
def test_trials_that_all_break_a_constraint(make: Make) -> None:
    study = optuna.create_study(sampler=make(tree, seed=0))

    def objective(trial: Trial) -> float:
        trial.set_constraint("limit", 1.0)
        return tree_value(tree(trial))

    _optimise(study, objective, 10)

    assert _distinct(study) == 10


@every
def test_nothing_feasible(make: Make) -> None:
    study = optuna.create_study(sampler=make(cells, feasible=lambda cell: False, seed=0))
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=7)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 7


@pytest.mark.parametrize("value", [INF, -INF])
def test_no_finite_value_is_a_random_proposal_that_is_recorded(value: float) -> None:
    sampler = GaussianProcessSampler(tree, n_startup_trials=2, seed=0)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: Trial) -> float:
        tree(trial)
        return value

    with pytest.warns(FallbackWarning, match="random instead of Gaussian process"):
        study.optimize(objective, n_trials=4)

    assert study.user_attrs["fallbacks"] == [f"trial {n}: {WITHOUT_VALUE}" for n in (2, 3)]


def test_one_finite_value_is_enough() -> None:
    sampler = GaussianProcessSampler(tree, n_startup_trials=2, seed=0)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: Trial) -> float:
        tree(trial)
        return INF if trial.number else 1.0

    study.optimize(objective, n_trials=6)

    assert "fallbacks" not in study.user_attrs


@every
def test_structure_that_changes_in_the_middle(make: Make) -> None:
    prefix = "old"

    def suggest(trial: BaseTrial) -> float:
        return trial.suggest_float(f"{prefix}_x", 0, 1) + trial.suggest_int(f"{prefix}_n", 1, 3)

    study = optuna.create_study(sampler=make(suggest, seed=0))
    study.optimize(suggest, n_trials=8)
    prefix = "new"
    study.optimize(suggest, n_trials=8)

    assert all(set(trial.params) == {"new_x", "new_n"} for trial in study.trials[8:])
    assert _distinct(study) == 16


@every
def test_ranges_that_change_in_the_middle(make: Make) -> None:
    high = 3

    def suggest(trial: BaseTrial) -> float:
        width = trial.suggest_int("width", 1, high)
        return width + trial.suggest_float("x", 0.1 * width, 10.0 * width, log=True)

    study = optuna.create_study(direction="maximize", sampler=make(suggest, seed=0))
    study.optimize(suggest, n_trials=8)
    high = 30
    study.optimize(suggest, n_trials=12)

    assert max(trial.params["width"] for trial in study.trials) > 3
    assert all(replay(suggest, trial.params) is not None for trial in study.trials)


@every
def test_foreign_parameters_beside_ours(make: Make) -> None:
    study = optuna.create_study(sampler=make(cells, seed=0))

    def objective(trial: Trial) -> float:
        extra = trial.suggest_float("foreign", 0, 1)
        return cells_value(cells(trial)) + extra

    study.optimize(objective, n_trials=15)
    configurations = [replay(cells, trial.params) for trial in study.trials]

    assert len(set(configurations)) == 15
    assert all(0 <= trial.params["foreign"] <= 1 for trial in study.trials)


@pytest.mark.parametrize("name", MAKERS)
def test_enqueued_values_outside_the_space(name: str) -> None:
    study = optuna.create_study(sampler=MAKERS[name](cells, seed=0))
    for _ in range(7):
        study.enqueue_trial({"edge_0": "z", "unknown": 1})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Optuna says that "z" is outside
            study.optimize(lambda trial: float(np.random.default_rng(0).random()), n_trials=1)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=8)

    assert all(replay(cells, trial.params) is not None for trial in study.trials[7:])
