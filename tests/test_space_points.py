"""Spaces as a whole, over random ones: every point, counted and named."""

from __future__ import annotations

import json
import pickle

import optuna
import pytest
from hypothesis import assume, given, settings
from optuna.trial import FixedTrial, TrialState

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import (
    ArchitectureSpace,
    Cell,
    Choice,
    Layer,
    Maybe,
    Residual,
)
from tests.enumeration import Point, TooManyError, enumerate_points
from tests.strategies import architectures, spaces


def all_points(space: ArchitectureSpace) -> list[Point]:
    """Return every point, or let Hypothesis look for a smaller space."""
    assume(space.get_search_space_size() <= 2000)
    return list(enumerate_points(space))


@settings(max_examples=300)
@given(space=spaces())
def test_size_is_the_number_of_points(space: ArchitectureSpace) -> None:
    size = space.get_search_space_size()
    assume(size <= 2000)

    try:
        points = list(enumerate_points(space, most=int(size) + 1))
    except TooManyError:
        pytest.fail(f"there are more points than {size}")

    assert len({json.dumps(point.architecture.choices) for point in points}) == size


@pytest.mark.parametrize("tied_first", [True, False])
def test_ties_that_stand_together_once_and_apart_once(tied_first: bool) -> None:
    def cell() -> Cell:
        return Cell(2, ["none", "skip_connect"], name="c")

    option = Maybe("ReLU", name="m")
    residual = Residual([option, cell()] if tied_first else [cell(), option])
    space = ArchitectureSpace(
        (5, 4, 2), [Maybe([Layer("Dropout", Choice(0.1, 0.5)), cell()], name="m"), residual]
    )

    assert len(list(enumerate_points(space))) == 2 * (1 + 2)
    assert space.get_search_space_size() == 2 * (1 + 2)


@given(space=spaces())
def test_decisions_are_those_that_trials_are_asked(space: ArchitectureSpace) -> None:
    seen: dict[str, tuple[object, ...]] = {}
    for point in all_points(space):
        for name, offer in point.offers.items():
            assert seen.setdefault(name, offer) == offer, "an offer differs between trials"

    assert set(space.decisions()) == set(seen)
    # What copies share is named by a path: no name of ours is left over.
    ours = {"v", "w", "op", "op2", "m", "c.edge_0_1", "v[0]", "w[0]", "loss"}
    paths = ("layers[", "optimizer.", "training.")
    assert all(name in ours or name.startswith(paths) for name in seen)


@given(space=spaces())
def test_choices_rebuild_the_architecture(space: ArchitectureSpace) -> None:
    for point in all_points(space)[:20]:
        choices = json.loads(json.dumps(dict(point.architecture.choices)))
        rebuilt = space.suggest(FixedTrial(choices))

        assert rebuilt == point.architecture
        assert dict(rebuilt.choices) == choices


@settings(max_examples=100)
@given(space=spaces())
def test_space_survives_its_dictionary(space: ArchitectureSpace) -> None:
    data = json.loads(json.dumps(space.to_dict()))

    rebuilt = ArchitectureSpace.from_dict(data)

    assert rebuilt == space
    assert hash(rebuilt) == hash(space)
    assert rebuilt.to_dict() == space.to_dict()
    assert list(rebuilt.decisions()) == list(space.decisions())
    assert rebuilt.get_search_space_size() == space.get_search_space_size()
    assert rebuilt.sample_architecture(3, feasible=False) == space.sample_architecture(
        3, feasible=False
    )


@given(space=spaces())
def test_space_survives_pickle(space: ArchitectureSpace) -> None:
    assert pickle.loads(pickle.dumps(space)) == space


@settings(max_examples=100)
@given(architecture=architectures())
def test_architecture_survives_its_dictionary(architecture: Architecture) -> None:
    data = json.loads(json.dumps(architecture.to_dict()))

    rebuilt = Architecture.from_dict(data)

    assert rebuilt == architecture
    assert hash(rebuilt) == hash(architecture)
    assert rebuilt.to_dict() == architecture.to_dict()
    assert pickle.loads(pickle.dumps(architecture)) == architecture


@settings(max_examples=25)
@given(space=spaces())
def test_a_study_takes_every_trial(space: ArchitectureSpace) -> None:
    # Optuna raises where a parameter's offer differs from that of an earlier trial.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        return float(len(space.suggest(trial).layers))

    study.optimize(objective, n_trials=20)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 20
    names = set(space.decisions())
    assert all(set(trial.params) <= names for trial in study.trials)
    rebuilt = [space.suggest(FixedTrial(trial.params)) for trial in study.trials]
    assert [dict(a.choices) for a in rebuilt] == [trial.params for trial in study.trials]
