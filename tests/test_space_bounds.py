"""Spaces that are as large, as tied or as deep as anyone may write them: all answers in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import comb, inf
from typing import Any

import optuna
import pytest
from hypothesis import assume, given, settings
from optuna.trial import TrialState
from torch import nn

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Cell,
    Choice,
    Expression,
    Layer,
    LayerChoice,
    LogRange,
    Maybe,
    Parallel,
    RandomTrial,
    Range,
    Repeat,
    Residual,
)
from neural_automl.architecture_space._values import value_label
from tests.strategies import spaces

AB = Choice(1, 2)
DENSE = Layer("Dense", AB)


@contextmanager
def soon(seconds: float) -> Iterator[None]:
    """Fail where something takes longer than a person would wait on a slow machine."""
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < seconds


# --- sizes by hand -------------------------------------------------------------------------------

EDGE = 4
NB201 = ["none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3"]

#: Layers and hyperparameters; the number of configurations, worked out.
SIZES: dict[str, tuple[list[Any], dict[str, Any], float]] = {
    "nothing": ([], {}, 1),
    "nothing open": (["ReLU", Layer("Dense", 3)], {}, 1),
    "values": ([Layer("Dense", AB, activation=Choice(None, "relu", "elu"))], {}, 6),
    "a conditional value": ([Layer("Dense", Choice(Range(64, 256, 64), 512))], {}, 4 + 1),
    "conditional twice over": ([Layer("Dense", Choice(Choice(AB, 3), 4))], {}, 2 + 1 + 1),
    "alternatives": ([LayerChoice([DENSE, [DENSE, DENSE], []])], {}, 2 + 4 + 1),
    "maybe": ([Maybe([DENSE, DENSE])], {}, 4 + 1),
    "independent copies": ([Repeat(DENSE, Range(0, 3))], {}, 1 + 2 + 4 + 8),
    "fixed copies": ([Repeat(DENSE, 10)], {}, 2**10),
    "shared copies": ([Repeat(DENSE, Range(1, 3), shared=True)], {}, 3 * 2),
    "shared fixed copies": ([Repeat([DENSE, Maybe("ReLU")], 5, shared=True)], {}, 4),
    "copies in copies": (
        [Repeat(Repeat(DENSE, Range(1, 2)), Range(1, 2))],
        {},
        # One copy of 2 + 4, or two.
        6 + 36,
    ),
    "a count that counts twice": (
        [Repeat(DENSE, Expression("mul", (Range(1, 2), Choice(1, 2))))],
        {},
        # 1, 2, 2 and 4 copies.
        2 + 4 + 4 + 16,
    ),
    "a tie": ([Layer("Dense", Choice(1, 2, 3, name="w"))] * 5, {}, 3),
    "a tie that is there or not": (
        [Maybe(Layer("Dense", Choice(1, 2, 3, name="w")))] * 2,
        {},
        # Without any, one configuration; with one of the two or both, three each.
        1 + 3 * 3,
    ),
    "a tied depth": (
        [Repeat(DENSE, Range(1, 2, name="d")), Repeat(DENSE, Range(1, 2, name="d"))],
        {},
        2 * 2 + 4 * 4,
    ),
    "a tied depth and a tied width": (
        [
            Repeat(Layer("Dense", Choice(1, 2, name="w")), Choice(0, 1, 2, name="d")),
            Layer("Dense", Expression("add", (Choice(0, 1, 2, name="d"), 1))),
        ],
        {},
        1 + 2 + 2,
    ),
    "a depth of one tie twice": (
        [Repeat(DENSE, Expression("mul", (DEPTH := Choice(1, 2, name="d"), DEPTH)))],
        {},
        # One copy or four, never two.
        2 + 16,
    ),
    "a depth that is a width": (
        [Repeat(DENSE, Choice(1, 3, name="d")), Layer("Dense", Choice(1, 3, name="d"))],
        {},
        2 + 8,
    ),
    "tied alternatives with different contents": (
        [
            LayerChoice([DENSE, []], name="op"),
            LayerChoice([[DENSE, DENSE], "ReLU"], name="op", labels=["Dense", "block"]),
            LayerChoice(["ReLU", "Flatten"], name="op", labels=["Dense", "block"]),
        ],
        {},
        2 * 4 + 1,
    ),
    "a tie across layers and training": (
        [Layer("Dense", Choice(8, 16, name="w"))],
        {"training.batch_size": Choice(8, 16, name="w"), "training.epochs": Range(1, 5)},
        2 * 5,
    ),
    "a tied conditional value": (
        [Layer("Dense", Choice(Range(1, 3), 9, name="w"))] * 3,
        {},
        3 + 1,
    ),
    "NAS-Bench-201": ([Cell(EDGE, NB201, name="c")] * 15, {}, 5**6),
    "cells of their own": ([Cell(3, NB201[:2])] * 2, {}, 2**3 * 2**3),
    "operands": ([Layer("Dense", Expression("mul", (AB, AB)))], {}, 4),
    "branches": ([Parallel([DENSE, [DENSE, Maybe(DENSE)]])], {}, 2 * 2 * 3),
    "a residual": ([Residual(DENSE, projection=Choice("conv", "none"))], {}, 4),
    "optimizer and schedule": (
        [],
        {
            "optimizer": {
                "type": "Adam",
                "params": {
                    "learning_rate": Choice(0.1, 0.01),
                    "weight_decay": Range(0.0, 0.3, 0.1),
                },
            },
            "loss": Choice("mse", "mae"),
        },
        2 * 4 * 2,
    ),
    "a choice of schedules": (
        [],
        {
            "optimizer.learning_rate": Choice(
                Call("CosineDecay", {"initial_learning_rate": 0.1}),
                Call("CosineDecay", {"initial_learning_rate": Choice(0.1, 0.2)}),
            )
        },
        1 + 2,
    ),
    "continuous": ([], {"optimizer.learning_rate": LogRange(1e-4, 1e-2)}, inf),
    "continuous but for one point": ([], {"optimizer.learning_rate": LogRange(0.5, 0.5)}, 1),
    "continuous where it exists": ([Maybe(Layer("Dropout", Range(0.1, 0.5)))], {}, inf),
    "integers by their logarithm": ([Layer("Dense", LogRange(1, 1000))], {}, 1000),
}


@pytest.mark.parametrize(("layers", "training", "size"), SIZES.values(), ids=SIZES)
def test_sizes_by_hand(layers: list[Any], training: dict[str, Any], size: float) -> None:
    space = ArchitectureSpace((8, 8, 4), layers, training)

    assert space.get_search_space_size() == size
    assert ArchitectureSpace.from_dict(space.to_dict()).get_search_space_size() == size


# --- in time -------------------------------------------------------------------------------------


def tied(count: int, node: Callable[[str], Any]) -> list[Any]:
    """Return nodes of as many names, each twice, far apart."""
    return [node(f"n{k}") for k in range(count)] * 2


LARGE: dict[str, tuple[list[Any], float]] = {
    "tied maybes": (tied(40, lambda name: Maybe(DENSE, name=name)), (2 * 2 + 1) ** 40),
    "tied choices": (tied(40, lambda name: LayerChoice(["ReLU", []], name=name)), 2**40),
    "tied conditional values": (
        tied(40, lambda name: Layer("Dense", Choice(Range(1, 3), 5, name=name))),
        4**40,
    ),
    "tied depths": (
        tied(20, lambda name: Repeat(DENSE, Range(0, 2, name=name))),
        (1 + 4 + 16) ** 20,
    ),
    "one tie in many alternatives": (
        [LayerChoice([Layer("Dense", Choice(1, 2, name="w")), []])] * 60,
        # Without the tie, or with it in any of the places.
        1 + 2 * (2**60 - 1),
    ),
    "many copies": (
        [Repeat(DENSE, Range(0, 3000))],
        2**3001 - 1,
    ),
    "a wide choice": ([Layer("Dense", Choice(*range(1, 20_001)))], 20_000),
    "a wide range": ([Layer("Dense", Range(1, 10**9))], 10**9),
    "copies in copies": (
        [Repeat(Repeat("ReLU", Choice(1, 2)), Range(1, 100))],
        2**101 - 2,
    ),
    "large cells": ([Cell(12, NB201, name="c")] * 20, 5 ** comb(12, 2)),
}


@pytest.mark.parametrize(("layers", "size"), LARGE.values(), ids=LARGE)
def test_large_spaces_answer_in_time(layers: list[Any], size: float) -> None:
    with soon(10):
        space = ArchitectureSpace((8, 8, 4), layers)
        assert space.get_search_space_size() == size
        space.check()
        assert len(repr(space)) < 200
        architecture = space.sample_architecture(0)
        assert set(architecture.choices) <= set(space.decisions())
        assert architecture.cost.depth >= 0
        assert ArchitectureSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_the_largest_network_is_lowered_and_written_in_time() -> None:
    with soon(20):
        space = ArchitectureSpace((4,), [Repeat(Layer("Dense", 4), 10_000)] * 2)
        architecture = space.sample_architecture(0)

        assert architecture.cost.depth == 20_000
        assert architecture.cost.params == 20_000 * 20
        source = architecture.to_source()
        assert len(source.splitlines()) < 200  # what repeats is written once
        assert len(architecture.key) == 32

    written: dict[str, Any] = {"__name__": "model"}
    exec(compile(source, "model.py", "exec"), written)
    model = written["Network"]()
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == 20_000


def test_the_deepest_network_is_lowered_and_written() -> None:
    body: Any = Layer("Dense", AB)
    for _ in range(63):
        body = Residual(body)
    space = ArchitectureSpace((2,), body)

    architecture = space.sample_architecture(0)

    assert list(space.decisions()) == [f"layers[0]{'[0]' * 63}.Dense.units"]
    assert architecture.graph.output_shape in ((1,), (2,))
    assert "class Network" in architecture.to_source()
    assert ArchitectureSpace.from_dict(space.to_dict()) == space


# --- with Optuna ---------------------------------------------------------------------------------


@settings(max_examples=10)
@given(space=spaces())
def test_brute_force_visits_every_point_once(space: ArchitectureSpace) -> None:
    size = space.get_search_space_size()
    assume(2 <= size <= 30)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=0))

    study.optimize(lambda trial: float(len(space.suggest(trial).layers)), n_trials=100)

    assert len(study.trials) == size
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert len({json.dumps(trial.params, sort_keys=True) for trial in study.trials}) == size


@given(space=spaces())
def test_draws_are_points_of_the_space(space: ArchitectureSpace) -> None:
    offers = space.decisions()
    trial = RandomTrial(0)
    for _ in range(10):
        for name, value in space.suggest(trial).choices.items():
            offer = offers[name]
            if isinstance(offer, tuple):
                assert value in offer
            elif isinstance(offer, Choice):
                assert value in [value_label(element) for element in offer.values]
            else:
                assert offer.low <= value <= offer.high
                assert isinstance(value, int) == offer.is_integer
