"""Disks without room and folders that take nothing: a clear error, and what was trained stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore

from neural_automl.artifacts import NO_ARTIFACTS
from neural_automl.checkpoints import NO_CHECKPOINT
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import FallbackWarning, StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import is_trained
from neural_automl.studies import load_study
from tests.executors.searches import wide_space
from tests.search.fakes import CurveEvaluator
from tests.test_cli import SMALL, cli
from tests.workers.test_resumption import digits_space


class FullStore(FileSystemArtifactStore):
    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_training_outlives_a_disk_without_room(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    objective = ArchitectureObjective(
        digits_space(),
        ArchitectureEvaluator(load_data("digits"), device="cpu"),
        epochs=2,
        artifact_store=FullStore(tmp_path),
    )
    with pytest.warns(FallbackWarning) as warned:
        study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state.name == "COMPLETE"
    assert len(trial.intermediate_values) == 2
    assert "No space left" in trial.user_attrs[NO_CHECKPOINT]
    assert "No space left" in trial.user_attrs[NO_ARTIFACTS]
    told = [str(warning.message).partition(":")[0::2] for warning in warned]
    assert [number for number, _ in told] == ["trial 0", "trial 0"]


LIMITED = """\
import resource, sys, pathlib
from neural_automl.engine import AutoMLEngine
from tests.executors.searches import wide_space
from tests.search.fakes import CurveEvaluator
import neural_automl.objective, neural_automl.exceptions
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
engine = AutoMLEngine(search_strategy="random", early_stopping="none", output_dir=sys.argv[1])
engine.search(wide_space(), evaluator=CurveEvaluator(), max_trials=40, max_epochs_per_trial=2)
"""


def test_a_database_that_may_not_grow_is_an_error_and_keeps_what_it_has(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(700_000)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "StudyError: the storage" in done.stderr.splitlines()[-1]
    assert "can't be used: " in done.stderr
    before = load_study(tmp_path).trials
    trained = [trial for trial in before if is_trained(trial)]
    assert 0 < len(trained) < 40

    engine = AutoMLEngine(search_strategy="random", early_stopping="none", output_dir=tmp_path)
    result = engine.search(
        wide_space(), evaluator=CurveEvaluator(), max_trials=40, max_epochs_per_trial=2
    )

    # The trial that was under way may be RUNNING still, until its lease is old.
    assert sum(map(is_trained, result.study.trials)) == 40
    after = {trial.number: trial.value for trial in result.study.trials}
    assert all(after[trial.number] == trial.value for trial in trained)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_dir": "/proc/none"}, "the folder /proc/none can't be made"),
        ({"storage": "sqlite:////proc/study.db"}, "can't be used: unable to open database file"),
        ({"storage": "journal:////proc/study.log"}, "can't be used"),
    ],
    ids=["folder", "database", "journal"],
)
def test_folders_that_take_nothing(options: dict[str, str], message: str) -> None:
    engine = AutoMLEngine(search_strategy="random", **options)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match=message):
        engine.search(wide_space(), evaluator=CurveEvaluator(), max_trials=1)


def test_a_database_that_may_only_be_read(tmp_path: Path) -> None:
    engine = AutoMLEngine(search_strategy="random", output_dir=tmp_path)
    engine.search(wide_space(), evaluator=CurveEvaluator(), max_trials=1)
    only_read = AutoMLEngine(
        search_strategy="random", storage=f"sqlite:///file:{tmp_path}/study.db?mode=ro&uri=true"
    )
    with pytest.raises(StudyError, match="attempt to write a readonly database"):
        only_read.search(wide_space(), evaluator=CurveEvaluator(), max_trials=2)
    assert len(load_study(tmp_path).trials) == 1


def test_a_worker_whose_folder_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL)
    cli("search", "small.neural", "--data", "digits", "--trials", "1", cwd=tmp_path)
    study = load_study(tmp_path / "results")
    study.set_user_attr("max_trials", 2)

    ran = cli("worker", "--storage", "results", "--artifacts", "/proc/none", cwd=tmp_path)

    assert ran.returncode == 2
    assert "the folder /proc/none for artifacts can't be made" in ran.stderr
    assert len(study.trials) == 1
