"""Storages that wait for a database which is away: the training that asks is not lost by it."""

from __future__ import annotations

import functools
import json
import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, PendingRollbackError

if TYPE_CHECKING:
    from optuna.trial import TrialState

#: Seconds that a database may be away.
PATIENCE: Final = 300.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
#: Classes of SQLSTATE that may pass: connection, too many connections, administrator, deadlock.
_PASSING: Final = ("08", "53300", "57P", "40001", "40P01")
#: What the driver says, without a SQLSTATE, of what will not pass by waiting.
_FINAL: Final = ("authentication", "pg_hba", "does not exist")

_LOCK: Final = text("BEGIN IMMEDIATE")
_Attribute: Final = models.TrialUserAttributeModel
#: How a database inserts what may be there.
_INSERTS: Final[Mapping[str, Callable[..., Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

_log = logging.getLogger(__name__)
_Storage = TypeVar("_Storage", bound=type[BaseStorage])


def may_pass(error: BaseException) -> bool:
    """Return whether an error of a storage says that its database is away for now, or busy."""
    if _is_unavailable(error):
        return True
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, PendingRollbackError):
        return True  # the session was broken by a connection that was lost before
    if not isinstance(cause, DBAPIError):
        return False
    state = getattr(cause.orig, "sqlstate", None)
    said = str(cause.orig)
    if state is not None:
        return str(state).startswith(_PASSING) or cause.connection_invalidated
    if "database is locked" in said:
        return True
    name = type(cause.orig).__module__
    is_connection = cause.connection_invalidated or "connection" in said
    return (
        is_connection
        and not name.startswith("sqlite3")
        and not any(word in said for word in _FINAL)
    )


def _is_unavailable(error: BaseException) -> bool:
    grpc = sys.modules.get("grpc")
    if grpc is None or not isinstance(error, grpc.RpcError):
        return False
    return bool(error.code() == grpc.StatusCode.UNAVAILABLE)


class Patience:
    """Calls again what fails because a database is away.

    Args:
        seconds: How long a database may be away.
        clock: Seconds, rising.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        seconds: float = PATIENCE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._inside = threading.local()

    def __call__(self, call: Callable[[], Any]) -> Any:
        """Make a call, again and again while the database is away.

        Raises:
            Exception: What the call raises, where that will not pass or did not in time.
        """
        if getattr(self._inside, "now", False):
            return call()  # the call that this one is a part of is made again
        self._inside.now = True
        try:
            return self._persist(call)
        finally:
            self._inside.now = False

    def _persist(self, call: Callable[[], Any]) -> Any:
        started: float | None = None
        for pause in _pauses():
            try:
                result = call()
            except Exception as error:
                now = self._clock()
                started = now if started is None else started
                if not may_pass(error) or now - started >= self._seconds:
                    raise
                if started == now:
                    _log.warning(
                        "the study's database is away; trying again for %.0f s", self._seconds
                    )
                self._sleep(pause)
            else:
                if started is not None:
                    _log.warning("the study's database is back")
                return result
        raise AssertionError("pauses have no end")


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        # At random, so that the workers do not come back all at once.
        yield pause * random.uniform(0.5, 1.5)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _afresh(storage: BaseStorage, call: Callable[[], Any]) -> Any:
    """Make a call; where it may be made again, let go of the session that it broke."""
    try:
        return call()
    except Exception as error:
        if may_pass(error):
            storage.remove_session()
        raise


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        patience: Patience = self.__dict__.get("patience") or _DEFAULT
        return patience(lambda: _afresh(self, lambda: method(self, *args, **kwargs)))

    return call


def _patient_end(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same for the method that ends a trial, whose first attempt may have got through."""

    @functools.wraps(method)
    def call(self: Any, trial_id: int, *args: Any, **kwargs: Any) -> Any:
        patience: Patience = self.__dict__.get("patience") or _DEFAULT
        attempts = 0

        def end() -> Any:
            nonlocal attempts
            attempts += 1
            try:
                return method(self, trial_id, *args, **kwargs)
            except UpdateFinishedTrialError:
                if attempts == 1:
                    raise
                return True

        return patience(lambda: _afresh(self, end))

    return call


_DEFAULT: Final = Patience()
_METHODS: Final = (
    *sorted(BaseStorage.__abstractmethods__ - {"set_trial_state_values"}),
    "set_trial_user_attrs",
    # What Optuna's cache calls of a database.
    "_create_new_trial",
    "_set_trial_param",
    "_get_trials",
    "_get_best_trial_id",
    "get_trial_id_from_study_id_trial_number",
)


def _make_patient(kind: _Storage) -> _Storage:
    """Make every method of a storage wait for its database."""
    for name in _METHODS:
        if hasattr(kind, name):
            setattr(kind, name, _patient(getattr(kind, name)))
    kind.set_trial_state_values = _patient_end(  # type: ignore[method-assign]
        kind.set_trial_state_values
    )
    return kind


@final
@_make_patient
class PatientDatabase(RDBStorage):
    """Optuna's relational storage, whose methods wait for a database that is away.

    Attributes:
        patience: Decides how long.
    """

    patience: Patience | None = None

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Change the state of a trial, at most one caller from WAITING to RUNNING.

        Optuna reads the state and then writes it, and locks the row between: SQLite has no such
        lock, and would give a waiting trial to two workers that ask at once. It locks all.
        """
        if self.engine.dialect.name == "sqlite":
            self.scoped_session().execute(_LOCK)
        return super().set_trial_state_values(trial_id, state, values)

    def set_trial_user_attrs(self, trial_id: int, attributes: Mapping[str, Any]) -> None:
        """Set several user attributes of a trial: all or none, by one statement.

        On other databases than SQLite and PostgreSQL one by one.

        Raises:
            KeyError: There is no such trial.
            optuna.exceptions.UpdateFinishedTrialError: The trial has ended.
        """
        dialect = self.engine.dialect.name
        if dialect not in _INSERTS or len(attributes) < 2:
            for name, value in attributes.items():
                self.set_trial_user_attr(trial_id, name, value)
            return
        insert = _INSERTS[dialect](_Attribute).values(
            [
                {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)}
                for name, value in attributes.items()
            ]
        )
        upsert = insert.on_conflict_do_update(
            index_elements=[_Attribute.trial_id, _Attribute.key],
            set_={"value_json": insert.excluded.value_json},
        )
        with _create_scoped_session(self.scoped_session, True) as session:
            trial = models.TrialModel.find_or_raise_by_id(trial_id, session)
            self.check_trial_is_updatable(trial_id, cast("TrialState", trial.state))
            session.execute(upsert)


@final
@_make_patient
class PatientProxy(GrpcStorageProxy):
    """Optuna's gRPC proxy, whose methods wait for a server that is away."""

    patience: Patience | None = None
