"""The pruner for several objectives: its rungs, its decisions, what it is told, what it refuses."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from neural_automl.pruners.multi_objective import (
    MultiObjectivePruner,
    report_vector,
    should_prune,
)
from neural_automl.pruners.multi_objective._ranking import is_dominated, number_better
from neural_automl.pruners.multi_objective._vectors import VECTORS, losses, reported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAST = 27
DIRECTIONS = [
    ["minimize", "minimize"],
    ["maximize", "minimize"],
    ["minimize", "maximize"],
    ["maximize", "maximize"],
]
#: Error and cost of six: a front of three, and three behind it.
SIX = [(0.1, 90), (0.2, 50), (0.5, 10), (0.3, 95), (0.4, 60), (0.7, 40)]


def signed(values: Sequence[float], directions: Sequence[str]) -> list[float]:
    return [
        -value if direction == "maximize" else value
        for value, direction in zip(values, directions, strict=True)
    ]


def study_of(
    vectors: Sequence[Sequence[float]],
    directions: Sequence[str] = ("minimize", "minimize"),
    *,
    step: int = 3,
    state: TrialState = TrialState.PRUNED,
    constraints: dict[str, float] | None = None,
) -> optuna.Study:
    """Return a study whose trials had such vectors at a step."""
    study = optuna.create_study(directions=list(directions))  # type: ignore[arg-type]
    add(study, vectors, directions, step=step, state=state, constraints=constraints)
    return study


def add(
    study: optuna.Study,
    vectors: Sequence[Sequence[float]],
    directions: Sequence[str] = ("minimize", "minimize"),
    *,
    step: int = 3,
    state: TrialState = TrialState.PRUNED,
    constraints: dict[str, float] | None = None,
) -> None:
    for vector in vectors:
        kept = {VECTORS: {str(step): signed(vector, directions)}}
        study.add_trial(create_trial(state=state, user_attrs=kept, constraints=constraints or {}))


def decide(
    study: optuna.Study,
    vector: Sequence[float | None],
    *,
    step: int = 3,
    constraints: dict[str, float] | None = None,
    **options: Any,
) -> bool:
    """Return the decision on a new running trial that is not left in the study."""
    trial = create_trial(
        state=TrialState.RUNNING,
        user_attrs={VECTORS: {str(step): list(vector)}},
        constraints=constraints or {},
    )
    trial.number = len(study.trials)
    return MultiObjectivePruner(LAST, **options).prune(study, trial)


@pytest.mark.parametrize(
    ("max_step", "options", "rungs"),
    [
        (18, {}, (2, 6)),
        (50, {}, (6, 18)),
        (10, {}, (2, 6)),
        (3, {}, (1,)),
        (1, {}, ()),
        (27, {"first_rung": 1}, (1, 3, 9)),
        (27, {"first_rung": 2, "reduction_factor": 2}, (2, 4, 8, 16)),
        (9, {"first_rung": 9}, ()),
    ],
    ids=str,
)
def test_rungs(max_step: int, options: dict[str, int], rungs: tuple[int, ...]) -> None:
    pruner = MultiObjectivePruner(max_step, **options)

    assert pruner.rungs == rungs
    assert tuple(step for step in range(1, max_step + 1) if pruner.has_rung(step)) == rungs


@pytest.mark.parametrize("directions", DIRECTIONS, ids=" ".join)
@pytest.mark.parametrize(
    ("vector", "stopped"),
    [
        ((0.05, 20), False),  # dominates most
        ((0.9, 5), False),  # the cheapest: nothing dominates it
        ((0.15, 70), False),  # between two of the front
        ((0.5, 10), False),  # equal to one of the front
        ((0.25, 55), True),  # dominated by one, behind the front of three
        ((0.8, 99), True),  # dominated by all
    ],
    ids=str,
)
def test_the_dominated_are_stopped(
    vector: tuple[float, float], stopped: bool, directions: list[str]
) -> None:
    study = study_of(SIX, directions)

    assert decide(study, signed(vector, directions)) is stopped


def test_one_in_so_many_goes_on_though_it_is_dominated() -> None:
    # One best of all, and eight behind it, each behind the one before: three of nine go on.
    chain = [(number / 10, number) for number in range(9)]
    study = study_of(chain)

    goes_on = [not decide(study, (number / 10 + 0.05, number + 0.5)) for number in range(9)]

    assert goes_on == [True] * 2 + [False] * 7
    assert not decide(study, (0.35, 3.5), reduction_factor=2)


def test_among_equals_the_lonelier_goes_on() -> None:
    front = [(0.0, 0.0)]
    second = [(1, 9), (2, 8), (3, 7), (9, 1)]
    study = study_of([*front, *second])

    crowded, lonely = decide(study, (2.5, 7.5)), decide(study, (0.5, 9.5))

    assert (crowded, lonely) == (True, False)


@pytest.mark.parametrize(
    ("others", "stopped"), [(3, False), (4, True), (5, True)], ids=["3", "4", "5"]
)
def test_the_first_trials_are_not_stopped(others: int, stopped: bool) -> None:
    assert decide(study_of([(0.1, 1)] * others), (0.2, 2)) is stopped


def test_only_those_of_the_same_rung_count() -> None:
    study = study_of([(0.1, 1)] * 9, step=9)

    assert decide(study, (0.2, 2), step=3) is False
    assert decide(study, (0.2, 2), step=9) is True


@pytest.mark.parametrize("step", [1, 2, 4, 8, 10, 27], ids=str)
def test_between_rungs_none_is_stopped(step: int) -> None:
    assert decide(study_of([(0.1, 1)] * 9, step=step), (0.2, 2), step=step) is False


@pytest.mark.parametrize(
    ("state", "stopped"),
    [(TrialState.PRUNED, True), (TrialState.RUNNING, True), (TrialState.FAIL, False)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_who_counts(state: TrialState, stopped: bool) -> None:
    assert decide(study_of([(0.1, 1)] * 6, state=state), (0.2, 2)) is stopped


@pytest.mark.parametrize("others", [0, 9])
def test_a_value_that_is_not_finite_is_stopped(others: int) -> None:
    assert decide(study_of([(0.1, 1)] * others), (None, 0)) is True


def test_one_that_was_not_finite_is_behind_all() -> None:
    study = study_of([])
    for _ in range(9):
        study.add_trial(
            create_trial(state=TrialState.PRUNED, user_attrs={VECTORS: {"3": [None, 0]}})
        )

    assert decide(study, (0.9, 99)) is False


@pytest.mark.parametrize(
    ("excess", "vector", "stopped"),
    [
        (0.0, (0.9, 99), False),  # all others break a limit
        (1.0, (0.9, 99), False),  # breaks it least
        (9.0, (0.0, 0), True),  # breaks it most
    ],
    ids=["none", "least", "most"],
)
def test_what_breaks_a_limit_stands_behind(
    excess: float, vector: tuple[float, float], stopped: bool
) -> None:
    study = study_of([(0.1, 1)] * 9, constraints={"params": 5.0})

    assert decide(study, vector, constraints={"params": excess}) is stopped


def test_a_limit_that_is_kept_by_others_stops_what_breaks_it() -> None:
    assert decide(study_of([(0.9, 9)] * 6), (0.1, 1), constraints={"params": 0.1}) is True


vectors = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=14
)


@given(vectors, st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)))
def test_order_is_that_of_the_fronts(
    others: list[tuple[int, int, int]], own: tuple[int, int, int]
) -> None:
    rows, row = np.array(others, float), np.array(own, float)
    dominators = [other for other in others if other != own and all(np.less_equal(other, own))]

    before = number_better(row, rows)

    assert is_dominated(row, rows) is bool(dominators)
    assert before >= len(dominators)  # each is in a better front
    behind = sum(other != own and all(np.greater_equal(other, own)) for other in others)
    assert before <= len(others) - behind


@given(vectors, st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)))
def test_units_make_no_difference(
    others: list[tuple[int, int, int]], own: tuple[int, int, int]
) -> None:
    rows, row = np.array(others, float), np.array(own, float)

    assert number_better(row, rows) == number_better(
        np.array([np.exp(row[0]), 1e6 * row[1], row[2] ** 3]),
        np.stack([np.exp(rows[:, 0]), 1e6 * rows[:, 1], rows[:, 2] ** 3], axis=1),
    )


# --- reporting ----------------------------------------------------------------------------------


def two(pruner: optuna.pruners.BasePruner | None = None, **options: Any) -> optuna.Study:
    return optuna.create_study(
        directions=["maximize", "minimize"], pruner=pruner or MultiObjectivePruner(LAST), **options
    )


def test_reports_are_kept_at_rungs_alone() -> None:
    study = two()
    trial = study.ask()

    for step in range(1, LAST + 1):
        report_vector(trial, (step / 100, float(np.float32(7))), step)

    assert trial.user_attrs == {VECTORS: {"3": [0.03, 7.0], "9": [0.09, 7.0]}}
    assert reported(study, study.trials[0]) == {3: [0.03, 7.0], 9: [0.09, 7.0]}


def test_reports_are_kept_at_each_step_for_other_pruners() -> None:
    study = two(optuna.pruners.NopPruner())
    trial = study.ask()

    for step in (1, 2, 5):
        report_vector(trial, (math.nan if step == 2 else step, math.inf), step)

    assert trial.user_attrs[VECTORS] == {"1": [1.0, None], "2": [None, None], "5": [5.0, None]}
    assert list(losses(study, reported(study, study.trials[0])[5])) == [-5.0, math.inf]


def test_a_step_that_was_reported_is_left_as_it_is() -> None:
    study = two()
    trial = study.ask()
    for step, value in ((3, 0.1), (9, 0.2), (3, 0.3), (9, 0.4)):
        report_vector(trial, (value, 1), step)

    assert trial.user_attrs[VECTORS] == {"3": [0.1, 1.0], "9": [0.2, 1.0]}


@pytest.mark.parametrize(
    ("values", "step", "error", "message"),
    [
        ((0.1,), 3, ValueError, "`values` must be 2, one an objective, but got 1"),
        ((0.1, 1, 2), 3, ValueError, "but got 3"),
        ((0.1, "many"), 3, TypeError, "`values` must be numbers"),
        ((0.1, None), 3, TypeError, "`values` must be numbers"),
        ((0.1, 1), 0, ValueError, "`step` must be at least 1 but got 0"),
        ((0.1, 1), 28, ValueError, "between 1 and `max_step`, 27, but got 28"),
        ((0.1, 1), 2.5, TypeError, "integer"),
    ],
    ids=str,
)
def test_wrong_reports(values: Any, step: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        report_vector(two().ask(), values, step)


def test_steps_out_of_order_are_refused() -> None:
    trial = two().ask()
    report_vector(trial, (0.1, 1), 9)

    with pytest.raises(ValueError, match="steps must rise but trial 0 reported 3 after 9"):
        report_vector(trial, (0.1, 1), 3)


def test_one_objective_uses_what_optuna_has() -> None:
    study = optuna.create_study(pruner=MultiObjectivePruner(LAST, n_startup_trials=1))
    trials = [study.ask() for _ in range(3)]
    for trial, value in zip(trials, (0.1, 0.2, 0.9), strict=True):
        report_vector(trial, [value], 3)
    stopped = should_prune(trials[-1])

    assert [trial.intermediate_values for trial in study.trials] == [{3: 0.1}, {3: 0.2}, {3: 0.9}]
    assert (stopped, trials[-1].should_prune()) == (True, True)


@pytest.mark.parametrize(
    "pruner", [optuna.pruners.MedianPruner(), optuna.pruners.PercentilePruner(10)], ids=["m", "p"]
)
def test_a_pruner_for_one_objective_is_refused(pruner: optuna.pruners.BasePruner) -> None:
    name = type(pruner).__name__

    with pytest.raises(TypeError, match=f"{name} is for studies with one .* has 2; use Multi"):
        should_prune(two(pruner).ask())


def test_none_stops_nothing() -> None:
    assert should_prune(two(optuna.pruners.NopPruner()).ask()) is False


def plain(trial: optuna.Trial) -> tuple[float, float]:
    """Return quality and size of a network of a width that does not matter for one in two."""
    width = trial.suggest_int("width", 1, 30)
    waste = trial.suggest_categorical("waste", [0, 40])
    for epoch in range(1, LAST + 1):
        report_vector(trial, (1 - 1 / width - 1 / epoch, width + waste), epoch)
        if should_prune(trial):
            raise optuna.TrialPruned
    return 1 - 1 / width - 1 / LAST, width + waste


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_plain_study_keeps_its_front(jobs: int) -> None:
    study = two(sampler=optuna.samplers.RandomSampler(seed=0))

    study.optimize(plain, n_trials=60, n_jobs=jobs)

    stopped = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert len(stopped) > 12
    # Nothing that was stopped would have been in the front: it is worse by the same at each step.
    assert all(
        any(
            best.params["width"] >= trial.params["width"] and best.values[1] <= cost(trial)
            for best in study.best_trials
        )
        for trial in stopped
    )


def cost(trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.params["width"] + trial.params["waste"])


def test_decisions_are_the_same_out_of_a_database(tmp_path: Path) -> None:
    def states(storage: str | None) -> list[tuple[str, dict[str, Any]]]:
        pruner = MultiObjectivePruner(LAST, n_startup_trials=1)
        study = two(pruner, sampler=optuna.samplers.RandomSampler(seed=1), storage=storage)
        study.optimize(plain, n_trials=8)
        return [(trial.state.name, trial.user_attrs) for trial in study.trials]

    in_memory = states(None)
    assert states(f"sqlite:///{tmp_path}/study.db") == in_memory
    assert {state for state, _ in in_memory} == {"COMPLETE", "PRUNED"}


def test_a_pruner_goes_on_after_pickling() -> None:
    pruner = pickle.loads(pickle.dumps(MultiObjectivePruner(LAST, reduction_factor=2)))
    trial = create_trial(state=TrialState.RUNNING, user_attrs={VECTORS: {"3": [0.9, 99]}})
    trial.number = 7

    assert (pruner.rungs, pruner.prune(study_of(SIX), trial)) == ((3, 6, 12, 24), True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_step": 0}, "`max_step` must be an integer of at least 1 but got 0"),
        ({"max_step": True}, "`max_step` must be an integer of at least 1 but got True"),
        ({"first_rung": 0}, "`first_rung` must be an integer of at least 1 but got 0"),
        ({"first_rung": 28}, "`first_rung` must be at most `max_step`, 27, but got 28"),
        ({"reduction_factor": 1}, "`reduction_factor` must be an integer of at least 2"),
        ({"reduction_factor": 2.5}, "`reduction_factor` must be an integer of at least 2"),
        ({"n_startup_trials": 0}, "`n_startup_trials` must be an integer of at least 1"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiObjectivePruner(**{"max_step": LAST, **options})


def test_a_trial_that_reported_nothing_goes_on() -> None:
    study = two()
    trial = study.ask()

    assert should_prune(trial) is False
