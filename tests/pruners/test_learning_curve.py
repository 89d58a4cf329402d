"""The learning-curve pruner: its fit, its decisions, and what it refuses."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from neural_automl.pruners.learning_curve import LearningCurvePruner
from neural_automl.pruners.learning_curve._power_law import extrapolate

LAST = 20
GOOD = [0.1 + 0.5 * x**-1.0 for x in range(1, LAST + 1)]
BAD = [0.5 + 0.4 * x**-1.0 for x in range(1, LAST + 1)]


def flip(value: float, direction: str) -> float:
    return 1 - value if direction == "maximize" else value


def study_with(direction: str = "minimize", others: int = 6) -> optuna.Study:
    """Return a study of finished trials, each a little worse than the one before."""
    study = optuna.create_study(direction=optuna.study.StudyDirection[direction.upper()])
    for shift in range(others):
        curve = [flip(value + shift / 100, direction) for value in GOOD]
        study.add_trial(
            create_trial(value=curve[-1], intermediate_values=dict(enumerate(curve, 1)))
        )
    return study


def decide(study: optuna.Study, values: dict[int, float], **options: Any) -> bool:
    """Return the decision on a new running trial that is not left in the study."""
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=values)
    trial.number = len(study.trials)
    return LearningCurvePruner(LAST, **options).prune(study, trial)


def first(curve: list[float], steps: int, direction: str = "minimize") -> dict[int, float]:
    return {x: flip(value, direction) for x, value in enumerate(curve[:steps], 1)}


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.5], ids=str)
def test_a_power_law_is_found_again(exponent: float) -> None:
    steps = tuple(range(1, 16))
    losses = np.array([0.2 + 0.7 * x**-exponent for x in steps])

    forecast = extrapolate(steps, losses, 50)

    assert forecast.mean == pytest.approx(0.2 + 0.7 * 50**-exponent, abs=0.01)
    assert forecast.noise < 0.005


def test_a_rising_curve_is_not_expected_to_rise_on() -> None:
    forecast = extrapolate((1, 2, 3, 4), np.array([0.1, 0.2, 0.3, 0.4]), 50)

    assert forecast.mean == pytest.approx(0.25)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(("curve", "stopped"), [(GOOD, False), (BAD, True)], ids=["good", "bad"])
def test_the_bad_is_stopped_and_the_good_is_not(
    curve: list[float], stopped: bool, direction: str
) -> None:
    assert decide(study_with(direction), first(curve, 8, direction)) is stopped


def test_the_guard_keeps_what_the_law_gives_up() -> None:
    behind = first([value + 0.015 for value in GOOD], 19)

    # Third of seven, certainly behind the best: only the guard decides.
    guarded = {"tolerance": 0.0, "last_quantile": 0.3}
    assert decide(study_with(), behind, **guarded) is False
    assert decide(study_with(), behind, tolerance=0.0, last_quantile=0.03) is True


@pytest.mark.parametrize(
    ("others", "stopped"),
    [(3, True), (4, False), (9, False), (29, False)],
    ids=["of four", "of five", "of ten", "of thirty"],
)
def test_the_second_best_of_few_is_guarded(others: int, stopped: bool) -> None:
    study = study_with(others=1)
    for shift in range(1, others):
        values = first([value + 0.2 + shift / 100 for value in GOOD], LAST)
        study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values=values))
    second = first([value + 0.1 for value in GOOD], LAST - 1)

    assert decide(study, second, tolerance=0.0) is stopped


def test_the_law_keeps_what_the_guard_gives_up() -> None:
    wild = {x: 0.8 if x % 2 == 0 else 0.2 for x in range(1, 9)}

    assert decide(study_with(), wild, tolerance=0.0) is False


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (first(BAD, 3), {}),
        (first(BAD, LAST), {}),
        (first(BAD, 8), {"n_startup_trials": 7}),
        (first(BAD, 8), {"n_warmup_steps": 9}),
        ({7: 0.9, 8: 0.9}, {}),
        ({}, {}),
    ],
    ids=["warm-up", "last step", "start-up", "long warm-up", "two points", "no report"],
)
def test_not_asked_to_decide(values: dict[int, float], options: dict[str, Any]) -> None:
    assert decide(study_with(), values, **options) is False


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_nan_at_the_last_step_is_stopped(direction: str) -> None:
    assert decide(study_with(direction), {**first(GOOD, 7, direction), 8: math.nan}) is True


def test_an_earlier_nan_is_left_out() -> None:
    assert decide(study_with(), {**first(GOOD, 8), 2: math.nan}) is False


def test_steps_in_another_order_give_the_same() -> None:
    values = first(BAD, 8)

    assert decide(study_with(), dict(reversed(values.items()))) is True


@pytest.mark.parametrize("first_trials", [TrialState.FAIL, TrialState.RUNNING])
def test_the_first_trials_are_not_stopped(first_trials: TrialState) -> None:
    study = optuna.create_study()
    study.add_trial(create_trial(state=first_trials, intermediate_values=first(GOOD, 8)))

    assert decide(study, first(BAD, 8)) is False


def test_an_infeasible_trial_is_not_the_one_to_beat() -> None:
    study = study_with(others=0)
    for value, excess in ((0.0, 1.0), (0.9, 0.0)):
        flat = dict.fromkeys(range(1, LAST + 1), value)
        study.add_trial(
            create_trial(value=value, intermediate_values=flat, constraints={"params": excess})
        )

    assert decide(study, first(BAD, 8)) is False


def test_running_trials_count_and_are_read_anew() -> None:
    study = study_with(others=1)
    pruner = LearningCurvePruner(LAST, guard_quantile=0.5, last_quantile=0.5, tolerance=0.0)
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=first(BAD, 8))
    trial.number = 4
    # Better at the step than all but one of two others: the share is not reached.
    worse = dict.fromkeys(range(1, 9), 2.0)
    runners = [study.ask() for _ in range(3)]
    alone = pruner.prune(study, trial)
    for runner in runners[:2]:
        for step, value in worse.items():
            runner.report(value, step)

    assert (alone, pruner.prune(study, trial)) == (True, False)


def test_a_pruner_goes_on_after_pickling() -> None:
    study = study_with()
    pruner = LearningCurvePruner(LAST)
    trial: FrozenTrial = create_trial(state=TrialState.RUNNING, intermediate_values=first(BAD, 8))
    trial.number = 6
    before = pruner.prune(study, trial)

    assert pickle.loads(pickle.dumps(pruner)).prune(study, trial) is before is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_step": 0}, "`max_step` must be an integer of at least 1 but got 0"),
        ({"confidence": 1.0}, "`confidence` must be between 0.5 and 1 but got 1.0"),
        ({"guard_quantile": 0.01}, "but got 0.01 and 0.03"),
        ({"n_warmup_steps": 2.5}, "`n_warmup_steps` must be an integer"),
        ({"n_startup_trials": 0}, "`n_startup_trials` must be an integer"),
        ({"tolerance": -1}, "`tolerance` must be at least 0 but got -1"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LearningCurvePruner(**{"max_step": 9, **options})


@pytest.mark.parametrize("step", [0, LAST + 1], ids=str)
def test_a_step_outside_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and `max_step`, 20, .* step {step}"):
        decide(study_with(), {step: 0.5})


def test_several_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])

    with pytest.raises(ValueError, match="one objective but this has 2"):
        decide(study, first(BAD, 8))
