"""How fast canonical keys are made, beside building on the meta device and torch's own counter.

    python benchmarks/key_speed.py

The networks and the other side are those of cost_speed.py. Ours lowers each distinct network and
makes its key, in a process that never loads torch, on one core, with every cache cold at the start;
what repeats between networks is remembered, and is printed. The bar is 25.
"""

from __future__ import annotations

import sys
import time
from typing import Any

# The folder of a script is on the path, and this one is no package.
from cost_speed import architectures, compare  # type: ignore[import-not-found]

BAR = 25


def count_ours(count: int) -> dict[str, Any]:
    from neural_automl import primitives
    from neural_automl.canonical import _order, _rules
    from neural_automl.layers import _lowering

    remembered = {
        "facts of a primitive": primitives.facts,
        "checked parameters of a layer": _lowering._checked,
        "a convolution without its padding": _rules._without_padding,
        "text of a label": _order._label_text,
        "colour of a text": _order._colour_of,
        "canonical order of a piece": _order.ordered,
    }
    networks = architectures(count)
    for function in remembered.values():
        function.cache_clear()
    start = time.perf_counter()
    keys = {network.key for network in networks}
    seconds = time.perf_counter() - start
    lines = [f"{count} networks have {len(keys)} keys; remembered (hits, misses):"]
    for what, function in remembered.items():
        known = function.cache_info()
        lines.append(f"  {what}: {known.hits:,}, {known.misses:,}")
    return {"seconds": seconds, "torch": "torch" in sys.modules, "lines": lines}


if __name__ == "__main__":
    sys.exit(compare(__file__, __doc__, count_ours, BAR))
