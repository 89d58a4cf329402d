"""Search NAS-Bench-201's table with and without a warm start by published zero-cost scores.

    python benchmarks/warm_start.py SCORES.npz DATA.npz [--seeds 30] [--candidates 480]
        [--trials 10] [--sampler gp]

``SCORES.npz`` and ``DATA.npz`` are those of zero_cost_scores.py. The space is all 15,625 cells; a
trial's value is the accuracy of the table, ``val200``; regret is the distance to the best one. The
warm start is that of ``warm_start``: it queues the best of ``--candidates`` networks, drawn from
those with published scores, by the log-rank of synflow, naswot, flops and jacov, and two of the
``--trials`` at random.

The bar: after 10 trials the mean regret is at most half of that without, after 100 it is no larger
by more than the interval. Printed are means with 95 % intervals, from 2,000 resamplings of seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from neural_automl.warm_start import warm_start
from neural_automl.zero_cost import ScoredPool

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import BaseTrial

    from neural_automl.architecture import Architecture

SPACE = Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"
PROXIES = ("synflow", "nwot", "flops", "jacov")
PLACES = (10, 25, 50, 100)


SAMPLERS: dict[str, Callable[[Table, int], BaseSampler]] = {
    "random": lambda table, seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda table, seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda table, seed: GaussianProcessSampler(table.suggest, seed=seed),
    "evolution": lambda table, seed: EvolutionSampler(table.suggest, seed=seed),
}


class Table:
    """All networks with their accuracies, and the scores of some."""

    def __init__(self, scores: Path, data: Path) -> None:
        self.space = ArchitectureSpace.from_dsl(SPACE)
        with np.load(data) as table:
            self.names = [str(name) for name in table["op_names"]]
            self.edges = [f"cell.edge_{str(e).replace('>', '_')}" for e in table["edges"]]
            self.values = table["val200"].reshape(-1, len(table["ops"]))[0]
            self.cells = [tuple(self.names[k] for k in row) for row in table["ops"]]
        self.row = {cell: k for k, cell in enumerate(self.cells)}
        with np.load(scores) as table:
            names = [str(name) for name in table["zc_names"]]
            columns = table["zc"][0][:, [names.index(name) for name in PROXIES]]
            places = table["zc_index"]
        # One cell of each function, as a pool that is drawn from a space holds.
        self.scored: dict[str, tuple[Architecture, np.ndarray]] = {}
        for place, row in zip(places, columns, strict=True):
            choices = dict(zip(self.edges, self.cells[place], strict=True))
            network = self.space.suggest(optuna.trial.FixedTrial(choices))
            self.scored.setdefault(network.key, (network, row))

    def suggest(self, trial: BaseTrial) -> int:
        return self.row[tuple(trial.suggest_categorical(e, self.names) for e in self.edges)]

    def pool(self, candidates: int, seed: int) -> ScoredPool:
        held = [*self.scored.values()]
        places = np.random.default_rng(seed).permutation(len(held))[:candidates]
        columns = np.array([held[place][1] for place in places]).T
        return ScoredPool(
            tuple(held[place][0] for place in places), dict(zip(PROXIES, columns, strict=True))
        )


def regrets(
    table: Table, sampler: str, seed: int, trials: int, warm: tuple[ScoredPool, int] | None
) -> list[float]:
    """Return the regret after each trial; warm is a pool, and how many of it are queued."""
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](table, seed))
    if warm is not None:
        pool, count = warm
        warm_start(study, table.space, pool, trials=count, seed=seed)
    study.optimize(lambda trial: float(table.values[table.suggest(trial)]), n_trials=trials)
    best = np.maximum.accumulate([trial.value or 0.0 for trial in study.trials])
    return [float(table.values.max()) - float(value) for value in best]


def interval(values: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scores", type=Path, metavar="SCORES.npz")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--candidates", type=int, default=480)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--sampler", choices=SAMPLERS, default="gp")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    table = Table(arguments.scores, arguments.data)
    print(f"{len(table.scored)} networks with scores")
    found = {}
    for name in ("without", "with"):
        curves = []
        for seed in range(arguments.seeds):
            warm = (table.pool(arguments.candidates, seed), arguments.trials)
            queued = warm if name == "with" else None
            curves.append(regrets(table, arguments.sampler, seed, max(PLACES), queued))
        found[name] = np.array(curves)
    print(f"{arguments.sampler}, {arguments.seeds} seeds: mean regret and its 95 % interval")
    for name, runs in found.items():
        for place in PLACES:
            low, high = interval(runs[:, place - 1])
            mean = runs[:, place - 1].mean()
            print(f"{name:8s} {place:4d} trials {mean:.3f} ({low:.3f} to {high:.3f})")
    early = {name: float(runs[:, 9].mean()) for name, runs in found.items()}
    more = found["with"][:, 99] - found["without"][:, 99]
    low, high = interval(more)
    print(f"after 10: {early['with'] / early['without']:.2f} of the regret without")
    print(f"after 100: {more.mean():+.3f} ({low:+.3f} to {high:+.3f})")
    sys.exit(early["with"] > 0.5 * early["without"] or low > 0)


if __name__ == "__main__":
    main()
