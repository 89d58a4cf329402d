"""What is known of an architecture before it is trained: its costs, its limits, its latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neural_automl.evaluation import measure_latency
from neural_automl.trials._attributes import write_attributes
from neural_automl.trials._run import infeasible, set_constraints

if TYPE_CHECKING:
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import Constraint
    from neural_automl.trials._ledger import Stopwatch
    from neural_automl.trials._memory import MemoryLimits


def screen(
    trial: Trial,
    architecture: Architecture,
    constraints: Sequence[Constraint],
    soft_constraints: Sequence[Constraint],
    memory: MemoryLimits,
    device: str,
    watch: Stopwatch,
) -> None:
    """Record what an architecture costs, and by how much it keeps its limits.

    Raises:
        optuna.TrialPruned: It breaks one, or found no memory before.
    """
    cost = architecture.cost
    record: dict[str, Any] = {
        "architecture_key": architecture.key,
        "params": cost.params,
        "macs": cost.macs,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "depth": cost.depth,
    }
    with watch.on("storing"):
        write_attributes(trial, record)
    excesses = {str(limit): limit.excess(cost) for limit in constraints}
    broken = [
        f"{name} (is {cost.value(name.split()[0]):,})" for name in excesses if excesses[name] > 0
    ]
    if broken:
        raise infeasible(trial, excesses, f"breaks {', '.join(broken)}")
    excess = memory.excess(architecture, device)
    if excess > 0:
        reason = "an architecture no larger found no memory on this device"
        raise infeasible(trial, {**excesses, "memory": excess}, reason)
    excesses |= {str(limit): limit.excess(cost) for limit in soft_constraints}
    with watch.on("storing"):
        set_constraints(trial, excesses)


def check_latency(
    trial: Trial, architecture: Architecture, max_latency: float, device: str
) -> None:
    """Measure the forward pass of one sample, and record it; once for all attempts of a trial.

    Raises:
        optuna.TrialPruned: It takes longer than it may.
    """
    if "latency" in trial.constraints:
        return
    latency = measure_latency(architecture, device="cpu" if device == "auto" else device)
    measured = {
        "latency": latency.median,
        "latency_iqr": latency.iqr,
        "latency_noisy": latency.is_noisy,
    }
    write_attributes(trial, measured)
    excess = latency.median - max_latency
    if excess > 0:
        reason = f"takes {latency.median:.3g} s a sample, above {max_latency:.3g} s"
        raise infeasible(trial, {"latency": excess}, reason)
    set_constraints(trial, {"latency": excess})
