"""Ten thousand trials in one study: what a proposal, a look and a long life of a worker cost.

    python benchmarks/many_trials.py

Studies of 1,000 and 10,000 finished trials, copies of one that was run, are filled on SQLite. Then
a worker of ours goes on from there, whose evaluator trains nothing: the seconds of a proposal and
of a whole trial, in the median of some trials after the first, which reads the study. The bar is
that a proposal costs at most 5 times as much. `status` and the summary of the larger are timed.

Before that, the resident memory of a worker that has PyTorch loaded and runs 1,000 trials: after
200 and at the end. The bar is 5 %.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import psutil
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.objective_overhead import SleeplessEvaluator
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Repeat
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import summarise
from neural_automl.search_strategies import create_sampler
from neural_automl.studies import load_study, open_study
from neural_automl.workers._worker import work

GROWTH = 5.0
MEMORY = 0.05
EPOCHS = 3
STRATEGIES = ("random", "tpe", "regularized_evolution")
WIDTHS = (4, 6, 8, 10, 12, 16)
_WARM_UP = 200


def space() -> ArchitectureSpace:
    """Return 10 choices, of some 60 million networks."""
    layers = Repeat(Layer("Dense", Choice(*WIDTHS)), 10)
    return ArchitectureSpace((8,), layers, constraints={"params": 10**9}, name="Many")


def new_study(url: str | Path, strategy: str, max_trials: int) -> optuna.Study:
    study = open_study(
        url,
        "Many",
        directions=["maximize"],
        sampler=create_sampler(strategy, space=space(), seed=1),
        pruner=optuna.pruners.NopPruner(),
    )
    study.set_user_attr("max_trials", max_trials)
    return study


def objective() -> ArchitectureObjective:
    return ArchitectureObjective(space(), SleeplessEvaluator(), epochs=EPOCHS, artifact_store=None)


def fill(path: Path, trials: int) -> None:
    """Make a study of so many finished trials like one of ours, in one batch."""
    study = new_study(path, "random", 1)
    assert work(study, objective()).reason == "budget"
    (template,) = study.get_trials(deepcopy=False)
    rng = random.Random(7)

    def another(number: int) -> optuna.trial.FrozenTrial:
        params = {name: rng.choice(WIDTHS) for name in template.params}
        key = f"{number:032x}"
        return optuna.trial.create_trial(
            params=params,
            distributions=template.distributions,
            value=sum(params.values()) / 200,
            intermediate_values=template.intermediate_values,
            user_attrs={**template.user_attrs, "training_key": key, "architecture_key": key},
        )

    study.add_trials([another(number) for number in range(1, trials)])


def cost(path: Path, strategy: str, trials: int, more: int) -> tuple[float, float]:
    """Return seconds a proposal and seconds a trial in a study of so many trials."""
    study = new_study(path, strategy, trials + more)
    before = len(study.get_trials(deepcopy=False))
    outcome = work(study, objective())
    assert outcome.reason == "budget", outcome
    done = study.get_trials(deepcopy=False)[before + 1 :]
    assert len(done) >= more - 1, len(done)
    proposing = statistics.median(trial.user_attrs["seconds"]["proposing"] for trial in done)
    moments = [trial.datetime_complete for trial in done if trial.datetime_complete is not None]
    spans = [(b - a).total_seconds() for a, b in itertools.pairwise(moments)]
    return proposing, statistics.median(spans)


def copy_of(source: Path, folder: str) -> Path:
    """Return a copy of a study's file, whose trials are in it and not in a log beside it."""
    target = Path(folder, f"{time.time_ns()}.db")
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    return target


def looks(path: Path) -> None:
    """Print what it costs to look at a study."""
    start = time.perf_counter()
    study = load_study(path)
    study.get_trials(deepcopy=False)
    read = time.perf_counter() - start
    start = time.perf_counter()
    summarise(study)
    print(f"reading it all {read:.1f} s, summary {time.perf_counter() - start:.2f} s", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "neural_automl", "status", "--storage", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(f"`neural-automl status` {time.perf_counter() - start:.1f} s", flush=True)


def memory_growth(folder: str, strategy: str, trials: int) -> float:
    """Return the growth of a worker's resident memory, as a share."""
    # A worker trains, so PyTorch is loaded and has run: it is of its memory that this is a share.
    torch.nn.Linear(8, 8)(torch.rand(4, 8)).sum().backward()
    study = new_study(Path(folder, "grows.db"), strategy, _WARM_UP)
    ours, process = objective(), psutil.Process()
    assert work(study, ours).reason == "budget"
    gc.collect()
    before = process.memory_info().rss
    study.set_user_attr("max_trials", _WARM_UP + trials)
    assert work(study, ours).reason == "budget"
    gc.collect()
    after = process.memory_info().rss
    print(
        f"resident memory of a worker with {strategy}: {before / 2**20:.0f} MB after {_WARM_UP} "
        f"trials, {after / 2**20:.0f} MB after {trials:,} more: {after / before - 1:+.1%} "
        f"(bar {MEMORY:.0%})",
        flush=True,
    )
    return float(after / before - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--more", type=int, default=30)
    parser.add_argument("--strategy", action="append", choices=STRATEGIES)
    parser.add_argument("--memory", type=int, default=1_000, help="trials of the long life")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    missed = False
    strategies = options.strategy or STRATEGIES
    with tempfile.TemporaryDirectory() as folder:
        growth = memory_growth(folder, strategies[0], options.memory)
        missed |= growth > MEMORY
        sizes = {}
        for trials in (options.few, options.trials):
            path = Path(folder, f"filled{trials}.db")
            start = time.perf_counter()
            fill(path, trials)
            print(f"{trials:,} trials filled in {time.perf_counter() - start:.0f} s", flush=True)
            sizes[trials] = path
        for strategy in strategies:
            found = {}
            for trials, path in sizes.items():
                found[trials] = cost(copy_of(path, folder), strategy, trials, options.more)
            (few, few_all), (many, many_all) = found.values()
            missed |= many / few > GROWTH
            print(
                f"{strategy}: a proposal {1000 * few:.1f} ms at {options.few:,} trials, "
                f"{1000 * many:.1f} ms at {options.trials:,}: {many / few:.2f} times (bar "
                f"{GROWTH:g}); a whole trial {1000 * few_all:.0f} and {1000 * many_all:.0f} ms",
                flush=True,
            )
        looks(sizes[options.trials])
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
