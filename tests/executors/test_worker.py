"""The command `worker`: it joins what others began, with nothing but the study and the data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import StudyError
from neural_automl.registry import is_trained
from neural_automl.studies import load_study
from neural_automl.workers._settings import read_settings
from tests.executors.searches import SlowEvaluator, check_complete, pids, wide_space
from tests.executors.steps import StepEvaluator, check_log, read_log
from tests.test_cli import SMALL, Ran, cli

MODULE = """\
import pathlib
from tests.executors.searches import SlowEvaluator

def make():
    return SlowEvaluator(pathlib.Path({folder!r}), 0.2)

ready = SlowEvaluator(pathlib.Path({folder!r}), 0.0)
number = 7
"""


def begin(folder: Path, *options: str) -> Ran:
    (folder / "small.neural").write_text(SMALL)
    arguments = ("search", "small.neural", "--data", "digits", "--trials", "2", *options)
    return cli(*arguments, cwd=folder)


def give_budget(folder: Path, trials: int) -> optuna.Study:
    study = load_study(folder / "results" / "study.db")
    study.set_user_attr("max_trials", trials)
    return study


def test_it_takes_everything_from_the_study(tmp_path: Path) -> None:
    begin(tmp_path, "--strategy", "random", "--early-stopping", "asha", "--seed", "5")
    study = give_budget(tmp_path, 4)

    ran = cli("worker", "--storage", "results/study.db", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("joined the study Small\ntrial 2: ")
    assert ran.stdout.endswith("left: budget\n")
    check_complete(study, 4)
    assert len({trial.user_attrs["evaluator_fingerprint"] for trial in study.trials}) == 1
    # Weights are where the search keeps its own.
    best = AutoMLEngine().load_checkpoint(tmp_path / "results")
    assert best.weights()


def test_a_spent_budget_is_left_at_once(tmp_path: Path) -> None:
    begin(tmp_path)

    ran = cli("worker", "--storage", "results", cwd=tmp_path)

    assert ran.stdout == "joined the study Small\nleft: budget\n"


def test_the_same_search_in_two_runs_or_by_a_worker(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        begin(folder, "--strategy", "tpe", "--seed", "3", "--epochs", "1")
        study = give_budget(folder, 4)
        if name == "one":
            cli("worker", "--storage", "results", cwd=folder)
        else:
            again = ("--strategy", "tpe", "--seed", "3", "--epochs", "1", "--trials", "4")
            cli("search", "small.neural", "--data", "digits", *again, cwd=folder)
        found.append([(trial.params, trial.value) for trial in study.trials])

    assert found[0] == found[1]


def own_search(folder: Path, trials: int, **options: Any) -> AutoMLEngine:
    settings = {"search_strategy": "random", "early_stopping": "none", **options}
    engine = AutoMLEngine(output_dir=folder / "results", **settings)
    (folder / "my_evaluator.py").write_text(MODULE.format(folder=str(folder)))
    engine.search(
        wide_space(),
        evaluator=SlowEvaluator(folder, 0.2),
        max_trials=trials,
        max_epochs_per_trial=3,
    )
    return engine


@pytest.mark.slow
def test_workers_join_in_mid_search(tmp_path: Path) -> None:
    (tmp_path / "my_evaluator.py").write_text(MODULE.format(folder=str(tmp_path)))
    first = subprocess.Popen(
        [sys.executable, "-c", FIRST, str(tmp_path)], cwd=tmp_path, stderr=subprocess.PIPE
    )
    for _ in range(600):
        if list(tmp_path.glob("*-*-*")):
            break
        time.sleep(0.1)
    own = ("--evaluator", "my_evaluator:make")
    joined = subprocess.run(
        [sys.executable, "-m", "neural_automl", "worker", "--storage", "results", *own],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    errors = first.communicate(timeout=300)[1]

    assert (first.returncode, joined.returncode) == (0, 0), (errors, joined.stderr)
    assert joined.stdout.endswith("left: budget\n")
    check_complete(load_study(tmp_path / "results"), 50)
    assert len(pids(tmp_path)) == 2


FIRST = """\
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from my_evaluator import make
from neural_automl.engine import AutoMLEngine
from tests.executors.searches import wide_space
engine = AutoMLEngine(search_strategy="random", early_stopping="none", output_dir="results")
engine.search(wide_space(), evaluator=make(), max_trials=50, max_epochs_per_trial=3)
"""


STEPS = """\
import pathlib
from tests.executors.steps import StepEvaluator

