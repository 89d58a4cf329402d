"""The options of `search` alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from neural_automl.commands import _complete as complete
from neural_automl.commands._arguments import named_options
from neural_automl.commands._config import read_config
from neural_automl.early_stopping import PRUNER_NAMES
from neural_automl.executor import EXECUTOR_NAMES
from neural_automl.search_strategies import SAMPLER_NAMES


def pruner_options(texts: Iterable[str] | None) -> dict[str, Any]:
    """Read options of early stopping; see ``named_options``."""
    return named_options(texts or (), "--early-stopping-option")


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
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        callback=positive_seconds,
        help="Seconds after which no trial begins.",
        show_default=False,
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
KeepWeightsOption = Annotated[
    int | None,
    typer.Option(
        "--keep-weights",
        metavar="N",
        help="Keep the weights of the best N networks only; by default of all that were trained "
        "to the end.",
        show_default=False,
    ),
]


def read_bytes(text: str | int) -> int:
    """Return a number of bytes that may be written with a unit: 500MB, 2 GB.

    Raises:
        BadParameter: It is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*", str(text), re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"must be a number of bytes, as 500MB or 2GB, but got {text!r}")
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


CheckpointQuotaOption = Annotated[
    int | None,
    typer.Option(
        "--checkpoint-quota",
        parser=read_bytes,
        metavar="SIZE",
        help="Room that the checkpoints of all trainings under way may take together, as 2GB.",
        show_default=False,
    ),
]
HpoOption = Annotated[
    Literal["joint", "sequential"] | None,
    typer.Option(
        "--hpo",
        help="Search learning rate, weight decay and batch size too, where the space fixes them: "
        "joint, with the networks, or sequential, for each of the best after them.",
        show_default=False,
    ),
]
TopOption = Annotated[
    int, typer.Option("--top", "-k", min=1, help="Networks that --hpo sequential goes on with.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        callback=read_config,
        is_eager=True,
        help="A file of these options by their long names, SPACE as space; what stands on the "
        "command line wins.",
        show_default=False,
    ),
]
