"""What the wrapped sampler is asked and shown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from neural_automl.pruners.multi_objective import MultiObjectivePruner, report_vector
from neural_automl.samplers.feasible import FeasibleSampler
from tests.samplers.feasible_cases import BASES, completed, run
from tests.samplers.spaces import tree, tree_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study


class Counting(BaseSampler):
    """Random; notes what it was asked, and what it was shown."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.asks: list[int] = []
        self.shown: list[FrozenTrial] = []
        self.filled: list[dict[str, Any]] = []
        self.told: list[tuple[int, TrialState]] = []
        self.begun: list[int] = []

    def __deepcopy__(self, memo: Any) -> Counting:
        return self  # so that a test can look at it

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self.asks.append(trial.number)
        self.shown = study.get_trials()
        space: dict[str, BaseDistribution]
        space = optuna.search_space.IntersectionSearchSpace().calculate(study)
        return space

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        self.asked.append((trial.number, name))
        self.filled.append(dict(trial.params))
        sampler = optuna.samplers.RandomSampler(seed=len(self.asked))
        return sampler.sample_independent(study, trial, name, distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.begun.append(trial.number)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.told.append((trial.number, state))


def test_the_base_is_asked_once_for_each_value_of_the_whole_space() -> None:
    counting = Counting()
    study = run(FeasibleSampler(counting, suggest=tree, seed=0), 6, tree)

    names = {"depth", "rate", "units", *(f"{k}_{i}" for k in ("kind", "kernel") for i in range(3))}
    assert counting.asks == [0, 1, 2, 3, 4, 5]
    assert len(counting.asked) == len(set(counting.asked)) == 6 * len(names)
    assert {name for _, name in counting.asked} == names
    assert counting.begun == [0, 1, 2, 3, 4, 5]
    assert counting.told == [(number, TrialState.COMPLETE) for number in range(6)]
    # What was chosen so far is in the trial that it is given.
    assert [len(filled) for filled in counting.filled[: len(names)]] == list(range(len(names)))
    assert any(trial.params.keys() < names for trial in study.trials)


def test_the_base_sees_every_parameter_as_it_was_drawn() -> None:
    counting = Counting()
    study = run(FeasibleSampler(counting, suggest=tree, seed=0), 8, tree)

    for shown, trial in zip(counting.shown[:7], study.trials, strict=False):
        assert len(shown.params) == 9
        assert shown.params.items() >= trial.params.items()
        assert shown.values == trial.values
        claim = trial.system_attrs["define_by_run:claim"]
        assert shown.params == claim


def test_restarted_it_shows_what_was_drawn_before() -> None:
    first, second = Counting(), Counting()
    study = run(FeasibleSampler(first, suggest=tree, seed=0), 8, tree)
    study.sampler = FeasibleSampler(second, suggest=tree, seed=0)
    study.optimize(lambda trial: tree_value(tree(trial)), n_trials=1)

    assert [t.params for t in second.shown[:7]] == [t.params for t in first.shown[:7]]


def test_trials_of_another_sampler_are_filled_in_and_shown() -> None:
    counting = Counting()
    study = run(optuna.samplers.RandomSampler(seed=0), 5, tree)
    study.sampler = FeasibleSampler(counting, suggest=tree, seed=0)
    study.optimize(lambda trial: tree_value(tree(trial)), n_trials=1)

    for shown, trial in zip(counting.shown[:5], study.trials, strict=False):
        assert len(shown.params) == 9
        assert shown.params.items() >= trial.params.items()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_pruned_and_infeasible_trials_teach(direction: Literal["minimize", "maximize"]) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    counting = Counting()
    study = optuna.create_study(
        direction=direction, sampler=FeasibleSampler(counting, suggest=tree, seed=0)
    )

    def objective(trial: optuna.Trial) -> float:
        tree(trial)
        if trial.number in (0, 4):  # nothing finite is known at the first
            trial.set_constraint("memory", 1.0)
            raise optuna.TrialPruned
        if trial.number == 2:
            trial.report(sign * 3.0, 1)
            trial.report(sign * 2.5, 4)
            trial.report(float("nan"), 5)
            raise optuna.TrialPruned
        if trial.number == 3:
            raise ValueError
        if trial.number == 5:
            return sign * float("inf")
        if trial.number == 6:
            raise optuna.TrialPruned
        return sign * (1.0 if trial.number == 1 else 7.0)

    study.optimize(objective, n_trials=9, catch=(ValueError,))
    states = [trial.state.name for trial in counting.shown[:8]]
    values = [trial.values for trial in counting.shown[:8]]
    worst = [sign * 7.0]

    assert states == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 4
    assert values == [worst, [sign], [sign * 2.5], None, worst, worst, worst, worst]
    assert [trial.state.name for trial in study.trials[:3]] == ["PRUNED", "COMPLETE", "PRUNED"]
    assert not any(trial.constraints for trial in counting.shown)


def test_several_objectives() -> None:
    counting = Counting()
    for sampler in (counting, BASES["nsga2"](), BASES["tpe"]()):
        study = optuna.create_study(
            directions=["minimize", "maximize"],
            sampler=FeasibleSampler(
                sampler, suggest=tree, feasible=lambda net: net["units"] - 48, seed=0
            ),
        )

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            net = tree(trial)
            if trial.number == 3:
                trial.set_constraint("memory", 1.0)
                raise optuna.TrialPruned
            return tree_value(net), float(net["units"])

        study.optimize(objective, n_trials=15)

        assert len(study.best_trials) >= 1
        assert all(trial.params["units"] <= 48 for trial in study.trials)
        assert len(completed(study)) == 14
    worst = counting.shown[3].values
    others = [t.values for t in counting.shown[:14] if t.number != 3]
    assert worst == [max(v[0] for v in others), min(v[1] for v in others)]


def test_several_objectives_of_a_stopped_trial() -> None:
    counting = Counting()
    study = optuna.create_study(
        directions=["minimize", "maximize"],
        sampler=FeasibleSampler(counting, suggest=tree, seed=0),
        pruner=MultiObjectivePruner(27),
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        net = tree(trial)
        for step, value in ((3, 5.0), (9, math.nan if trial.number == 2 else 4.0)):
            if trial.number:
                report_vector(trial, (value, net["units"]), step)
        if trial.number in (1, 2, 3):
            raise optuna.TrialPruned
        return 3.0, 7.0

    study.optimize(objective, n_trials=6)

    units = [trial.params["units"] for trial in study.trials]
    shown = [trial.values for trial in counting.shown[:5]]
    assert shown == [[3, 7], [4, units[1]], [5, units[2]], [4, units[3]], [3, 7]]
