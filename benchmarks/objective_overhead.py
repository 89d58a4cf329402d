"""What our objective costs beside bare Optuna that writes the same to SQLite.

    python benchmarks/objective_overhead.py

Both sides run on fresh SQLite files in write-ahead logging, in alternating pairs: 25 choices,
10 reports, the same constraints and user attributes a trial. Nothing is trained on either side,
and neither keeps artifacts. The bar is 1.15.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Repeat
from neural_automl.objective import ArchitectureObjective
from neural_automl.studies import open_study

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

Objective = Callable[[optuna.Trial], float | tuple[float, ...]]

BAR = 1.15
REPORTS = 10
CHOICES = 25


class SleeplessEvaluator:
    """Reports a curve and returns metrics, and trains nothing."""

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        for step in range(1, context.epochs + 1):
            context.report(step, {"val_accuracy": step / 100})
            context.should_stop()
        return {"val_accuracy": context.epochs / 100, "val_loss": 1.0, "train_seconds": 0.0}


def space() -> ArchitectureSpace:
    layers = Repeat(Layer("Dense", Choice(8, 16, 32)), CHOICES)
    return ArchitectureSpace((8,), layers, constraints={"params": 10**9})


def study(folder: str, name: str) -> optuna.Study:
    return open_study(
        Path(folder, f"{name}.db"),
        name,
        directions=["maximize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )


def bare(template: optuna.trial.FrozenTrial) -> Callable[[optuna.Trial], float]:
    """Write what a trial of ours holds, by Optuna's own calls alone."""
    constraints = {
        key.partition(":")[2]: value
        for key, value in template.system_attrs.items()
        if key.startswith("constraints:")
    }

    def objective(trial: optuna.Trial) -> float:
        for name, distribution in template.distributions.items():
            assert isinstance(distribution, optuna.distributions.CategoricalDistribution)
            trial.suggest_categorical(name, distribution.choices)
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        for step, value in template.intermediate_values.items():
            trial.report(value, step)
        for name, value in template.user_attrs.items():
            trial.set_user_attr(name, value)
        return float(template.values[0])

    return objective


def seconds(run: optuna.Study, objective: Objective, trials: int) -> float:
    start = time.perf_counter()
    run.optimize(objective, n_trials=trials)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ours = ArchitectureObjective(space(), SleeplessEvaluator(), epochs=REPORTS, artifact_store=None)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        first = study(folder, "template")
        first.optimize(ours, n_trials=2)
        template = first.trials[-1]
        print(
            f"a trial: {len(template.params)} parameters, {len(template.intermediate_values)} "
            f"reports, {len(template.user_attrs)} user attributes"
        )
        for pair in range(options.pairs):
            ours_seconds = seconds(study(folder, f"ours{pair}"), ours, options.trials)
            bare_seconds = seconds(study(folder, f"bare{pair}"), bare(template), options.trials)
            ratios.append(ours_seconds / bare_seconds)
            print(
                f"ours {1000 * ours_seconds / options.trials:.1f} ms a trial, "
                f"bare {1000 * bare_seconds / options.trials:.1f}, ratio {ratios[-1]:.3f}"
            )
    median = statistics.median(ratios)
    print(f"median ratio {median:.3f} (bar {BAR})")
    return int(median > BAR)


if __name__ == "__main__":
    sys.exit(main())
