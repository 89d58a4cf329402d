"""How fast costs are counted, beside building on the meta device and torch's own counter.

    python benchmarks/cost_speed.py

Distinct NAS-Bench-201 networks, drawn at random, each written down as an architecture from its
parameters. Ours lowers and counts (params, MACs, peak memory, depth) in a process that never
loads torch, with every cache cold at the start; what repeats between networks is remembered: the
facts of a primitive with equal attributes and shapes, and the checked parameters of a layer. The
other side builds the same networks as modules on the meta device and runs FlopCounterMode on one
forward pass. The bar is 50.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BAR = 50
OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
SPACE = Path(__file__).parent.parent / "examples" / "zoo" / "nasbench201.neural"


def cells(count: int) -> list[tuple[str, ...]]:
    """Return distinct cells, the same ones in every process."""
    base = len(OPERATIONS)
    numbers = list(range(base**6))
    random.Random(0).shuffle(numbers)
    return [
        tuple(OPERATIONS[number // base**edge % base] for edge in range(6))
        for number in numbers[:count]
    ]


def architectures(count: int) -> list[Any]:
    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace

    template = ArchitectureSpace.from_dsl(SPACE).sample_architecture(seed=0).to_dict()

    def of(cell: tuple[str, ...]) -> Architecture:
        data = {key: value for key, value in template.items() if key != "choices"}
        data["layers"] = [
            {**layer, "params": {"edges": list(cell)}} if layer["type"] == "cell" else layer
            for layer in template["layers"]
        ]
        return Architecture.from_dict(data)

    return [of(cell) for cell in cells(count)]


def count_ours(count: int) -> dict[str, Any]:
    networks = architectures(count)
    start = time.perf_counter()
    costs = [network.cost for network in networks]
    seconds = time.perf_counter() - start
    macs = [cost.macs for cost in costs]
    return {"seconds": seconds, "macs": macs[:50], "torch": "torch" in sys.modules}


def count_torch(count: int) -> dict[str, Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    networks = architectures(count)
    macs = []
    start = time.perf_counter()
    for network in networks:
        with torch.device("meta"):
            model = network.build("pytorch").train()
            inputs = torch.empty(2, 3, 32, 32)
        with FlopCounterMode(display=False) as counter:
            model(inputs)
        macs.append(counter.get_total_flops() // 4)
    return {"seconds": time.perf_counter() - start, "macs": macs[:50]}


def in_process(script: str, side: str, count: int) -> dict[str, Any]:
    command = [sys.executable, script, "--side", side, "--count", str(count)]
    result: dict[str, Any] = json.loads(subprocess.check_output(command))
    return result


def compare(
    script: str, about: str | None, count_ours: Callable[[int], dict[str, Any]], bar: int
) -> int:
    """Run both sides, each in a process of its own; return 1 if the bar is missed.

    Args:
        script: The file that is run for each side: it must end in this function.
        about: For ``--help``.
        count_ours: From a number of networks to seconds, the MACs of the first where it counts
            them, whether torch was loaded, and lines to print.
        bar: How many times as fast ours must be.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--side", choices=("ours", "torch"))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--torch-count", type=int, default=200)
    options = parser.parse_args()
    if options.side:
        run = count_ours if options.side == "ours" else count_torch
        print(json.dumps(run(options.count)))
        return 0
    ours = in_process(script, "ours", options.count)
    torch_side = in_process(script, "torch", options.torch_count)
    assert not ours["torch"], "torch was loaded"
    common = min(50, options.count, options.torch_count)
    assert cells(options.count)[:common] == cells(options.torch_count)[:common]
    assert ours.get("macs", torch_side["macs"])[:common] == torch_side["macs"][:common]
    each = ours["seconds"] / options.count
    torch_each = torch_side["seconds"] / options.torch_count
    print(f"ours  {1000 * each:.3f} ms a network over {options.count}, torch not loaded")
    print(f"torch {1000 * torch_each:.3f} ms a network over {options.torch_count}")
    print(*ours.get("lines", ()), sep="\n", end="\n" if ours.get("lines") else "")
    print(f"ratio {torch_each / each:.1f}, bar {bar}")
    return int(torch_each / each < bar)


if __name__ == "__main__":
    sys.exit(compare(__file__, __doc__, count_ours, BAR))
