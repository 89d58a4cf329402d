"""Databases that are away: what is waited for, how long, and what is not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from neural_automl.studies import open_storage
from neural_automl.workers._patience import Patience, PatientDatabase, may_pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def away(text: str = "connection refused") -> OperationalError:
    return OperationalError("SELECT", {}, psycopg.OperationalError(text))


def failing(times: int, error: Callable[[], Exception] = away) -> Callable[[], str]:
    left = [times]

    def call() -> str:
        if left[0] > 0:
            left[0] -= 1
            raise error()
        return "done"

    return call


def wrapped(error: Exception) -> StorageInternalError:
    outer = StorageInternalError("An exception is raised during the commit.")
    outer.__cause__ = error
    return outer


def operational(orig: Exception, *, invalidated: bool = False) -> OperationalError:
    return OperationalError("SELECT", {}, orig, connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (away(), True),
        (wrapped(away()), True),
        (operational(psycopg.errors.AdminShutdown("terminating connection")), True),
        (operational(psycopg.errors.CannotConnectNow("starting up")), True),
        (operational(psycopg.errors.TooManyConnections("too many clients")), True),
        (operational(psycopg.OperationalError("the connection is lost"), invalidated=True), True),
        (operational(sqlite3.OperationalError("database is locked")), True),
        (operational(sqlite3.OperationalError("disk I/O error")), False),
        (operational(sqlite3.OperationalError("attempt to write a readonly database")), False),
        (away("connection failed: FATAL: password authentication failed"), False),
        (away('connection failed: FATAL: database "x" does not exist'), False),
        (operational(psycopg.errors.DiskFull("no space left")), False),
        (ProgrammingError("SELECT", {}, psycopg.errors.UndefinedTable("no table")), False),
        (IntegrityError("INSERT", {}, psycopg.errors.UniqueViolation("duplicate")), False),
        (ValueError("connection"), False),
        (StorageInternalError("no cause"), False),
    ],
    ids=lambda value: str(value)[:70].replace("\n", " ") if isinstance(value, Exception) else None,
)
def test_what_may_pass(error: Exception, expected: bool) -> None:
    assert may_pass(error) == expected


def test_a_database_that_comes_back_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    patience = Patience(60, clock=clock, sleep=clock.sleep)

    assert patience(failing(5)) == "done"

    assert len(clock.pauses) == 5
    assert clock.pauses[-1] > clock.pauses[0]
    assert max(clock.pauses) <= 7.5
    assert [record.getMessage() for record in caplog.records] == [
        "the study's database is away; trying again for 60 s",
        "the study's database is back",
    ]


def test_patience_ends() -> None:
    clock = Clock()

    with pytest.raises(OperationalError, match="connection refused"):
        Patience(20, clock=clock, sleep=clock.sleep)(failing(10**6))

    assert 20 <= clock.now <= 28


def test_what_does_not_pass_is_raised_at_once() -> None:
    clock = Clock()

    with pytest.raises(ZeroDivisionError):
        Patience(clock=clock, sleep=clock.sleep)(failing(1, ZeroDivisionError))

    assert clock.pauses == []


def test_patience_is_not_multiplied_by_calls_inside_calls() -> None:
    clock = Clock()
    patience = Patience(20, clock=clock, sleep=clock.sleep)

    with pytest.raises(OperationalError):
        patience(lambda: patience(failing(10**6)))

    assert clock.now <= 28


@pytest.fixture
def database(tmp_path: Path) -> PatientDatabase:
    opened = open_storage(tmp_path / "study.db")
    assert isinstance(opened, PatientDatabase)
    clock = Clock()
    opened.patience = Patience(60, clock=clock, sleep=clock.sleep)
    return opened


def break_once(
    monkeypatch: pytest.MonkeyPatch, database: PatientDatabase, *, after: bool
) -> list[str]:
    """Let the next commit fail, before or after it got through."""
    session = database.scoped_session()
    commit = session.commit
    broken: list[str] = []

    def failing_commit() -> None:
        if not broken:
            broken.append("once")
            if after:
                commit()
            raise away()
        commit()

    monkeypatch.setattr(session, "commit", failing_commit)
    return broken


@pytest.mark.parametrize("after", [False, True], ids=["lost", "answer lost"])
def test_the_end_of_a_trial_is_written_once(
    database: PatientDatabase, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    study = optuna.create_study(storage=database)
    trial = study.ask()
    broken = break_once(monkeypatch, database, after=after)

    study.tell(trial, 0.5)

    assert broken == ["once"]
    assert [(t.state, t.value) for t in study.trials] == [(TrialState.COMPLETE, 0.5)]


def test_a_trial_that_others_ended_stays_an_error(database: PatientDatabase) -> None:
    study = optuna.create_study(storage=database)
    trial = study.ask()
    study.tell(trial, 0.5)

    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        database.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def test_a_waiting_trial_is_given_to_one_of_two_that_ask_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=open_storage(tmp_path / "study.db"), study_name="s")
    study.enqueue_trial({})
    trial_id = study.get_trials(states=(TrialState.WAITING,))[0]._trial_id
    check = PatientDatabase.check_trial_is_updatable

    def slowly(*args: Any) -> None:
        time.sleep(0.2)  # between the reading of the state and the writing
        check(*args)

    monkeypatch.setattr(PatientDatabase, "check_trial_is_updatable", slowly)

    def take(database: PatientDatabase) -> bool:
        return database.set_trial_state_values(trial_id, TrialState.RUNNING)

    databases = [open_storage(tmp_path / "study.db") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(take, databases)) == [False, False, True]


def test_a_whole_search_on_a_database_that_stumbles(
    database: PatientDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = optuna.create_study(storage=database)
    session = database.scoped_session()
    commit, count = session.commit, [0]

    def stumbling() -> None:
        count[0] += 1
        if count[0] % 7 == 0:
            raise away()
        commit()

    monkeypatch.setattr(session, "commit", stumbling)

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        trial.report(value, 1)
        trial.set_user_attr("note", "kept")
        return value

    study.optimize(objective, n_trials=6)

    finished: list[Any] = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert len(finished) == 6
    assert all(t.user_attrs["note"] == "kept" and t.intermediate_values for t in finished)
