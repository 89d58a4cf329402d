from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler

from neural_automl.samplers._define_by_run import draw
from neural_automl.samplers.feasible import FeasibleSampler
from tests.samplers.feasible_cases import BASES, base, completed, distinct, few_c, run
from tests.samplers.spaces import cells, cells_value, tree, tree_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial


@base
def test_nothing_infeasible_and_nothing_twice(make_base: Callable[[], BaseSampler]) -> None:
    sampler = FeasibleSampler(
        make_base(), suggest=cells, feasible=lambda cell: cell.count("b") <= 1, seed=0
    )

    trained = completed(run(sampler, 30))

    assert len(trained) == distinct(trained) == 30
    assert all(list(params.values()).count("b") <= 1 for params in trained)


@base
@pytest.mark.parametrize("answer", ["number", "bool"])
def test_a_tight_space_is_trained_to_its_end(
    make_base: Callable[[], BaseSampler], answer: str
) -> None:
    def feasible(cell: tuple[str, ...]) -> bool | float:
        return few_c(cell) if answer == "number" else few_c(cell) <= 0

    study = run(FeasibleSampler(make_base(), suggest=cells, feasible=feasible, seed=0), 50)

    assert distinct(completed(study)) == 5
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert study.trials[-1].user_attrs == {"infeasible": "space exhausted"}
    assert study.trials[-1].params == {}
    assert study.user_attrs == {"stop_reason": "space exhausted"}


def test_what_is_the_same_in_effect_comes_once() -> None:
    sampler = FeasibleSampler(
        BASES["tpe"](), suggest=cells, identity=lambda cell: "".join(sorted(cell)), seed=0
    )

    study = run(sampler, 100)

    kinds = {"".join(sorted(params.values())) for params in completed(study)}
    assert len(kinds) == len(completed(study)) == 15


def test_one_feasible_configuration_of_a_million_is_found() -> None:
    def suggest(trial: BaseTrial) -> list[int]:
        return [trial.suggest_int(f"width_{i}", 1, 32) for i in range(4)]

    sampler = FeasibleSampler(
        BASES["random"](), suggest=suggest, feasible=lambda widths: sum(widths) - 4, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sum(suggest(trial)), n_trials=1)

    assert study.best_value == 4


def test_the_nearest_is_taken_first() -> None:
    # From all "a", one edit is enough, and every cell with one "c" is as near as any other.
    class AllA(BaseSampler):
        def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
            return {}

        def sample_relative(self, *_: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, *_: Any) -> Any:
            return "a"

    found = []
    for seed in range(12):
        sampler = FeasibleSampler(
            AllA(), suggest=cells, feasible=lambda cell: "c" in cell, seed=seed
        )
        study = run(sampler, 1)
        found.append(list(study.trials[0].params.values()))

    assert all(cell.count("a") == 3 and cell.count("c") == 1 for cell in found)
    assert len({cell.index("c") for cell in found}) > 1


def test_few_evaluations_where_a_fifth_is_feasible() -> None:
    def suggest(trial: BaseTrial) -> list[int]:
        return [trial.suggest_categorical(f"op_{i}", [0, 1, 2, 3, 9]) for i in range(6)]

    every = np.add.outer(
        *[np.add.outer(np.add.outer(w, w), w).ravel() for w in [np.array([0, 1, 2, 3, 9])] * 2]
    )
    limit = float(np.quantile(every, 0.2))
    for make_base in (BASES["random"], BASES["tpe"], BASES["nsga2"]):
        for answer in (lambda x: sum(x) - limit, lambda x: sum(x) <= limit):
            sampler = FeasibleSampler(
                make_base(), suggest=suggest, feasible=answer, identity=tuple, seed=0
            )
            study = optuna.create_study(sampler=sampler)
            study.optimize(lambda trial: -sum(suggest(trial)), n_trials=100)

            assert sampler.n_evaluations <= 30 * len(study.trials)
            assert all(-trial.values[0] <= limit for trial in study.trials)


@base
def test_equal_seeds_give_equal_runs_and_others_do_not(
    make_base: Callable[[], BaseSampler],
) -> None:
    def params(seed: int) -> list[dict[str, Any]]:
        sampler = FeasibleSampler(
            make_base(), suggest=tree, feasible=lambda net: net["units"] <= 32, seed=seed
        )
        return completed(run(sampler, 10, tree))

    assert params(1) == params(1)
    assert params(1) != params(2)


