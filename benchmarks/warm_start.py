"""Search NAS-Bench-201's table with and without a warm start by published zero-cost scores.

    python benchmarks/warm_start.py SCORES.npz DATA.npz [--seeds 30] [--candidates 700]
        [--trials 10] [--sampler gp]

``SCORES.npz`` and ``DATA.npz`` are those of zero_cost_scores.py. The space is all 15,625 cells; a
trial's value is the accuracy of the table, ``val200``; regret is the distance to the best one. The
warm start queues the best of ``--candidates`` networks, drawn from those with published scores, by
the log-rank of synflow, naswot, flops and jacov, two of the ``--trials`` at random, as
``warm_start`` does.

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

from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from neural_automl.zero_cost import log_ranks

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import BaseTrial

PROXIES = ("synflow", "nwot", "flops", "jacov")
RANDOM = 2
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
        with np.load(scores) as table:
            names = [str(name) for name in table["zc_names"]]
            columns = table["zc"][0][:, [names.index(name) for name in PROXIES]].T
            self.rows = table["zc_index"]
        with np.load(data) as table:
            self.names = [str(name) for name in table["op_names"]]
            self.edges = [f"edge_{edge}" for edge in table["edges"]]
            self.values = table["val200"].reshape(-1, len(table["ops"]))[0]
            self.cells = [tuple(self.names[k] for k in row) for row in table["ops"]]
        self.row = {cell: k for k, cell in enumerate(self.cells)}
        self.scores = dict(zip(PROXIES, columns, strict=True))

    def suggest(self, trial: BaseTrial) -> int:
        return self.row[tuple(trial.suggest_categorical(e, self.names) for e in self.edges)]

    def warm(self, candidates: int, trials: int, seed: int) -> list[dict[str, str]]:
        rng = np.random.default_rng(seed)
        pool = rng.permutation(len(self.rows))[:candidates]
        rank = log_ranks({name: column[pool].tolist() for name, column in self.scores.items()})
        order = pool[np.argsort(-rank, kind="stable")]
        best, rest = order[: trials - RANDOM], order[trials - RANDOM :]
        queued = self.rows[[*best, *rng.permutation(rest)[:RANDOM]]]
        return [dict(zip(self.edges, self.cells[k], strict=True)) for k in queued]


def regrets(
    table: Table, sampler: str, seed: int, warm: list[dict[str, str]], trials: int
) -> list[float]:
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](table, seed))
    for params in warm:
        study.enqueue_trial(params)
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
    parser.add_argument("--candidates", type=int, default=700)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--sampler", choices=SAMPLERS, default="gp")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    table = Table(arguments.scores, arguments.data)
    found = {}
    for name in ("without", "with"):
        curves = []
        for seed in range(arguments.seeds):
            warm = table.warm(arguments.candidates, arguments.trials, seed)
            queued = warm if name == "with" else []
            curves.append(regrets(table, arguments.sampler, seed, queued, max(PLACES)))
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
