"""Storages that several workers share: PostgreSQL, SQLite, a journal, the gRPC proxy."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage

from neural_automl.exceptions import StudyError
from neural_automl.registry import is_trained
from neural_automl.studies import absolute_url, artifact_directory, load_study, open_storage
from neural_automl.workers._patience import PatientDatabase, PatientProxy
from tests.executors.searches import SlowEvaluator, check_complete, pids, search, trained_widths
from tests.servers import PASSWORD, PostgresServer, free_port, grpc_proxy


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the artifacts of a database without a file lie there


@contextlib.contextmanager
def new_url(kind: str, folder: Path, postgres: PostgresServer) -> Iterator[str]:
    if kind == "postgresql":
        yield postgres.new_database()
    elif kind == "grpc":
        with grpc_proxy(f"sqlite:///{folder}/behind.db") as url:
            yield url
    else:
        yield f"{kind}:///{folder}/study.db"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "journal", "grpc"])
def test_processes_share_a_storage(tmp_path: Path, postgres: PostgresServer, kind: str) -> None:
    with new_url(kind, tmp_path, postgres) as url:
        result = search(
            tmp_path,
            15,
            SlowEvaluator(tmp_path, 0.2),
            storage=url,
            executor_type="process",
            max_workers=3,
        )
        check_complete(result.study, 15)

    assert sorted(trained_widths(tmp_path)) == sorted(set(trained_widths(tmp_path)))
    assert len(pids(tmp_path)) >= 2


CREATE = """\
import pathlib, sys, time
from neural_automl.studies import open_study
import optuna
go = pathlib.Path(sys.argv[2])
pathlib.Path(sys.argv[2] + sys.argv[3]).touch()
while not go.exists(): time.sleep(0.001)
study = open_study(sys.argv[1], "shared", directions=["maximize"],
                   sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.NopPruner())
study.set_user_attr("from" + sys.argv[3], 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "journal"])
def test_eight_processes_create_one_study_at_once(
    tmp_path: Path, postgres: PostgresServer, kind: str
) -> None:
    with new_url(kind, tmp_path, postgres) as url:
        go = tmp_path / "go"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", CREATE, url, str(go), str(index)],
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(8)
        ]
        while len(list(tmp_path.glob("go*"))) < 8 and not any(p.poll() for p in processes):
            time.sleep(0.05)
        go.touch()
        errors = [process.communicate(timeout=300)[1] for process in processes]
        study = load_study(url)

    assert [process.returncode for process in processes] == [0] * 8, "\n".join(errors)
    assert len(study.user_attrs) == 8


@pytest.mark.slow
def test_a_search_outlives_restarts_of_its_database(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    ended = threading.Event()
    restarts: list[int] = []

    def restart_twice() -> None:
        while len(restarts) < 2 and not ended.wait(0.05):
            if len(trained_widths(tmp_path)) >= 10 * (1 + len(restarts)):
                postgres.restart(0.5)
                restarts.append(len(trained_widths(tmp_path)))

    thread = threading.Thread(target=restart_twice)
    thread.start()
    try:
        result = search(
            tmp_path,
            40,
            SlowEvaluator(tmp_path, 0.2),
            storage=url,
            executor_type="process",
            max_workers=2,
        )
    finally:
        ended.set()
        thread.join()

    assert len(restarts) == 2
    assert restarts[1] < 40
    assert result.stop_reason == "budget"
    assert sum(map(is_trained, result.study.trials)) == 40
    assert sorted(trained_widths(tmp_path)) == sorted(set(trained_widths(tmp_path)))


# --- what is wrong with a URL -------------------------------------------------------------------


@pytest.mark.slow
def test_a_wrong_password_is_not_echoed(
    tmp_path: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.url("postgres", "wr0ng-one")

    with pytest.raises(StudyError, match="password authentication failed") as raised:
        search(tmp_path, 1, SlowEvaluator(tmp_path), storage=url)

    shown = f"{raised.value!r} {raised.value} {capsys.readouterr()}"
    assert "wr0ng" not in shown
    assert "nas:***@127.0.0.1" in shown


@pytest.mark.slow
def test_the_password_is_nowhere_in_the_study(
    tmp_path: Path, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = postgres.new_database()

    result = search(
        tmp_path, 2, SlowEvaluator(tmp_path), storage=url, executor_type="thread", max_workers=2
    )

    study = result.study
    written = repr((study.user_attrs, study.trials, result, caplog.text))
    assert PASSWORD not in written
    assert "s3cret" not in written


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://u:pw@127.0.0.1:{port}/x", "can't be used: connection failed"),
        ("postgresql+nothing://u:pw@127.0.0.1:{port}/x", "is no storage: Can't load plugin"),
        ("journal://", "names no file: write journal:///study.log"),
        ("journal:////proc/none/study.log", "the folder /proc/none can't be made"),
        ("grpc:///x", "must be grpc://HOST:PORT"),
    ],
    ids=str,
)
def test_wrong_urls(url: str, message: str) -> None:
    with pytest.raises(StudyError, match=message) as raised:
        open_storage(url.format(port=free_port()))

    assert "pw" not in str(raised.value)


def test_a_proxy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neural_automl.studies._ANSWER_SECONDS", 0.2)

    with pytest.raises(StudyError, match="the proxy does not answer"):
        open_storage(f"grpc://127.0.0.1:{free_port()}")


def test_a_proxy_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)

    with pytest.raises(StudyError, match=r"neural-automl\[grpc\]"):
        open_storage("grpc://127.0.0.1:1")


def test_kinds_of_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert isinstance(open_storage("journal:///sub/study.log"), JournalStorage)
    assert isinstance(open_storage(tmp_path / "study.db"), PatientDatabase)
    assert (tmp_path / "sub").is_dir()
    assert artifact_directory("journal:///sub/study.log") == Path("sub/study_artifacts")
    with pytest.raises(StudyError, match=r"there is no database none\.log"):
        open_storage("journal:///none.log", must_exist=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///a.db", "sqlite:///{here}/a.db"),
        ("sqlite:////b.db", "sqlite:////b.db"),
        ("journal:///a.log", "journal:///{here}/a.log"),
        ("sqlite:///a.db?timeout=3", "sqlite:///{here}/a.db?timeout=3"),
        ("postgresql://u:p%2F@h/d", "postgresql://u:p%2F@h/d"),
    ],
    ids=str,
)
def test_urls_for_other_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)

    assert absolute_url(url) == expected.format(here=tmp_path)


def test_a_proxy_is_patient() -> None:
    made: Any = PatientProxy.set_trial_param

    assert made.__wrapped__.__qualname__.startswith("GrpcStorageProxy")
