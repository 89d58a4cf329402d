"""How much of the front of accuracy and multiply-adds a search covers, beside Optuna's NSGA-II.

    python benchmarks/hypervolume.py FASHION.npz [--strategies ours:auto ...] [--trials 60]
        [--seeds 10] [--results FILE.json]

Two objectives on 14 x 14 images of clothes in ten classes: validation accuracy up, multiply-adds
down. All searches of a seed see the same objective: ``space.suggest``, then the same short training
on the same 1,200 images. A training's random numbers follow from the seed of the search alone, so
equal architectures have equal results, and what one search has trained another of that seed reads:
the budget of each is still 60 trials, repeats included. ``ours:NAME`` is ``create_sampler(NAME,
space=space)``, ``optuna:nsga2`` Optuna's sampler as it comes, ``optuna:nsga2-20`` the same with a
population of 20, which suits 60 trials.

The hypervolume is that of accuracy and the logarithm of the multiply-adds to base 10, from the
accuracy of the majority class and the most that a network of the space takes. The bar, for each
rival: the mean over the seeds of ours, the first strategy that is named, less the rival's, is at
least 0. The interval is that of the paired differences (95 %, Student's t).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from scipy.stats import t as student

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import DivergenceError
from neural_automl.search_strategies import create_sampler
from neural_automl.search_strategies._auto import pick_strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.samplers import BaseSampler

EPOCHS, TRAINED_ON, MEASURED_ON = 3, 1200, 800
SPACE = """
define Block(width, kernel) {
  Conv2D(width, kernel, padding="same", use_bias=false)
  BatchNormalization()
  ReLU()
}

network Front {
  input: (14, 14, 1)
  let width = choice(2, 4, 8, 12, 16)
  layers:
    Block(width, choice(1, 3, 5))
    choice { MaxPooling2D(2) | AveragePooling2D(2) | { MaxPooling2D(2) MaxPooling2D(2) } }
    {
      choice {
        residual { Block(width, 3) }
        | Block(width * 2, choice(1, 3))
        | SepConv(filters=width, kernel_size=choice(3, 5))
      }
    } * range(0, 3)
    maybe SqueezeExcitation(2)
    choice { GlobalAveragePooling2D() | { MaxPooling2D(2, padding="same") Flatten() } }
    maybe { Dense(choice(8, 16, 32)) ReLU() }
    Dense(10)
  loss: "cross_entropy"
  optimizer: Adam(learning_rate=log_range(1e-3, 3e-2))
  train { epochs: 3  batch_size: 64 }
}
"""
Make = Callable[[ArchitectureSpace, int, int], "BaseSampler"]


def ours(name: str) -> Make:
    def make(space: ArchitectureSpace, seed: int, trials: int) -> BaseSampler:
        if name != "auto":
            return create_sampler(name, space=space, seed=seed)
        return create_sampler(name, space=space, seed=seed, n_trials=trials, n_objectives=2)

    return make


STRATEGIES: dict[str, Make] = {
    "ours:auto": ours("auto"),
    "ours:tpe": ours("tpe"),
    "ours:nsga2": ours("nsga2"),
    "ours:evolutionary": ours("evolutionary"),
    "ours:bayesian": ours("bayesian"),
    "ours:random": ours("random"),
    "optuna:nsga2": lambda space, seed, trials: optuna.samplers.NSGAIISampler(seed=seed),
    "optuna:nsga2-20": lambda space, seed, trials: optuna.samplers.NSGAIISampler(
        seed=seed, population_size=20
    ),
}
DEFAULT = ("ours:auto", "optuna:nsga2", "optuna:nsga2-20")


class Training:
    """The accuracy of a network after a short training, once for each network and seed."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as data:
            inputs, labels = data["train_x"][..., None] / np.float32(255), data["train_y"]
        ends = (TRAINED_ON, TRAINED_ON + MEASURED_ON)
        parts = [slice(0, ends[0]), slice(*ends)]
        train, validation = [(inputs[part], labels[part].astype(np.int64)) for part in parts]
        counts = np.bincount(validation[1])
        self.of_majority = float(counts.max() / counts.sum())
        self._evaluator = ArchitectureEvaluator(train, validation, device="cpu")
        self._known: dict[tuple[str, int], float] = {}
        self.trained = 0

    def accuracy(
        self, space: ArchitectureSpace, trial: optuna.Trial, seed: int
    ) -> tuple[float, int]:
        """Return the accuracy and the multiply-adds of what a trial suggests."""
        architecture = space.suggest(trial)
        key = (json.dumps(architecture.to_dict(), sort_keys=True), seed)
        if key not in self._known:
            self.trained += 1
            context = EvaluationContext(epochs=EPOCHS, seed=seed)
            try:
                metrics = self._evaluator.evaluate(architecture, context)
            except DivergenceError:
                metrics = {"val_accuracy": 0.0}
            self._known[key] = float(metrics["val_accuracy"])
        return self._known[key], architecture.cost.macs


