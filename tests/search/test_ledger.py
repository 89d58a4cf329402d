"""What a search spent and saved."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import DivergenceError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import summarise, write_ledger
from neural_automl.trials._ledger import KINDS, LEDGER, SECONDS, Kind, Stopwatch, total_seconds
from tests.search.fakes import CurveEvaluator, small_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

NARROW = {"layers[0].Dense.units": 8, "layers[1].maybe": False}
WIDE = {"layers[0].Dense.units": 32, "layers[1].maybe": False}


class Hands:
    """A clock that stands still until it is set on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# --- the stopwatch ------------------------------------------------------------------------------


def test_what_is_inside_is_taken_off_what_is_outside() -> None:
    clock = Hands()
    watch = Stopwatch(clock)
    clock.now = 1.0  # nothing runs
    with watch.on("training"):
        clock.now = 3.0
        with watch.on("storing"):
            clock.now = 7.0
        clock.now = 15.0
    clock.now = 31.0

    assert watch.seconds == {"training": 10.0, "proposing": 0, "storing": 4.0, "waiting": 0}


def test_an_error_ends_what_is_measured() -> None:
    clock = Hands()
    watch = Stopwatch(clock)

    def fail() -> None:
        with watch.on("training"):
            clock.now = 2.0
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    clock.now = 9.0
    with watch.on("waiting"):
        clock.now = 10.0

    assert (watch.seconds["training"], watch.seconds["waiting"]) == (2.0, 1.0)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9))))
def test_no_second_is_counted_twice(blocks: list[tuple[Kind, int, int]]) -> None:
    clock = Hands()
    watch = Stopwatch(clock)

    def run(rest: list[tuple[Kind, int, int]]) -> None:
        if rest:
            (kind, before, after), *inner = rest
            with watch.on(kind):
                clock.now += before
                run(inner)
                clock.now += after

    run(blocks)

    assert sum(watch.seconds.values()) == clock.now
    for kind in KINDS:
        assert watch.seconds[kind] == sum(b + a for k, b, a in blocks if k == kind)


def test_a_total_leaves_out_what_is_no_number() -> None:
    kept: list[Any] = [
        {"training": 1.5, "waiting": 2},
        {"training": None, "storing": "long", "sleeping": 3.0},
        "a second",
        None,
    ]
    trials = [create_trial(value=0.0, user_attrs={SECONDS: seconds}) for seconds in kept]

    assert total_seconds(trials) == {
        "training": 1.5, "proposing": 0.0, "storing": 0.0, "waiting": 2.0,
    }  # fmt: skip
    assert total_seconds([]) == dict.fromkeys(KINDS, 0.0)


# --- the trials of a study ----------------------------------------------------------------------


def objective_over(evaluator: Any, **options: Any) -> ArchitectureObjective:
    settings = {"epochs": 4, "artifact_store": None, **options}
    return ArchitectureObjective(small_space(), evaluator, **settings)


class Slow(CurveEvaluator):
    """Takes its time before the first report."""

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        time.sleep(0.03)
        return super().evaluate(architecture, context)


class SlowSampler(optuna.samplers.RandomSampler):
    def sample_independent(self, *arguments: Any) -> Any:
        time.sleep(0.03)
        return super().sample_independent(*arguments)


def test_each_second_is_in_its_place() -> None:
    study = optuna.create_study(direction="maximize", sampler=SlowSampler(seed=0))
    study.optimize(objective_over(Slow()), n_trials=1)

    seconds = study.trials[0].user_attrs[SECONDS]
    duration = study.trials[0].duration

    assert duration is not None
    assert seconds["training"] >= 0.03
    assert seconds["proposing"] >= 0.06  # two decisions
    assert seconds["waiting"] == 0
    assert sum(seconds.values()) <= duration.total_seconds()


def test_storing_is_measured_inside_the_training() -> None:
    class SlowReports(optuna.Trial):
        def report(self, value: float, step: int) -> None:
            time.sleep(0.03)
            super().report(value, step)

    study = optuna.create_study(direction="maximize")
    study.ask()
    objective_over(CurveEvaluator())(SlowReports(study, study.trials[0]._trial_id))

    seconds = study.trials[0].user_attrs[SECONDS]
    assert seconds["storing"] >= 4 * 0.03
    assert seconds["training"] < seconds["storing"]


