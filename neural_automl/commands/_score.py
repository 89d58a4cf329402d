"""The command `score`: networks of a space, ranked before any of them is trained."""

from __future__ import annotations

import contextlib
import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from neural_automl.commands._arguments import (
    DataOption,
    DeviceOption,
    ImportOption,
    JsonOption,
    MissingOption,
    SpaceFile,
    TargetOption,
    read_space,
)
from neural_automl.exceptions import NeuralAutoMLError

if TYPE_CHECKING:
    import pandas as pd

    from neural_automl.zero_cost import ScoredPool

_PREFIX: Final = "zero_cost."
#: Characters of a key that are shown.
_SHOWN: Final = 12


def score(
    file: SpaceFile,
    data: DataOption,
    target: TargetOption = None,
    missing: MissingOption = "error",
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates",
            "-n",
            min=1,
            help="Distinct networks that keep the limits, drawn at random; fewer where the space "
            "has fewer.",
        ),
    ] = 1000,
    proxies: Annotated[
        str | None,
        typer.Option(
            "--proxies",
            help="Scores, as synflow,naswot; by default synflow,naswot,macs,jacov.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Networks that are shown.")] = 10,
    batch: Annotated[
        int, typer.Option("--batch", min=2, help="Samples that each network sees.")
    ] = 32,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for all scores (scores.csv, scores.json), a page of plots (scores.html), "
            "and what an interrupted run goes on from (scores.jsonl).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the draws, the batch and the weights.")
    ] = 0,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Processes that score at once.")
    ] = 1,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Rank networks of a space before any of them is trained, by zero-cost scores.

    A score is a fact about an untrained network that goes, more or less, with how well it will do.
    Ranks of several together are more reliable than any one.

    [bold]Example:[/bold] neural-automl score examples/digits.neural --data digits --candidates 200
    """
    from neural_automl.commands._search_data import load_for
    from neural_automl.evaluation import ArchitectureEvaluator
    from neural_automl.executor import create_executor
    from neural_automl.zero_cost import DEFAULT_PROXIES, check_proxies, score_space

    space = read_space(file)
    names = proxies.split(",") if proxies else DEFAULT_PROXIES
    try:
        check_proxies(names)
        evaluator = ArchitectureEvaluator(load_for(space, data, target, missing), device=device)
        evaluator.choose_device()
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # On the other stream: the table, and what --json prints, may go into a file.
        bar = stack.enter_context(Progress(console=Console(stderr=True)))
        task = bar.add_task("scored", total=candidates)
        executor = None
        if workers > 1:
            executor = stack.enter_context(create_executor("process", workers))
        try:
            pool = score_space(
                space,
                evaluator,
                candidates=candidates,
                proxies=names,
                batch_size=batch,
                seed=seed,
                file=None if output is None else output / "scores.jsonl",
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                executor=executor,
            )
        except KeyboardInterrupt:
            if output is not None:
                typer.echo("Interrupted; the same command goes on.", err=True)
            raise typer.Exit(130) from None
    frame = pool.to_frame()
    rows = _rows(pool, frame)
    files = [] if output is None else _write(output, space.name, data, frame, rows)
    if as_json:
        typer.echo(json.dumps({"scored": len(pool), "best": rows[:top]}, indent=2))
        return
    _show(Console(), space.name, len(pool), frame.head(top), rows)
    for path in files:
        typer.echo(str(path))


def _rows(pool: ScoredPool, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return networks as JSON-able data, the best first; what has no score is None."""
    choices = {network.key: dict(network.choices) for network in pool.architectures}
    return [
        {
            **{
                str(name): None if isinstance(value, float) and isnan(value) else value
                for name, value in row.items()
            },
            "choices": choices[row["key"]],
        }
        for row in frame.to_dict("records")
    ]


def _write(
    folder: Path, name: str, data: str, frame: pd.DataFrame, rows: list[dict[str, Any]]
) -> list[Path]:
    from neural_automl.commands._score_page import score_page

    title = f"{name}: {len(frame):,} networks scored on {data}, none trained"
    texts = {
        "scores.csv": frame.to_csv(index=False),
        "scores.json": json.dumps(rows, indent=1) + "\n",
        "scores.html": score_page(frame, title),
    }
    try:
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise NeuralAutoMLError(f"{error.filename} can't be written: {error.strerror}") from error
    return [folder / file for file in texts]


def _show(
    console: Console, name: str, count: int, frame: pd.DataFrame, rows: list[dict[str, Any]]
) -> None:
    table = Table(title=f"Best of {count:,} networks of {name}, none of them trained")
    names = [str(column) for column in frame]
    columns = [column for column in names if f"{_PREFIX}{column}" not in names]
    for column in columns:
        table.add_column(column.removeprefix(_PREFIX), justify="right")
    for row in rows[: len(frame)]:
        table.add_row(row["key"][:_SHOWN], *(_cell(row[column]) for column in columns[1:]))
    console.print(table, highlight=False, markup=False)
    chosen = ", ".join(f"{key}={_cell(value)}" for key, value in rows[0]["choices"].items())
    console.print(f"The first: {chosen}", highlight=False, markup=False, soft_wrap=True)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"
