"""Samplers of a space, by name: what they propose, and what auto picks."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import TrialState

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Choice,
    Layer,
    LogRange,
    Maybe,
)
from neural_automl.exceptions import NoFeasibleArchitectureError
from neural_automl.search_strategies import SAMPLER_NAMES, create_sampler, pick_strategy
from tests.search.fakes import small_space

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

#: All that propose and learn.
NAMES = [name for name in SAMPLER_NAMES if name != "grid"]
OURS = ["bayesian", "evolutionary", "regularized_evolution"]


@pytest.mark.parametrize("acquisition_function", ["ei", "pi", "ucb"])
def test_each_acquisition_function_finds_the_best(acquisition_function: Any) -> None:
    space = ArchitectureSpace(
        (4,), [Layer("Dense", Choice(*range(1, 9))) for _ in range(3)] + [Layer("Dense", 2)]
    )
    sampler = create_sampler(
        "bayesian", space=space, seed=0, acquisition_function=acquisition_function
    )
    study = optuna.create_study(sampler=sampler)

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=30)

    assert study.best_value < 20  # of 512 networks with 13 to 188
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 30


def test_features_of_a_network_are_asked_of_networks_alone() -> None:
    space = ArchitectureSpace(
        (6, 6, 1),
        [
            Layer("Conv2D", Choice(2, 3, 4), Choice(3, 5)),
            Layer("MaxPooling2D", Choice(2, 3, 4)),
            "Flatten",
            Layer("Dense", 2),
        ],
    )
    asked = []

    def features(architecture: Architecture) -> list[float]:
        asked.append(architecture.cost.params)
        return [float(architecture.cost.params)]

    sampler = create_sampler("bayesian", space=space, seed=0, n_startup_trials=3, features=features)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=8)

    assert len(asked) > 8
    assert all(trial.state is TrialState.COMPLETE for trial in study.trials)


@pytest.mark.parametrize("name", OURS)
def test_trials_of_another_program_do_no_harm(name: str) -> None:
    space = small_space()
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=0))
    other: dict[str, BaseDistribution] = {"depth": IntDistribution(1, 9)}
    for depth in range(1, 9):
        study.add_trial(optuna.create_trial(params={"depth": depth}, distributions=other, value=1))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=8)

    ours = [trial for trial in study.trials if "depth" not in trial.params]
    assert len({tuple(trial.params.items()) for trial in ours}) == 8


@pytest.mark.parametrize("name", NAMES)
def test_an_enqueued_network_without_shapes_is_tried_and_does_no_harm(name: str) -> None:
    space = ArchitectureSpace(
        (4, 4, 1), [Layer("MaxPooling2D", Choice(2, 5)), Maybe("ReLU"), "Flatten"]
    )
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=0))
    study.enqueue_trial({"layers[0].MaxPooling2D.pool_size": 5, "layers[1].maybe": True})

    def objective(trial: optuna.Trial) -> float:
        if space.violations(space.suggest(trial)):
            trial.set_constraint("shape", 1.0)
            raise optuna.TrialPruned
        return 1.0

    study.optimize(objective, n_trials=3)

    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_a_sampler_goes_to_another_process(name: str) -> None:
    space = small_space()
    sampler = pickle.loads(pickle.dumps(create_sampler(name, space=space, seed=0)))
    study = optuna.create_study(sampler=sampler)

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=3)

    assert len(study.trials) == 3


@pytest.mark.parametrize("name", OURS)
def test_workers_that_ask_at_once_propose_different_networks(name: str) -> None:
    space = small_space()
    study = optuna.create_study(sampler=create_sampler(name, space=space))

    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda _: study.optimize(
                    lambda trial: float(space.suggest(trial).cost.params), n_trials=2
                ),
                range(4),
            )
        )

    trained = [tuple(trial.params.items()) for trial in study.trials if trial.params]
    assert len(set(trained)) == len(trained) == 8


@pytest.mark.parametrize("name", OURS)
def test_a_limit_that_few_meet_is_kept(name: str) -> None:
    widths = [Layer("Dense", Choice(*range(1, 13))) for _ in range(3)]
    space = ArchitectureSpace((4,), [*widths, Layer("Dense", 2)], constraints={"params": 35})
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=0))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=12)

    assert all(trial.value is not None and trial.value <= 35 for trial in study.trials)


@pytest.mark.parametrize("name", OURS)
def test_where_nothing_is_feasible_the_search_ends(name: str) -> None:
    space = small_space(constraints={"params": 3})
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=0))

    with pytest.raises(NoFeasibleArchitectureError, match="nothing feasible was found"):
        study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=3)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_several_objectives(name: str) -> None:
    space = small_space()
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=create_sampler(name, space=space, seed=0)
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cost = space.suggest(trial).cost
        return float(cost.params), float(cost.macs)

    study.optimize(objective, n_trials=8)

    assert len({tuple(trial.params.items()) for trial in study.trials}) == 8


# --- auto -----------------------------------------------------------------------------------------


def wide_space(**options: Any) -> ArchitectureSpace:
    layers = [Layer("Dense", Choice(*range(1, 33))) for _ in range(4)]
    return ArchitectureSpace((4,), [*layers, Layer("Dense", 2)], **options)


ENDLESS = {"optimizer": Call("Adam", {"learning_rate": LogRange(1e-4, 1e-2)})}


@pytest.mark.parametrize(
    ("space", "budget", "name", "reason"),
    [
        (small_space(), {"n_trials": 8}, "grid", "8 trials cover all 8 configurations"),
        (small_space(), {"n_trials": 7}, "bayesian", "7 trials among 8 configurations"),
        (small_space(), {}, "bayesian", "trials among 8 configurations, one objective"),
        (wide_space(), {"n_trials": 1000}, "bayesian", "1,000 trials among 1,048,576"),
        (wide_space(), {"n_trials": 1001}, "regularized_evolution", "more than 1,000 to model"),
        (wide_space(), {"n_trials": 50, "n_objectives": 2}, "evolutionary", "2 objectives"),
        (small_space(), {"n_trials": 9, "n_objectives": 2}, "grid", "cover all"),
        (wide_space(hyperparameters=ENDLESS), {"n_trials": 50}, "bayesian", "infinitely many"),
    ],
    ids=str,
)
def test_auto_picks_and_says_why(
    space: ArchitectureSpace,
    budget: dict[str, int],
    name: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", logger="neural_automl"):
        sampler = create_sampler("auto", space=space, **budget)

    pick = pick_strategy(space, **budget)
    assert pick.name == name
    assert reason in pick.reason
    assert caplog.messages == [f"search strategy: {pick}"]
    assert type(sampler) is type(create_sampler(name, space=space))
