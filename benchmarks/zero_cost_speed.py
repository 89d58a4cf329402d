"""Time zero-cost proxies on NAS-Bench-201 networks, beside the passes that they are made of.

    python benchmarks/zero_cost_speed.py [--networks 5] [--size 32] [--repeats 5] [--proxies NAMES]

The networks are drawn from examples/zoo/nasbench201.neural, the batch is random, and one core
works. A proxy's time is divided by that of the passes that its paper needs, over the same
network and batch: proxies that look at weights alone, or count, have one forward pass; naswot and
its kin one, in training mode; those of gradients one forward and one backward pass. swap has 32
forward passes of 16 samples and zen 64, as they draw weights 32 times. meco has one of the batch,
though it takes as much of it as one image of 64 x 64 has, in a time of which copying the network is
a good part. Both are timed in turns, as time of this process, and the least of the repeats counts:
other work only ever adds.

The bar: each ratio, in the median of the networks, is at most 1.3. Printed too is how many networks
a second the default set scores.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.zero_cost import DEFAULT_PROXIES, compute, draw_distinct, proxy_names, score

SPACE = Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"
BAR = 1.3
#: What needs one forward pass; others not named here need one forward and one backward pass.
FORWARD = ("params", "macs", "flops", "depth", "l2_norm", "naswot", "meco",
           "az_expressivity", "az_progressivity")  # fmt: skip
#: Kind of pass, and how many.
#: A double backward pass, by convolutions: one forward; two backward, for the input and for the
#: weights; two through each of these; and two back through the forward pass, which they lead to:
#: nine, where a forward and a backward pass are three.
PASSES: dict[str, tuple[str, int]] = {
    **dict.fromkeys(FORWARD, ("forward", 1)),
    "grasp": ("both", 3),
    "swap": ("few", 32),
    "zen": ("few", 64),
}
FEW = 16


def forward(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    with torch.no_grad():
        model(inputs)


def both(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    loss = functional.cross_entropy(model(inputs), targets)
    torch.autograd.grad(loss, [*model.parameters()], allow_unused=True)  # a path may lead nowhere


def seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--proxies", default=",".join(proxy_names()))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    names = arguments.proxies.split(",")
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(arguments.size, 3, 32, 32, generator=generator)
    targets = torch.randint(10, (arguments.size,), generator=generator)
    ratios: dict[str, list[float]] = {name: [] for name in names}
    rates = []
    space = ArchitectureSpace.from_dsl(SPACE)
    for network in draw_distinct(space, arguments.networks, seed=0):
        torch.manual_seed(0)
        model = network.build().train()
        batch = (model, inputs, targets)
        calls: dict[str, Callable[[], object]] = {
            "forward": partial(forward, *batch),
            "both": partial(both, *batch),
            "few": partial(forward, model, inputs[:FEW], targets),
            "default": partial(score, *batch, DEFAULT_PROXIES),
            **{name: partial(compute, name, *batch) for name in names},
        }
        least = dict.fromkeys(calls, float("inf"))
        for call in calls.values():
            call()
        for _ in range(arguments.repeats):
            for name, call in calls.items():
                least[name] = min(least[name], seconds(call))
        rates.append(1 / least["default"])
        for name in names:
            kind, count = PASSES.get(name, ("both", 1))
            ratios[name].append(least[name] / (least[kind] * count))
    print(f"{len(rates)} networks, batch of {arguments.size}, one core")
    missed = False
    for name, found in ratios.items():
        median = float(np.median(found))
        missed |= median > BAR
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"{name:16s} {median:5.2f} of its passes ({spread})")
    print(f"the default set scores {np.median(rates):.2f} networks a second")
    sys.exit(missed)


if __name__ == "__main__":
    main()
