"""Rungs of short trainings against whole trainings, on real data.

Run ``python benchmarks/fidelities.py digits`` or ``python benchmarks/fidelities.py fashion FILE``.
For each seed one search trains its networks in full, and another one with rungs gets a share of its
epochs. Both see the same data and begin with the same random numbers.

Compared is the best validation accuracy: the difference of the means over the seeds must not be
below minus one standard error of the paired differences, at no more than 40 % of the epochs. Shown
beside it is the accuracy of the winners on test data that no search saw.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neural_automl import AutoMLEngine, load_data
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.data import DataSplits

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
#: Of the epochs of the whole trainings, that the rungs may take.
SHARE = 0.4
#: The last is the whole training. On digits many networks are almost perfect: two rungs leave more
#: of them a whole training than three do.
RUNGS = {"digits": (2, 18), "fashion": (1, 3, 9)}


@dataclass(frozen=True)
class Found:
    """What one search found, and what it took."""

    best: float
    test: float
    epochs: int
    networks: int


def search(
    space: ArchitectureSpace,
    splits: DataSplits,
    seed: int,
    *,
    trials: int,
    epochs: int,
    strategy: str,
    rungs: Sequence[int] | None,
) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        engine = AutoMLEngine(
            search_strategy=strategy,
            early_stopping="none",
            output_dir=folder,
            seed=seed,
            rungs=rungs,
        )
        result = engine.search(space, splits, max_trials=trials, max_epochs_per_trial=epochs)
        summary = engine.get_search_summary()
        value = result.best_trial.value
        assert value is not None
        return Found(
            value,
            result.test_metrics()["test_accuracy"],
            summary["epochs_trained"],
            summary["trained"] - summary["promotions"],
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=("digits", "fashion"))
    parser.add_argument("file", nargs="?", type=Path, help="of the images, for fashion")
    parser.add_argument("--trials", type=int, default=30, help="whole trainings of the full search")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--rows", type=int, help="use only so many samples")
    options = parser.parse_args()
    if (options.data == "fashion") != (options.file is not None):
        parser.error("fashion needs a file, and digits takes none")
    rungs = RUNGS[options.data]
    epochs = rungs[-1]
    space = ArchitectureSpace.from_dsl(EXAMPLES / f"{options.data}.neural")
    print(
        f"{options.data}: {options.trials} whole trainings of {epochs} epochs, rungs "
        f"{rungs} with {SHARE:.0%} of their epochs, {options.strategy}"
    )
    full: list[Found] = []
    short: list[Found] = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        splits = cut(load_data(options.file or "digits", test_split=0.2, seed=seed), options.rows)
        for found, ladder, share in ((full, None, 1.0), (short, rungs, SHARE)):
            trials = int(share * options.trials)
            found.append(
                search(
                    space,
                    splits,
                    seed,
                    trials=trials,
                    epochs=epochs,
                    strategy=options.strategy,
                    rungs=ladder,
                )
            )
        print(f"seed {seed}: {line(full[-1])}; rungs {line(short[-1])}", end=" ")
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    return judge(full, short)


def cut(splits: DataSplits, rows: int | None) -> DataSplits:
    """Return fewer samples to search with; the test data stays whole."""
    if rows is None:
        return splits
    x, y = splits.train
    name = f"{splits.fingerprint}[:{rows}]"
    return replace(splits, train=(x[:rows], y[:rows]), fingerprint=name)


def line(found: Found) -> str:
    return (
        f"best {found.best:.4f}, test {found.test:.4f}, {found.networks} networks, "
        f"{found.epochs} epochs"
    )


def judge(full: Sequence[Found], short: Sequence[Found]) -> int:
    """Print the comparison and return 1 if a bar is missed."""
    missed = []
    for name in ("best", "test"):
        pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(full, short, strict=True)]
        differences = [after - before for before, after in pairs]
        mean = statistics.fmean(differences)
        error = statistics.stdev(differences) / len(differences) ** 0.5 if len(pairs) > 1 else 0.0
        print(
            f"{name}: full {statistics.fmean(a for a, _ in pairs):.4f}, "
            f"rungs {statistics.fmean(b for _, b in pairs):.4f}, difference {100 * mean:+.2f} "
            f"points, standard error {100 * error:.2f}"
        )
        if name == "best" and mean < -error:
            missed.append("the best accuracy falls by more than one standard error")
    share = sum(found.epochs for found in short) / sum(found.epochs for found in full)
    print(f"epochs: {share:.1%} (bar {SHARE:.0%})")
    if share > SHARE:
        missed.append("the rungs take more than their share of the epochs")
    for text in missed:
        print(text)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
