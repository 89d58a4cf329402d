"""How long `import neural_automl` takes, as a ratio to `import optuna`.

The two are timed in alternating fresh processes, so that a busy machine slows both alike.

    python benchmarks/import_time.py [--rounds 21] [--bar 1.5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

_CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds_to_import(module: str) -> float:
    """Import a module in a fresh process and return the seconds that it took there."""
    command = [sys.executable, "-c", _CODE.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print the medians and their ratio; return 1 if the ratio is above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="processes for each of the two")
    parser.add_argument("--bar", type=float, default=1.5, help="largest ratio that passes")
    arguments = parser.parse_args()

    times: dict[str, list[float]] = {"optuna": [], "neural_automl": []}
    for module in times:
        seconds_to_import(module)  # writes the bytecode, reads the files once
    for _ in range(arguments.rounds):
        for module, seen in times.items():
            seen.append(seconds_to_import(module))

    median = {module: statistics.median(seen) for module, seen in times.items()}
    ratio = median["neural_automl"] / median["optuna"]
    for module, seconds in median.items():
        print(f"import {module:<14} {1000 * seconds:7.1f} ms (median of {arguments.rounds})")
    print(f"ratio {ratio:.2f}, bar {arguments.bar:.2f}")
    return int(ratio > arguments.bar)


if __name__ == "__main__":
    sys.exit(main())
