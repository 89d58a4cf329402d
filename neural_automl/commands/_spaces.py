"""The commands `describe` and `validate`: spaces as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from neural_automl.commands import _tables as tables
from neural_automl.commands._arguments import (
    ImportOption,
    JsonOption,
    SpaceFile,
    TimedTrialsOption,
    TimingOption,
    layer_note,
    parse_space,
    read_space,
)
from neural_automl.commands._exit import WRONG_USE, wrong_options
from neural_automl.commands._output import print_json
from neural_automl.exceptions import DSLError, NeuralAutoMLError


def describe(
    file: SpaceFile,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Architectures drawn for the costs.")
    ] = 500,
    data: TimingOption = None,
    trials: TimedTrialsOption = 20,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Show a space: its tree, what is open, its exact size, what its networks cost."""
    from neural_automl.commands._search_data import timed_seconds

    space = read_space(file)
    summary = space.describe(samples=samples)
    with wrong_options():
        seconds = timed_seconds(space, data, trials) if data else None
    if as_json:
        timed = {} if seconds is None else {"trials": trials, "search_seconds": seconds}
        print_json({**summary.to_dict(), **timed})
        return
    tables.print_space(Console(), space, summary)
    if seconds is not None:
        typer.echo(
            f"a search of {trials} trainings takes about {seconds:.0f} s, none stopped early"
        )


def validate(
    files: Annotated[
        list[Path], typer.Argument(help="Files of the space language.", metavar="FILE...")
    ],
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Check files of the space language; errors are printed as file:line:column: message."""
    rows = []
    for file in files:
        row: dict[str, Any] = {"file": str(file), "valid": False, "errors": []}
        try:
            space = parse_space(file)
        except DSLError as error:
            row["errors"] = [_place(each) for each in error.errors]
            for line in [each.describe(str(file)) for each in error.errors]:
                typer.echo(line, err=True)
            for note in layer_note(error.errors):
                typer.echo(note, err=True)
        except (NeuralAutoMLError, OSError) as error:
            text = str(error.strerror) if isinstance(error, OSError) else str(error)
            row["errors"] = [{"message": text}]
            typer.echo(f"{file}: {text}", err=True)
        else:
            row |= {"valid": True, "size": space.get_search_space_size()}
            typer.echo(f"{file}: valid, {tables.size_text(space)}", err=as_json)
        rows.append(row)
    if as_json:
        print_json({"files": rows})
    if not all(row["valid"] for row in rows):
        raise typer.Exit(WRONG_USE)


def _place(error: DSLError) -> dict[str, Any]:
    """Return an error as data: lines and columns from 1."""
    return {
        "line": error.line,
        "column": error.column,
        "message": error.message,
        "hint": error.hint,
    }
