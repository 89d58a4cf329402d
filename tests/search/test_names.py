"""Names for samplers and pruners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Choice,
    Layer,
    LogRange,
    Maybe,
)
from neural_automl.early_stopping import PRUNER_NAMES, create_pruner, may_stop_at
from neural_automl.exceptions import SpaceError
from neural_automl.identity import identity_of
from neural_automl.pruners.learning_curve import LearningCurvePruner
from neural_automl.pruners.multi_objective import MultiObjectivePruner
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.feasible import FeasibleSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from neural_automl.samplers.grid import ExhaustiveSampler
from neural_automl.search_strategies import SAMPLER_NAMES, create_sampler
from neural_automl.search_strategies._exclusive import ExclusiveSampler
from tests.search.fakes import small_space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler


#: Without a space.
OPTUNAS: dict[str, type[BaseSampler]] = {
    "grid": optuna.samplers.BruteForceSampler,
    "random": optuna.samplers.RandomSampler,
    "bayesian": optuna.samplers.GPSampler,
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}
#: With a space: what proposes.
BASES: dict[str, type[BaseSampler]] = {
    "random": optuna.samplers.RandomSampler,
    "bayesian": GaussianProcessSampler,
    "tpe": optuna.samplers.TPESampler,
    "evolutionary": EvolutionSampler,
    "regularized_evolution": EvolutionSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "auto": GaussianProcessSampler,
}
PRUNERS: dict[str, type[BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "asha": optuna.pruners.SuccessiveHalvingPruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "learning_curve": LearningCurvePruner,
    "multi_objective": MultiObjectivePruner,
    "patient": optuna.pruners.PatientPruner,
}
PRUNER_OPTIONS: dict[str, dict[str, Any]] = {
    "threshold": {"lower": 0.1},
    "patient": {"patience": 3},
}


@pytest.mark.parametrize("name", OPTUNAS)
def test_without_a_space_a_name_is_optunas_sampler(name: str) -> None:
    sampler = create_sampler(name, seed=3)

    assert type(sampler) is OPTUNAS[name]


@pytest.mark.parametrize("name", ["evolutionary", "regularized_evolution", "auto"])
def test_what_optuna_has_no_sampler_for_needs_the_space(name: str) -> None:
    with pytest.raises(
        TypeError, match=f"{name} needs `space=`.*there are grid, random, bayesian, tpe, nsga2"
    ):
        create_sampler(name)


@pytest.mark.parametrize("name", BASES)
def test_sampler_of_a_space(name: str) -> None:
    sampler = create_sampler(name, space=small_space(), seed=3)

    assert isinstance(sampler, FeasibleSampler | ExclusiveSampler)
    assert isinstance(sampler, FeasibleSampler) == (BASES[name] in OPTUNAS.values())
    assert type(sampler.base) is BASES[name]


def test_grid_of_a_space() -> None:
    assert type(create_sampler("grid", space=small_space())) is ExhaustiveSampler


def test_every_name_is_tried() -> None:
    assert {*BASES, "grid"} == set(SAMPLER_NAMES)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_a_space_in_which_nothing_is_open_needs_no_proposal(name: str) -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", 2)])
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=3))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=1)

    assert study.best_value == 10


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_limits_of_the_space_and_of_the_call_are_kept(name: str) -> None:
    space = small_space(constraints={"params": 120})
    sampler = create_sampler(name, space=space, constraints={"macs": 60}, seed=0)
    study = optuna.create_study(sampler=sampler)

    study.optimize(lambda trial: float(space.suggest(trial).cost.macs))

    trained = [trial.value for trial in study.trials if trial.value is not None]
    assert sorted(trained) == [24, 24, 48, 48]
    assert study.user_attrs["stop_reason"] == "space exhausted"


def test_shapes_that_cannot_follow_are_not_proposed() -> None:
    space = ArchitectureSpace(
        (6, 6, 1),
        [
            Layer("Conv2D", 2, Choice(3, 5)),
            Layer("MaxPooling2D", Choice(2, 3, 4)),
            "Flatten",
            Layer("Dense", 2),
        ],
    )
    study = optuna.create_study(sampler=create_sampler("random", space=space, seed=0))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params))

    shapes = [tuple(trial.params.values()) for trial in study.trials if trial.params]
    assert sorted(shapes) == [(3, 2), (3, 3), (3, 4), (5, 2)]


def test_networks_that_are_trained_alike_are_proposed_once() -> None:
    # "linear" is no activation at all, and Adam's own rate is the default.
    space = ArchitectureSpace(
        (4,),
        [Layer("Dense", Choice(4, 8), activation=Choice(None, "relu")), Maybe("ReLU")],
        {"optimizer": {"type": "Adam", "params": {"learning_rate": Choice(0.001, 0.01)}}},
    )
    study = optuna.create_study(sampler=create_sampler("tpe", space=space, seed=0))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params))

    identities = [
        identity_of(space.suggest(optuna.trial.FixedTrial(trial.params)))
        for trial in study.trials
        if trial.params
    ]
    assert space.get_search_space_size() == 16
    assert len(set(identities)) == len(identities) == 8


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_sampler_searches_a_conditional_space(name: str) -> None:
    space = small_space()
    study = optuna.create_study(sampler=create_sampler(name, space=space, seed=0))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=15)

    trained = [tuple(t.params.items()) for t in study.trials if t.state is TrialState.COMPLETE]
    assert len(set(trained)) == len(trained) == 8
    assert len(study.trials) == (8 if name == "grid" else 9)


def test_grid_visits_each_configuration_once() -> None:
    space = small_space()
    study = optuna.create_study(sampler=create_sampler("grid", space=space, seed=0))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params))

    assert len({tuple(trial.params.items()) for trial in study.trials}) == 8


def test_a_sampler_is_returned_as_it_is() -> None:
    sampler = optuna.samplers.RandomSampler()

    assert create_sampler(sampler) is sampler


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("tpo", {}, ValueError, "did you mean tpe"),
        (
            "genetic",
            {},
            ValueError,
            "grid, random, bayesian, tpe, evolutionary, regularized_evolution, nsga2, auto",
        ),
        ("tpe", {"populaton_size": 3}, TypeError, "tpe has no option 'populaton_size'"),
        ("nsga2", {"populaton_size": 3}, TypeError, "did you mean population_size"),
        ("tpe", {"acquisition_function": "ei"}, TypeError, "no option 'acquisition_function'"),
        ("bayesian", {"acquisition_function": "pi"}, ValueError, "GPSampler.*must be 'ei'"),
        ("nsga2", {"population_size": 1}, ValueError, "population_size"),
        ("grid", {"space": small_space(), "order": 1}, TypeError, "grid has no option 'order'"),
        ("tpe", {"constraints": {"params": 9}}, TypeError, "`constraints` need the `space`"),
        (
            "tpe",
            {"space": small_space(), "constraints": {"size": 9}},
            SpaceError,
            "must limit one of params",
        ),
        (7, {}, ValueError, "but got 7"),
        (7, {"space": small_space()}, ValueError, "but got 7"),
        ("bayesien", {"space": small_space()}, ValueError, "did you mean bayesian"),
    ],
    ids=str,
)
def test_wrong_sampler(
    name: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        create_sampler(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("bayesian", {"acquisition_function": "lcb"}, ValueError, 'one of "ei", "pi", "ucb"'),
        ("bayesian", {"n_startup_trials": 0}, ValueError, "must be at least 1 but got 0"),
        ("bayesian", {"n_neighbors": 3}, TypeError, "did you mean n_neighbours"),
        ("bayesian", {"identity": hash}, TypeError, "bayesian has no option 'identity'"),
        ("bayesian", {"features": 3}, TypeError, "`features` must be a function"),
        ("evolutionary", {"population_size": 1}, ValueError, "must be at least 2 but got 1"),
        ("evolutionary", {"mutation_rate": 1.5}, ValueError, "between 0 and 1 but got 1.5"),
        ("evolutionary", {"removal": "oldest"}, TypeError, "no option 'removal'"),
        ("regularized_evolution", {"crossover_rate": 0.5}, TypeError, "'crossover_rate'"),
        ("regularized_evolution", {"tournament_size": 0}, ValueError, "at least 1 but got 0"),
        ("grid", {"order": 1}, TypeError, "it has none"),
        ("bayesian", {"n_startup_trials": 2.5}, TypeError, "must be an integer but got 2.5"),
        ("evolutionary", {"population_size": "9"}, TypeError, "must be an integer but got '9'"),
        ("auto", {"n_trials": 0}, ValueError, "`n_trials` must be at least 1 but got 0"),
        ("auto", {"n_objectives": 0}, ValueError, "`n_objectives` must be at least 1"),
        ("auto", {"population_size": 9}, TypeError, "it has n_trials, n_objectives"),
    ],
    ids=str,
)
def test_wrong_options_of_a_sampler_of_a_space(
    name: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        create_sampler(name, space=small_space(), **options)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_a_space_is_a_space(name: str) -> None:
    with pytest.raises(TypeError, match="`space` must be an ArchitectureSpace but got 'digits'"):
        create_sampler(name, space="digits")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"n_startup_trials": 3}, {"constraints": {"params": 9}}], ids=str
)
def test_a_made_sampler_takes_nothing_more(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="that is made already takes no"):
        create_sampler(optuna.samplers.RandomSampler(), **options)


def test_grid_refuses_a_space_without_end() -> None:
    space = ArchitectureSpace(
        (4,),
        [Layer("Dense", 2)],
        {"optimizer": {"type": "Adam", "params": {"learning_rate": LogRange(1e-4, 1e-2)}}},
    )

    with pytest.raises(ValueError, match="give every range of floats a step"):
        create_sampler("grid", space=space)


@pytest.mark.parametrize("name", PRUNER_NAMES)
def test_pruner_of_a_name(name: str) -> None:
    pruner = create_pruner(name, max_epochs=27, **PRUNER_OPTIONS.get(name, {}))

    assert type(pruner) is PRUNERS[name]


def test_a_pruner_is_returned_as_it_is() -> None:
    pruner = optuna.pruners.NopPruner()

    assert create_pruner(pruner, max_epochs=5) is pruner


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("assha", {}, ValueError, "did you mean asha"),
        ("asha", {}, ValueError, "asha needs `max_epochs`, or `min_resource`"),
        ("hyperband", {}, ValueError, "hyperband needs `max_epochs`, or `max_resource`"),
        ("learning_curve", {}, ValueError, "needs `max_epochs`, or `max_step`"),
        ("learning_curve", {"max_epochs": 9, "confidense": 0.9}, TypeError, "mean confidence"),
        ("asha", {"max_epochs": 0}, ValueError, "`max_epochs` must be at least 1 but got 0"),
        ("asha", {"max_epochs": 9, "reduction": 3}, TypeError, "asha has no option 'reduction'"),
        ("patient", {}, TypeError, "patient needs `patience`"),
        ("multi_objective", {}, ValueError, "multi_objective needs `max_epochs`, or `max_step`"),
        ("multi_objective", {"max_epochs": 9, "first_rung": 10}, ValueError, "at most `max_step`"),
        ("asha", {"min_resource": "auto"}, TypeError, "`min_resource` of asha must be an integer"),
        ("hyperband", {"max_resource": "auto"}, TypeError, "must be an integer but got 'auto'"),
        ("median", {"n_warmup_steps": 2.5}, TypeError, "must be an integer but got 2.5"),
        ("threshold", {"lower": "low"}, TypeError, "`lower` of threshold must be a number"),
        ("threshold", {"lower": True}, TypeError, "must be a number but got True"),
        ("patient", {"patience": 2, "lower": 1}, TypeError, "patient has no option 'lower'"),
        (
            "patient",
            {"patience": 2, "wrapped_pruner": "median", "lower": 1},
            TypeError,
            "median has no option 'lower'",
        ),
        ("patient", {"patience": 2, "wrapped_pruner": "assha"}, ValueError, "did you mean asha"),
        (
            "patient",
            {"patience": 2, "wrapped_pruner": "multi_objective", "max_epochs": 9},
            ValueError,
            "patient must wrap a pruner of another kind but got multi_objective",
        ),
        ("patient", {"patience": "2"}, TypeError, "`patience` of patient must be an integer"),
        ("none", {"patience": 3}, TypeError, "none has no option 'patience'"),
        ("median", {"n_warmup_steps": -1}, ValueError, "negative|-1"),
    ],
    ids=str,
)
def test_wrong_pruner(
    name: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        create_pruner(name, **options)


def test_patient_wraps_a_pruner_by_name() -> None:
    pruner = create_pruner(
        "patient", patience=2, wrapped_pruner="threshold", upper=0.5, max_epochs=27
    )
    study = optuna.create_study()
    trial = study.ask()
    stopped = []
    for step, value in enumerate([0.4, 0.6, 0.6, 0.6, 0.6, 0.45], 1):
        trial.report(value, step)
        stopped.append(pruner.prune(study, study.trials[0]))

    # Three epochs without improvement, two of them allowed, and above the limit.
    assert stopped == [False, False, False, True, True, False]


def test_patient_wraps_a_pruner_that_is_made() -> None:
    made = optuna.pruners.MedianPruner()

    pruner = create_pruner("patient", patience=2, wrapped_pruner=made)

    assert isinstance(pruner, optuna.pruners.PatientPruner)


@pytest.mark.parametrize(
    ("max_epochs", "rungs"),
    [(27, {3, 9, 27}), (20, {2, 6, 18}), (5, {1, 3}), (1, {1})],
    ids=str,
)
def test_asha_is_asked_at_its_rungs_alone(max_epochs: int, rungs: set[int]) -> None:
    pruner = create_pruner("asha", max_epochs=max_epochs)

    assert {step for step in range(1, max_epochs + 1) if may_stop_at(pruner, step)} == rungs


def test_asking_at_the_rungs_alone_decides_as_asking_always() -> None:
    def run(ask_always: bool) -> list[tuple[str, int]]:
        pruner = create_pruner("asha", max_epochs=27)
        study = optuna.create_study(direction="maximize", pruner=pruner)
        for number in range(40):
            trial = study.ask()
            state = optuna.trial.TrialState.COMPLETE
            for step in range(1, 28):
                trial.report((number * 7919 % 101) + step * (number % 3), step)
                if (ask_always or may_stop_at(pruner, step)) and trial.should_prune():
                    state = optuna.trial.TrialState.PRUNED
                    break
            value = 1.0 if state == optuna.trial.TrialState.COMPLETE else None
            study.tell(trial, value, state=state)
        return [(trial.state.name, trial.last_step or 0) for trial in study.trials]

    assert run(ask_always=False) == run(ask_always=True)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("none", False), ("median", True), ("hyperband", True)],
    ids=str,
)
def test_other_pruners_are_asked_at_each_step_or_never(name: str, asked: bool) -> None:
    pruner = create_pruner(name, max_epochs=9)

    assert {may_stop_at(pruner, step) for step in range(1, 10)} == {asked}
