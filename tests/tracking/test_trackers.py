"""What each tracker wrote, as its own reader finds it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, replace
from importlib import import_module, reload
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl import AutoMLEngine
from neural_automl.objective import ArchitectureObjective
from neural_automl.tracking import (
    TRACKER_NAMES,
    TrackedEnd,
    TrackedRun,
    TrackedTrial,
    Tracker,
    create_tracker,
)
from neural_automl.tracking._mlflow import mlflow_name
from tests.search.fakes import CurveEvaluator, small_space, width_of
from tests.tracking.readers import options, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

pytestmark = [
    # MLflow asks SQLAlchemy for what that calls outdated.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
EPOCHS = 3
STATES = {
    "mlflow": {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"},
    "wandb": {"COMPLETE": "0", "PRUNED": "0", "FAIL": "1"},
    "tensorboard": {"COMPLETE": "", "PRUNED": "", "FAIL": ""},
}
#: Brackets are not for MLflow.
WIDTH = {"mlflow": "layers.0.Dense.units"}


@pytest.fixture(autouse=True)
def _files_of_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_MODE", raising=False)


@pytest.fixture(scope="session")
def tables_of_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, which takes MLflow some seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    create_tracker("mlflow", **options("mlflow", folder)).prepare("None")
    return folder / "mlflow.db"


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where a tracker finds what it needs."""
    if "tensorboard" not in request.node.name and "wandb" not in request.node.name:
        shutil.copy(request.getfixturevalue("tables_of_mlflow"), tmp_path / "mlflow.db")
    return tmp_path


class Failing(CurveEvaluator):
    """Fails at a width, after an epoch."""

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        if width_of(architecture) != 32:
            return super().evaluate(architecture, context)
        context.report(1, {"val_accuracy": 0.1})
        raise RuntimeError("no luck")


class AfterTwo(optuna.pruners.BasePruner):
    """Prunes the narrowest after two epochs."""

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.params["layers[0].Dense.units"] == 4 and trial.last_step == 2


def tracked_search(tracker: Tracker, folder: Path) -> optuna.Study:
    """Return a study of a pruned, two complete and a failed trial, and one that is answered."""
    study = optuna.create_study(
        direction="maximize",
        pruner=AfterTwo(),
        study_name="Four",
        storage=f"sqlite:///{folder / 'study.db'}",
    )
    for width in (4, 8, 16, 32, 8):
        study.enqueue_trial({"layers[0].Dense.units": width, "layers[1].maybe": False})
    objective = ArchitectureObjective(small_space(), Failing(), epochs=EPOCHS, tracking=tracker)
    study.optimize(objective, n_trials=5, catch=(RuntimeError,))
    return study


@pytest.mark.parametrize("name", TRACKER_NAMES)
def test_each_training_is_a_run(name: str, place: Path) -> None:
    tracker = create_tracker(name, **options(name, place))
    tracker.prepare("Four")

    study = tracked_search(tracker, place)

    runs = read(name, place, "Four")
    assert [run.state for run in runs] == ["PRUNED", "COMPLETE", "COMPLETE", "FAIL"]
    assert [run.status for run in runs] == [STATES[name][run.state] for run in runs]
    assert study.trials[4].user_attrs["cached_from"] == 1
    for run, trial in zip(runs, study.trials, strict=False):
        known = trial.user_attrs
        assert run.tags["architecture_key"] == known["architecture_key"]
        assert (run.tags["trial"], run.tags["study"]) == (str(trial.number), "Four")
        assert run.params[WIDTH.get(name, "layers[0].Dense.units")] == str(
            trial.params["layers[0].Dense.units"]
        )
        rows = dict(row for row in run.curves["val_accuracy"] if row[0])
        assert rows == pytest.approx(trial.intermediate_values, rel=1e-6)
        assert {cost: run.results[cost] for cost in ("params", "macs", "depth")} == {
            cost: float(known[cost]) for cost in ("params", "macs", "depth")
        }
        assert [row["epoch"] for row in json.loads(run.files["curve.json"])] == [
            *curve_steps(trial)
        ]
        assert "class" in run.files["model.py"]
    assert "no_tracking" not in study.trials[0].user_attrs
    assert "fallbacks" not in study.user_attrs


def curve_steps(trial: optuna.trial.FrozenTrial) -> list[int]:
    return sorted(trial.intermediate_values)


@pytest.mark.parametrize("name", TRACKER_NAMES)
def test_an_attempt_after_another_goes_on_in_its_run(name: str, place: Path) -> None:
    tracker = create_tracker(name, **options(name, place))
    trial = TrackedTrial("Two", 7, {"a": 1}, {"macs": 5.0}, {"trial": "7", "study": "Two"})

    first = tracker.begin(trial)
    first.log(1, {"loss": 2.0})
    first.end(TrackedEnd("INTERRUPTED"))
    if name == "wandb":  # the second names the folder
        time.sleep(1.1)
    second = tracker.begin(replace(trial, run_id=first.id or None))
    second.log(2, {"loss": 1.0})
    second.end(TrackedEnd("COMPLETE", values={"loss": 1.0}))

    assert second.id == first.id
    runs = read(name, place, "Two")
    steps = [row for run in runs for row in run.curves["loss"] if row[0]]
    assert sorted(steps) == [(1, 2.0), (2, 1.0)]
    assert runs[-1].state == "COMPLETE"
    # Offline, wandb keeps a file for each attempt, under one id.
    assert len(runs) == (2 if name == "wandb" else 1)