def make():
    return StepEvaluator(pathlib.Path({log!r}), 0.3)
"""


def start_worker(folder: Path) -> subprocess.Popen[str]:
    own = ("--storage", "results", "--evaluator", "steps_evaluator:make")
    return subprocess.Popen(
        [sys.executable, "-m", "neural_automl", "worker", *own],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_sigterm_hands_the_trial_back_and_another_worker_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "steps_evaluator.py").write_text(STEPS.format(log=str(log)))
    engine = AutoMLEngine(
        search_strategy="random", early_stopping="none", output_dir=tmp_path / "results"
    )
    engine.search(
        wide_space(), evaluator=StepEvaluator(log, 0), max_trials=1, max_epochs_per_trial=8
    )
    study = give_budget(tmp_path, 3)

    def of_worker(process: int) -> list[int]:
        events = [event for events in read_log(log).values() for event in events]
        return [e.epoch for e in events if e.process == process and e.what == "train"]

    first = start_worker(tmp_path)
    while not of_worker(first.pid) and first.poll() is None:  # a slow machine takes a while
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    output, errors = first.communicate(timeout=120)

    assert first.returncode == 130, errors
    assert output.endswith("left: interrupted\n")
    waiting = study.trials[1]
    assert waiting.state.name == "WAITING"
    kept = waiting.user_attrs["checkpoint"]["epoch"]
    assert kept == max(of_worker(first.pid))
    second = start_worker(tmp_path)
    output, errors = second.communicate(timeout=120)
    assert (second.returncode, output.splitlines()[-1]) == (0, "left: budget"), errors
    check_complete(study, 3)
    assert study.trials[1].user_attrs["resumed_at"] == kept
    assert "deaths" not in study.trials[1].user_attrs
    assert check_log(log) == 1


SEARCH = """\
import sys
from steps_evaluator import make
from neural_automl import AutoMLEngine
from tests.executors.searches import wide_space

engine = AutoMLEngine(
    search_strategy="random",
    early_stopping="none",
    executor_type=sys.argv[1],
    max_workers=2,
    output_dir="results",
)
found = engine.search(wide_space(), evaluator=make(), max_trials=6, max_epochs_per_trial=8)
print(found.stop_reason)
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["process", "thread"])
def test_sigterm_of_a_search_hands_back_what_its_workers_train(
    tmp_path: Path, executor: str
) -> None:
    log = tmp_path / "log"
    (tmp_path / "steps_evaluator.py").write_text(STEPS.format(log=str(log)))
    (tmp_path / "search.py").write_text(SEARCH)
    search = subprocess.Popen(
        [sys.executable, "search.py", executor],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(read_log(log)) < 2 and search.poll() is None:
        time.sleep(0.05)
    search.send_signal(signal.SIGTERM)
    output, errors = search.communicate(timeout=120)

    assert (search.returncode, output) == (0, "interrupted\n"), errors
    trials = load_study(tmp_path / "results").trials
    assert {trial.state.name for trial in trials} == {"WAITING"}
    assert len(trials) == 2
    assert all(trial.user_attrs["checkpoint"]["epoch"] >= 1 for trial in trials)
    assert not any("deaths" in trial.user_attrs for trial in trials)


@pytest.mark.parametrize("name", ["make", "ready"])
def test_an_evaluator_of_ones_own(tmp_path: Path, name: str) -> None:
    own_search(tmp_path, 2)
    give_budget(tmp_path, 3)
    sys.modules.pop("my_evaluator", None)

    ran = cli("worker", "--storage", "results", "--evaluator", f"my_evaluator:{name}", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert sum(map(is_trained, load_study(tmp_path / "results").trials)) == 3


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        (None, "does not say where its data comes from; give an evaluator with --evaluator"),
        ("my_evaluator", "--evaluator must be MODULE:NAME"),
        ("my_evaluator:none", "the module my_evaluator has no 'none'"),
        ("my_evaluator:number", "my_evaluator:number is 7 and no evaluator"),
        ("my_evaluator:pathlib.Path", "has no 'pathlib.Path'"),
        ("no_such_module:make", "there is no module"),
    ],
    ids=str,
)
def test_wrong_evaluators(tmp_path: Path, evaluator: str | None, message: str) -> None:
    own_search(tmp_path, 1)
    give_budget(tmp_path, 3)
    sys.modules.pop("my_evaluator", None)
    options = () if evaluator is None else ("--evaluator", evaluator)

    ran = cli("worker", "--storage", "results", *options, cwd=tmp_path)

    assert ran.returncode == 2
    assert message in " ".join(ran.stderr.replace("│", " ").split())


