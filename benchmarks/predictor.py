"""What PerformancePredictor knows of NAS-Bench-201, and what a search gains by it.

    python benchmarks/predictor.py DATA.npz [--scores SCORES.npz] [--draws 10] [--rest 1500]
        [--trainings 50 100] [--seeds 20] [--strategies random tpe]

``DATA.npz`` holds, a row or an entry a network, ``ops``, with names in ``op_names`` and edges, as
"0>1", in ``edges``; ``val200``, mean accuracies, and ``val200_seeds``, those of single trainings.
``SCORES.npz`` holds published zero-cost scores as benchmarks/zero_cost_scores.py has them.

First the predictor is fitted to 50 networks drawn at random, told their mean accuracies, and ranks
``--rest`` others of the benchmark: Spearman's correlation. With ``--scores`` it ranks all that have
scores, with and without them. The networks are those of examples/zoo/nasbench201.neural.

Then one cell of the benchmark is searched by ``ArchitectureObjective`` with ``predictor=True``
and without, equal seeds in pairs, until so many networks were trained. A training answers with one
of the table's; the regret is the best cell's mean accuracy less that of the cell with the best
accuracy seen. Printed are means, and the mean difference with its 95 % interval over seeds.

The bars: a correlation of .85 without scores and .88 with, in the mean; for each strategy the
regret after the last number of trainings is lower with the predictor, its interval below 0.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FixedTrial, create_trial
from scipy.stats import spearmanr, t

from neural_automl.architecture_space import ArchitectureSpace, Cell, Layer
from neural_automl.objective import ArchitectureObjective
from neural_automl.prediction import PerformancePredictor
from neural_automl.registry import is_trained
from neural_automl.search_strategies import create_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

SPACE = ArchitectureSpace.from_dsl(
    Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"
)
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CELL = ArchitectureSpace(
    (4, 4, 4),
    [Cell(4, OPERATIONS, name="cell"), "GlobalAveragePooling2D", Layer("Dense", 3)],
    name="OneCell",
)
TRAINED = 50
BARS = {"without scores": 0.85, "with scores": 0.88}


class Table:
    """The benchmark, by cell."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as data:
            names = [str(name) for name in data["op_names"]]
            self.edges = [f"cell.edge_{str(e).replace('>', '_')}" for e in data["edges"]]
            self.cells = [tuple(names[place] for place in row) for row in data["ops"]]
            self.mean: NDArray[np.float64] = data["val200"][0] / 100
            seen = data["val200_seeds"][0] / 100
        self.seen = [column[np.isfinite(column)] for column in seen.T]
        self.row = {cell: place for place, cell in enumerate(self.cells)}

    def params(self, place: int) -> dict[str, str]:
        return dict(zip(self.edges, self.cells[place], strict=True))


# --- ranking --------------------------------------------------------------------------------------


class Remembering(PerformancePredictor):
    """Encodes each network once for all draws."""

    def __init__(self, encodings: dict[Any, NDArray[np.float64]]) -> None:
        super().__init__(SPACE)
        self._encodings = encodings

    def _encode(self, architecture: Architecture) -> NDArray[np.float64]:
        key = tuple(architecture.choices.items())
        if key not in self._encodings:
            self._encodings[key] = super()._encode(architecture)
        return self._encodings[key]


def rank(
    table: Table,
    known: list[int],
    rest: list[int],
    scores: Mapping[int, Mapping[str, float]],
    encodings: dict[Any, NDArray[np.float64]],
) -> float:
    """Fit to some networks, and return the rank correlation over others."""
    predictor = Remembering(encodings)
    trials = []
    for place in known:
        fixed = FixedTrial(table.params(place))
        SPACE.suggest(fixed)
        trials.append(
            create_trial(
                value=float(table.mean[place]),
                params=fixed.params,
                distributions=fixed.distributions,
                user_attrs={f"zero_cost.{n}": v for n, v in scores.get(place, {}).items()},
            )
        )
    predictor.fit(trials)
    predicted = []
    for place in rest:
        partial = {f"zero_cost.{n}": v for n, v in scores.get(place, {}).items()}
        network = SPACE.suggest(FixedTrial(table.params(place)))
        predicted.append(predictor.predict(network, partial).mean)
    return float(spearmanr(predicted, table.mean[rest]).statistic)


def ranking(table: Table, scores: Path | None, draws: int, rest: int) -> list[str]:
    missed = []
    encodings: dict[Any, NDArray[np.float64]] = {}

    def report(what: str, found: list[float], bar: float | None) -> None:
        error = float(np.std(found, ddof=1)) / len(found) ** 0.5
        print(f"{what:42s} {np.mean(found):.3f} +- {error:.3f}, least {min(found):.3f}", flush=True)
        if bar is not None and np.mean(found) < bar:
            missed.append(f"{what}: {np.mean(found):.3f} is below {bar}")

    drawn = np.random.default_rng(0).permutation(len(table.cells))[: rest + TRAINED].tolist()
    found = []
    for draw in range(draws):
        order = np.random.default_rng([1, draw]).permutation(drawn).tolist()
        found.append(rank(table, order[:TRAINED], order[TRAINED:], {}, encodings))
    report(f"{TRAINED} of the benchmark, {rest} others", found, BARS["without scores"])
    if scores is None:
        return missed
    with np.load(scores) as data:
        names = [str(name) for name in data["zc_names"]]
        published = {
            int(place): dict(zip(names, map(float, row), strict=True))
            for place, row in zip(data["zc_index"], data["zc"][0], strict=True)
        }
    for what, given in (("without scores", {}), ("with scores", published)):
        found = []
        for draw in range(draws):
            order = np.random.default_rng([2, draw]).permutation(list(published)).tolist()
            found.append(rank(table, order[:TRAINED], order[TRAINED:], given, encodings))
        report(f"{TRAINED} of {len(published)} {what}", found, BARS[what])
    return missed


