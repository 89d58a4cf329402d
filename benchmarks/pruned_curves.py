"""Regret of samplers under pruners on real learning curves, and how often they repeat themselves.

    python benchmarks/pruned_curves.py taskset_rnn.npz --samplers random tpe gaussian_process

The file has `hp` (settings, 8), `hp_names` and `valid_loss` (tasks, settings, epochs + 1): 1,000
settings of an optimiser for each of twelve recurrent networks (Metz et al., Using a Thousand
Optimization Tasks to Learn Hyperparameter Search Strategies, 2020). A configuration is the nearest
of these settings. Regret is 0 for the best and 1 for the median setting. Ours must repeat nothing,
and their mean regret must not be above that of TPE under the same pruner.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna

from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import BaseTrial, Trial

OURS = ("gaussian_process", "evolution")
DIVERGED = 1e3

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5),
    "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=3, reduction_factor=3),
}


class Settings:
    """The settings of the table as a space of eight logarithmic ranges.

    Args:
        names: Of the columns.
        values: Shape (settings, columns).
        from_one: Whether beta1 and beta2 are the distance from 1, which is how they were drawn.
            As they are, most settings lie at one end of the range.
    """

    def __init__(
        self, names: NDArray[np.str_], values: NDArray[np.float64], *, from_one: bool = True
    ) -> None:
        far = np.array([from_one and str(name).startswith("beta") for name in names])
        self._values = np.where(far, 1.0 - values, values)
        labels = [f"1-{name}" if one else str(name) for name, one in zip(names, far, strict=True)]
        low, high = self._values.min(axis=0).tolist(), self._values.max(axis=0).tolist()
        self._ranges = list(zip(labels, low, high, strict=True))
        logs = np.log(self._values)
        self._low, self._width = logs.min(axis=0), np.ptp(logs, axis=0)
        self._points = (logs - self._low) / self._width

    def suggest(self, trial: BaseTrial) -> list[float]:
        """Draw each number."""
        return [trial.suggest_float(name, low, high, log=True) for name, low, high in self._ranges]

    def row(self, drawn: list[float]) -> int:
        """Find the setting that is nearest."""
        point = (np.log(drawn) - self._low) / self._width
        return int(((self._points - point) ** 2).sum(axis=1).argmin())


SAMPLERS: dict[str, Callable[[Settings, int], BaseSampler]] = {
    "random": lambda _, seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda _, seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda _, seed: optuna.samplers.NSGAIISampler(seed=seed),
    "gp": lambda _, seed: optuna.samplers.GPSampler(seed=seed),
    "gaussian_process": lambda settings, seed: GaussianProcessSampler(
        settings.suggest, identity=settings.row, seed=seed
    ),
    "evolution": lambda settings, seed: EvolutionSampler(
        settings.suggest, identity=settings.row, seed=seed
    ),
}


def run(
    settings: Settings,
    curves: NDArray[np.float64],
    sampler: BaseSampler,
    pruner: BasePruner,
    n_trials: int,
) -> tuple[float, int]:
    """Regret, and how many trials had a row that one before had."""
    rows: list[int] = []

    def objective(trial: Trial) -> float:
        row = settings.row(settings.suggest(trial))
        rows.append(row)
        for epoch, value in enumerate(curves[row], start=1):
            trial.report(float(value), epoch)
            if epoch < len(curves[row]) and trial.should_prune():
                raise optuna.TrialPruned
        return float(curves[row, -1])

    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=n_trials)
    final = curves[:, -1]
    spread = float(np.median(final) - final.min())
    return (study.best_value - float(final.min())) / spread, len(rows) - len(set(rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samplers", nargs="+", default=["random", "tpe", *OURS])
    parser.add_argument("--pruners", nargs="+", default=list(PRUNERS))
    parser.add_argument("--tasks", type=int, nargs="+", default=list(range(12)))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plain-betas", action="store_true", help="a harder space")
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = np.load(arguments.data)
    settings = Settings(
        data["hp_names"], data["hp"].astype(float), from_one=not arguments.plain_betas
    )
    curves = np.nan_to_num(
        data["valid_loss"][:, :, 1:].astype(float), nan=DIVERGED, posinf=DIVERGED
    )
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.repeats)
    print(f"regret after {arguments.trials} trials (mean, its error, median), repeats, s a run")
    failed = False
    for pruner in arguments.pruners:
        regrets: dict[str, float] = {}
        for name in arguments.samplers:
            start = time.perf_counter()
            found = np.array(
                [
                    run(
                        settings,
                        curves[task],
                        SAMPLERS[name](settings, seed),
                        PRUNERS[pruner](),
                        arguments.trials,
                    )
                    for task in arguments.tasks
                    for seed in seeds
                ]
            )
            seconds = (time.perf_counter() - start) / len(found)
            regret = found[:, 0]
            regrets[name] = float(regret.mean())
            print(
                f"{pruner:8s}{name:18s}{regret.mean():.3f} ±{regret.std() / len(regret) ** 0.5:.3f}"
                f" {np.median(regret):.3f}  {found[:, 1].sum():.0f}  {seconds:.1f}",
                flush=True,
            )
            failed |= name in OURS and found[:, 1].sum() > 0
        failed |= any(
            regrets[name] > regrets.get("tpe", np.inf) for name in OURS if name in regrets
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
