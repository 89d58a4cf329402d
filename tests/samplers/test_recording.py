from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import BaseTrial, FixedTrial

from neural_automl.samplers._define_by_run import RecordingTrial, draw_value
from tests.samplers.spaces import tree


def _draw(seed: int = 0) -> RecordingTrial:
    rng = np.random.default_rng(seed)
    return RecordingTrial(lambda _, distribution: draw_value(distribution, rng))


@pytest.mark.parametrize("seed", range(20))
def test_a_recording_is_what_a_study_would_store(seed: int) -> None:
    trial = _draw(seed)
    result = tree(trial)
    study = optuna.create_study()
    study.enqueue_trial(trial.params)
    asked = study.ask()

    assert tree(asked) == result
    assert asked.params == trial.params
    assert asked.distributions == trial.distributions
    assert list(asked.params) == list(trial.params)
    assert tree(FixedTrial(trial.params)) == result


def test_name_suggested_again_keeps_its_value() -> None:
    trial = _draw()

    assert len({trial.suggest_float("x", 0, 1) for _ in range(5)}) == 1
    assert list(trial.params) == ["x"]


def test_two_kinds_under_one_name_are_refused_as_in_a_study() -> None:
    def twice(trial: BaseTrial) -> None:
        trial.suggest_float("x", 0, 1)
        trial.suggest_int("x", 0, 1)

    with pytest.raises(ValueError, match="Cannot set different distribution kind"):
        twice(_draw())
    with pytest.raises(ValueError, match="Cannot set different distribution kind"):
        twice(optuna.create_study().ask())


def test_two_ranges_under_one_name_warn_as_in_a_study() -> None:
    def twice(trial: BaseTrial) -> tuple[float, float]:
        return trial.suggest_float("x", 0, 1), trial.suggest_float("x", 0, 2)

    for trial in (_draw(), optuna.create_study().ask()):
        with pytest.warns(RuntimeWarning, match="distribution"):
            first, second = twice(trial)
        assert first == second


def test_choices_that_compare_equal_keep_their_type() -> None:
    trial = _draw()

    assert type(trial.suggest_categorical("number", [0, 1])) is int
    assert type(trial.suggest_categorical("truth", [False, True])) is bool
    assert trial.suggest_categorical("nothing", [None]) is None


def test_single_values_are_not_asked_for() -> None:
    def never(name: str, distribution: BaseDistribution) -> Any:
        raise AssertionError(name)

    trial = RecordingTrial(never)

    assert trial.suggest_categorical("a", ["only"]) == "only"
    assert trial.suggest_int("b", 3, 3) == 3
    assert trial.suggest_float("c", 1.5, 1.5) == 1.5
    assert trial.params == {"a": "only", "b": 3, "c": 1.5}


def test_fixed_values_come_first_even_before_single_ones() -> None:
    trial = RecordingTrial(lambda name, _: name, fixed={"a": "x", "b": 7})

    assert trial.suggest_categorical("a", ["x", "y"]) == "x"
    assert trial.suggest_int("b", 3, 3) == 7
    assert trial.suggest_categorical("c", ["x", "y"]) == "c"
    assert trial.system_attrs == {"fixed_params": {"a": "x", "b": 7}}


@pytest.mark.parametrize(
    ("method", "arguments", "distribution"),
    [
        ("suggest_uniform", (0.0, 1.0), FloatDistribution(0, 1)),
        ("suggest_loguniform", (0.1, 1.0), FloatDistribution(0.1, 1, log=True)),
        ("suggest_discrete_uniform", (0.0, 1.0, 0.5), FloatDistribution(0, 1, step=0.5)),
        ("suggest_categorical", (["p", "q"],), CategoricalDistribution(["p", "q"])),
    ],
)
def test_older_names_of_suggestions(
    method: str, arguments: tuple[Any, ...], distribution: BaseDistribution
) -> None:
    trial = _draw()
    getattr(trial, method)("x", *arguments)

    assert trial.distributions == {"x": distribution}


def test_the_rest_of_a_trial() -> None:
    trial = RecordingTrial(lambda name, _: name, number=4)
    trial.set_user_attr("note", [1])
    trial.report(1.0, 1)
    trial.set_constraint("size", 1)
    trial.set_constraint("size", 5)

    assert trial.number == 4
    assert trial.user_attrs == {"note": [1]}
    assert not trial.should_prune()
    assert trial.constraints == {"size": 1.0}
    assert trial.relative_params == {}
    assert trial.system_attrs == {}
    assert trial.datetime_start is None
    with pytest.raises(ValueError, match="'size' must be a number but got nan"):
        trial.set_constraint("size", float("nan"))
