"""Curves that are no power law: late drops of the learning rate, flat ends, noise, late starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.early_stopping import create_pruner

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STEPS, TRIALS, SEEDS = 30, 40, 4
STEP = np.arange(1, STEPS + 1)


def power_laws(rng: np.random.Generator) -> NDArray[np.float64]:
    limit, start, exponent = (
        rng.uniform(low, high, (TRIALS, 1)) for low, high in ((0.05, 0.6), (0.2, 0.9), (0.3, 2.0))
    )
    return limit + start * STEP**-exponent


def cosine(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return curves that fall once more at the end, as the learning rate goes to 0."""
    rate = 0.5 * (1 + np.cos(np.pi * STEP / STEPS))
    limit, gain = rng.uniform(0.05, 0.6, (TRIALS, 1)), rng.uniform(0.1, 0.5, (TRIALS, 1))
    return limit * (1 + gain * rate) + 0.5 / STEP


def dropped(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return curves that fall by a third at one step, where the learning rate is divided."""
    return power_laws(rng) * np.where(STEP > 2 * STEPS // 3, 0.67, 1.0)


def flat(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return curves that stop falling, each at another step."""
    curves = power_laws(rng)
    ends = rng.integers(4, STEPS, TRIALS)
    return np.stack(
        [curve[np.minimum(STEP, end) - 1] for curve, end in zip(curves, ends, strict=True)]
    )


def late(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return curves that stay at chance for up to two steps."""
    waits = rng.integers(0, 3, TRIALS)
    return np.stack(
        [
            np.r_[np.full(wait, 1.0), curve][:STEPS]
            for curve, wait in zip(power_laws(rng), waits, strict=True)
        ]
    )


def search(curves: NDArray[np.float64], direction: str) -> tuple[float, float]:
    """Return the share of steps saved, and how far the best kept is behind the best."""
    sign = -1.0 if direction == "maximize" else 1.0
    study = optuna.create_study(
        direction=direction,  # type: ignore[arg-type]
        pruner=create_pruner("learning_curve", max_epochs=STEPS),
    )

    def objective(trial: optuna.Trial) -> float:
        for step, value in enumerate(curves[trial.number], 1):
            trial.report(sign * value, step)
            if step < STEPS and trial.should_prune():
                raise optuna.TrialPruned
        return sign * float(curves[trial.number, -1])

    study.optimize(objective, n_trials=len(curves))
    steps = sum(trial.last_step or 0 for trial in study.trials)
    assert all(t.last_step == STEPS for t in study.trials if t.state == TrialState.COMPLETE)
    return 1 - steps / curves.size, sign * study.best_value - float(curves[:, -1].min())


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("noise", [0.0, 0.01], ids=["smooth", "noisy"])
@pytest.mark.parametrize("kind", [power_laws, cosine, dropped, flat, late])
def test_it_saves_and_keeps_the_best(
    kind: Callable[[np.random.Generator], NDArray[np.float64]], noise: float, direction: str
) -> None:
    saved, behind = [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        curves = kind(rng) + rng.normal(0, noise, (TRIALS, STEPS))
        share, regret = search(curves, direction)
        saved.append(share)
        behind.append(regret)

    assert np.mean(saved) > 0.5
    assert np.mean(behind) <= noise + 1e-9