@base
def test_it_survives_pickling_and_goes_on(make_base: Callable[[], BaseSampler]) -> None:
    sampler = FeasibleSampler(make_base(), suggest=tree, seed=0)
    study = run(sampler, 6, tree)
    for other in (pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler)):
        study.sampler = other
        study.optimize(lambda trial: tree_value(tree(trial)), n_trials=6)

    assert distinct(completed(study)) == len(study.trials) == 18


@pytest.mark.parametrize("name", ["random", "tpe", "nsga2"])
def test_workers_that_share_a_seed_propose_different_trials(name: str) -> None:
    # The trials of the other are running, and no value is stored yet.
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="shared")
    trials = []
    for _ in range(8):
        worker = optuna.load_study(
            storage=storage,
            study_name="shared",
            sampler=FeasibleSampler(BASES[name](), suggest=cells, seed=0),
        )
        trial = worker.ask()
        trial.suggest_categorical("edge_0", ["a", "b", "c"])
        trials.append((worker, trial))
    held = [t.system_attrs["define_by_run:claim"] for t in trials[0][0].get_trials()]
    for worker, trial in trials:
        worker.tell(trial, cells_value(cells(trial)))

    assert distinct(held) == 8
    assert [trial.params for _, trial in trials] == held


def test_of_two_that_choose_alike_at_once_one_chooses_again() -> None:
    study = optuna.create_study(sampler=FeasibleSampler(BASES["random"](), suggest=cells, seed=0))
    other = study.ask()
    storage = study._storage
    write = storage.set_trial_system_attr
    stolen: list[dict[str, Any]] = []

    def write_and_be_overtaken(trial_id: int, key: str, value: Any) -> None:
        if key == "define_by_run:claim" and trial_id != other._trial_id and len(stolen) < 3:
            stolen.append(dict(value))
            if value:
                write(other._trial_id, key, value)
        write(trial_id, key, value)

    storage.set_trial_system_attr = write_and_be_overtaken  # type: ignore[method-assign]
    trial = study.ask()
    cells(trial)
    claims = [t.system_attrs.get("define_by_run:claim") for t in study.get_trials()]

    assert stolen[1] == {}  # it withdrew
    assert trial.params == claims[1]
    assert claims[0] != claims[1]


def test_threads_share_one_sampler() -> None:
    sampler = FeasibleSampler(
        BASES["tpe"](), suggest=cells, feasible=lambda cell: "a" in cell, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=40, n_jobs=4)

    assert distinct(completed(study)) == 40


def test_ranges_that_depend_on_values() -> None:
    def suggest(trial: BaseTrial) -> tuple[int, int]:
        low = trial.suggest_int("low", 1, 3)
        return low, trial.suggest_int("high", low, 4)

    for make_base in BASES.values():
        study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=suggest, seed=0))
        study.optimize(lambda trial: float(sum(suggest(trial))), n_trials=20)

        assert distinct(completed(study)) == len(completed(study)) == 4 + 3 + 2


def test_steps_of_floats_are_reached_by_one_value_each() -> None:
    def suggest(trial: BaseTrial) -> float:
        return trial.suggest_float("x", 0.1, 1.5, step=0.1)

    for make_base in BASES.values():
        study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=suggest, seed=0))
        study.optimize(suggest, n_trials=40)
        found = sorted(trial.params["x"] for trial in study.trials if trial.params)

        assert found == pytest.approx([k / 10 for k in range(1, 16)])


@pytest.mark.parametrize(
    ("name", "n_trials"),
    [("tpe", 60), ("nsga2", 60), pytest.param("gp", 40, marks=pytest.mark.slow)],
)
def test_it_learns_on_a_conditional_space(name: str, n_trials: int) -> None:
    rng = np.random.default_rng(0)
    bar = float(np.quantile([tree_value(draw(tree, rng).result) for _ in range(2_000)], 0.25))
    study = run(FeasibleSampler(BASES[name](), suggest=tree, seed=0), n_trials, tree)
    values = [trial.value for trial in study.trials[-10:] if trial.value is not None]

    # A random proposal is below the bar one time in four.
    assert sum(value <= bar for value in values) >= 6
