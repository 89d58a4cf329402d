"""Define-by-run functions that the tests of the samplers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def tree(trial: BaseTrial) -> dict[str, Any]:
    """Variable depth, a categorical with a child of its own, and every kind of number."""
    depth = trial.suggest_int("depth", 1, 3)
    layers = []
    for i in range(depth):
        kind = trial.suggest_categorical(f"kind_{i}", ["conv", "pool", "skip"])
        kernel = trial.suggest_categorical(f"kernel_{i}", [1, 3, 5]) if kind == "conv" else None
        layers.append((kind, kernel))
    return {
        "layers": tuple(layers),
        "rate": trial.suggest_float("rate", 1e-4, 1.0, log=True),
        "units": trial.suggest_int("units", 16, 64, step=16),
    }


def cells(trial: BaseTrial) -> tuple[str, ...]:
    """Four edges with one of three operations each: 81 configurations."""
    return tuple(trial.suggest_categorical(f"edge_{i}", ["a", "b", "c"]) for i in range(4))


def cells_value(cell: tuple[str, ...]) -> float:
    """Smaller is better; the best cell, all "c", has 0."""
    return float(sum({"a": 2.0, "b": 1.0, "c": 0.0}[operation] for operation in cell))


def tree_value(result: dict[str, Any]) -> float:
    """Smaller is better: deep networks of small convolutions with a rate near 0.01."""
    gain = sum({1: 0.5, 3: 1.0, 5: 0.7, None: 0.0}[kernel] for _, kernel in result["layers"])
    return float(3.0 - gain + abs(result["rate"] - 0.01) + result["units"] / 640)
