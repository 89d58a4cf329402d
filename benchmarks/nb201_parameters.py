"""Compare the parameters of all 15,625 networks of NAS-Bench-201 with the benchmark's own.

    python benchmarks/nb201_parameters.py DATA.npz

The networks are those of examples/zoo/nasbench201.neural; nothing is built, each is counted from
its graph. The file holds, a row or an entry a network: ``ops``, a number for each edge, with their
names in ``op_names`` and the edges, as "0>1", in ``edges``; and ``params_M``, millions of
parameters. The millions have six places, so the bar is that no network differs
by one parameter.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import optuna

from neural_automl.architecture_space import ArchitectureSpace

SPACE = Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    with np.load(parser.parse_args().data) as data:
        names = [str(name) for name in data["op_names"]]
        edges = [f"cell.edge_{edge.replace('>', '_')}" for edge in map(str, data["edges"])]
        cells = [tuple(names[place] for place in row) for row in data["ops"]]
        published = data["params_M"].reshape(-1).astype(float) * 1e6
    space = ArchitectureSpace.from_dsl(SPACE)
    size = space.get_search_space_size()
    if len(cells) != len(published) or not len(set(cells)) == len(cells) == size:
        raise SystemExit(f"the file must hold each of the {size:,} cells once")

    started = time.perf_counter()
    wrong = []
    for cell, params in zip(cells, np.rint(published).astype(int), strict=True):
        trial = optuna.trial.FixedTrial(dict(zip(edges, cell, strict=True)))
        counted = space.suggest(trial).cost.params
        if counted != params:
            wrong.append(f"{'|'.join(cell)}: {counted:,} here, {params:,} in the file")
    seconds = time.perf_counter() - started

    print(f"{len(cells) - len(wrong):,} of {len(cells):,} networks have the published parameters")
    print(f"{seconds:.1f} s, {1e3 * seconds / len(cells):.2f} ms for one, with its sampling")
    rounding = np.abs(published - np.rint(published)).max()
    print(f"the file's figures are whole numbers of parameters to {rounding:.2f}")
    if wrong:
        raise SystemExit("\n".join(wrong[:10]))


if __name__ == "__main__":
    main()
