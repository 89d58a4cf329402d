"""Storages and studies: odd names, passwords, other programs, several processes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import EvaluationError, StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import architecture_of, space_of, summarise
from neural_automl.studies import load_study, masked, open_storage, sqlite_path, storage_url
from tests.search.fakes import CurveEvaluator, small_space


def search(folder: Path, evaluator: Any = None, trials: int = 2, **options: Any) -> Any:
    settings = {"search_strategy": "random", "early_stopping": "none", **options}
    engine = AutoMLEngine(output_dir=folder, **settings)
    return engine.search(small_space(), evaluator=evaluator or CurveEvaluator(), max_trials=trials)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "ünï", "what?now", "a#b", "100%20", "[x]"], ids=str
)
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    result = search(tmp_path / name)

    assert (tmp_path / name / "study.db").is_file()
    assert sqlite_path(result.storage) == tmp_path / name / "study.db"
    assert len(load_study(result.storage).trials) == 2
    assert len(load_study(tmp_path / name / "study.db").trials) == 2


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret@host/db",
        "postgresql://host/db?user=u&password=s3cret",
        "postgresql+psycopg://u:s3/cret@host:abc/db",
        "mysql://u:s3cret@host",
    ],
)
def test_passwords_are_masked(url: str) -> None:
    assert "cret" not in masked(url)


def test_a_password_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as raised:
        open_storage("mysqll://u:s3cret@host/db")

    assert "s3cret" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("not a database at all, but long enough to look like one" * 100)

    with pytest.raises(StudyError, match="file is not a database"):
        open_storage(file)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StudyError, match="can't be made"):
        open_storage(tmp_path / "file" / "study.db")


def test_processes_that_open_a_new_database_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, time\n"
        "from neural_automl.studies import open_storage\n"
        "go = pathlib.Path(sys.argv[1], 'go')\n"
        "while not go.exists(): time.sleep(0.001)\n"
        "open_storage(pathlib.Path(sys.argv[1], 'study.db'))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    (tmp_path / "go").touch()

    errors = [process.communicate(timeout=120)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, errors


def foreign_study(folder: Path) -> None:
    study = optuna.create_study(
        storage=open_storage(folder / "study.db"), study_name="Network", direction="maximize"
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)


def test_a_study_of_another_program_is_not_taken_over(tmp_path: Path) -> None:
    foreign_study(tmp_path)

    with pytest.raises(StudyError, match="holds trials of another program"):
        search(tmp_path)

    assert load_study(tmp_path / "study.db").user_attrs == {}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (None, "holds no space"),
        (7, "holds no space"),
        ("/etc/hostname", "holds no space"),
        ("network {", "can't be read"),
    ],
    ids=["none", "number", "path", "broken"],
)
def test_a_study_whose_space_is_missing_or_hostile(space: Any, message: str) -> None:
    study = optuna.create_study()
    if space is not None:
        study.set_user_attr("space", space)

    with pytest.raises(StudyError, match=message):
        space_of(study)


def test_a_trial_of_another_space() -> None:
    trial = optuna.trial.create_trial(
        params={"x": 1.0},
        distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
        value=1.0,
    )

    with pytest.raises(StudyError, match="is not one of the space Network"):
        architecture_of(small_space(), trial)


def test_attributes_of_another_program_do_not_break_a_summary() -> None:
    study = optuna.create_study()
    study.add_trial(
        optuna.trial.create_trial(value=1.0, user_attrs={"epochs": "many", "train_seconds": None})
    )

    assert summarise(study).epochs_trained == 0


def test_each_new_study_is_announced_to_though_identities_recur() -> None:
    objective = ArchitectureObjective(
        small_space(), CurveEvaluator(), epochs=1, artifact_store=None
    )

    def has_space() -> bool:
        study = optuna.create_study(direction="maximize")
        study.optimize(objective, n_trials=1)
        return "space" in study.user_attrs

    assert all(has_space() for _ in range(30))


class Returning:
    """Returns what it is given, or raises it."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def evaluate(self, architecture: Architecture, context: EvaluationContext) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return {"val_accuracy": self.outcome}


