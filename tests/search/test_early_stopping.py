"""Early stopping in searches: several objectives, strategies of one's own, what is refused."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.commands._search_options import pruner_options
from neural_automl.early_stopping import EarlyStoppingStrategy, create_pruner, may_stop_at
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import StudyError
from neural_automl.pruners.multi_objective import (
    MultiObjectivePruner,
    report_vector,
    should_prune,
)
from tests.search.fakes import CurveEvaluator, small_space, width_of
from tests.search.test_objective import objective_over, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.early_stopping import History
    from neural_automl.evaluation import EvaluationContext

TWO = ("val_accuracy", "params")
Asked = tuple[int, int, dict[str, float], dict[int, list[int]]]


class Strategy(EarlyStoppingStrategy):
    """Stops at a step what is below a bar, and keeps what it was asked."""

    def __init__(self, bar: float = -1.0, at: int = 2) -> None:
        super().__init__()
        self.bar, self.at = bar, at
        self.asked: list[Asked] = []

    def should_stop(
        self, trial_id: int, step: int, metrics: Mapping[str, float], history: History
    ) -> bool:
        steps = {number: list(curve) for number, curve in history.items()}
        self.asked.append((trial_id, step, dict(metrics), steps))
        return step >= self.at and next(iter(metrics.values())) < self.bar


class Bare(EarlyStoppingStrategy):
    """One that calls no constructor, and answers as it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def should_stop(self, *_: Any) -> bool:
        self.answer, answer = self.answer, self.answer
        return answer  # type: ignore[no-any-return]


def wide_is_worse(architecture: Architecture, epoch: int) -> float:
    """Return an accuracy that falls with the size: the narrowest dominates all others."""
    return 0.9 - width_of(architecture) / 100 + epoch / 1000


# --- several objectives -------------------------------------------------------------------------


def test_what_is_dominated_is_stopped_at_a_rung() -> None:
    evaluator = CurveEvaluator(wide_is_worse)
    pruner = create_pruner("multi_objective", max_epochs=27, n_startup_trials=1)
    study = run(objective_over(evaluator, metrics=TWO, epochs=27), 8, pruner=pruner)

    trained = [trial for trial in study.trials if "cached_from" not in trial.user_attrs]
    stopped = [trial for trial in trained if trial.state == TrialState.PRUNED]
    assert stopped
    for trial in trained:
        rungs = ["3", "9"][: 1 if trial.user_attrs["epochs"] == 3 else 2]
        vectors = trial.user_attrs["intermediate_vectors"]
        assert list(vectors) == rungs
        assert {row[1] for row in vectors.values()} == {trial.user_attrs["params"]}
    for trial in stopped:
        assert trial.user_attrs["epochs"] in (3, 9)
        epochs = trial.user_attrs["epochs"]
        assert trial.user_attrs["stopped"] == f"by MultiObjectivePruner, after epoch {epochs}"
    widest, narrowest = study.best_trials[0].values[1], min(t.user_attrs["params"] for t in trained)
    assert widest == narrowest


def test_the_last_epoch_is_not_asked_about() -> None:
    # ASHA has a rung at 9: a training that is over would lose its value there.
    evaluator = CurveEvaluator(wide_is_worse)
    pruner = create_pruner("asha", min_resource=9)
    study = run(objective_over(evaluator, epochs=9), 8, pruner=pruner)

    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_repeat_is_answered_as_its_equal_was() -> None:
    pruner = create_pruner("multi_objective", max_epochs=27, n_startup_trials=1)
    study = run(
        objective_over(CurveEvaluator(wide_is_worse), metrics=TWO, epochs=27), 20, pruner=pruner
    )

    repeats = [trial for trial in study.trials if "cached_from" in trial.user_attrs]
    assert {trial.state for trial in repeats} >= {TrialState.PRUNED}
    for trial in repeats:
        assert trial.state == study.trials[trial.user_attrs["cached_from"]].state
        assert "intermediate_vectors" not in trial.user_attrs  # it counts once at the rungs
        stopped = trial.user_attrs.get("stopped", "")
        assert not stopped.startswith("by MultiObjectivePruner")


