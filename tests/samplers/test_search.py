"""The local search over whole configurations that proposals of the Gaussian process come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neural_automl.samplers._define_by_run import Configuration, complete, draw, replay
from neural_automl.samplers.gaussian_process._search import SearchSettings, search
from tests.samplers.spaces import cells, cells_value, tree, tree_value

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.trial import BaseTrial


def _worth_of_tree(some: Sequence[Configuration]) -> NDArray[np.float64]:
    return np.array([-tree_value(each.result) for each in some])


def _run(
    suggest: Any, score: Any, settings: SearchSettings, fixed: dict[str, Any] | None = None
) -> list[Configuration]:
    rng = np.random.default_rng(0)
    starts = [draw(suggest, rng, fixed) for _ in range(2)]
    return search(suggest, score, starts, rng, fixed or {}, settings)


def test_best_comes_first_and_nothing_twice() -> None:
    found = _run(tree, _worth_of_tree, SearchSettings())
    scores = _worth_of_tree(found)

    assert (np.diff(scores) <= 0).all()
    assert len(set(found)) == len(found)
    assert all(replay(tree, each.values) == each for each in found)


def test_uphill_reaches_what_no_draw_has() -> None:
    def layers(trial: BaseTrial) -> list[str]:
        return [trial.suggest_categorical(f"op_{i}", ["a", "b", "c", "d"]) for i in range(12)]

    def score(some: Sequence[Configuration]) -> NDArray[np.float64]:
        return np.array([float(each.result.count("d")) for each in some])

    def best(n_rounds: int) -> float:
        found = _run(layers, score, SearchSettings(n_neighbours=40, n_rounds=n_rounds))
        return float(score(found[:1])[0])

    assert best(0) < best(3) < best(20) == 12.0


def test_search_ends_when_the_best_was_a_parent() -> None:
    rounds = []

    def score(some: Sequence[Configuration]) -> NDArray[np.float64]:
        rounds.append(len(some))
        return np.array([-cells_value(each.result) for each in some])

    found = _run(cells, score, SearchSettings(n_rounds=1000))

    assert found[0].result == ("c", "c", "c", "c")
    assert len(rounds) < 10


def test_fixed_values_hold() -> None:
    fixed = {"depth": 2, "rate": 0.5}
    found = _run(tree, _worth_of_tree, SearchSettings(), fixed)

    assert all(each.values.items() >= fixed.items() for each in found)


@pytest.mark.parametrize(("n_long", "n_choices", "n_draws"), [(0, 8, 50), (8, 0, 10), (4, 4, 25)])
def test_fewer_draws_where_ranges_are_long(n_long: int, n_choices: int, n_draws: int) -> None:
    def suggest(trial: BaseTrial) -> None:
        for i in range(n_long):
            trial.suggest_float(f"x_{i}", 0, 1)
        for i in range(n_choices):
            trial.suggest_int(f"n_{i}", 0, 5)

    rng = np.random.default_rng(0)
    settings = SearchSettings(n_random=50, n_rounds=0)
    found = search(suggest, lambda some: np.zeros(len(some)), [], rng, {}, settings)

    assert len(found) == n_draws


def test_long_ranges_move_around_the_starts_alone() -> None:
    def suggest(trial: BaseTrial) -> tuple[float, str]:
        return trial.suggest_float("x", 0, 1), trial.suggest_categorical("y", ["a", "b"])

    def score(some: Sequence[Configuration]) -> NDArray[np.float64]:
        return np.array([each.values["x"] for each in some])

    rng = np.random.default_rng(0)
    start = complete(suggest, {"x": 0.5, "y": "a"}, rng)

    def numbers(n_rounds: int) -> set[float]:
        again = np.random.default_rng(1)
        found = search(suggest, score, [start], again, {}, SearchSettings(n_rounds=n_rounds))
        return {each.values["x"] for each in found}

    assert numbers(5) == numbers(0)
    assert len(numbers(0)) > 20
