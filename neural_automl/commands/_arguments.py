"""The arguments of the commands, and the modules that a user has them load first."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.commands import _complete as complete
from neural_automl.commands._output import keep_for_json
from neural_automl.exceptions import DSLError, NeuralAutoMLError, excerpt
from neural_automl.tracking import TRACKER_NAMES

#: What to say beside an unknown layer, which a command cannot tell from a slip.
LAYER_NOTE = (
    "note: a layer or operation of your own must be registered first; name the module that "
    "registers it with --import MODULE"
)


def import_modules(names: list[str] | None) -> list[str] | None:
    """Load modules that register layers; the current directory is searched first.

    Raises:
        BadParameter: There is no such module.
        NeuralAutoMLError: It cannot be loaded.
    """
    here = str(Path.cwd())
    if names and here not in sys.path:
        sys.path.insert(0, here)
    for name in names or ():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise NeuralAutoMLError(f"the module {name} can't be loaded: {error}") from error
            advice = "; write its name without '.py'" if name.endswith(".py") else ""
            raise typer.BadParameter(
                f"there is no module {excerpt(name)} in the current directory or installed{advice}"
            ) from error
        except Exception as error:  # a user's module may raise anything
            raise NeuralAutoMLError(
                f"the module {name} can't be loaded: {type(error).__name__}: {error}"
            ) from error
    return names


def layer_note(errors: Iterable[DSLError]) -> list[str]:
    """Return the note about layers of one's own where an error is about an unknown layer."""
    is_unknown = any(error.message.startswith("unknown layer") for error in errors)
    return [LAYER_NOTE] if is_unknown else []


def read_space(file: Path) -> ArchitectureSpace:
    """Read a space, with the file's name before line and column of what is wrong in it.

    Raises:
        NeuralAutoMLError: The file is no valid space.
    """
    try:
        return parse_space(file)
    except DSLError as error:
        lines = [each.describe(str(file)) for each in error.errors] + layer_note(error.errors)
        raise NeuralAutoMLError("\n".join([f"{file} is no valid space", *lines])) from error


def parse_space(file: Path) -> ArchitectureSpace:
    """Read a space, and say what in it has no effect.

    Raises:
        DSLError: The file is no valid space.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        space = ArchitectureSpace.from_dsl(file)
    for warning in caught:
        typer.echo(f"{file}:{warning.message}", err=True)
    return space


def named_options(texts: Iterable[str], flag: str) -> dict[str, Any]:
    """Read options: a value is a number, true, false or null, or else text.

    Args:
        texts: As they were given.
        flag: What they were given with.

    Raises:
        ValueError: One is not NAME=VALUE, or stands there twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not (name.isidentifier() and separator and value):
            raise ValueError(f"{flag} must be NAME=VALUE but got {text!r}")
        if name in options:
            raise ValueError(f"{flag} {name} is given twice")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def tracking_options(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read options of a tracker; see ``named_options``."""
    return named_options(texts or (), "--track-option")


SpaceFile = Annotated[
    Path, typer.Argument(help="A file of the space language.", metavar="SPACE", show_default=False)
]
ImportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        callback=import_modules,
        help="A module that registers layers or strategies of your own, my_layers for my_layers.py "
        "in the current directory; may be repeated.",
        show_default=False,
    ),
]
StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        help="URL of the study database (sqlite:///study.db, postgresql+psycopg://host/database, "
        "journal:///study.log, grpc://host:13000), or the path of a SQLite file, or of the folder "
        "of a study.db.",
        show_default=False,
    ),
]
StudyOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        help="Name of the study; not needed where the storage holds one.",
        autocompletion=complete.studies,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        callback=keep_for_json,
        is_eager=True,
        help="Write one JSON object to standard output, and all texts to the other.",
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="Column of a .csv file to predict; by default the one called target, label, class "
        "or y, else the last.",
        show_default=False,
    ),
]
MissingOption = Annotated[
    Literal["error", "mean"],
    typer.Option(
        "--missing",
        help="Whether an empty cell of a .csv file is an error, or counts as its column's mean.",
    ),
]
TrackOption = Annotated[
    str | None,
    typer.Option(
        "--track",
        metavar="NAME",
        help=f"Make each training a run of {', '.join(TRACKER_NAMES)}; this needs the extra "
        "tracking. wandb stays offline unless told otherwise.",
        show_default=False,
    ),
]
TrackOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--track-option",
        metavar="NAME=VALUE",
        help="An option of it, as tracking_uri=http://localhost:5000, project=digits, mode=online "
        "or folder=runs; may be repeated.",
        show_default=False,
    ),
]
DATA_HELP = (
    "digits (built in), a .npz or .csv file, a folder with one folder of images a class, or a "
    "folder of MNIST's idx files."
)
TimingOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        help=f"Train some networks for one epoch and estimate the time of a search: {DATA_HELP}",
        show_default=False,
    ),
]
TimedTrialsOption = Annotated[
    int, typer.Option("--trials", "-n", min=1, help="Trainings of the search that is estimated.")
]

# --- options of `search` ---------------------------------------------------------------------

DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help=DATA_HELP,
        show_default=False,
    ),
]


CandidatesOption = Annotated[
    int | None,
    typer.Option(
        "--candidates",
        help="Networks that they are chosen from; by default 1000.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the study, if no --storage is given.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the proposals and the trainings.")]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.", autocompletion=complete.devices),
]
BackendOption = Annotated[
    Literal["pytorch", "tensorflow"], typer.Option("--backend", help="What trains the networks.")
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers", "-w", min=1, help="Networks that are trained at once, on this machine."
    ),
]
