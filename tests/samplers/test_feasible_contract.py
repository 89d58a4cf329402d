"""Optuna's own suites over FeasibleSampler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from neural_automl.samplers.feasible import FeasibleSampler
from tests.samplers.feasible_cases import BASES

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import BaseTrial


def _own(trial: BaseTrial) -> float:
    # Names of its own: the suites' objectives know nothing of them.
    return trial.suggest_float("own_a", 0, 1) + trial.suggest_int("own_b", 0, 9)


class _Contract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase): ...


class TestOverRandom(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["random"](), suggest=_own, seed=0)


class TestOverTPE(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["tpe"](), suggest=_own, seed=0)


class TestOverNSGAII(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["nsga2"](), suggest=_own, seed=0)


class TestOverGP(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["gp"](), suggest=_own, seed=0)
