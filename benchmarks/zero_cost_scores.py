"""Compare our zero-cost scores of NAS-Bench-201 networks with published ones.

    python benchmarks/zero_cost_scores.py SCORES.npz DATA.npz [--count 200] [--seeds 3]
        [--proxies NAMES] [--images FILE.npz]

The networks are those of examples/zoo/nasbench201.neural, each built anew for every seed.
``SCORES.npz`` holds ``zc``, published scores, a row a network, with names in ``zc_names`` and the
networks' places in ``DATA.npz`` in ``zc_index``; ``DATA.npz`` holds ``ops``, ``op_names``,
``edges`` and the accuracies ``val200``. The batch is random, of the shape of CIFAR-10; with
``--images`` it is of ``train_x`` and ``train_y`` of that file, grey images (N, H, W), normalised,
enlarged to 32 x 32 and repeated to three channels. Of random numbers naswot and jacov tell less
than the published do, which are of CIFAR-10. Printed are Spearman's correlations of our scores, of
each seed, with the published ones, and of both with the accuracy.

The bars, for the mean of the seeds: synflow .98, naswot .95, params and flops .999, snip and
grad_norm .95, l2_norm and jacov .88; the correlation with the accuracy is within .05 of the
published; naswot and jacov reach that with ``--images``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import optuna
import torch
from scipy.stats import spearmanr
from torch.nn import functional

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.zero_cost import score

SPACE = Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"
BARS = {
    "synflow": 0.98,
    "naswot": 0.95,
    "params": 0.999,
    "flops": 0.999,
    "snip": 0.95,
    "grad_norm": 0.95,
    "l2_norm": 0.88,
    "jacov": 0.88,
}
PUBLISHED = {"naswot": "nwot"}
NEAR = 0.05


def networks(data: Path, places: np.ndarray) -> list[Architecture]:
    space = ArchitectureSpace.from_dsl(SPACE)
    with np.load(data) as table:
        names = [str(name) for name in table["op_names"]]
        edges = [f"cell.edge_{str(e).replace('>', '_')}" for e in table["edges"]]
        rows = table["ops"][places]
    return [
        space.suggest(
            optuna.trial.FixedTrial(dict(zip(edges, (names[k] for k in row), strict=True)))
        )
        for row in rows
    ]


def batch(seed: int, size: int, images: Path | None) -> tuple[torch.Tensor, torch.Tensor]:
    if images is not None:
        with np.load(images) as table:
            places = np.random.default_rng(seed).permutation(len(table["train_x"]))[:size]
            grey = torch.from_numpy(table["train_x"][places]).float()[:, None]
            labels = torch.from_numpy(table["train_y"][places]).long()
        grey = functional.interpolate((grey - grey.mean()) / grey.std(), 32, mode="bilinear")
        return grey.repeat(1, 3, 1, 1), labels
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, 3, 32, 32, generator=generator)
    return inputs, torch.randint(10, (size,), generator=generator)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    return float(spearmanr(first[both], second[both]).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scores", type=Path, metavar="SCORES.npz")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--proxies", default=",".join(BARS), help="by default all that have a bar")
    parser.add_argument("--images", type=Path, help="of the batch; by default random numbers")
    arguments = parser.parse_args()

    bars = {name: BARS[name] for name in arguments.proxies.split(",")}
    with np.load(arguments.scores) as table:
        chosen = np.random.default_rng(0).permutation(len(table["zc_index"]))[: arguments.count]
        published_names = [str(name) for name in table["zc_names"]]
        published = table["zc"][0][chosen]
        places = table["zc_index"][chosen]
    with np.load(arguments.data) as table:
        values = table["val200"].reshape(-1, table["ops"].shape[0])[0][places]
    found = []
    for seed in range(arguments.seeds):
        inputs, targets = batch(seed, arguments.size, arguments.images)
        rows = []
        for network in networks(arguments.data, places):
            torch.manual_seed(seed)
            rows.append([*score(network.build(), inputs, targets, bars).values()])
        found.append(np.array(rows))
    missed = []
    print(f"{len(places)} networks, batch of {arguments.size}, {arguments.seeds} seeds")
    for k, (name, bar) in enumerate(bars.items()):
        theirs = published[:, published_names.index(PUBLISHED.get(name, name))]
        equal = [agreement(ours[:, k], theirs) for ours in found]
        right = float(np.mean([agreement(ours[:, k], values) for ours in found]))
        known = agreement(theirs, values)
        print(
            f"{name:10s} with the published {np.mean(equal):.4f} (bar {bar}; "
            f"{' '.join(f'{e:.4f}' for e in equal)})   with the accuracy {right:.3f}, "
            f"published {known:.3f}",
            flush=True,
        )
        missed += [f"{name}: {np.mean(equal):.4f}, below {bar}"] * int(np.mean(equal) < bar)
        missed += [f"{name}: {right:.3f}, not {known:.3f}"] * int(abs(right - known) > NEAR)
    if missed:
        raise SystemExit("\n".join(missed))


if __name__ == "__main__":
    main()
