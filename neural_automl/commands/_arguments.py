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
from neural_automl.early_stopping import PRUNER_NAMES
from neural_automl.exceptions import DSLError, NeuralAutoMLError, excerpt
from neural_automl.executor import EXECUTOR_NAMES
from neural_automl.search_strategies import SAMPLER_NAMES
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


def pruner_options(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read options of early stopping; see ``named_options``."""
    return named_options(texts or (), "--early-stopping-option")


def tracking_options(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read options of a tracker; see ``named_options``."""
    return named_options(texts or (), "--track-option")


def warm_start_options(trials: int | None, candidates: int | None, progress: Any) -> dict[str, Any]:
    """Return options of a warm start, those that are given."""
    given = {"trials": trials, "candidates": candidates, "progress": progress}
    return {name: value for name, value in given.items() if value is not None}


def positive_seconds(seconds: float | None) -> float | None:
    """Return what was given; said before anything is read.

    Raises:
        BadParameter: It is not above 0.
    """
    if seconds is not None and not seconds > 0:
        raise typer.BadParameter(f"must be above 0 seconds but is {seconds}")
    return seconds


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
        "--json", help="Write one JSON object to standard output, and all texts to the other."
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
TrialsOption = Annotated[
    int,
    typer.Option(
        "--trials",
        "-n",
        min=1,
        help="Networks that the study shall have trained in the end, those of earlier runs "
        "included: the same command with a larger number goes on. Infeasible ones and repeats "
        "do not count.",
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        help="Longest training; by default what the space says.",
        show_default=False,
    ),
]


def read_rungs(text: str | None) -> str | None:
    """Check that a text is numbers, as an option's callback.

    Raises:
        BadParameter: It is not.
    """
    if text is not None and not all(part.strip().isdecimal() for part in text.split(",")):
        raise typer.BadParameter(f"must be numbers of epochs, as 3,9,27, but got {text!r}")
    return text


RungsOption = Annotated[
    str | None,
    typer.Option(
        "--rungs",
        callback=read_rungs,
        help="Epochs of short trainings and of the whole one, as 3,9,27: a third of the networks "
        "goes on to the next, from its weights. --trials then counts whole trainings, and each "
        "network is charged by its epochs.",
        show_default=False,
    ),
]
StrategyOption = Annotated[
    str,
    typer.Option(
        "--strategy",
        help=f"How to propose: {', '.join(SAMPLER_NAMES)} (which picks among them), or a strategy "
        "that an --import MODULE registers.",
        autocompletion=complete.strategies,
    ),
]
EarlyStoppingOption = Annotated[
    str | None,
    typer.Option(
        "--early-stopping",
        help=f"When to give up: {', '.join(PRUNER_NAMES)}. By default median, multi_objective for "
        "several metrics, and none with --rungs.",
        autocompletion=complete.early_stoppings,
        show_default=False,
    ),
]
PrunerOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--early-stopping-option",
        metavar="NAME=VALUE",
        help="An option of it, as patience=3 or wrapped_pruner=asha; may be repeated.",
        show_default=False,
    ),
]
WarmStartOption = Annotated[
    list[str] | None,
    typer.Option(
        "--warm-start",
        metavar="zero_cost|STUDY",
        help="Choose the first networks: zero_cost, by scores of untrained ones, or an earlier "
        "study of the same storage, by what it found; studies may be several.",
        show_default=False,
    ),
]
WarmStartTrialsOption = Annotated[
    int | None,
    typer.Option(
        "--warm-start-trials",
        help="Networks that are chosen so, two of them at random; by default 8.",
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
PredictorOption = Annotated[
    bool,
    typer.Option(
        "--predictor",
        help="Learn to predict a network's metric from those trained, and do not train the likely "
        "poor, once the predictions have proved good.",
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="What to optimise: val_accuracy, val_f1, val_loss, val_mse, ..., params, macs, "
        "peak_memory_bytes or depth; given several times, all of them. By default "
        "val_accuracy, for regression val_mse.",
        autocompletion=complete.metrics,
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the study, if no --storage is given.")
]
SearchStorageOption = Annotated[
    str | None,
    typer.Option("--storage", help="URL of the study database.", show_default=False),
]
SearchStudyOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        help="Name of the study; by default the network's.",
        autocompletion=complete.studies,
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the proposals and the trainings.")]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.", autocompletion=complete.devices),
]
BackendOption = Annotated[
    Literal["pytorch", "tensorflow"], typer.Option("--backend", help="What trains the networks.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        callback=positive_seconds,
        help="Seconds after which no trial begins.",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers", "-w", min=1, help="Networks that are trained at once, on this machine."
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help=f"Where they are trained: {', '.join(EXECUTOR_NAMES)}. By default in processes, "
        "where there are several workers.",
        autocompletion=complete.executors,
        show_default=False,
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Fail if there is no study to go on with. (A study that is there goes on either way.)",
    ),
]
