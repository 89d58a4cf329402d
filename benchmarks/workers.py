"""How much faster four workers are than one, on one PostgreSQL.

    python benchmarks/workers.py

A training is a sleep of 2 s with 3 reports, the space has 10 choices. The rate of a worker that has
started is counted from its first trial's beginning to its last one's end; four workers run 100
trials, one runs 25. The bar is 90 % of four times one worker's rate.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.engine import AutoMLEngine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.servers import PostgresServer

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

BAR = 0.9
CHOICES = 10
REPORTS = 3


class SleepingEvaluator:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        for step in range(1, context.epochs + 1):
            time.sleep(self.seconds / context.epochs)
            context.report(step, {"val_accuracy": step / 100})
            context.should_stop()
        return {"val_accuracy": context.epochs / 100, "train_seconds": self.seconds}


def space() -> ArchitectureSpace:
    widths = tuple(range(8, 40))
    return ArchitectureSpace((8,), [Layer("Dense", Choice(*widths)) for _ in range(CHOICES)])


def rate(url: str, folder: str, workers: int, trials: int, seconds: float) -> float:
    """Return trials a second."""
    engine = AutoMLEngine(
        search_strategy="random",
        early_stopping="median",
        executor_type="process",
        max_workers=workers,
        storage=url,
        study_name=f"workers{workers}",
        output_dir=folder,
    )
    result = engine.search(
        space(),
        evaluator=SleepingEvaluator(seconds),
        max_trials=trials,
        max_epochs_per_trial=REPORTS,
    )
    spans: dict[str, list[float]] = defaultdict(list)
    for trial in result.study.trials:
        if trial.datetime_start is not None and trial.datetime_complete is not None:
            times = (trial.datetime_start, trial.datetime_complete)
            spans[trial.user_attrs["worker"]] += [moment.timestamp() for moment in times]
    assert len(spans) == workers
    return sum(len(times) / 2 / (max(times) - min(times)) for times in spans.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    server = PostgresServer()
    try:
        url = server.new_database()
        with tempfile.TemporaryDirectory() as folder:
            alone = rate(url, folder, 1, options.trials // options.workers, options.seconds)
            print(f"1 worker: {alone:.4f} trials a second (a sleep alone: {1 / options.seconds:g})")
            together = rate(url, folder, options.workers, options.trials, options.seconds)
    finally:
        server.close()
    share = together / alone / options.workers
    print(f"{options.workers} workers: {together:.4f} trials a second")
    print(f"{share:.1%} of {options.workers} times one worker (bar {BAR:.0%})")
    return int(share < BAR)


if __name__ == "__main__":
    sys.exit(main())