# --- searching ------------------------------------------------------------------------------------


class Lookup:
    """Trains nothing: answers with an accuracy of the table."""

    def __init__(self, table: Table, seed: int) -> None:
        self.table, self.seed = table, seed
        self.regrets: list[float] = []
        self._highest, self._regret = -np.inf, np.inf

    def evaluate(self, network: Architecture, context: EvaluationContext) -> dict[str, float]:
        place = self.table.row[tuple(network.choices[edge] for edge in self.table.edges)]
        seen = self.table.seen[place]
        # By the cell, so that both searches of a pair see one accuracy of it.
        value = float(seen[np.random.default_rng([self.seed, place]).integers(len(seen))])
        if value > self._highest:
            self._highest = value
            self._regret = 100 * float(self.table.mean.max() - self.table.mean[place])
        self.regrets.append(self._regret)
        context.report(1, {"val_accuracy": value})
        return {"val_accuracy": value}


def search(
    table: Table, strategy: str, seed: int, trainings: int, predictor: bool
) -> tuple[list[float], int, int]:
    """Return the regret after each training, the trials, and how many were skipped."""
    evaluator = Lookup(table, seed)
    objective = ArchitectureObjective(
        CELL, evaluator, epochs=1, seed=seed, artifact_store=None, predictor=predictor
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=create_sampler(strategy, space=CELL, seed=seed),
        pruner=optuna.pruners.NopPruner(),
    )

    def enough(study: optuna.Study, _: Any) -> None:
        if sum(map(is_trained, study.get_trials(deepcopy=False))) >= trainings:
            study.stop()

    study.optimize(objective, n_trials=20 * trainings, callbacks=[enough])
    trials = study.get_trials(deepcopy=False)
    skipped = sum("skipped" in trial.user_attrs for trial in trials)
    return evaluator.regrets, len(trials), skipped


def searching(table: Table, strategies: list[str], places: list[int], seeds: int) -> list[str]:
    missed = []
    for strategy in strategies:
        began = time.perf_counter()
        pairs = [
            [search(table, strategy, seed, max(places), predictor) for predictor in (False, True)]
            for seed in range(seeds)
        ]
        skipped = np.mean([pair[1][2] for pair in pairs])
        trials = np.mean([pair[1][1] for pair in pairs])
        print(f"{strategy}: {skipped:.0f} of {trials:.0f} trials skipped", end="")
        print(f", {time.perf_counter() - began:.0f} s")
        for place in places:
            bare, guided = (np.array([pair[k][0][place - 1] for pair in pairs]) for k in (0, 1))
            difference = guided - bare
            half = t.ppf(0.975, seeds - 1) * difference.std(ddof=1) / seeds**0.5
            print(
                f"  regret after {place:3d} trainings: {bare.mean():.3f} without, "
                f"{guided.mean():.3f} with; difference {difference.mean():+.3f} "
                f"({difference.mean() - half:+.3f} to {difference.mean() + half:+.3f})",
                flush=True,
            )
            if place == max(places) and difference.mean() + half >= 0:
                missed.append(f"{strategy}: regret after {place} trainings is not lower")
        print(f"  as low as without after {max(places)}: {_needed(pairs)}", flush=True)
    return missed


def _needed(pairs: list[list[tuple[list[float], int, int]]]) -> str:
    """Say after how many trainings the mean curve with the predictor is as low as the other's."""
    bare = float(np.mean([pair[0][0][-1] for pair in pairs]))
    length = min(len(pair[1][0]) for pair in pairs)
    curve = np.mean([pair[1][0][:length] for pair in pairs], axis=0)
    below = np.flatnonzero(curve <= bare)
    return f"after {below[0] + 1} trainings with" if len(below) else "never with"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--scores", type=Path, metavar="SCORES.npz")
    parser.add_argument("--draws", type=int, default=10, help="0 leaves the ranking out")
    parser.add_argument("--rest", type=int, default=1500)
    parser.add_argument("--trainings", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seeds", type=int, default=20, help="0 leaves the search out")
    parser.add_argument("--strategies", nargs="+", default=["random", "tpe"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = Table(arguments.data)
    missed = []
    if arguments.draws:
        missed += ranking(table, arguments.scores, arguments.draws, arguments.rest)
    if arguments.seeds:
        missed += searching(table, arguments.strategies, arguments.trainings, arguments.seeds)
    if missed:
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
