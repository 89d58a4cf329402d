"""The commands `report` and `dashboard`, and what a search leaves for both."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna_dashboard import get_note

from neural_automl.cli import main
from neural_automl.commands import _show as commands
from neural_automl.engine import AutoMLEngine, SearchResult
from neural_automl.exceptions import NeuralAutoMLError, StudyError
from neural_automl.report import publish
from neural_automl.studies import artifact_directory, load_study, open_storage
from tests.report.studies import Page, full_study
from tests.search.fakes import CurveEvaluator, small_space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="module")
def result(folder: Path) -> SearchResult:
    engine = AutoMLEngine(output_dir=folder, search_strategy="random", study_name="small")
    return engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=4)


@pytest.fixture(scope="module")
def served(folder: Path, result: SearchResult) -> Iterator[str]:
    server = commands.make_dashboard(str(folder), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _get(url: str, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.load(answer)


# --- report ----------------------------------------------------------------------------------


def test_report(folder: Path, result: SearchResult, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder / "sub" / "report.html"

    with pytest.raises(SystemExit) as ended:
        main(["report", "--storage", str(folder), "-o", str(target)])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert "4 networks of the space" in Page(target.read_text(encoding="utf-8")).text


def test_a_result_reports_itself(tmp_path: Path, result: SearchResult) -> None:
    assert result.report(tmp_path / "a.html") == tmp_path / "a.html"
    assert "Search small" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written(
    tmp_path: Path, folder: Path, result: SearchResult, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SystemExit) as ended:
        main(["report", "--storage", str(folder), "-o", str(tmp_path / "file" / "a.html")])

    assert ended.value.code == 2
    assert "file" in capsys.readouterr().err


def test_a_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "--storage", str(tmp_path / "no.db")])

    assert ended.value.code == 2
    assert "there is no database" in capsys.readouterr().err


# --- what a search leaves --------------------------------------------------------------------


def test_a_search_leaves_a_note(result: SearchResult) -> None:
    note = get_note(result.study)

    assert note.startswith("## What neural_automl found")
    assert "4 networks of the space" in note


def test_a_note_of_the_users_own_stays(tmp_path: Path) -> None:
    from optuna_dashboard import save_note

    study = full_study(open_storage(tmp_path / "study.db"))
    publish(study)
    assert get_note(study).startswith("## What neural_automl found")

    save_note(study, "mine")
    publish(study)

    assert get_note(study) == "mine"


def test_nothing_is_published_where_nobody_looks() -> None:
    study = full_study()

    publish(study)

    assert study._storage.get_study_system_attrs(study._study_id) == {}


def test_what_did_not_change_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = full_study(open_storage(tmp_path / "study.db"))
    publish(study)
    written: list[str] = []
    monkeypatch.setattr(
        study._storage, "set_study_system_attr", lambda _, key, value: written.append(key)
    )

    publish(study)

    assert written == ["dashboard:note_ver"]


def test_a_study_of_another_program_is_not_published(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(tmp_path / "study.db"))

    with pytest.raises(StudyError, match="holds no space"):
        publish(study)


# --- dashboard -------------------------------------------------------------------------------


def test_notes_and_figures_are_served(served: str) -> None:
    study = _get(f"{served}/api/studies/1")

    assert study["note"]["body"].startswith("## What neural_automl found")
    assert all(trial["note"]["body"] for trial in study["trials"])
    assert {"best-network", "results-and-sizes"} <= {
        graph["id"] for graph in study["plotly_graph_objects"]
    }
    assert study["objective_names"] == ["val_accuracy"]


def test_artifacts_are_served(served: str, result: SearchResult) -> None:
    number = result.best_trial.number
    trial = _get(f"{served}/api/studies/1")["trials"][number]
    files = {artifact["filename"]: artifact["artifact_id"] for artifact in trial["artifacts"]}

    assert _get(f"{served}/api/meta")["artifact_is_available"]
    assert {"model.py", "curve.json"} <= set(files)
    url = f"{served}/artifacts/1/{trial['trial_id']}/{files['model.py']}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"class " in answer.read()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("127.0.0.1:1", True), ("localhost", True), ("evil.example:8080", False), ("", False)],
    ids=["address", "name", "another", "none"],
)
def test_only_this_machine_is_answered(served: str, host: str, allowed: bool) -> None:
    if allowed:
        assert _get(f"{served}/api/meta", Host=host)
        return
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        _get(f"{served}/api/studies", Host=host)
    refused.value.close()


def test_it_listens_on_loopback_alone(folder: Path, result: SearchResult) -> None:
    server = commands.make_dashboard(str(folder), 0)

    assert server.server_address[0] == "127.0.0.1"
    server.server_close()


def test_without_a_folder_of_artifacts_none_is_made(tmp_path: Path) -> None:
    full_study(open_storage(tmp_path / "study.db"))

    server = commands.make_dashboard(str(tmp_path), 0)
    server.server_close()

    assert not artifact_directory(tmp_path).exists()
    assert len(load_study(tmp_path).trials) == 21


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--storage", "no.db"], "there is no database no.db"),
        (["--storage", "{study}", "--artifacts", "nowhere"], "there is no folder nowhere"),
        (["--storage", "{study}", "--port", "70000"], "65535"),
    ],
    ids=["storage", "artifacts", "port"],
)
def test_what_cannot_be_served(
    folder: Path,
    result: SearchResult,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", *(option.format(study=folder) for option in options)])

    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken(
    folder: Path, result: SearchResult, capsys: pytest.CaptureFixture[str]
) -> None:
    server = commands.make_dashboard(str(folder), 0)
    try:
        with pytest.raises(OSError, match="in use"):
            commands.make_dashboard(str(folder), server.server_port)
        with pytest.raises(SystemExit):
            main(["dashboard", "--storage", str(folder), "--port", str(server.server_port)])
        said = capsys.readouterr().err
        assert f"the port {server.server_port} can't be used: Address already in use" in said
        assert "--port" in said
    finally:
        server.server_close()


def test_without_the_extra_it_says_how_to_get_it(
    folder: Path, result: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna_dashboard", None)

    with pytest.raises(NeuralAutoMLError, match=r"neural-automl\[dashboard\]"):
        commands.make_dashboard(str(folder), 0)


def test_ctrl_c_ends_it(
    folder: Path, result: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands._Server, "serve_forever", interrupted)

    with pytest.raises(SystemExit) as ended:
        main(["dashboard", "--storage", str(folder), "--port", "0"])

    assert ended.value.code == 130
