"""Optuna's own suites over what `create_sampler` makes of a space."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, LogRange, Maybe
from neural_automl.search_strategies import SearchStrategy, create_sampler

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from neural_automl.architecture import Architecture

SPACE = ArchitectureSpace(
    (4,),
    [Layer("Dense", Choice(*range(1, 33))), Maybe(Layer("Dense", Choice(4, 8))), Layer("Dense", 2)],
    {"optimizer": {"type": "Adam", "params": {"learning_rate": LogRange(1e-4, 1e-2)}}},
    {"params": 300},
)


class Drawn(SearchStrategy):
    def __init__(self) -> None:
        super().__init__("drawn")

    def suggest(self, space: ArchitectureSpace, trial_number: int) -> Architecture:
        return space.sample_architecture()


@pytest.fixture(params=["bayesian", "evolutionary", "regularized_evolution", "strategy"])
def sampler(request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
    """What Optuna's suites ask for: makes a sampler that knows other names than they suggest."""
    name = request.param
    if name == "strategy":
        return lambda: create_sampler(Drawn(), space=SPACE)
    return lambda: create_sampler(name, space=SPACE, seed=0)


class TestBasic(BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler


class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler


class TestSeveralObjectives(MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self, sampler: Callable[[], BaseSampler]) -> Callable[[], BaseSampler]:
        return sampler