def test_other_data_is_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    give_budget(tmp_path, 4)
    x = np.zeros((60, 8, 8, 1), np.float32)
    np.savez(tmp_path / "zeros.npz", x=x, y=np.arange(60) % 10)

    ran = cli("worker", "--storage", "results", "--data", "zeros.npz", cwd=tmp_path)

    assert ran.returncode == 2
    assert "was begun with other data" in ran.stderr


def test_data_that_was_loaded_in_python_is_found_again(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(80, 4)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=(x.sum(1) > 0).astype(np.int64))
    engine = AutoMLEngine(search_strategy="random", output_dir=tmp_path / "results")
    data = load_data(tmp_path / "own.npz", validation_split=0.3, seed=9)
    engine.search(wide_space(), data, max_trials=1, max_epochs_per_trial=1)
    give_budget(tmp_path, 2)
    (tmp_path / "moved").mkdir()
    (tmp_path / "own.npz").rename(tmp_path / "moved" / "own.npz")

    lost = cli("worker", "--storage", "results", cwd=tmp_path)
    found = cli("worker", "--storage", "results", "--data", "moved/own.npz", cwd=tmp_path)

    assert (lost.returncode, found.returncode) == (2, 0), found.stderr
    assert "own.npz" in lost.stderr


def test_objects_cannot_be_joined(tmp_path: Path) -> None:
    own_search(tmp_path, 1, search_strategy=optuna.samplers.RandomSampler(seed=0))

    ran = cli("worker", "--storage", "results", cwd=tmp_path)

    assert ran.returncode == 2
    assert "search_strategy of the study 'Network' is an object" in ran.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "does not say how it is searched"),
        ([1], "does not say how it is searched"),
        ({"engine": {}, "rungs": 3}, "version 9.9 of neural_automl, whose settings"),
        ({"engine": "tpe"}, "settings of the study 's' can't be read"),
    ],
    ids=str,
)
def test_studies_of_other_versions(settings: Any, message: str) -> None:
    study = optuna.create_study(study_name="s")
    study.set_user_attr("neural_automl_version", "9.9")
    study.set_user_attr("settings", settings)

    with pytest.raises(StudyError, match=message):
        read_settings(study)


def test_settings_that_no_engine_takes(tmp_path: Path) -> None:
    begin(tmp_path)
    study = load_study(tmp_path / "results")
    settings = study.user_attrs["settings"]
    settings["engine"]["search_strategy"] = "oracle"
    study.set_user_attr("settings", settings)

    ran = cli("worker", "--storage", "results", cwd=tmp_path)

    assert ran.returncode == 2
    assert "settings that this version of neural_automl does not know" in ran.stderr


def test_weights_need_a_folder_that_is_there(tmp_path: Path) -> None:
    begin(tmp_path)
    study = give_budget(tmp_path, 3)
    settings = {**study.user_attrs["settings"], "artifacts": str(tmp_path / "elsewhere")}
    study.set_user_attr("settings", settings)

    ran = cli("worker", "--storage", "results", cwd=tmp_path)

    assert "note: weights are not kept" in ran.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_search_with_workers(tmp_path: Path) -> None:
    ran = begin(tmp_path, "--workers", "2", "--executor", "thread")

    assert ran.returncode == 0, ran.stderr
    assert "2 trained" in ran.stdout


@pytest.mark.slow
def test_search_with_worker_processes(tmp_path: Path) -> None:
    ran = begin(tmp_path, "--workers", "2")

    assert ran.returncode == 0, ran.stderr
    assert "2 trained" in ran.stdout


def test_wrong_workers_are_a_message(tmp_path: Path) -> None:
    ran = begin(tmp_path, "--workers", "2", "--executor", "sequential")

    assert ran.returncode == 2
    assert "sequential executor has one worker" in ran.stderr
