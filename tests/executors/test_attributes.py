"""Attributes that are written at once: the same on every storage, cheaper on a database."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from sqlalchemy import event

from neural_automl.studies import open_storage
from neural_automl.trials._attributes import write_attributes
from tests.servers import PostgresServer, grpc_proxy

if TYPE_CHECKING:
    from optuna.trial import Trial

KINDS = ("postgresql", "sqlite", "journal", "grpc", "memory", "optuna")


@pytest.fixture(params=KINDS)
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[BaseStorage]:
    kind = request.param
    if kind == "grpc":
        with grpc_proxy(f"sqlite:///{tmp_path}/behind.db") as url:
            yield open_storage(url)
    elif kind == "memory":
        yield InMemoryStorage()
    elif kind == "optuna":
        yield RDBStorage(f"sqlite:///{tmp_path}/study.db")
    elif kind == "postgresql":
        yield open_storage(postgres.new_database())
    else:
        yield open_storage(f"{kind}:///{tmp_path}/study.db")


def test_what_is_written_is_read(storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage)
    trial, other = study.ask(), study.ask()
    trial.set_user_attr("epochs", 1)
    other.set_user_attr("epochs", 7)
    attributes: dict[str, Any] = {
        "epochs": 3,
        "val_loss": math.inf,
        "name 'of' \"it\"": [1, {"é": None}],
    }

    write_attributes(trial, attributes)
    write_attributes(trial, {})
    write_attributes(trial, {"single": True})

    assert study.trials[0].user_attrs == {**attributes, "single": True}
    assert trial.user_attrs == study.trials[0].user_attrs
    assert study.trials[1].user_attrs == {"epochs": 7}


def test_a_trial_that_has_ended_takes_none(storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage)
    trial = study.ask()
    study.tell(trial, 0.5)

    with pytest.raises(UpdateFinishedTrialError):
        write_attributes(trial, {"epochs": 3, "params": 10})

    assert study.trials[0].user_attrs == {}


def test_a_value_that_is_no_json_writes_nothing(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(tmp_path / "study.db"))
    trial = study.ask()

    with pytest.raises(TypeError, match="not JSON serializable"):
        write_attributes(trial, {"epochs": 3, "model": object()})

    assert study.trials[0].user_attrs == {}
    assert trial.user_attrs == {}


def _one_by_one(trial: Trial, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        trial.set_user_attr(name, value)


def test_a_database_is_asked_twice_for_many(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "study.db")
    assert isinstance(storage, RDBStorage)
    study = optuna.create_study(storage=storage)
    statements: list[str] = []
    event.listen(
        storage.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    ways: list[Callable[[Trial, dict[str, Any]], None]] = [write_attributes, _one_by_one]
    counts = []
    for way in ways:
        trial = study.ask()
        statements.clear()
        way(trial, {f"metric_{k}": k / 10 for k in range(10)})
        counts.append(len(statements))

    assert counts == [2, 20]
