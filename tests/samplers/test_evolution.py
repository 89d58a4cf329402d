from __future__ import annotations

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.evolution._ranks import ranks
from tests.samplers.spaces import cells, cells_value

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(points=POINTS)
def test_rank_respects_dominance(points: list[tuple[int, int]]) -> None:
    losses = np.array(points, dtype=float)
    found = ranks(losses)

    for a, first in zip(losses, found, strict=True):
        for b, second in zip(losses, found, strict=True):
            if (a <= b).all() and (a < b).any():
                assert first < second


def test_ends_of_a_front_come_before_its_crowded_middle() -> None:
    found = ranks(np.array([[0.0, 4.0], [1.9, 2.1], [2.0, 2.0], [2.1, 1.9], [4.0, 0.0]]))

    assert found[0] == found[4] < found[2]
    assert found.max() < 1


def test_one_objective_is_its_own_rank() -> None:
    assert ranks(np.array([[3.0], [1.0]])).tolist() == [3.0, 1.0]


def _children(removal: str, values: list[float]) -> set[tuple[str, ...]]:
    """Parents that children can come from: values are of cells aaaa, bbbb, cccc, told in order."""
    found = set()
    for seed in range(30):
        sampler = EvolutionSampler(
            cells,
            population_size=2,
            tournament_size=1,
            n_startup_trials=3,
            removal="oldest" if removal == "oldest" else "worst",
            seed=seed,
        )
        study = optuna.create_study(sampler=sampler)
        for letter, value in zip("abc", values, strict=True):
            study.enqueue_trial({f"edge_{i}": letter for i in range(4)})
            trial = study.ask()
            cells(trial)
            study.tell(trial, value)
        found.add(cells(study.ask()))
    return found


@pytest.mark.parametrize(("removal", "parents"), [("oldest", {"b", "c"}), ("worst", {"a", "c"})])
def test_who_dies(removal: str, parents: set[str]) -> None:
    children = _children(removal, [1.0, 9.0, 2.0])

    assert {max(set(child), key=child.count) for child in children} == parents
    assert all(max(map(child.count, child)) == 3 for child in children)


def test_evolution_reaches_the_best_cell() -> None:
    sampler = EvolutionSampler(cells, population_size=10, tournament_size=5, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=40)

    assert study.best_value == 0.0
