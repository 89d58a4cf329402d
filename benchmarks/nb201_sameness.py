"""How well the accuracies of NAS-Bench-201 agree within a class of one key, beside the seeds.

    python benchmarks/nb201_sameness.py DATA.npz

The file holds, for each of the 15,625 cells, the operations of its edges in ``ops``, with their
names in ``op_names``; and ``val200_seeds``, the validation accuracy after 200 epochs of each seed,
(datasets, seeds, cells), nan where a seed was not run. A class is what shares a key as a network of
one cell. For each data set:

- the better half: the cells whose class's mean over all its cells and seeds is at least the median
  of that figure over all cells. A class is in it as a whole: cells that were chosen by their own
  accuracies would agree because of the choice;
- the seed spread: the root of the mean square deviation of single trainings from their cell's mean,
  over cells of classes with several cells, with one degree of freedom less a cell;
- the within-class spread: the same from the class's mean, with one degree less a class;
- the ratio of the two, which is 1 in expectation where the cells of a class are one network. The
  bar is 1.05;
- stricter, without a bar: the same of the cells' means alone, which takes no credit for what seeds
  do within a cell: the root of the mean square between cells of a class over that within cells,
  again 1 in expectation (the F of an analysis of variance).

Beside it, what it is for: the share of proposals of a random search that repeat a class.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from neural_automl.architecture import Architecture, LayerConfig

BAR = 1.05
TRIALS = (100, 300, 1000)
SEARCHES = 200


def key_of(cell: tuple[str, ...]) -> str:
    layers = (
        LayerConfig("cell", {"edges": cell}),
        LayerConfig("GlobalAveragePooling2D"),
        LayerConfig("Dense", {"units": 3}),
    )
    return Architecture((8, 8, 4), layers).key


def spreads(seeds: Any, classes: Any) -> dict[str, float]:
    """Return the figures of one data set.

    Args:
        seeds: Accuracies, (cells, seeds), nan where there is none.
        classes: The number of each cell's class.
    """
    run = np.isfinite(seeds)
    trainings, total = run.sum(1), np.where(run, seeds, 0).sum(1)
    of_class = np.bincount(classes, total) / np.bincount(classes, trainings)
    better = of_class[classes] >= np.median(of_class[classes])
    several = np.bincount(classes)[classes] > 1
    rows = better & several
    seeds, trainings, classes, total = seeds[rows], trainings[rows], classes[rows], total[rows]

    mean = total / trainings
    inside = np.nansum((seeds - mean[:, None]) ** 2)
    between = np.sum(trainings * (mean - of_class[classes]) ** 2)
    cells, count = len(classes), len(set(classes.tolist()))
    seed_spread = float(np.sqrt(inside / (trainings.sum() - cells)))
    return {
        "cells": cells,
        "classes": count,
        "seeds": seed_spread,
        "within": float(np.sqrt((inside + between) / (trainings.sum() - count))),
        "between": float(np.sqrt(between / (cells - count))),
    }


def repeats(classes: Any, trials: int, searches: int = SEARCHES) -> float:
    """Return the share of uniformly random proposals whose class was proposed before."""
    draw = np.random.default_rng(0)
    seen = [
        len(np.unique(classes[draw.integers(0, len(classes), trials)])) for _ in range(searches)
    ]
    return 1 - float(np.mean(seen)) / trials


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    with np.load(parser.parse_args().data) as data:
        names = [str(name) for name in data["op_names"]]
        cells = [tuple(names[place] for place in row) for row in data["ops"]]
        accuracies = data["val200_seeds"].astype(float)
        datasets = [str(name) for name in data["datasets"]]
    keys = [key_of(cell) for cell in cells]
    classes = np.unique(keys, return_inverse=True)[1]
    print(f"{len(cells):,} cells, {len(set(keys)):,} classes")

    missed = False
    for name, seeds in zip(datasets, accuracies, strict=True):
        found = spreads(seeds.T, classes)
        ratio = found["within"] / found["seeds"]
        missed |= ratio > BAR
        print(
            f"{name}: {found['cells']:,} cells in {found['classes']:,} classes of several; "
            f"seeds {found['seeds']:.3f}, within a class {found['within']:.3f}, "
            f"ratio {ratio:.3f}, bar {BAR}; cells' means alone "
            f"{found['between'] / found['seeds']:.3f}"
        )
    for trials in TRIALS:
        print(f"{trials} random proposals: {100 * repeats(classes, trials):.1f} % repeat a class")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