@pytest.mark.parametrize(
    ("pruner", "name"),
    [
        (optuna.pruners.MedianPruner(n_warmup_steps=1), "MedianPruner"),
        (optuna.pruners.HyperbandPruner(max_resource=9), "HyperbandPruner"),
        (create_pruner("learning_curve", max_epochs=9), "LearningCurvePruner"),
        (create_pruner("patient", patience=2), "PatientPruner"),
    ],
    ids=["median", "hyperband", "learning_curve", "patient"],
)
def test_a_pruner_for_one_objective_is_refused(
    pruner: optuna.pruners.BasePruner, name: str
) -> None:
    with pytest.raises(StudyError, match=f"by {name} is for one objective .* use multi_objective"):
        run(objective_over(metrics=TWO), 1, pruner=pruner)


def test_what_nobody_chose_is_no_error_but_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        study = run(objective_over(metrics=TWO), 3, pruner=None)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("neural_automl")]
    assert len(messages) == 1
    assert "default pruner stops no trial with several objectives" in messages[0]


@pytest.mark.parametrize(
    ("pruner", "steps"),
    [
        (MultiObjectivePruner(27), {3, 9}),
        (Strategy(), set(range(1, 28))),
        (optuna.pruners.NopPruner(), set()),
        (optuna.pruners.MedianPruner(), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_where_it_is_asked(pruner: optuna.pruners.BasePruner, steps: set[int]) -> None:
    assert {step for step in range(1, 28) if may_stop_at(pruner, step, 2)} == steps


class Silent(CurveEvaluator):
    """Reports its loss alone, and the rest in the end."""

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        for epoch in range(1, context.epochs + 1):
            context.report(epoch, {"val_loss": 1 / epoch})
            if context.should_stop():
                break
        return {"val_accuracy": 0.5, "val_loss": 0.1}


@pytest.mark.parametrize("metrics", [("val_accuracy",), TWO], ids=["one", "two"])
def test_a_metric_that_is_never_reported_is_an_error(metrics: tuple[str, ...]) -> None:
    pruner = Strategy()

    with pytest.raises(ValueError, match="val_accuracy in the end but reported it after no epoch"):
        run(objective_over(Silent(), metrics=metrics), 1, pruner=pruner)
    assert run(objective_over(Silent(), metrics=metrics), 1).trials[0].state == TrialState.COMPLETE


def test_a_nan_is_stopped_at_its_rung() -> None:
    evaluator = CurveEvaluator(lambda _, epoch: math.nan if epoch == 3 else 0.5)

    study = run(
        objective_over(evaluator, metrics=TWO, epochs=27), 1, pruner=MultiObjectivePruner(27)
    )

    assert study.trials[0].user_attrs["epochs"] == 3
    assert "diverged: val_accuracy became nan" in study.trials[0].user_attrs["infeasible"]


@pytest.mark.parametrize("pruner", [Strategy(), MultiObjectivePruner(27)], ids=["own", "ours"])
def test_steps_out_of_order_are_refused(pruner: optuna.pruners.BasePruner) -> None:
    class Backwards(CurveEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            for epoch in (4, 3):
                context.report(epoch, {"val_accuracy": 0.5})
            return {"val_accuracy": 0.5}

    with pytest.raises(ValueError, match="epochs from 1 on, rising, but 3 came after 4"):
        run(objective_over(Backwards(), metrics=TWO), 1, pruner=pruner)


def test_steps_beyond_the_longest_training_are_refused() -> None:
    pruner = MultiObjectivePruner(3)

    with pytest.raises(ValueError, match="between 1 and `max_step`, 3, but got 4"):
        run(objective_over(metrics=TWO, epochs=6), 1, pruner=pruner)


# --- the engine ---------------------------------------------------------------------------------


def engine_in(folder: Path, **options: Any) -> AutoMLEngine:
    return AutoMLEngine(search_strategy="random", output_dir=folder, **options)


@pytest.mark.parametrize(
    ("metrics", "name", "kind"),
    [
        (None, "median", optuna.pruners.MedianPruner),
        (["val_accuracy"], "median", optuna.pruners.MedianPruner),
        (TWO, "multi_objective", MultiObjectivePruner),
    ],
    ids=["none", "one", "two"],
)
def test_what_the_engine_stops_by(
    tmp_path: Path, metrics: Any, name: str, kind: type[optuna.pruners.BasePruner]
) -> None:
    engine = engine_in(tmp_path, metrics=metrics)

    result = engine.search(
        small_space(), evaluator=CurveEvaluator(), max_trials=2, max_epochs_per_trial=3
    )

    assert engine.early_stopping == name
    assert type(result.study.pruner) is kind


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"early_stopping": "median", "metrics": TWO}, ValueError, "by median is for one"),
        (
            {"early_stopping": optuna.pruners.MedianPruner(), "metrics": TWO},
            ValueError,
            "by MedianPruner is for one objective but there are 2",
        ),
        ({"early_stopping": "mediam", "metrics": TWO}, ValueError, "did you mean median"),
        ({"early_stopping_options": {"warmup": 3}}, TypeError, "median has no option 'warmup'"),
        (
            {"early_stopping": Strategy(), "early_stopping_options": {"bar": 3}},
            TypeError,
            "made already takes no options",
        ),
    ],
    ids=["name", "pruner", "slip", "option", "strategy"],
)
def test_wrong_early_stopping(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        engine_in(tmp_path, **options)


def test_options_reach_the_pruner(tmp_path: Path) -> None:
    engine = engine_in(
        tmp_path,
        early_stopping="patient",
        early_stopping_options={"patience": 1, "wrapped_pruner": "threshold", "lower": 0.5},
    )

    result = engine.search(
        small_space(),
        evaluator=CurveEvaluator(lambda _, epoch: 1 / epoch),
        max_trials=2,
        max_epochs_per_trial=9,
    )

    assert {trial.user_attrs["epochs"] for trial in result.study.trials} == {3}


def test_options_are_checked_with_the_epochs(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, metrics=TWO, early_stopping_options={"first_rung": 9})

    with pytest.raises(ValueError, match="`first_rung` must be at most `max_step`, 5, but got 9"):
        engine.search(
            small_space(), evaluator=CurveEvaluator(), max_trials=1, max_epochs_per_trial=5
        )


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ([], {}),
        (["patience=3", "min_delta=0.5"], {"patience": 3, "min_delta": 0.5}),
        (["wrapped_pruner=asha"], {"wrapped_pruner": "asha"}),
        (["upper=null", "name=a=b"], {"upper": None, "name": "a=b"}),
    ],
    ids=str,
)
def test_options_as_text(texts: list[str], options: dict[str, Any]) -> None:
    assert pruner_options(texts) == options


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["patience"], "must be NAME=VALUE but got 'patience'"),
        (["patience="], "must be NAME=VALUE"),
        (["=3"], "must be NAME=VALUE"),
        (["a-b=3"], "must be NAME=VALUE"),
        (["a=1", "a=2"], "a is given twice"),
    ],
    ids=str,
)
def test_wrong_options_as_text(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pruner_options(texts)


# --- strategies of one's own --------------------------------------------------------------------


def test_a_strategy_is_told_all_that_was_reported() -> None:
    strategy = Strategy(bar=0.5)
    study = run(
        objective_over(CurveEvaluator(lambda network, _: width_of(network) / 20)),
        6,
        pruner=strategy,
    )

    trained = [trial for trial in study.trials if "cached_from" not in trial.user_attrs]
    assert [trial.state.name for trial in trained] == [
        "PRUNED" if trial.intermediate_values[1] < 0.5 else "COMPLETE" for trial in trained
    ]
    stopped = [trial for trial in trained if trial.state == TrialState.PRUNED]
    assert stopped
    assert {trial.user_attrs["stopped"] for trial in stopped} == {"by Strategy, after epoch 2"}
    for number, step, metrics, steps in strategy.asked:
        trial = study.trials[number]
        assert metrics == {"val_accuracy": trial.intermediate_values[step]}
        assert steps[number] == list(range(1, step + 1))
        earlier = [other for other in study.trials[:number] if other.intermediate_values]
        assert steps.keys() == {number, *(other.number for other in earlier)}


def test_a_strategy_sees_several_objectives_at_every_step() -> None:
    strategy = Strategy(bar=0.89)
    study = run(objective_over(CurveEvaluator(wide_is_worse), metrics=TWO), 4, pruner=strategy)

    for number, step, metrics, _ in strategy.asked:
        kept = study.trials[number].user_attrs["intermediate_vectors"]
        assert metrics == dict(zip(TWO, kept[str(step)], strict=True))
    assert {trial.state for trial in study.trials} == {TrialState.PRUNED}
    assert {trial.user_attrs.get("epochs", 2) for trial in study.trials} == {2}


@pytest.mark.parametrize(
    ("names", "directions", "expected"),
    [
        (None, ["minimize"], ["value"]),
        (["loss"], ["minimize"], ["loss"]),
        (None, ["minimize", "maximize"], ["value_0", "value_1"]),
        (["loss", "size"], ["minimize", "maximize"], ["loss", "size"]),
    ],
    ids=str,
)
def test_names_of_the_metrics_of_another_program(
    names: list[str] | None, directions: list[str], expected: list[str]
) -> None:
    strategy = Strategy()
    study = optuna.create_study(directions=directions, pruner=strategy)  # type: ignore[arg-type]
    if names:
        study.set_metric_names(names)
    trial = study.ask()
    report_vector(trial, [0.5] * len(directions), 1)

    assert should_prune(trial) is False
    assert strategy.asked == [(0, 1, dict.fromkeys(expected, 0.5), {0: [1]})]


def test_what_a_strategy_does_to_the_history_stays_there() -> None:
    class Vandal(Strategy):
        def should_stop(
            self, trial_id: int, step: int, metrics: Mapping[str, float], history: History
        ) -> bool:
            for curve in history.values():
                curve.clear()
            history.clear()
            return False

    study = run(objective_over(), 3, pruner=Vandal())

    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4]