def test_who_waits_for_an_equal_training_says_so() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Held(CurveEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            began.set()
            assert go_on.wait(30)
            return super().evaluate(architecture, context)

    study = optuna.create_study(direction="maximize")
    objective = objective_over(Held())
    study.enqueue_trial(NARROW)
    study.enqueue_trial(NARROW)
    first = threading.Thread(target=study.optimize, args=(objective,), kwargs={"n_trials": 1})
    first.start()
    assert began.wait(30)
    second = threading.Thread(target=study.optimize, args=(objective,), kwargs={"n_trials": 1})
    second.start()
    time.sleep(0.1)
    go_on.set()
    first.join(30)
    second.join(30)

    waited = [trial.user_attrs[SECONDS]["waiting"] for trial in study.trials]
    assert waited[0] == 0
    assert waited[1] > 0
    assert summarise(study).seconds["waiting"] == waited[1]


def fail(error: BaseException) -> Callable[[Architecture, int], float]:
    def curve(architecture: Architecture, epoch: int) -> float:
        raise error

    return curve


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), DivergenceError("nan"), KeyboardInterrupt()],
    ids=["failed", "diverged", "interrupted"],
)
def test_seconds_are_kept_however_a_trial_ends(error: BaseException) -> None:
    study = optuna.create_study(direction="maximize")
    with contextlib.suppress(RuntimeError, KeyboardInterrupt):
        study.optimize(objective_over(CurveEvaluator(fail(error))), n_trials=1)

    assert set(study.trials[0].user_attrs[SECONDS]) == set(KINDS)


class StopWide(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.params == WIDE


def test_epochs_that_were_saved_by_whom() -> None:
    study = optuna.create_study(direction="maximize", pruner=StopWide())
    for params in (NARROW, WIDE, NARROW, WIDE):
        study.enqueue_trial(params)
    study.optimize(objective_over(CurveEvaluator()), n_trials=4)

    summary = summarise(study)

    assert (summary.trained, summary.repeats) == (2, 2)
    assert summary.epochs_trained == 4 + 1
    assert summary.epochs_saved_by_stopping == 3
    assert summary.epochs_saved_by_known_values == 4 + 1
    assert summary.epochs_saved_by_rungs == 0
    assert summary.epochs_saved == 8
    assert summary.full_trainings == 2


def test_values_steps_and_reasons_of_what_was_stopped_are_in_the_study() -> None:
    study = optuna.create_study(direction="maximize", pruner=StopWide())
    for params in (WIDE, WIDE):
        study.enqueue_trial(params)
    study.optimize(objective_over(CurveEvaluator()), n_trials=2)

    first, repeat = study.trials
    assert first.state == repeat.state == TrialState.PRUNED
    assert first.user_attrs["stopped"] == "by StopWide, after epoch 1"
    assert repeat.user_attrs["stopped"] == "as the equal trial 0 was"
    assert first.intermediate_values == repeat.intermediate_values == {1: pytest.approx(0.321)}
    assert first.user_attrs["val_accuracy"] == first.intermediate_values[1]


def test_a_search_writes_its_ledger_into_the_study(tmp_path: Path) -> None:
    engine = AutoMLEngine(output_dir=tmp_path, search_strategy="random", early_stopping="asha")
    result = engine.search(
        small_space(), evaluator=CurveEvaluator(), max_trials=6, max_epochs_per_trial=9
    )

    ledger = result.study.user_attrs[LEDGER]
    summary = engine.get_search_summary()

    assert ledger["epochs_trained"] + ledger["epochs_saved"] == 6 * 9
    assert ledger["epochs_saved_by_stopping"] == summary["epochs_saved"] > 0
    assert {name: summary[name] for name in ledger} == ledger
    assert set(ledger["seconds"]) == set(KINDS)


def test_a_ledger_can_be_written_after_a_plain_search() -> None:
    # Of a seed whose two networks differ: a repeat trains nothing.
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective_over(CurveEvaluator()), n_trials=2)
    assert LEDGER not in study.user_attrs

    write_ledger(study)

    assert study.user_attrs[LEDGER]["epochs_trained"] == 8