def run_one(outcome: Any) -> FrozenTrial:
    study = optuna.create_study(direction="maximize")
    objective = ArchitectureObjective(
        small_space(), Returning(outcome), epochs=1, artifact_store=None
    )
    study.optimize(objective, n_trials=1)
    trial: FrozenTrial = study.trials[0]
    return trial


@pytest.mark.parametrize("outcome", [float("nan"), float("inf")], ids=str)
def test_a_metric_that_is_no_number_is_a_divergence(outcome: float) -> None:
    trial = run_one(outcome)

    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {"divergence": 1.0}
    assert f"val_accuracy became {outcome}" in trial.user_attrs["infeasible"]


def test_scalars_of_numpy_become_numbers() -> None:
    trial = run_one(np.float32(0.5))

    assert type(trial.user_attrs["val_accuracy"]) is float


def test_what_cannot_be_trained_is_infeasible() -> None:
    trial = run_one(EvaluationError("nothing to train"))

    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {"training": 1.0}


def test_a_network_without_parameters_is_infeasible() -> None:
    parts = load_data("digits")
    x, y = parts.train[0].reshape(-1, 64)[:, :10], parts.train[1]
    nothing = ArchitectureSpace((10,), ["ReLU"])
    study = optuna.create_study(direction="maximize")

    evaluator = ArchitectureEvaluator((x, y), device="cpu")
    study.optimize(
        ArchitectureObjective(nothing, evaluator, epochs=1, artifact_store=None), n_trials=1
    )

    assert study.trials[0].state == TrialState.PRUNED
    assert "no trainable parameter" in study.trials[0].user_attrs["infeasible"]


def test_failures_apart_from_each_other_do_not_end_a_search(tmp_path: Path) -> None:
    class Flaky(CurveEvaluator):
        calls = 0

        def evaluate(self, architecture: Architecture, context: EvaluationContext) -> Any:
            self.calls += 1
            if self.calls % 3:
                raise RuntimeError("flaky")
            return super().evaluate(architecture, context)

    result = search(tmp_path, Flaky(), trials=2)

    assert result.stop_reason == "budget"
    assert summarise(result.study).trials == {"complete": 2, "fail": 4}


def test_the_best_epochs_weights_belong_to_the_best_epochs_value(tmp_path: Path) -> None:
    space = ArchitectureSpace(
        (8, 8, 1),
        ["Flatten", Layer("Dense", Choice(16), "relu"), Layer("Dense", 10)],
        {"optimizer": {"type": "SGD", "params": {"learning_rate": 2.0}}},
    )
    splits = load_data("digits")
    for metric in ("val_accuracy", "val_loss"):
        engine = AutoMLEngine(
            output_dir=tmp_path / metric, value="best", metrics=metric, search_strategy="random"
        )
        result = engine.search(space, splits, max_trials=1, max_epochs_per_trial=6)
        model = result.best_architecture.build("pytorch").eval()
        model.load_state_dict(result.weights())

        x, y = map(torch.from_numpy, splits.validation)
        with torch.no_grad():
            logits = model(x.permute(0, 3, 1, 2))
        measured = {
            "val_accuracy": (logits.argmax(1) == y).float().mean().item(),
            "val_loss": torch.nn.functional.cross_entropy(logits, y).item(),
        }
        assert result.best_trial.value == pytest.approx(measured[metric], rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_usual_metric_follows_the_loss(tmp_path: Path, loss: str) -> None:
    outputs = 1 if loss == "mse" else 10
    space = ArchitectureSpace((8, 8, 1), ["Flatten", Layer("Dense", outputs)], {"loss": loss})
    splits = load_data("digits")

    result = AutoMLEngine(output_dir=tmp_path).search(
        space, splits, max_trials=1, max_epochs_per_trial=1
    )

    expected = {"mse": "val_mse", "cross_entropy": "val_accuracy"}[loss]
    assert result.study.user_attrs["metrics"] == expected


def test_a_path_and_its_url_are_one_storage(tmp_path: Path) -> None:
    url = storage_url(tmp_path / "study.db")

    assert storage_url(url) == url
    assert sqlite_path(url) == tmp_path / "study.db"
