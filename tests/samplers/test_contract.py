"""What every sampler of configurations must do, Optuna's own contract suites included."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import optunahub
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import BaseTrial, Trial, TrialState

from neural_automl.samplers._define_by_run import replay, values_key
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from tests.samplers.spaces import cells, cells_value, tree, tree_value

Make = Callable[..., BaseSampler]
ROOT = Path(__file__).resolve().parents[2]


def _gaussian_process(suggest: Any, **options: Any) -> BaseSampler:
    return GaussianProcessSampler(suggest, n_startup_trials=5, **options)


def _oldest(suggest: Any, **options: Any) -> BaseSampler:
    return EvolutionSampler(
        suggest, population_size=10, tournament_size=5, n_startup_trials=5, **options
    )


def _worst(suggest: Any, **options: Any) -> BaseSampler:
    return EvolutionSampler(
        suggest,
        population_size=10,
        tournament_size=3,
        n_startup_trials=5,
        removal="worst",
        crossover_rate=0.5,
        mutation_rate=0.2,
        **options,
    )


MAKERS: dict[str, Make] = {
    "gaussian_process": _gaussian_process,
    "evolution_oldest": _oldest,
    "evolution_worst": _worst,
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def sampler(request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
    """What Optuna's suites ask for: makes a sampler that knows other names than they suggest."""
    return lambda: request.param(tree, seed=0)


class TestBasic(BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler


class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler


class TestMultiObjective(MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler


def _objective(trial: Trial) -> float:
    return tree_value(tree(trial))


def _run(sampler: BaseSampler, n: int = 15) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    study.optimize(_objective, n_trials=n)
    return study


@every
def test_equal_seeds_give_equal_runs_and_others_differ(make: Make) -> None:
    first, second, other = (_run(make(tree, seed=seed)) for seed in (3, 3, 4))

    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert [t.params for t in first.trials] != [t.params for t in other.trials]


@every
def test_restart_goes_on_as_the_run_would_have(make: Make) -> None:
    whole = _run(make(tree, seed=1), 16)
    study = _run(make(tree, seed=1), 12)
    study.sampler = make(tree, seed=1)
    study.optimize(_objective, n_trials=4)

    assert [t.params for t in study.trials] == [t.params for t in whole.trials]


@every
def test_pickle_round_trip_in_mid_study(make: Make) -> None:
    study = _run(make(tree, seed=1), 12)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(_objective, n_trials=2)

    assert [t.params for t in study.trials] == [
        t.params for t in _run(make(tree, seed=1), 14).trials
    ]


@every
def test_every_configuration_of_a_small_space_comes_once(make: Make) -> None:
    study = optuna.create_study(sampler=make(cells, seed=0))
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=60)

    assert len({values_key(trial.params) for trial in study.trials}) == 60


@every
def test_study_goes_on_when_the_space_is_exhausted(make: Make) -> None:
    def suggest(trial: BaseTrial) -> str:
        operation: str = trial.suggest_categorical("op", ["a", "b", "c"])
        return operation

    study = optuna.create_study(sampler=make(suggest, seed=0))
    study.optimize(lambda trial: float(ord(suggest(trial))), n_trials=9)

    assert len({values_key(trial.params) for trial in study.trials[:3]}) == 3
    assert study.best_params == {"op": "a"}


@every
@pytest.mark.parametrize("state", ["running", "pruned", "failed"])
def test_what_a_trial_has_is_not_proposed_again(make: Make, state: str) -> None:
    study = optuna.create_study(sampler=make(cells, seed=0))
    for _ in range(40):
        trial = study.ask()
        value = cells_value(cells(trial))
        if state == "pruned":
            trial.report(value, 1)
            study.tell(trial, state=TrialState.PRUNED)
        elif state == "failed":
            study.tell(trial, state=TrialState.FAIL)

    assert len({values_key(trial.params) for trial in study.trials}) == 40


@every
def test_infeasible_and_identical_are_never_proposed(make: Make) -> None:
    def feasible(cell: tuple[str, ...]) -> bool:
        return cell.count("b") <= 1

    def identity(cell: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(cell))

    study = optuna.create_study(sampler=make(cells, seed=0, feasible=feasible, identity=identity))
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=9)
    found = [tuple(trial.params.values()) for trial in study.trials]

    assert all(feasible(cell) for cell in found)
    assert len({identity(cell) for cell in found}) == 9  # all that there are


@every
def test_enqueued_values_hold_and_the_rest_fits_them(make: Make) -> None:
    study = _run(make(tree, seed=0), 8)
    study.enqueue_trial({"depth": 3, "kind_1": "conv", "units": 48})
    study.optimize(_objective, n_trials=1)
    params = study.trials[-1].params

    assert params.items() >= {"depth": 3, "kind_1": "conv", "units": 48}.items()
    assert replay(tree, params) is not None
    assert next(iter(params)) == "depth"


@every
def test_continued_trial_keeps_what_it_suggested(make: Make) -> None:
    study = _run(make(tree, seed=0), 8)
    trial = study.ask()
    depth = trial.suggest_int("depth", 1, 3)
    study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    again = study.ask()
    tree(again)

    assert again.number == trial.number
    assert again.params["depth"] == depth
    assert replay(tree, again.params) is not None


def _work(url: str, name: str) -> None:
    study = optuna.load_study(study_name="shared", storage=url, sampler=MAKERS[name](tree, seed=0))
    study.optimize(_objective, n_trials=6)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_four_processes_share_a_database_and_a_seed(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="shared", storage=url)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(url, name)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study._storage.remove_session()

    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len({values_key(trial.params) for trial in study.trials}) == 24


@every
def test_conditional_space_is_learned(make: Make) -> None:
    scores, randoms = [], []
    for seed in range(4):
        scores.append(_run(make(tree, seed=seed), 40).best_value)
        randoms.append(_run(optuna.samplers.RandomSampler(seed=seed), 40).best_value)

    assert np.mean(scores) < np.mean(randoms)


@every
def test_two_objectives_reach_both_ends(make: Make) -> None:
    def objective(trial: Trial) -> tuple[float, float]:
        cell = cells(trial)
        return float(cell.count("a")), float(cell.count("b"))

    study = optuna.create_study(directions=["minimize", "maximize"], sampler=make(cells, seed=0))
    study.optimize(objective, n_trials=40)
    found = {tuple(trial.values) for trial in study.best_trials}

    assert found == {(0.0, 4.0)}


@every
def test_foreign_trials_are_left_aside(make: Make) -> None:
    study = optuna.create_study(sampler=make(tree, seed=0))
    distribution = optuna.distributions.FloatDistribution(0, 1)
    for x in np.linspace(0, 1, 8):
        study.add_trial(
            optuna.create_trial(
                params={"foreign": float(x)}, distributions={"foreign": distribution}, value=0.0
            )
        )
    study.optimize(_objective, n_trials=8)

    assert all(replay(tree, trial.params) is not None for trial in study.trials[8:])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gaussian_process", GaussianProcessSampler), ("evolution", EvolutionSampler)],
)
def test_hub_loads_the_class_itself(name: str, kind: type[BaseSampler]) -> None:
    module = optunahub.load_local_module(f"samplers/{name}", registry_root=str(ROOT))

    assert getattr(module, kind.__name__) is kind
