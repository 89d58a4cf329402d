"""When runs begin and end, and what a tracker that fails costs: the run, never the training."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from neural_automl import AutoMLEngine
from neural_automl.exceptions import FallbackWarning, StudyError, TrackingError
from neural_automl.objective import ArchitectureObjective
from neural_automl.tracking import TrackedEnd, TrackedRun, TrackedTrial, Tracker, TrackingCallback
from neural_automl.workers._interruption import REQUESTED, HandedBack
from tests.search.fakes import CurveEvaluator, small_space
from tests.test_cli import SMALL, cli

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

EPOCHS = 3


@dataclass
class Run(TrackedRun):
    """What a tracker was told of one run."""

    trial: TrackedTrial
    fails_at: str = ""
    id: str = ""
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    ended: TrackedEnd | None = None

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if self.fails_at == "log" and epoch == 2:
            raise ConnectionError("no route")
        self.rows.append((epoch, dict(metrics)))

    def end(self, end: TrackedEnd) -> None:
        if self.fails_at == "end":
            raise ConnectionError("no route")
        self.ended = end


@dataclass
class Recording(Tracker):
    """Keeps what it is told, and fails where it is asked to."""

    fails_at: str = ""
    runs: list[Run] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    name: str = "recording"

    def prepare(self, study: str) -> None:
        if self.fails_at == "prepare":
            raise ConnectionError("no route")
        self.prepared.append(study)

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        if self.fails_at == "begin":
            raise ConnectionError("no route")
        self.runs.append(Run(trial, self.fails_at, trial.run_id or f"run {len(self.runs)}"))
        return self.runs[-1]

    @property
    def states(self) -> list[str]:
        return ["" if run.ended is None else run.ended.state for run in self.runs]


def objective(tracker: Any, evaluator: Any = None, **settings: Any) -> ArchitectureObjective:
    return ArchitectureObjective(
        settings.pop("space", None) or small_space(),
        evaluator or CurveEvaluator(),
        epochs=EPOCHS,
        tracking=tracker,
        **settings,
    )


def study_of(*widths: int, **settings: Any) -> optuna.Study:
    study = optuna.create_study(direction="maximize", study_name="S", **settings)
    for width in widths:
        study.enqueue_trial({"layers[0].Dense.units": width, "layers[1].maybe": False})
    return study


# --- what is told --------------------------------------------------------------------------------


def test_a_run_has_all_that_is_known_of_a_training() -> None:
    tracker, study = Recording(), study_of(8)
    study.optimize(objective(tracker), n_trials=1)

    (run,) = tracker.runs
    known = study.trials[0].user_attrs
    assert run.trial.params == study.trials[0].params
    assert run.trial.costs == {
        n: known[n] for n in ("params", "macs", "peak_memory_bytes", "depth")
    }
    assert run.trial.tags["training_key"] == known["training_key"]
    assert run.trial.tags["seed"] == str(known["seed"])
    rows = {epoch: metrics["val_accuracy"] for epoch, metrics in run.rows}
    assert rows == pytest.approx({1: 0.081, 2: 0.082, 3: 0.083})
    assert run.ended is not None
    assert run.ended.state == "COMPLETE"
    assert run.ended.values == {"val_accuracy": study.trials[0].value}
    assert run.ended.metrics["val_accuracy.best"] == known["val_accuracy.best"]
    assert [row["epoch"] for row in json.loads(run.ended.files["curve.json"])] == [1, 2, 3]
    assert "nn.Linear(4, 8)" in run.ended.files["model.py"]
    assert known["tracking_run"] == "recording:run 0"


def test_several_objectives_are_told_by_name() -> None:
    tracker = Recording()
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(objective(tracker, metrics=("val_accuracy", "macs")), n_trials=1)

    assert tracker.runs[0].ended is not None
    assert [*tracker.runs[0].ended.values.values()] == study.trials[0].values
    assert [*tracker.runs[0].ended.values] == ["val_accuracy", "macs"]


def test_only_what_trains_is_a_run() -> None:
    tracker, study = Recording(), study_of(8, 8, 32)
    space = small_space(constraints={"params": 100})
    study.optimize(objective(tracker, space=space), n_trials=3)

    assert study.trials[1].user_attrs["cached_from"] == 0
    assert "params" in study.trials[2].user_attrs["infeasible"]
    assert [run.trial.number for run in tracker.runs] == [0]


def test_epochs_go_on_over_rungs(tmp_path: Path) -> None:
    tracker = Recording()
    engine = AutoMLEngine(
        search_strategy="random", rungs=(1, 3), output_dir=tmp_path, tracking=tracker
    )
    splits = small_splits()
    engine.search(SMALL, splits, max_trials=1)

    promoted = [run for run in tracker.runs if run.trial.tags["rung"] == "1"]
    assert len(promoted) == 1
    assert [epoch for epoch, _ in promoted[0].rows] == [2, 3, 4]
    assert promoted[0].trial.tags["resumed_from"] != promoted[0].trial.tags["trial"]
    assert set(tracker.states) == {"PRUNED", "COMPLETE"}


def small_splits() -> Any:
    from neural_automl.data import load_data

    return load_data("digits")


class Interrupting(CurveEvaluator):
    """Is cut off in the second epoch, once."""

    error: BaseException = KeyboardInterrupt()

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        if self.trained:
            return super().evaluate(architecture, context)
        self.trained.append(architecture)
        context.report(1, {"val_accuracy": 0.5})
        if isinstance(self.error, HandedBack):
            REQUESTED.set()
            context.should_stop()
        raise self.error


def test_ctrl_c_ends_a_run() -> None:
    tracker, study = Recording(), study_of(8)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective(tracker, Interrupting()), n_trials=1)

    assert tracker.states == ["INTERRUPTED"]


def test_a_trial_that_is_handed_back_goes_on_in_its_run(tmp_path: Path) -> None:
    tracker, evaluator = Recording(), Interrupting()
    evaluator.error = HandedBack()
    study = study_of(8, storage=f"sqlite:///{tmp_path / 'study.db'}")
    run = objective(tracker, evaluator)
    try:
        with pytest.raises(HandedBack):
            study.optimize(run, n_trials=1)
    finally:
        REQUESTED.clear()
    study.optimize(run, n_trials=1)

    assert len(study.trials) == 1
    assert tracker.states == ["INTERRUPTED", "COMPLETE"]
    assert [each.trial.run_id for each in tracker.runs] == [None, "run 0"]


def test_another_tracker_takes_no_run_of_the_first() -> None:
    study = study_of(8)
    tracker = Recording(name="another")
    study.enqueue_trial({}, user_attrs={"tracking_run": "recording:run 0"})
    study.optimize(objective(tracker), n_trials=2)

    assert [run.trial.run_id for run in tracker.runs] == [None, None]


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["begin", "log", "end"])
def test_a_tracker_that_fails_loses_no_training(at: str) -> None:
    tracker, study = Recording(at), study_of(8, 16)
    with pytest.warns(FallbackWarning, match="the tracker recording failed") as caught:
        study.optimize(objective(tracker), n_trials=2)

    assert len(caught) == 2
    plain = study_of(8, 16)
    plain.optimize(objective(None), n_trials=2)
    assert [trial.values for trial in study.trials] == [trial.values for trial in plain.trials]
    assert {t.user_attrs["no_tracking"] for t in study.trials} == {"ConnectionError: no route"}
    (told,) = study.user_attrs["fallbacks"]
    assert "ConnectionError: no route" in told


@pytest.mark.parametrize("at", ["begin", "log", "end"])
def test_strict_makes_it_an_error(at: str, tmp_path: Path) -> None:
    engine = AutoMLEngine(
        search_strategy="random", output_dir=tmp_path, tracking=Recording(at), strict=True
    )
    with pytest.raises(StudyError, match=r"the tracker recording failed.*no route"):
        engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=2)


def test_a_tracker_that_can_t_begin_ends_the_search_before_it_does(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()
    engine = AutoMLEngine(output_dir=tmp_path, tracking=Recording("prepare"))
    with pytest.raises(TrackingError, match=r"recording can't begin: ConnectionError: no route"):
        engine.search(small_space(), evaluator=evaluator, max_trials=2)

    assert evaluator.trained == []


def test_an_interruption_is_not_hidden_by_a_tracker_that_fails() -> None:
    study = study_of(8)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective(Recording("end"), Interrupting()), n_trials=1)

    assert "no route" in study.user_attrs["fallbacks"][0]


# --- a function, and the engine ------------------------------------------------------------------


def test_a_function_is_called_after_each_training(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    engine = AutoMLEngine(
        search_strategy="random",
        output_dir=tmp_path,
        tracking=lambda trial, curve, end: seen.append((trial.number, len(curve), end.state)),
    )
    engine.search(
        small_space(), evaluator=CurveEvaluator(), max_trials=2, max_epochs_per_trial=EPOCHS
    )

    assert [row[1] for row in seen if row[2] == "COMPLETE"][:1] == [EPOCHS]
    assert len(seen) == 2


def test_a_study_does_not_keep_where_it_is_tracked(tmp_path: Path) -> None:
    options = {"folder": str(tmp_path / "SECRET")}
    engine = AutoMLEngine(output_dir=tmp_path, tracking="tensorboard", tracking_options=options)
    engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=1)

    with sqlite3.connect(tmp_path / "study.db") as database:
        text = "\n".join(database.iterdump())
    assert "SECRET" not in text
    assert "tensorboard" not in text


# --- the callback --------------------------------------------------------------------------------


def test_the_callback_takes_any_study() -> None:
    def run(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(1, 4):
            trial.report(x / step, step)
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise RuntimeError
        return x

    tracker, study = Recording(), optuna.create_study()
    study.optimize(run, 3, callbacks=[TrackingCallback(tracker)], catch=(RuntimeError,))

    assert tracker.states == ["COMPLETE", "PRUNED", "FAIL"]
    for told, trial in zip(tracker.runs, study.trials, strict=True):
        assert told.trial.params == trial.params
        assert told.rows == [(s, {"value": v}) for s, v in trial.intermediate_values.items()]
        assert told.ended is not None
        assert told.ended.values == ({"value": trial.value} if trial.value is not None else {})


def test_the_callback_names_the_values_of_several_objectives() -> None:
    tracker, study = Recording(), optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(lambda trial: (1.0, 2.0), 1, callbacks=[TrackingCallback(tracker)])
    study.set_metric_names(["loss", "macs"])
    study.optimize(lambda trial: (1.0, 2.0), 1, callbacks=[TrackingCallback(tracker)])

    assert [run.ended and run.ended.values for run in tracker.runs] == [
        {"value_0": 1.0, "value_1": 2.0},
        {"loss": 1.0, "macs": 2.0},
    ]


def test_the_callback_takes_curve_and_source_from_the_artifacts(tmp_path: Path) -> None:
    tracker = Recording()
    study = study_of(8, 8, storage=f"sqlite:///{tmp_path / 'study.db'}")
    study.optimize(objective(None), 2, callbacks=[TrackingCallback(tracker)])

    (run,) = tracker.runs
    assert [epoch for epoch, _ in run.rows] == [1, 2, 3]
    assert run.rows[0][1] == {"val_accuracy": pytest.approx(0.081)}
    assert run.ended is not None
    assert set(run.ended.files) == {"curve.json", "model.py"}


@pytest.mark.parametrize("strict", [False, True], ids=["warned", "strict"])
def test_the_callback_may_fail(strict: bool) -> None:
    study = optuna.create_study()
    callback = TrackingCallback(Recording("end"), strict=strict)
    if strict:
        with pytest.raises(FallbackWarning, match="no route"):
            study.optimize(lambda trial: 1.0, 2, callbacks=[callback])
        return
    with pytest.warns(FallbackWarning, match="no route"):
        study.optimize(lambda trial: 1.0, 2, callbacks=[callback])

    assert len(study.trials) == 2
    assert "no route" in study.user_attrs["fallbacks"][0]


# --- the command line ----------------------------------------------------------------------------


def test_a_search_and_a_worker_track_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL, encoding="utf-8")
    ran = cli(
        *("search", "small.neural", "--data", "digits", "--trials", "2", "--epochs", "1"),
        *("--track", "tensorboard", "--track-option", "folder=events"),
        cwd=tmp_path,
    )

    assert ran.returncode == 0, ran.stderr
    found = {path.parent.name for path in (tmp_path / "events" / "Small").rglob("events.*")}
    assert len(found) >= 2
    joined = cli(
        *("worker", "--storage", "results/study.db", "--track", "tensorboard"),
        cwd=tmp_path,
    )
    assert joined.returncode == 0, joined.stderr


@pytest.mark.parametrize("command", ["search", "worker"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--track", "tensorbord"], "did you mean tensorboard"),
        (["--track", "tensorboard", "--track-option", "dir=x"], "it has folder"),
        (["--track", "wandb", "--track-option", "mode"], "--track-option must be NAME=VALUE"),
        (["--track-option", "folder=x"], "need its name"),
    ],
    ids=["name", "option", "form", "no name"],
)
def test_wrong_options_are_said(
    command: str, options: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "small.neural").write_text(SMALL, encoding="utf-8")
    before = {
        "search": ["search", "small.neural", "--data", "digits"],
        "worker": ["worker", "--storage", "none.db"],
    }[command]
    ran = cli(*before, *options, cwd=tmp_path)

    assert ran.returncode == 2
    assert message in " ".join(ran.stderr.replace("│", " ").split())
