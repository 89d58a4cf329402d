"""The command `score`: networks of a space, ranked before any of them is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
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
from neural_automl.commands._exit import INTERRUPTED, wrong_options
from neural_automl.commands._output import print_json
from neural_automl.trials._scores import PREFIX

if TYPE_CHECKING:
    from neural_automl.executor import BaseExecutor

#: Characters of a key that are shown.
_SHOWN: Final = 12

CandidatesOption = Annotated[
    int,
    typer.Option(
        "--candidates",
        "-n",
        min=1,
        help="Distinct networks that keep the limits, drawn at random; fewer where the space "
        "has fewer.",
    ),
]
ProxiesOption = Annotated[
    str | None,
    typer.Option(
        "--proxies",
        help="Scores, as synflow,naswot; by default synflow,naswot,macs,jacov.",
        show_default=False,
    ),
]
TopOption = Annotated[int, typer.Option("--top", "-k", min=1, help="Networks that are shown.")]
BatchOption = Annotated[int, typer.Option("--batch", min=2, help="Samples that each network sees.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for all scores (scores.csv, scores.json), a page of plots (scores.html), "
        "and what an interrupted run goes on from (scores.jsonl).",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the draws, the batch and the weights.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", "-w", min=1, help="Processes that score at once.")
]


def score(
    file: SpaceFile,
    data: DataOption,
    target: TargetOption = None,
    missing: MissingOption = "error",
    candidates: CandidatesOption = 1000,
    proxies: ProxiesOption = None,
    top: TopOption = 10,
    batch: BatchOption = 32,
    output: OutputOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = 1,
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
    from neural_automl.zero_cost import DEFAULT_PROXIES, check_proxies, score_space

    space = read_space(file)
    names = proxies.split(",") if proxies else DEFAULT_PROXIES
    with wrong_options():
        check_proxies(names)
        evaluator = ArchitectureEvaluator(load_for(space, data, target, missing), device=device)
        evaluator.choose_device()
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    try:
        with _scoring(candidates, workers) as (progress, executor):
            pool = score_space(
                space,
                evaluator,
                candidates=candidates,
                proxies=names,
                batch_size=batch,
                seed=seed,
                file=None if output is None else output / "scores.jsonl",
                progress=progress,
                executor=executor,
            )
    except KeyboardInterrupt:
        if output is not None:
            typer.echo("Interrupted; the same command goes on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    files = []
    if output is not None:
        title = f"{space.name}: {len(pool):,} networks scored on {data}, none trained"
        files = pool.write(output, title)
    rows = pool.to_dicts()
    if as_json:
        print_json({"scored": len(pool), "best": rows[:top], "files": [str(p) for p in files]})
        return
    _show(Console(), space.name, len(pool), rows[:top])
    for path in files:
        typer.echo(str(path))


@contextlib.contextmanager
def _scoring(
    candidates: int, workers: int
) -> Iterator[tuple[Callable[[int, int], object], BaseExecutor | None]]:
    """Give what shows how far the scores are, and what makes them where workers are several."""
    from neural_automl.executor import create_executor

    with contextlib.ExitStack() as stack:
        # On the other stream: the table, and what --json prints, may go into a file.
        bar = stack.enter_context(Progress(console=Console(stderr=True)))
        task = bar.add_task("scored", total=candidates)
        executor = None
        if workers > 1:
            executor = stack.enter_context(create_executor("process", workers))
        yield lambda done, total: bar.update(task, completed=done, total=total), executor


def _show(console: Console, name: str, count: int, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Best of {count:,} networks of {name}, none of them trained")
    names = [name for name in rows[0] if name != "choices"]
    columns = [column for column in names if f"{PREFIX}{column}" not in names]
    for column in columns:
        table.add_column(column.removeprefix(PREFIX), justify="right")
    for row in rows:
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
