"""optuna-dashboard serves our studies: asked through its own HTTP interface."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from neural_automl.engine import AutoMLEngine
from tests.search.fakes import CurveEvaluator, small_space

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopAll(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("served")
    engine = AutoMLEngine(output_dir=folder, search_strategy="random", study_name="small")
    engine.search(small_space(constraints={"params": 60}), evaluator=CurveEvaluator(), max_trials=4)
    engine = AutoMLEngine(
        output_dir=folder, search_strategy="random", study_name="stopped", early_stopping=StopAll()
    )
    engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=2)
    port = _free_port()
    command = [
        str(Path(sys.executable).with_name("optuna-dashboard")),
        *("--port", str(port), "--host", "127.0.0.1"),
        f"sqlite:///{folder}/study.db",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/api/studies")
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            _get(url)
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _study(served: str, name: str = "small") -> Any:
    summaries = _get(f"{served}/studies")["study_summaries"]
    (summary,) = [each for each in summaries if each["study_name"] == name]
    return _get(f"{served}/studies/{summary['study_id']}")


def test_attributes_are_columns(served: str) -> None:
    study = _study(served)

    columns = {column["key"] for column in study["union_user_attrs"]}

    wanted = "architecture_key params macs peak_memory_bytes depth epochs val_accuracy seed device"
    assert set(wanted.split()) <= columns
    sortable = {column["key"] for column in study["union_user_attrs"] if column["sortable"]}
    assert {"params", "macs", "peak_memory_bytes", "epochs"} <= sortable


def test_trials_and_their_curves_are_served(served: str) -> None:
    trials = _study(served)["trials"]

    def says(trial: Any, key: str) -> bool:
        return any(attribute["key"] == key for attribute in trial["user_attrs"])

    complete = [
        trial for trial in trials if trial["state"] == "Complete" and not says(trial, "cached_from")
    ]
    infeasible = [trial for trial in trials if says(trial, "infeasible")]

    assert complete
    assert all(trial["intermediate_values"] for trial in complete)
    assert all(trial["state"] == "Pruned" for trial in infeasible)
    assert len(complete) + len(infeasible) <= len(trials)


def test_values_steps_and_reasons_of_stopped_trials_are_served(served: str) -> None:
    trials = _study(served, "stopped")["trials"]

    assert len(trials) == 2
    for trial in trials:
        attributes = {each["key"]: each["value"] for each in trial["user_attrs"]}
        assert trial["state"] == "Pruned"
        (reported,) = trial["intermediate_values"]
        assert reported["step"] == 1
        assert reported["value"] == float(attributes["val_accuracy"])
        assert attributes["stopped"].strip('"') == "by StopAll, after epoch 1"
        assert attributes["epochs"] == "1"
        assert "training" in attributes["seconds"]


def test_the_best_trial_is_a_feasible_one(served: str) -> None:
    study = _study(served)

    best = {trial["number"] for trial in study["best_trials"]}
    complete = {trial["number"] for trial in study["trials"] if trial["state"] == "Complete"}

    assert best
    assert best <= complete
