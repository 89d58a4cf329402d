"""The command line: it parses, calls, and shows."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from neural_automl._version import __version__
from neural_automl.commands._exit import EXIT_CODES, exit_code
from neural_automl.commands._export import export
from neural_automl.commands._retrain import retrain
from neural_automl.commands._score import score
from neural_automl.commands._search import search
from neural_automl.commands._show import dashboard, report, status
from neural_automl.commands._spaces import describe, validate
from neural_automl.commands._warnings import plain_warnings
from neural_automl.commands._worker import worker
from neural_automl.exceptions import DSLError, NeuralAutoMLError

app = typer.Typer(
    name="neural-automl",
    help=(
        "Neural architecture search as ordinary Optuna studies.\n\n"
        "Write a space of networks in a few lines (a .neural file), search it, watch the study "
        "in optuna-dashboard, and take the winner home as plain PyTorch source."
    ),
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
COMMANDS = (
    *(search, worker, score, retrain, report),
    *(dashboard, describe, validate, status, export),
)
for _command in COMMANDS:
    app.command(epilog=EXIT_CODES)(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what goes wrong ends in a message and an exit code.

    Args:
        arguments: By default the process's own.
    """
    # Threads of PyTorch, which is not loaded yet, wait for each other asleep: awake, as they do by
    # default, they take a busy machine's cores from the ones that they wait for.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path, or a name, may hold what the terminal cannot write.
            stream.reconfigure(errors="backslashreplace")
    console = Console(stderr=True)
    try:
        with contextlib.suppress(BrokenPipeError), plain_warnings():
            app(args=arguments, prog_name="neural-automl")
    except (NeuralAutoMLError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            text = f"{error.filename}: {error.strerror}"
        text = text if isinstance(error, DSLError) else f"error: {text}"
        console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(exit_code(error))


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"neural-automl {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