@dataclass(frozen=True)
class Several(Tracker):
    """Tells several trackers."""

    trackers: tuple[Tracker, ...]
    name: str = "several"

    def prepare(self, study: str) -> None:
        for tracker in self.trackers:
            tracker.prepare(study)

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        return SeveralRuns([tracker.begin(trial) for tracker in self.trackers])


class SeveralRuns(TrackedRun):
    def __init__(self, runs: list[TrackedRun]) -> None:
        self._runs = runs

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for run in self._runs:
            run.log(epoch, metrics)

    def end(self, end: TrackedEnd) -> None:
        for run in self._runs:
            run.end(end)


@pytest.mark.slow
def test_workers_in_other_processes_and_directories_write_runs(place: Path) -> None:
    trackers = tuple(create_tracker(name, **options(name, place)) for name in TRACKER_NAMES)
    engine = AutoMLEngine(
        search_strategy="random",
        executor_type="process",
        max_workers=2,
        output_dir=place / "out",
        study_name="Many",
        tracking=Several(trackers),
        strict=True,
    )

    result = engine.search(
        small_space(), evaluator=CurveEvaluator(), max_trials=6, max_epochs_per_trial=EPOCHS
    )

    trained = {t.number for t in result.study.trials if "max_epochs" in t.user_attrs}
    workers = {t.user_attrs["worker"] for t in result.study.trials if t.number in trained}
    assert len(workers) == 2
    for name in TRACKER_NAMES:
        runs = read(name, place, "Many")
        assert {int(run.tags["trial"]) for run in runs} == trained
        assert {run.tags["worker"] for run in runs} == workers
        assert {len([r for r in run.curves["val_accuracy"] if r[0]]) for run in runs} == {EPOCHS}


@pytest.mark.parametrize("name", TRACKER_NAMES)
def test_trackers_travel(name: str, tmp_path: Path) -> None:
    tracker = create_tracker(name, **options(name, tmp_path))

    assert cloudpickle.loads(cloudpickle.dumps(tracker)) == tracker


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRACKER_NAMES)
def test_a_missing_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"neural_automl.tracking._{name}")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, None)
        for loaded in [each for each in sys.modules if each.startswith("torch.utils.tensorboard")]:
            patch.delitem(sys.modules, loaded)
        reload(module)
        with pytest.raises(ImportError, match=r'pip install "neural-automl\[tracking\]"'):
            AutoMLEngine(tracking=name)
    reload(module)


@pytest.mark.parametrize(
    ("tracking", "given", "error", "message"),
    [
        pytest.param("mlfow", {}, ValueError, "did you mean mlflow", id="slip"),
        pytest.param("tensorboard", {"dir": "x"}, TypeError, "it has folder", id="option"),
        pytest.param("wandb", {"mode": "fast"}, ValueError, "online, offline, disabled", id="mode"),
        pytest.param(
            print, {"x": 1}, TypeError, "of a tracker by name", id="options of a function"
        ),
        pytest.param(3, {}, TypeError, "but got int", id="number"),
        pytest.param(None, {"folder": "x"}, TypeError, "need its name but got folder", id="none"),
    ],
)
def test_wrong_settings_are_said(
    tracking: Any, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        AutoMLEngine(tracking=tracking, tracking_options=given)


@pytest.mark.parametrize(
    ("environment", "given", "mode"),
    [
        pytest.param(None, {}, "offline", id="nothing leaves the machine"),
        pytest.param("disabled", {}, "disabled", id="environment"),
        pytest.param("disabled", {"mode": "online"}, "online", id="option"),
    ],
)
def test_wandb_is_offline_unless_asked(
    environment: str | None, given: dict[str, Any], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment is not None:
        monkeypatch.setenv("WANDB_MODE", environment)
    tracker: Any = create_tracker("wandb", **given)

    assert tracker.mode == mode


def test_mlflow_tells_its_makers_nothing() -> None:
    create_tracker("mlflow")
    telemetry = import_module("mlflow.telemetry.utils")
    environment = import_module("mlflow.environment_variables")

    assert environment.MLFLOW_DISABLE_TELEMETRY.get()
    assert telemetry.is_telemetry_disabled()


def test_mlflow_follows_what_is_set_and_means_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own.db")
    tracker: Any = create_tracker("mlflow")

    assert tracker.tracking_uri == f"sqlite:///{tmp_path / 'own.db'}"


@pytest.mark.parametrize("study", ["../../up", "..", "a/b", "/abs", "<b>&"], ids=str)
def test_a_study_s_name_leads_no_folder_elsewhere(study: str, tmp_path: Path) -> None:
    tracker = create_tracker("tensorboard", folder=tmp_path / "in" / "events")

    tracker.begin(TrackedTrial(study, 0)).end(TrackedEnd("COMPLETE"))

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 1
    assert {path.parents[2] for path in files} == {tmp_path / "in" / "events"}


@given(st.text(min_size=1, max_size=50))
def test_mlflow_takes_any_name(name: str) -> None:
    check = import_module("mlflow.utils.validation")._validate_param_name

    check(mlflow_name(name))


@given(st.text(alphabet="ab_-: ", min_size=1))
def test_a_name_that_mlflow_takes_stays(name: str) -> None:
    assert mlflow_name(name) == name
