"""Fixed values, foreign parameters, wrong arguments, and studies in which nothing goes well."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.trial import BaseTrial, FixedTrial

from neural_automl.exceptions import NoFeasibleArchitectureError
from neural_automl.samplers.feasible import FeasibleSampler
from tests.samplers.feasible_cases import BASES, base, completed, distinct, few_c, run
from tests.samplers.spaces import cells, cells_value, tree, tree_value

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def test_fixed_values_pass_through() -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["tpe"](), suggest=cells, feasible=few_c, seed=0)
    )
    whole = {f"edge_{i}": "b" for i in range(4)}
    study.enqueue_trial(whole)  # infeasible, but asked for
    study.enqueue_trial({"edge_2": "c"})
    study.enqueue_trial({"edge_2": "b"})  # no cell with it is feasible
    study.enqueue_trial(whole)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=4)
    params = [trial.params for trial in study.trials]

    assert params[0] == params[3] == whole
    assert params[1] == {"edge_0": "a", "edge_1": "a", "edge_2": "c", "edge_3": "a"}
    assert params[2]["edge_2"] == "b"


def test_an_enqueued_trial_that_waits_is_not_proposed() -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["random"](), suggest=cells, feasible=few_c, seed=0)
    )
    first = study.ask()
    study.enqueue_trial({f"edge_{i}": "a" for i in range(4)})
    cells(first)
    study.tell(first, 0.0)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=20)

    assert distinct(completed(study)) == len(completed(study)) == 5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"base": "tpe"}, TypeError, "`base` must be an Optuna sampler but got 'tpe'"),
        ({"suggest": 3}, TypeError, "`suggest` must be a function of a trial but got 3"),
        ({"suggest": lambda trial: 1}, ValueError, "must suggest at least one parameter"),
        ({"feasible": 1}, TypeError, "`feasible` must be a function of a result but got 1"),
        ({"identity": "key"}, TypeError, "`identity` must be a function of a result but got 'key'"),
        ({"max_attempts": 0}, ValueError, "`max_attempts` must be at least 1 but got 0"),
        ({"max_attempts": 1.5}, TypeError, "`max_attempts` must be an integer but got 1.5"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0 but got -1"),
        ({"seed": "0"}, TypeError, "`seed` must be an integer or None but got '0'"),
    ],
    ids=lambda case: str(case)[:30],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"base": BASES["random"](), "suggest": cells, **options}

    with pytest.raises(error, match=message):
        FeasibleSampler(arguments.pop("base"), **arguments)


@pytest.mark.parametrize(
    ("answer", "message"), [(None, "gave None"), ("yes", "gave 'yes'")], ids=str
)
def test_feasible_must_answer(answer: Any, message: str) -> None:
    sampler = FeasibleSampler(BASES["random"](), suggest=cells, feasible=lambda _: answer)

    with pytest.raises(TypeError, match=f"`feasible` must give a bool or a number but {message}"):
        run(sampler, 1)


@pytest.mark.parametrize("answer", [False, 1, 0.5, float("inf"), float("nan"), np.float64(3)])
def test_nothing_feasible_is_an_error(answer: Any) -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["tpe"](), suggest=cells, feasible=lambda _: answer, seed=0)
    )

    with pytest.raises(NoFeasibleArchitectureError, match="every configuration was looked at"):
        study.optimize(lambda trial: cells_value(cells(trial)), n_trials=3)

    assert study.user_attrs["stop_reason"] == "nothing feasible"


def test_it_gives_up_after_so_many_attempts() -> None:
    looked_at = []

    def feasible(net: dict[str, Any]) -> bool:
        looked_at.append(net)
        return False

    sampler = FeasibleSampler(
        BASES["random"](), suggest=tree, feasible=feasible, max_attempts=70, seed=0
    )
    with pytest.raises(NoFeasibleArchitectureError, match="looked at `max_attempts` = 70"):
        run(sampler, 1, tree)

    assert len(looked_at) <= 70


def test_asking_without_a_loop_ends_with_the_reason() -> None:
    sampler = FeasibleSampler(BASES["random"](), suggest=cells, feasible=few_c, seed=0)
    study = run(sampler, 5)

    with pytest.raises(optuna.TrialPruned, match="space exhausted: every configuration"):
        cells(study.ask())


@base
def test_studies_of_every_kind_of_outcome(make_base: Callable[[], BaseSampler]) -> None:
    def nan(trial: optuna.Trial) -> float:
        tree(trial)
        return float("nan")

    def infinite(trial: optuna.Trial) -> float:
        tree(trial)
        return float("inf")

    def fails(trial: optuna.Trial) -> float:
        tree(trial)
        raise RuntimeError

    def equal(trial: optuna.Trial) -> float:
        tree(trial)
        return 1.0

    def stops_early(trial: optuna.Trial) -> float:
        trial.suggest_int("depth", 1, 3)
        raise optuna.TrialPruned

    study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=tree, seed=0))
    for objective in (nan, infinite, fails, stops_early, equal):
        study.optimize(objective, n_trials=6, catch=(RuntimeError,))

    assert len(study.trials) == 30
    assert len({str(t.system_attrs["define_by_run:claim"]) for t in study.trials}) == 30


def test_foreign_parameters_are_no_obstacle() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("foreign", 0, 1), n_trials=3)
    study.optimize(lambda trial: float(trial.suggest_int("units", 0, 500)), n_trials=3)
    for make_base in BASES.values():
        study.sampler = FeasibleSampler(make_base(), suggest=tree, seed=0)
        study.optimize(lambda trial: tree_value(tree(trial)), n_trials=6)

    assert all(tree(FixedTrial(trial.params)) for trial in study.trials[6:])
    assert distinct(completed(study)[6:]) == 24


def test_a_suggest_that_raises_later_is_heard() -> None:
    def suggest(trial: BaseTrial) -> int:
        x = trial.suggest_int("x", 0, 1_000)
        if trial.number == 1:
            raise KeyError("lost")
        return x

    study = optuna.create_study(sampler=FeasibleSampler(BASES["random"](), suggest=suggest, seed=0))
    study.optimize(lambda trial: float(suggest(trial)), n_trials=1)
    with pytest.raises(KeyError, match="lost"):
        study.optimize(lambda trial: float(suggest(trial)), n_trials=1)


def test_names_that_only_the_objective_knows() -> None:
    sampler = FeasibleSampler(BASES["tpe"](), suggest=cells, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: cells_value(cells(trial)) + trial.suggest_float("beside", 0, 1), n_trials=12
    )

    assert all("beside" in trial.params for trial in study.trials)
    assert len({trial.params["beside"] for trial in study.trials}) == 12
