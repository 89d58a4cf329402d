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


def in_process(side: str, count: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--count", str(count)]
    result: dict[str, Any] = json.loads(subprocess.check_output(command))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", choices=("ours", "torch"))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--torch-count", type=int, default=200)
    options = parser.parse_args()
    if options.side:
        run = count_ours if options.side == "ours" else count_torch
        print(json.dumps(run(options.count)))
        return 0
    ours = in_process("ours", options.count)
    torch_side = in_process("torch", options.torch_count)
    assert not ours["torch"], "torch was loaded"
    common = min(50, options.count, options.torch_count)
    assert cells(options.count)[:common] == cells(options.torch_count)[:common]
    assert ours["macs"][:common] == torch_side["macs"][:common]
    each = ours["seconds"] / options.count
    torch_each = torch_side["seconds"] / options.torch_count
    print(f"ours  {1000 * each:.3f} ms a network over {options.count}, torch not loaded")
    print(f"torch {1000 * torch_each:.3f} ms a network over {options.torch_count}")
    print(f"ratio {torch_each / each:.1f}, bar {BAR}")
    return int(torch_each / each < BAR)


if __name__ == "__main__":
    sys.exit(main())
