"""Search NAS-Bench-201 under a limit that a fifth of it meets, samplers bare and wrapped.

    python benchmarks/feasible_search.py DATA.npz [--samplers random tpe nsga2 gp]
        [--trainings 300] [--seeds 20]

The networks are those of examples/zoo/nasbench201.neural. The file holds, a row or an entry a
network, ``ops``, with names in ``op_names`` and edges, as "0>1", in ``edges``;
``val200_seeds``, accuracies of single trainings, which a search sees; ``test200``, the mean,
which is reported. A training is a feasible trial; a bare sampler's infeasible trials are PRUNED
with a constraint, as the objective does, and it may ask five times as often.

The bar, for each sampler when wrapped: no infeasible and no repeated training, one ask of the
base a trial, at most 30 evaluations of cost and key a proposal, and after as many trainings no more
regret than bare, by more than two standard errors of the difference over seeds. At the end
proposals are made over a space itself, their costs and keys included: in the median one takes
less than one epoch of training of digits.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.data import load_data
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.identity import identity_of
from neural_automl.objective import ArchitectureObjective
from neural_automl.samplers.feasible import FeasibleSampler
from neural_automl.search_strategies import create_sampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from optuna.study import Study
    from optuna.trial import BaseTrial, FrozenTrial, TrialState

EXAMPLES = Path(__file__).parents[1] / "examples"
SPACE = EXAMPLES / "zoo" / "nasbench201.neural"
DIGITS = EXAMPLES / "digits.neural"
SHARE = 0.2
EVALUATIONS = 30
BASES: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}


class Counted(BaseSampler):
    """Counts the asks of a sampler, by trial."""

    def __init__(self, base: BaseSampler, asks: Counter[int]) -> None:
        self.base, self.asks = base, asks

    def __deepcopy__(self, memo: Any) -> Counted:
        return self  # one study each

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Any:
        self.asks[trial.number] += 1
        return self.base.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Any) -> Any:
        return self.base.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self.base.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.base.after_trial(study, trial, state, values)


class Table:
    """The benchmark, with the limit that a fifth of it meets."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as data:
            self.names = [str(name) for name in data["op_names"]]
            self.edges = [f"cell.edge_{str(e).replace('>', '_')}" for e in data["edges"]]
            cells = [tuple(self.names[place] for place in row) for row in data["ops"]]
            seen: NDArray[np.float64] = data["val200_seeds"][0]
            self.test: NDArray[np.float64] = data["test200"][0]
        self.row = {cell: k for k, cell in enumerate(cells)}
        self.seen = [column[np.isfinite(column)] for column in seen.T]
        self.space = ArchitectureSpace.from_dsl(SPACE)
        networks = [
            self.space.suggest(optuna.trial.FixedTrial(dict(zip(self.edges, cell, strict=True))))
            for cell in cells
        ]
        self.params = np.array([network.cost.params for network in networks], float)
        self.identity = [identity_of(network) for network in networks]
        self.limit = float(np.sort(self.params)[int(SHARE * len(cells)) - 1])
        self.best = float(self.test[self.params <= self.limit].max())

    def suggest(self, trial: BaseTrial) -> int:
        return self.row[tuple(trial.suggest_categorical(e, self.names) for e in self.edges)]


@dataclass
class Run:
    regrets: list[float] = field(default_factory=list)
    infeasible: int = 0
    repeated: int = 0
    evaluations: float = 0.0
    most_asks: int = 0
    trials: int = 0
    seconds: float = 0.0


def run(table: Table, name: str, wrapped: bool, seed: int, trainings: int) -> Run:
    asks: Counter[int] = Counter()
    sampler: BaseSampler = Counted(BASES[name](seed), asks)
    if wrapped:
        sampler = FeasibleSampler(
            sampler,
            suggest=table.suggest,
            feasible=lambda row: float(table.params[row] / table.limit - 1),
            identity=lambda row: table.identity[row],
            seed=seed,
        )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    rng = np.random.default_rng(10_000 + seed)
    result, seen, best, regret = Run(), set[str](), -np.inf, np.inf
    for _ in range(5 * trainings):
        started = time.perf_counter()
        trial = study.ask()
        row = table.suggest(trial)
        result.seconds += time.perf_counter() - started
        excess = table.params[row] / table.limit - 1
        trial.set_constraint("params", excess)
        if excess > 0:
            result.infeasible += 1
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        value = float(rng.choice(table.seen[row]))
        study.tell(trial, value)
        result.repeated += table.identity[row] in seen
        seen.add(table.identity[row])
        if value > best:
            best, regret = value, table.best - float(table.test[row])
        result.regrets.append(regret)
        if len(result.regrets) == trainings:
            break
    result.trials = len(study.trials)
    result.seconds /= result.trials
    result.most_asks = max(asks.values())
    if isinstance(sampler, FeasibleSampler):
        result.evaluations = sampler.n_evaluations / result.trials
    return result


