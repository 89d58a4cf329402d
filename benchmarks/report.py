"""The report of a study of 1,000 trials beside Optuna's own plots of it.

    python benchmarks/report.py

The study is of the space of examples/digits.neural, drawn at random, with a made-up result and a
curve of 10 epochs a trial, a third of them stopped early. Optuna's side is history, slice,
importance and parallel coordinates, as figures that nobody writes to a file; ours is the whole
page. The bars are a ratio of 5 and 10 MB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FixedTrial, TrialState, create_trial

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.report import make_report

RATIO, MEGABYTES = 5.0, 10.0
EPOCHS = 10
PLOTS = (
    optuna.visualization.plot_optimization_history,
    optuna.visualization.plot_slice,
    optuna.visualization.plot_param_importances,
    optuna.visualization.plot_parallel_coordinate,
)


def make_study(trials: int) -> optuna.Study:
    space = ArchitectureSpace.from_dsl(Path(__file__).parent.parent / "examples" / "digits.neural")
    study = optuna.create_study(direction="maximize", study_name="thousand")
    for name, value in (
        ("space", space.to_dsl()),
        ("metrics", "val_accuracy"),
        ("strategy", "tpe"),
    ):
        study.set_user_attr(name, value)
    random = np.random.default_rng(0)
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - Optuna's own times have no zone
    made = []
    for number in range(trials):
        fixed = FixedTrial(dict(space.sample_architecture(seed=number, feasible=False).choices))
        cost = space.suggest(fixed).cost
        good = 0.8 + 0.02 * np.log(cost.params / 1000) + 0.03 * random.normal()
        stopped = number % 3 == 2
        steps = range(1, 4 if stopped else EPOCHS + 1)
        curve = {step: float(good - 0.4 / step) for step in steps}
        trial = create_trial(
            state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
            value=None if stopped else curve[EPOCHS],
            params=dict(fixed.params),
            distributions=dict(fixed.distributions),
            intermediate_values=curve,
            user_attrs={
                "params": cost.params,
                "macs": cost.macs,
                "epochs": len(curve),
                "max_epochs": EPOCHS,
                "train_seconds": 1.0,
                "worker": f"worker:{number % 4}",
                "architecture_key": str(number),
            },
        )
        trial.datetime_start = start + timedelta(seconds=number)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=3)
        made.append(trial)
    study.add_trials(made)
    return study


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", UserWarning)  # of importances that rest on few trials
    study = make_study(options.trials)
    times: dict[str, list[float]] = {"ours": [], "Optuna's": []}
    page = ""
    for _ in range(options.pairs):
        begin = time.perf_counter()
        for plot in PLOTS:
            plot(study)
        middle = time.perf_counter()
        page = make_report(study)
        times["Optuna's"].append(middle - begin)
        times["ours"].append(time.perf_counter() - middle)
    pairs = zip(times["ours"], times["Optuna's"], strict=True)
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    size = len(page.encode()) / 1e6
    seconds = {side: round(statistics.median(values), 2) for side, values in times.items()}
    print(f"{options.trials} trials: seconds {seconds}; ratio {ratio:.2f} (bar {RATIO:g})")
    print(f"size {size:.2f} MB (bar {MEGABYTES:g})")
    return int(ratio > RATIO or size > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
