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
published; naswot and jacov reach that with ``--images``. ``--proxies`` may name any other: it is
compared as far as there is something to compare it with, and has no bar. Nothing was published for
these networks of meco, swap and the parts of az_nas, and of zen no numbers. The published fisher
counts a channel as often as it has weights, ours once, as the paper says. Where all parts of az_nas
are named, it is printed too: their ranks together.
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
from neural_automl.zero_cost import AZ_NAS, check_proxies, log_ranks, score

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

    names = check_proxies(arguments.proxies.split(","))
    with np.load(arguments.scores) as table:
        chosen = np.random.default_rng(0).permutation(len(table["zc_index"]))[: arguments.count]
        published_names = [str(name) for name in table["zc_names"]]
        published = table["zc"][0][chosen]
        places = table["zc_index"][chosen]
    with np.load(arguments.data) as table:
        values = table["val200"].reshape(-1, table["ops"].shape[0])[0][places]
    print(f"{len(places)} networks, batch of {arguments.size}, {arguments.seeds} seeds")
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for seed in range(arguments.seeds):
        inputs, targets = batch(seed, arguments.size, arguments.images)
        rows = []
        for network in networks(arguments.data, places):
            torch.manual_seed(seed)
            rows.append([*score(network.build(), inputs, targets, names).values()])
        for name, column in zip(names, np.array(rows).T, strict=True):
            found[name].append(column)
    if set(AZ_NAS) <= set(names):
        seeds = range(arguments.seeds)
        found["az_nas"] = [log_ranks({n: found[n][seed] for n in AZ_NAS}) for seed in seeds]
    missed = []
    for name, ours in found.items():
        named = PUBLISHED.get(name, name)
        theirs = published[:, published_names.index(named)] if named in published_names else None
        missed += compare(name, ours, theirs, values)
    if missed:
        raise SystemExit("\n".join(missed))


def compare(
    name: str, ours: list[np.ndarray], theirs: np.ndarray | None, values: np.ndarray
) -> list[str]:
    """Print how scores agree, and return the bars that they miss."""
    missed = []
    right = float(np.mean([agreement(column, values) for column in ours]))
    unknown = sum(int(np.isnan(column).sum()) for column in ours)
    line = f"{name:16s} with the accuracy {right:6.3f}"
    if theirs is not None and np.isfinite(theirs).any():
        equal = [agreement(column, theirs) for column in ours]
        known = agreement(theirs, values)
        bar = f" (bar {BARS[name]})" if name in BARS else ""
        line += f", published {known:6.3f}; with the published {np.mean(equal):.4f}{bar}: "
        line += " ".join(f"{e:.4f}" for e in equal)
        if name in BARS:
            missed += [f"{name}: {np.mean(equal):.4f}, below {BARS[name]}"] * int(
                np.mean(equal) < BARS[name]
            )
            missed += [f"{name}: {right:.3f}, not {known:.3f}"] * int(abs(right - known) > NEAR)
    print(line + f"; without a score: {unknown}" * (unknown > 0), flush=True)
    return missed


if __name__ == "__main__":
    main()
