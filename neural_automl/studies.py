"""Where studies live: storages by URL, artifacts beside them, errors that say what is wrong."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
import time
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from neural_automl._imports import try_import
from neural_automl.exceptions import StudyError
from neural_automl.workers._patience import PatientDatabase, PatientProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

#: Seconds that a connection waits for another process that writes.
_BUSY_SECONDS: Final = 20.0
#: Of processes that begin a new database together, each makes what another has not made yet.
_OPENINGS: Final = 20
#: What SQLite and PostgreSQL say of that.
_MADE_ALREADY: Final = ("already exists", "UNIQUE", "duplicate key", "database is locked")
_JOURNAL: Final = "journal"
_GRPC: Final = "grpc"
_GRPC_PORT: Final = 13000
#: Seconds that a proxy has to answer.
_ANSWER_SECONDS: Final = 10.0


def storage_url(storage: str | Path) -> str:
    """Return a storage as a URL: a path is the file of a SQLite database.

    The path of a folder is its ``study.db``, as a search makes it.
    """
    text = str(storage)
    if re.match(r"^[a-z][a-z0-9+]*:", text):
        return text
    if Path(text).is_dir():
        text = str(Path(text) / "study.db")
    # A file's name may hold what means something in a URL: ? # %
    return URL.create("sqlite", database=text).render_as_string()


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL, or None for another kind and for one in memory."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    name = parsed.database
    if parsed.get_backend_name() != "sqlite" or not name or name.startswith((":memory:", "file:")):
        return None
    return Path(name)


def is_in_memory(url: str) -> bool:
    """Whether a database is the memory of this process."""
    return make_url(url).get_backend_name() == "sqlite" and sqlite_path(url) is None


def absolute_url(url: str) -> str:
    """Return a URL that means the same in any working directory."""
    path = sqlite_path(url) or _journal_path(url)
    if path is None or path.is_absolute():
        return url
    return make_url(url).set(database=str(path.absolute())).render_as_string(hide_password=False)


def masked(url: str) -> str:
    """Return a URL without its password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return re.sub(r"//.*@", "//***@", url.partition("?")[0])
    query = {
        name: "***" if re.search("pass|pwd|secret|token", name, re.IGNORECASE) else value
        for name, value in parsed.query.items()
    }
    return parsed.set(query=query).render_as_string(hide_password=True)


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what a database says into a ``StudyError`` that names the storage.

    Raises:
        StudyError: The database is missing, locked, read-only, or no study database.
    """
    try:
        yield
    except _storage_exceptions() as error:
        if isinstance(error, optuna.TrialPruned | optuna.exceptions.DuplicatedStudyError):
            raise
        cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ else error
        reason = str(getattr(cause, "orig", None) or cause).strip().splitlines() or [""]
        raise StudyError(f"the storage {masked(url)} can't be used: {reason[0]}") from error


def _storage_exceptions() -> tuple[type[Exception], ...]:
    grpc = sys.modules.get("grpc")
    known: tuple[type[Exception], ...] = (SQLAlchemyError, OptunaError, sqlite3.Error)
    return known if grpc is None else (*known, grpc.RpcError)


def open_storage(storage: str | Path, *, must_exist: bool = False) -> BaseStorage:
    """Return the storage of a URL or of a path to a SQLite file.

    SQLite is set to write-ahead logging, so that readers and writers do not wait for each other,
    and waits 20 seconds for another process that writes, or as long as the URL says
    (``sqlite:///study.db?timeout=60``). A database that goes away later is waited for, five
    minutes at most.

    Args:
        storage: A SQLAlchemy URL (``postgresql+psycopg://host/database``), ``journal:///study.log``
            for Optuna's journal in a file, ``grpc://host:13000`` for its proxy server, or a path.
        must_exist: Whether a missing file is an error rather than made.

    Raises:
        StudyError: The database is missing, locked, read-only, or no study database; or the server
            does not answer.
    """
    url = storage_url(storage)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # What SQLAlchemy says may quote a part of the password.
        raise StudyError(f"{masked(url)} is no storage: it can't be read as a URL") from None
    path = sqlite_path(url) or _journal_path(url)
    if path is not None:
        if must_exist and not path.is_file():
            raise StudyError(f"there is no database {path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"the folder {path.parent} can't be made: {error.strerror}") from error
    with storage_errors(url):
        try:
            if parsed.drivername == _JOURNAL:
                return _open_journal(url, path)
            if parsed.drivername == _GRPC:
                return _open_proxy(parsed)
            return _open_database(url, parsed)
        except (ArgumentError, ModuleNotFoundError, ImportError, ValueError) as error:
            raise StudyError(f"{masked(url)} is no storage: {error}") from error


def _open_database(url: str, parsed: URL) -> PatientDatabase:
    path = sqlite_path(url)
    if path is None:
        made = _make_tables(url, {})
        # A driver complains of connections that nobody closed.
        weakref.finalize(made, made.engine.dispose)
        return made
    busy_seconds = float(str(parsed.query.get("timeout", _BUSY_SECONDS)))
    _set_write_ahead(path, busy_seconds)
    opened = _make_tables(url, {"connect_args": {"timeout": busy_seconds}})
    event.listen(opened.engine, "connect", _relax_sync)
    # The connection that made the tables is older than the listener.
    opened.engine.dispose()
    return opened


def _open_journal(url: str, path: Path | None) -> JournalStorage:
    if path is None:
        raise StudyError(f"{url} names no file: write journal:///study.log")
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (OSError, UnicodeError) as error:
        raise StudyError(f"the journal {path} can't be used: {error}") from error


def _open_proxy(parsed: URL) -> BaseStorage:
    with try_import() as imports:
        import grpc  # noqa: F401 - Optuna loads it at the first call, with a message of its own
    imports.check()
    if parsed.host is None:
        raise StudyError("the URL of a proxy must be grpc://HOST:PORT")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # chosen by URL, and tested
        proxy = PatientProxy(host=parsed.host, port=parsed.port or _GRPC_PORT)
    try:
        proxy.wait_server_ready(timeout=_ANSWER_SECONDS)
    except ConnectionError as error:
        raise StudyError(
            f"the storage {parsed} can't be used: the proxy does not answer"
        ) from error
    return proxy


def _journal_path(url: str) -> Path | None:
    parsed = make_url(url)
    is_journal = parsed.drivername == _JOURNAL and parsed.database
    return Path(str(parsed.database)) if is_journal else None


def _make_tables(url: str, engine_options: dict[str, Any]) -> PatientDatabase:
    """Open a storage, again where another process makes its tables at the same moment."""
    for attempt in range(_OPENINGS):
        try:
            return PatientDatabase(url, engine_kwargs=dict(engine_options))
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            text = str(error.orig)
            if attempt == _OPENINGS - 1 or not any(word in text for word in _MADE_ALREADY):
                raise
            time.sleep(0.05 * (attempt + 1))
    raise AssertionError("the loop returns or raises")


def _set_write_ahead(path: Path, busy_seconds: float) -> None:
    deadline = time.monotonic() + busy_seconds
    with contextlib.closing(sqlite3.connect(path, timeout=busy_seconds)) as connection:
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                if mode != "wal":
                    connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # SQLite does not wait where another process changes the mode at the same moment.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


def _relax_sync(connection: Any, _record: Any) -> None:
    # With write-ahead logging a crash of the machine loses at most the last commits, never the
    # database; each commit is several times as fast.
    connection.execute("PRAGMA synchronous=NORMAL")


def open_study(
    storage: str | Path,
    name: str,
    *,
    directions: Sequence[str],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> optuna.Study:
    """Return the study of a name, made if it is not there.

    Raises:
        StudyError: The storage can't be used, or the study optimises in other directions.
    """
    opened = open_storage(storage)
    url = storage_url(storage)
    with storage_errors(url), quiet_optuna():
        study = optuna.create_study(
            storage=opened,
            study_name=name,
            directions=[StudyDirection[direction.upper()] for direction in directions],
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
        actual = [direction.name.lower() for direction in study.directions]
    if actual != list(directions):
        raise StudyError(
            f"the study {name!r} has the directions {actual} but was asked for {list(directions)}; "
            "use another study name"
        )
    return study


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's line a trial off the terminal; the study holds what it says."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def is_text(name: str) -> bool:
    """Whether a database can hold a name: what a terminal gave in another encoding it cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def load_study(
    storage: str | Path,
    name: str | None = None,
    *,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
) -> optuna.Study:
    """Return a study that is there.

    Args:
        name: May be left out where the storage holds one study.

    Raises:
        StudyError: The storage can't be used, holds no such study, or several and no name.
    """
    opened = open_storage(storage, must_exist=True)
    if name is not None and not is_text(name):
        raise StudyError(f"the name of the study, {name!r}, is no text in UTF-8")
    with storage_errors(storage_url(storage)):
        names = optuna.get_all_study_names(opened)
        if name is None:
            if len(names) != 1:
                listed = ", ".join(sorted(names)) or "none"
                raise StudyError(
                    "say which study with its name, in the command line --study NAME; the storage "
                    f"holds: {listed}"
                )
            name = names[0]
        if name not in names:
            listed = ", ".join(sorted(names)) or "none"
            raise StudyError(f"there is no study {name!r} in the storage; it holds: {listed}")
        return optuna.load_study(study_name=name, storage=opened, sampler=sampler, pruner=pruner)


def artifact_directory(storage: str | Path) -> Path:
    """Return the folder of a storage's artifacts: beside its file, else ``artifacts``."""
    url = storage_url(storage)
    path = sqlite_path(url) or _journal_path(url)
    return Path("artifacts") if path is None else path.with_name(f"{path.stem}_artifacts")


def artifact_store_of(study: optuna.Study) -> FileSystemArtifactStore | None:
    """Return the store beside a study's SQLite database; None for any other storage."""
    url = url_of(study._storage)
    if url is None or sqlite_path(url) is None:
        return None
    return make_artifact_store(artifact_directory(url))


def make_artifact_store(directory: Path) -> FileSystemArtifactStore:
    """Return the store in a folder, made if it is not there.

    Raises:
        StudyError: The folder can't be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder {directory} for artifacts can't be made: {error.strerror}"
        ) from error
    return FileSystemArtifactStore(directory)


def url_of(storage: BaseStorage) -> str | None:
    """Return the URL of a relational storage, with or without Optuna's cache around it."""
    backend = getattr(storage, "_backend", storage)
    return backend.url if isinstance(backend, RDBStorage) else None
