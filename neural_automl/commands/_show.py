"""The commands `status`, `report` and `dashboard`: what a study shows to a person."""

from __future__ import annotations

import socketserver
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import typer
from rich.console import Console

from neural_automl._imports import try_import
from neural_automl.commands import _tables as tables
from neural_automl.commands._arguments import (
    ImportOption,
    JsonOption,
    StorageOption,
    StudyOption,
)
from neural_automl.commands._exit import INTERRUPTED
from neural_automl.commands._output import print_json
from neural_automl.exceptions import NeuralAutoMLError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optuna.artifacts import FileSystemArtifactStore

_LOOPBACK: Final = "127.0.0.1"
#: Names under which a browser on this machine asks; a page of another name is let in to nothing.
_OWN_NAMES: Final = ("127.0.0.1", "localhost")


def status(
    storage: StorageOption,
    study: StudyOption = None,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Show how far a study is: trials, epochs, the best so far."""
    from neural_automl.registry import summarise
    from neural_automl.studies import load_study, storage_errors, storage_url

    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        summary = summarise(loaded)
        if as_json:
            print_json(summary.to_dict())
            return
        tables.print_status(Console(), loaded, summary)


def report(
    storage: StorageOption,
    study: StudyOption = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file of HTML; one that is there is replaced."),
    ] = Path("report.html"),
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Write a study as one page that a person reads: what was found, how sure, at what cost.

    The file needs nothing beside it, no network either, and can be sent as it is.

    [bold]Example:[/bold] neural-automl report --storage results -o report.html
    """
    from neural_automl.report import write_report
    from neural_automl.studies import load_study, storage_errors, storage_url

    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        written = str(write_report(loaded, output))
    if as_json:
        print_json({"study": loaded.study_name, "file": written})
    else:
        typer.echo(written)


def dashboard(
    storage: StorageOption,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes one that is free.")
    ] = 8080,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            help="Folder of weights and sources; by default the one beside the database.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start optuna-dashboard on a storage, with the files of its trials, for this machine alone.

    [bold]Example:[/bold] neural-automl dashboard --storage results
    """
    try:
        server = make_dashboard(storage, port, artifacts)
    except OSError as error:  # taken, or kept for the system
        raise NeuralAutoMLError(
            f"the port {port} can't be used: {error.strerror}; give another with --port, 0 takes "
            "one that is free"
        ) from error
    address = f"http://{_LOOPBACK}:{server.server_port}/dashboard"
    if as_json:
        print_json({"url": address})
        sys.stdout.flush()  # it is read while this serves
    typer.echo(f"{address}  (Ctrl-C ends it)", err=as_json)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        server.server_close()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


def make_dashboard(storage: str, port: int, artifacts: Path | None = None) -> WSGIServer:
    """Return a server of optuna-dashboard, bound to this machine alone and not yet serving.

    Args:
        storage: As ``open_storage`` takes it; it must be there.
        port: 0 takes one that is free.
        artifacts: Folder of the artifacts; by default the storage's own, where it is there.

    Raises:
        NeuralAutoMLError: optuna-dashboard is not installed, or ``artifacts`` is no folder.
        StudyError: The storage can't be used.
        OSError: The port is taken.
    """
    with try_import() as imports:
        from optuna_dashboard import wsgi
    try:
        imports.check()
    except ImportError as error:
        raise NeuralAutoMLError(str(error)) from error
    from neural_automl.studies import open_storage

    app = wsgi(
        open_storage(storage, must_exist=True), artifact_store=_artifact_store(storage, artifacts)
    )
    return make_server(
        _LOOPBACK, port, of_this_machine(app), server_class=_Server, handler_class=_Quiet
    )


def _artifact_store(storage: str, folder: Path | None) -> FileSystemArtifactStore | None:
    """Return the store of a folder; nothing is made, as this only shows."""
    from neural_automl.studies import artifact_directory, make_artifact_store

    if folder is not None and not folder.is_dir():
        raise NeuralAutoMLError(f"there is no folder {folder} for --artifacts")
    found = folder or artifact_directory(storage)
    return make_artifact_store(found) if found.is_dir() else None


def of_this_machine(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return an application that answers only what was asked for under a name of this machine.

    A page from elsewhere can have its own name lead to 127.0.0.1 and so read what is served here;
    the name that it asks for tells it apart.
    """

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").partition(":")[0] in _OWN_NAMES:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"this dashboard is for the machine that it runs on\n"]

    return checked
