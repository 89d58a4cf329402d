"""What early stopping saves, and loses, in a search for accuracy and few multiply-adds.

    python benchmarks/multi_objective_pruning.py [--strategy random] [--trials 40] [--seeds 10]

Two searches a seed over small convolutional networks for scikit-learn's digits: one trains all to
the end, the other stops with ``multi_objective``. Random search proposes the same in both; a
strategy that learns proposes the same at first. What the first search of a pair trained, the
second reads from its curve as far as it goes: equal seeds give equal bits. Saved is the share of
epochs. Lost is the share of the hypervolume of the complete trials: accuracy, and the logarithm of
the multiply-adds to base 10, from the accuracy of the majority class and the largest network of
the space. The bar: at least 40 % saved and at most 2 % lost, means over the seeds.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.pruners import BasePruner, NopPruner
from optuna.trial import TrialState

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.data import load_data
from neural_automl.early_stopping import create_pruner
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.objective import ArchitectureObjective
from neural_automl.search_strategies import create_sampler

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

EPOCHS, LEAST_SAVED, MOST_LOST = 18, 0.40, 0.02
SPACE = """
define Block(width, kernel) {
  Conv2D(width, kernel, padding="same", use_bias=false)
  BatchNormalization()
  ReLU()
}

network Small {
  input: (8, 8, 1)
  let width = choice(2, 4, 8, 16)
  layers:
    Block(width, choice(1, 3, 5))
    MaxPooling2D(2)
    { Block(width, choice(1, 3)) } * range(0, 2)
    choice { GlobalAveragePooling2D() | { MaxPooling2D(2) Flatten() } }
    maybe { Dense(choice(8, 16, 32)) ReLU() }
    Dense(10)
  loss: "cross_entropy"
  optimizer: Adam(learning_rate=log_range(3e-4, 3e-2))
  train { epochs: 18  batch_size: 64 }
}
"""


class Replaying:
    """Trains what it has not trained to its end before, and else reports the curve again."""

    def __init__(self, evaluator: ArchitectureEvaluator) -> None:
        self._evaluator = evaluator
        self._curves: dict[tuple[str, int], list[dict[str, float]]] = {}

    def evaluate(self, architecture: Architecture, context: EvaluationContext) -> dict[str, float]:
        key = (str(architecture.to_dict()), context.seed)
        known = self._curves.get(key)
        if known is None:
            seen: list[dict[str, float]] = []

            def report(epoch: int, metrics: Mapping[str, float]) -> None:
                seen.append(dict(metrics))
                context.report(epoch, metrics)

            result = self._evaluator.evaluate(architecture, replace(context, report=report))
            if len(seen) == context.epochs:
                self._curves[key] = seen
            return result
        for epoch, metrics in enumerate(known, 1):
            context.report(epoch, metrics)
            if context.should_stop():
                return metrics
        return known[-1]


def search(
    objective: ArchitectureObjective, strategy: str, pruner: BasePruner, trials: int, seed: int
) -> tuple[int, np.ndarray, int]:
    """Return the epochs trained, the losses of complete trials, and how many were stopped."""
    objective.seed = seed
    study = optuna.create_study(
        directions=list(objective.directions),  # type: ignore[arg-type]
        sampler=create_sampler(strategy, space=objective.space, seed=seed),
        pruner=pruner,
    )
    study.optimize(objective, n_trials=trials)
    epochs = sum(trial.user_attrs["epochs"] for trial in study.trials)
    complete = study.get_trials(states=[TrialState.COMPLETE])
    losses = np.array([(-accuracy, math.log10(macs)) for accuracy, macs in map(_values, complete)])
    return epochs, losses, trials - len(complete)


def _values(trial: optuna.trial.FrozenTrial) -> tuple[float, float]:
    accuracy, macs = trial.values
    return accuracy, macs


def hypervolume(losses: np.ndarray, reference: np.ndarray) -> float:
    inside = losses[(losses <= reference).all(axis=1)]
    return float(compute_hypervolume(inside, reference))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: the bar is on means")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    splits = load_data("digits")
    space = ArchitectureSpace.from_dsl(SPACE)
    labels = np.asarray(splits.train[1])
    majority = np.bincount(labels).max() / len(labels)
    largest = max(space.sample_architecture(seed=seed).cost.macs for seed in range(3000))
    reference = np.array([-majority, math.log10(largest)])
    print(f"{options.strategy}, {options.trials} trials of {EPOCHS} epochs, a pair a seed")
    print(f"reference point: accuracy {majority:.3f}, {largest:,} multiply-adds")
    print("seed  epochs: all, stopping  saved  stopped  hypervolume: all, stopping  lost")
    rows = []
    for seed in range(options.seeds):
        objective = ArchitectureObjective(
            space,
            Replaying(ArchitectureEvaluator(splits, device="cpu")),
            epochs=EPOCHS,
            metrics=("val_accuracy", "macs"),
            artifact_store=None,
        )
        stopping = create_pruner("multi_objective", max_epochs=EPOCHS)
        runs = [
            search(objective, options.strategy, pruner, options.trials, seed)
            for pruner in (NopPruner(), stopping)
        ]
        volumes = [hypervolume(losses, reference) for _, losses, _ in runs]
        saved, lost = 1 - runs[1][0] / runs[0][0], 1 - volumes[1] / volumes[0]
        rows.append((saved, lost))
        print(
            f"{seed:4d}  {runs[0][0]:11d}, {runs[1][0]:8d}  {saved:5.1%}  {runs[1][2]:7d}  "
            f"{volumes[0]:16.4f}, {volumes[1]:8.4f}  {lost:5.1%}",
            flush=True,
        )
    saved, lost = np.mean(rows, axis=0)
    error = np.std([row[1] for row in rows], ddof=1) / math.sqrt(len(rows))
    print(
        f"mean: saved {saved:.1%} (bar {LEAST_SAVED:.0%}), "
        f"lost {lost:.2%} ± {error:.2%} (bar {MOST_LOST:.0%})"
    )
    return int(saved < LEAST_SAVED or lost > MOST_LOST)


if __name__ == "__main__":
    sys.exit(main())