def report(name: str, runs: list[Run], places: list[int]) -> None:
    shown = []
    for place in places:
        # A search that was not granted so many trainings stays where it was.
        at = [r.regrets[min(place, len(r.regrets)) - 1] for r in runs if r.regrets]
        shown.append(f"{np.mean(at):.3f}±{np.std(at) / len(at) ** 0.5:.3f}" if at else "-")
    print(
        f"{name:15s} regret {'  '.join(shown)}"
        f"   trainings {_mean(len(r.regrets) for r in runs):.0f}"
        f"  infeasible {_mean(r.infeasible for r in runs):.0f}"
        f"  repeated {_mean(r.repeated for r in runs):.1f}"
        f"  evaluations {_mean(r.evaluations for r in runs):.2f}"
        f"  asks a trial at most {max(r.most_asks for r in runs)}"
        f"  {1e3 * _mean(r.seconds for r in runs):.1f} ms a proposal",
        flush=True,
    )


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def failures(name: str, bare: list[Run], wrapped: list[Run]) -> list[str]:
    found = []
    if any(r.infeasible or r.repeated for r in wrapped):
        found.append(f"{name}: infeasible or repeated trainings")
    if any(r.most_asks > 1 for r in wrapped):
        found.append(f"{name}: the base was asked more than once in a trial")
    if any(r.evaluations > EVALUATIONS for r in wrapped):
        found.append(f"{name}: more than {EVALUATIONS} evaluations a proposal")
    more = np.array(
        [
            w.regrets[len(b.regrets) - 1] - b.regrets[-1]  # a bare one may have trained less
            for b, w in zip(bare, wrapped, strict=True)
            if b.regrets
        ]
    )
    if len(more) and more.mean() > 2 * more.std() / len(more) ** 0.5:
        found.append(f"{name}: more regret than bare, by {more.mean():.3f}")
    return found


def overhead(trials: int = 40) -> list[str]:
    """Compare a proposal over the space of digits with an epoch of training, in one search."""
    space = ArchitectureSpace.from_dsl(DIGITS)
    objective = ArchitectureObjective(
        space,
        ArchitectureEvaluator(load_data("digits"), device="cpu"),
        epochs=2,
        artifact_store=None,
    )
    proposals, epochs = [], []
    study = optuna.create_study(
        direction="maximize",
        sampler=create_sampler("tpe", space=space, seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    for _ in range(trials):
        started = time.perf_counter()
        trial = study.ask()
        space.suggest(trial)
        proposed = time.perf_counter()
        study.tell(trial, objective(trial))
        proposals.append(proposed - started)
        epochs.append((time.perf_counter() - proposed) / trial.user_attrs["epochs"])
    proposal, epoch = (1e3 * float(np.median(times)) for times in (proposals, epochs))
    print(
        f"digits: {proposal:.0f} ms a proposal of tpe, its costs and keys included, "
        f"{epoch:.0f} ms an epoch of training: {proposal / epoch:.2f} of it (medians)"
    )
    return [f"a proposal takes {proposal / epoch:.2f} epochs of digits"] * (proposal > epoch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--samplers", nargs="+", choices=BASES, default=["random", "tpe", "nsga2"])
    parser.add_argument("--trainings", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    table = Table(arguments.data)
    share = float(np.mean(table.params <= table.limit))
    classes = len({table.identity[k] for k in np.flatnonzero(table.params <= table.limit)})
    places = sorted({max(1, arguments.trainings * k // 6) for k in (1, 2, 4, 6)})
    print(f"params <= {table.limit:,.0f}: {share:.1%} of the space, {classes} networks that differ")
    print(f"regret after {places} trainings, mean and standard error of {arguments.seeds} seeds")
    missed = []
    for name in arguments.samplers:
        both = []
        for wrapped in (False, True):
            runs = [
                run(table, name, wrapped, seed, arguments.trainings)
                for seed in range(arguments.seeds)
            ]
            report(f"{name} {'wrapped' if wrapped else 'bare'}", runs, places)
            both.append(runs)
        missed += failures(name, *both)
    missed += overhead()
    if missed:
        raise SystemExit("\n".join(missed))


if __name__ == "__main__":
    main()