def search(
    make: Make, space: ArchitectureSpace, training: Training, trials: int, seed: int
) -> NDArray[np.float64]:
    """Return the losses of one search: accuracy, negative, and the logarithm of multiply-adds."""
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=make(space, seed, trials)
    )
    study.optimize(lambda trial: training.accuracy(space, trial, seed), n_trials=trials)
    return np.array([(-t.values[0], math.log10(t.values[1])) for t in study.trials])


def hypervolume(losses: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    inside = losses[(losses <= reference).all(axis=1)]
    return float(compute_hypervolume(inside, reference)) if len(inside) else 0.0


def interval(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval."""
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    half = float(student.ppf(0.975, len(differences) - 1)) * error
    return mean, mean - half, mean + half


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="FASHION.npz")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(DEFAULT))
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="a .json file for the volumes")
    options = parser.parse_args()
    if options.seeds < 2 or len(options.strategies) < 2:
        parser.error("an interval needs two seeds and two strategies at least")
    return options


def main() -> int:
    options = arguments_of()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    training, space = Training(options.data), ArchitectureSpace.from_dsl(SPACE)
    largest = max(space.sample_architecture(seed=seed).cost.macs for seed in range(3000))
    reference = np.array([-training.of_majority, math.log10(largest)])
    print(pick_strategy(space, n_trials=options.trials, n_objectives=2), "is what auto stands for")
    print(f"reference point: accuracy {training.of_majority:.3f}, {largest:,} multiply-adds")
    print(f"{options.trials} trials of {EPOCHS} epochs; hypervolume a seed")
    volumes: dict[str, list[float]] = {name: [] for name in options.strategies}
    print("seed  " + "  ".join(f"{name:>18s}" for name in volumes), flush=True)
    began = time.perf_counter()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name, found in volumes.items():
            losses = search(STRATEGIES[name], space, training, options.trials, seed)
            found.append(hypervolume(losses, reference))
        row = "  ".join(f"{found[-1]:18.4f}" for found in volumes.values())
        print(f"{seed:4d}  {row}", flush=True)
    print("mean  " + "  ".join(f"{np.mean(found):18.4f}" for found in volumes.values()))
    seconds = time.perf_counter() - began
    print(f"{training.trained} trainings, {seconds:.0f} s")
    if options.results is not None:
        options.results.write_text(json.dumps(volumes), encoding="utf-8")
    first, *rivals = options.strategies
    missed = False
    for rival in rivals:
        mean, low, high = interval(np.subtract(volumes[first], volumes[rival]))
        share = mean / float(np.mean(volumes[rival]))
        print(
            f"{first} less {rival}: {mean:+.4f} ({share:+.1%}), 95 % interval {low:+.4f} to "
            f"{high:+.4f} (bar: at least 0)"
        )
        missed = missed or mean < 0
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
