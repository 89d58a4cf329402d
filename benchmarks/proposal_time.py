"""Median time of a proposal after n finished trials in a space of 30 choices, for several samplers.

    python benchmarks/proposal_time.py --trials 100 300 500 1000 --samplers tpe gp gaussian_process

Run with OMP_NUM_THREADS=1. Trials are random ones; a proposal is `ask` and all 30 suggestions.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import BaseTrial, TrialState

from neural_automl.samplers._define_by_run import draw
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

# At most so much of the time that Optuna's GPSampler takes.
BAR = 0.2
CHOICES = ["conv", "separable", "pool", "skip"]


def suggest(trial: BaseTrial) -> list[str]:
    return [trial.suggest_categorical(f"op_{i}", CHOICES) for i in range(30)]


SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0),
    "gp": lambda: optuna.samplers.GPSampler(seed=0),
    "evolution": lambda: EvolutionSampler(suggest, seed=0),
    "gaussian_process": lambda: GaussianProcessSampler(suggest, seed=0),
}


def seconds(make: Callable[[], BaseSampler], n_trials: int, repeats: int) -> float:
    rng = np.random.default_rng(0)
    study = optuna.create_study(sampler=make())
    gains = rng.normal(size=(30, len(CHOICES)))
    for _ in range(n_trials):
        drawn = draw(suggest, rng)
        value = sum(gains[i, CHOICES.index(op)] for i, op in enumerate(drawn.result))
        study.add_trial(
            optuna.create_trial(
                params=dict(drawn.values), distributions=dict(drawn.distributions), value=value
            )
        )
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        trial = study.ask()
        suggest(trial)
        times.append(time.perf_counter() - start)
        study.tell(trial, state=TrialState.FAIL)
    return float(np.median(times))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 300, 500, 1000])
    parser.add_argument("--samplers", nargs="+", default=["tpe", "gp", "gaussian_process"])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("milliseconds after", *arguments.trials, "trials")
    found: dict[str, list[float]] = {}
    for name in arguments.samplers:
        found[name] = times = [
            1000 * seconds(SAMPLERS[name], n, arguments.repeats) for n in arguments.trials
        ]
        print(f"{name:20s}", *(f"{each:9.1f}" for each in times), flush=True)
    if not {"gp", "gaussian_process"} <= found.keys():
        return 0
    pairs = zip(found["gaussian_process"], found["gp"], arguments.trials, strict=True)
    return int(any(ours > BAR * theirs for ours, theirs, n in pairs if n in (100, 300)))


if __name__ == "__main__":
    sys.exit(main())