def test_failed_trials_are_no_history() -> None:
    strategy = Strategy()
    study = optuna.create_study(pruner=strategy)
    for state in (TrialState.FAIL, TrialState.PRUNED):
        trial = study.ask()
        trial.report(0.5, 1)
        study.tell(trial, state=state)
    trial = study.ask()
    trial.report(0.4, 1)
    trial.should_prune()

    assert strategy.asked == [(2, 1, {"value": 0.4}, {1: [1], 2: [1]})]


@pytest.mark.parametrize(
    ("answer", "stopped"), [(True, True), (False, False), (np.True_, True)], ids=str
)
def test_answers(answer: Any, stopped: bool) -> None:
    trial = optuna.create_study(pruner=Bare(answer)).ask()
    assert trial.should_prune() is False  # nothing is reported yet
    trial.report(1.0, 1)

    assert trial.should_prune() is stopped


@pytest.mark.parametrize("answer", [None, 1, "yes"], ids=str)
def test_other_answers_are_refused(answer: Any) -> None:
    trial = optuna.create_study(pruner=Bare(answer)).ask()
    trial.report(1.0, 1)

    with pytest.raises(TypeError, match=r"Bare.should_stop must return True or False but got"):
        trial.should_prune()


def test_the_base_class_is_abstract_and_has_a_name() -> None:
    with pytest.raises(TypeError, match="should_stop"):
        EarlyStoppingStrategy()  # type: ignore[abstract]
    assert Strategy().name == "Strategy"
    assert create_pruner(named := Strategy()) is named
