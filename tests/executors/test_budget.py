"""The budget of a study: exact, however many workers there are and whatever becomes of trials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.exceptions import StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import is_trained
from neural_automl.workers._budget import Budget, set_budget
from neural_automl.workers._recovery import hand_back
from neural_automl.workers._worker import Outcome, joint_outcome, work
from tests.executors.searches import wide_space
from tests.search.fakes import CurveEvaluator

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext


def new_study(max_trials: int, deadline: float | None = None) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    set_budget(study, max_trials, deadline)
    return study


def end(study: optuna.Study, trial: optuna.Trial, *, trained: bool = True) -> None:
    if not trained:
        trial.set_user_attr("cached_from", 0)
    study.tell(trial, 0.5)


class Acts:
    """Instead of sleeping, does what is next on a list."""

    def __init__(self, *acts: Callable[[], Any]) -> None:
        self.acts = list(acts)

    def __call__(self, seconds: float) -> None:
        assert 0 < seconds < 2
        self.acts.pop(0)()


def nothing() -> None:
    pass


def test_a_trial_below_the_budget_is_admitted_without_reading() -> None:
    study = new_study(2)
    budget = Budget(study, sleep=Acts())

    assert budget.admit(study.ask())


def test_one_that_would_overshoot_waits_for_lower_ones() -> None:
    study = new_study(2)
    first, second, third = study.ask(), study.ask(), study.ask()
    budget = Budget(study, sleep=Acts(nothing, lambda: end(study, first, trained=False)))

    assert budget.admit(third)  # the first one needed no training
    end(study, second)
    end(study, third)
    assert sum(map(is_trained, study.trials)) == 2


def test_one_too_many_is_handed_back() -> None:
    study = new_study(2)
    trials = [study.ask() for _ in range(3)]
    budget = Budget(study, sleep=Acts(lambda: end(study, trials[0]), lambda: end(study, trials[1])))

    assert not budget.admit(trials[2])


def test_one_that_waits_comes_before_later_ones() -> None:
    study = new_study(1)
    first, second = study.ask(), study.ask()
    study._storage.set_trial_state_values(first._trial_id, TrialState.WAITING)

    assert not Budget(study, sleep=Acts()).admit(second)


def test_nothing_begins_while_running_ones_would_spend_the_budget() -> None:
    study = new_study(2)
    end(study, study.ask())
    running = study.ask()
    budget = Budget(study, sleep=Acts(nothing, lambda: end(study, running)))

    assert not budget.may_begin()
    assert budget.reason == "budget"


def test_a_failed_one_makes_room() -> None:
    study = new_study(1)
    running = study.ask()
    budget = Budget(study, sleep=Acts(lambda: study.tell(running, state=TrialState.FAIL)))

    assert budget.may_begin()


def test_a_budget_that_grows_is_noticed() -> None:
    study = new_study(1)
    running = study.ask()
    budget = Budget(study, sleep=Acts(lambda: set_budget(study, 5, None)))

    assert budget.may_begin()
    assert budget.admit(running)


@pytest.mark.parametrize(
    ("deadline", "is_set", "reason"),
    [(-1.0, False, "timeout"), (60.0, True, "interrupted")],
    ids=["time", "stop"],
)
def test_what_else_ends_it(deadline: float, is_set: bool, reason: str) -> None:
    study = new_study(9, time.time() + deadline)
    stop = threading.Event()
    if is_set:
        stop.set()
    budget = Budget(study, stop=stop)

    assert not budget.may_begin()
    assert budget.reason == reason
    assert budget.seconds_left() == pytest.approx(max(0.0, deadline), abs=30)


def test_a_deadline_is_taken_away_again() -> None:
    study = new_study(9, time.time() - 1)
    set_budget(study, 9, None)

    assert Budget(study).may_begin()
    assert Budget(study).seconds_left() is None


def run_threads(study: optuna.Study, count: int, evaluator: Any) -> list[Outcome]:
    objective = ArchitectureObjective(wide_space(), evaluator, epochs=2, artifact_store=None)
    outcomes: list[Outcome] = []

    def one(seed: int) -> None:
        own = optuna.load_study(
            study_name=study.study_name,
            storage=study._storage,
            sampler=optuna.samplers.RandomSampler(seed=seed),
            pruner=optuna.pruners.NopPruner(),
        )
        outcomes.append(work(own, objective))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("budget", [1, 7, 25])
def test_many_threads_train_exactly_the_budget(budget: int) -> None:
    # Optuna's own sampler proposes repeats, which count for nothing.
    study = new_study(budget)
    evaluator = CurveEvaluator()

    outcomes = run_threads(study, 8, evaluator)

    assert len(evaluator.trained) == budget == sum(map(is_trained, study.trials))
    assert outcomes == [Outcome("budget")] * 8
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.WAITING}


def test_a_trial_that_was_handed_back_is_taken_up_when_there_is_more() -> None:
    study = new_study(3)
    run_threads(study, 8, CurveEvaluator())
    waiting = [trial for trial in study.trials if trial.state == TrialState.WAITING]
    set_budget(study, 12, None)

    run_threads(study, 2, CurveEvaluator())

    assert all(study.trials[trial.number].state == TrialState.COMPLETE for trial in waiting)
    assert sum(map(is_trained, study.trials)) == 12


def test_a_callback_may_stop_the_search() -> None:
    study = new_study(30)
    objective = ArchitectureObjective(wide_space(), CurveEvaluator(), epochs=1, artifact_store=None)

    outcome = work(study, objective, [lambda study, trial: study.stop()])

    assert len(study.trials) == 1
    assert outcome.reason == "stopped"


@dataclass
class Meanwhile(CurveEvaluator):
    """What another worker does to a trial of this one."""

    act: Callable[[int], object] = id

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        metrics = super().evaluate(architecture, context)
        if len(self.trained) == 2:
            self.act(1)
        return metrics


@pytest.mark.parametrize("what", ["told", "handed back"])
def test_a_trial_that_another_worker_took_does_not_end_this_one(what: str) -> None:
    study = new_study(5)
    study.sampler = optuna.samplers.RandomSampler(seed=1)  # no network twice

    def act(number: int) -> None:
        if what == "told":
            study.tell(number, 0.5)
        else:
            hand_back(study, study.trials[number]._trial_id)

    evaluator = Meanwhile(act=act)
    objective = ArchitectureObjective(wide_space(), evaluator, epochs=2, artifact_store=None)
    outcome = work(study, objective)

    assert outcome == Outcome("budget")
    assert sum(map(is_trained, study.trials)) == 5
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


ERROR = StudyError("three in a row")


@pytest.mark.parametrize(
    ("outcomes", "failures", "reason"),
    [
        ([Outcome("timeout"), Outcome("budget")], [], "budget"),
        ([Outcome("error", ERROR), Outcome("budget")], ["died"], "budget"),
        ([Outcome("space exhausted"), Outcome("timeout")], [], "space exhausted"),
        ([Outcome("interrupted"), Outcome("timeout")], [], "interrupted"),
        ([Outcome("error", ERROR)], ["died"], "error"),
        ([], ["died"], "error"),
    ],
    ids=str,
)
def test_one_reason_of_many(outcomes: list[Outcome], failures: list[str], reason: str) -> None:
    joint = joint_outcome(outcomes, failures)

    assert joint.reason == reason
    assert (joint.error is not None) == (reason == "error")
    if reason == "error":
        assert ("three in a row" in str(joint.error)) == bool(outcomes)
