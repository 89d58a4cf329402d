"""How long a decision of LearningCurvePruner takes beside Optuna's MedianPruner.

    python benchmarks/pruner_decision.py

A study in memory of 500 finished trials with 50 reports each. A new trial reports step by step,
and each pruner is asked in turns at each step, by itself and without the storage's work for the
trial. Three kinds of curves: one of the good, one of the bad, one noisy. The bar is 2 on the sum
of all decisions from the warm-up on, the median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from neural_automl.pruners.learning_curve import LearningCurvePruner

TRIALS, STEPS, WARM_UP, BAR = 500, 50, 5, 2.0


def finished_study(rng: np.random.Generator) -> optuna.Study:
    study = optuna.create_study()
    steps = np.arange(1, STEPS + 1)
    for _ in range(TRIALS):
        limit, start, exponent = rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.8), rng.uniform(0.3, 2)
        curve = limit + start * steps**-exponent + rng.normal(0, 0.01, STEPS)
        values = {int(step): float(value) for step, value in zip(steps, curve, strict=True)}
        study.add_trial(create_trial(value=values[STEPS], intermediate_values=values))
    return study


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(0)
    study = finished_study(rng)
    pruners: dict[str, optuna.pruners.BasePruner] = {
        "median": optuna.pruners.MedianPruner(n_warmup_steps=WARM_UP),
        "learning_curve": LearningCurvePruner(STEPS, n_warmup_steps=WARM_UP),
    }
    steps = np.arange(1, STEPS + 1)
    kinds = {
        "good": 0.1 + 0.3 / steps + rng.normal(0, 0.01, STEPS),
        "bad": 0.7 + 0.3 / steps + rng.normal(0, 0.01, STEPS),
        "noisy": 0.4 + 0.3 / steps + rng.normal(0, 0.1, STEPS),
    }
    missed = False
    for kind, curve in kinds.items():
        seconds: dict[str, list[float]] = {name: [] for name in pruners}
        for _ in range(rounds):
            spent = dict.fromkeys(pruners, 0.0)
            for step in range(WARM_UP, STEPS):
                values = {x: float(curve[x - 1]) for x in range(1, step + 1)}
                trial = create_trial(state=TrialState.RUNNING, intermediate_values=values)
                trial.number = TRIALS
                for name, pruner in pruners.items():
                    start = time.perf_counter()
                    pruner.prune(study, trial)
                    spent[name] += time.perf_counter() - start
            for name, total in spent.items():
                seconds[name].append(total / (STEPS - WARM_UP))
        median = {name: statistics.median(seen) for name, seen in seconds.items()}
        ratio = median["learning_curve"] / median["median"]
        missed |= ratio > BAR
        print(
            f"{kind:6} median {1e6 * median['median']:6.0f} us, learning_curve "
            f"{1e6 * median['learning_curve']:6.0f} us, ratio {ratio:.2f}, bar {BAR}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
