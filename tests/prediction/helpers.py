"""A space of a hundred networks whose worth is known, and trials of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import FixedTrial, TrialState, create_trial

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Maybe, RandomTrial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

WIDTHS = (4, 8, 16, 32, 64)
SPACE = ArchitectureSpace(
    (4,),
    [
        Layer("Dense", Choice(*WIDTHS)),
        Maybe("ReLU"),
        Layer("Dense", Choice(*WIDTHS)),
        Maybe("ReLU"),
        Layer("Dense", 2),
    ],
    name="Hundred",
)


def worth(network: Architecture) -> float:
    """Return an accuracy that rises with both widths, and with activations."""
    widths = [layer.params["units"] for layer in network.layers if layer.type == "Dense"][:-1]
    relus = sum(layer.type == "ReLU" for layer in network.layers)
    return 0.3 + 0.04 * sum(map(log2, widths)) + 0.03 * relus


def networks(count: int, seed: int = 0) -> list[Architecture]:
    """Return different networks, drawn at random."""
    trial, found = RandomTrial(seed), dict[Any, "Architecture"]()
    while len(found) < count:
        network = SPACE.suggest(trial)
        found[tuple(network.choices.items())] = network
    return list(found.values())


def trial_of(
    network: Architecture,
    value: float | None,
    curve: Mapping[int, float] | None = None,
    **attributes: Any,
) -> FrozenTrial:
    """Return a trial: complete with a value, else pruned."""
    fixed = FixedTrial(dict(network.choices))
    SPACE.suggest(fixed)
    return create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        params=fixed.params,
        distributions=fixed.distributions,
        intermediate_values=dict(curve or {}),
        user_attrs=attributes,
    )


def known_trials(count: int, seed: int = 0, noise: float = 0.0) -> list[FrozenTrial]:
    """Return complete trials of different networks."""
    rng = np.random.default_rng(seed)
    return [
        trial_of(network, worth(network) + noise * float(rng.normal()))
        for network in networks(count, seed)
    ]


@dataclass
class WorthEvaluator:
    """Answers with what a function says of a network, after as many epochs as asked for."""

    value: Any = worth
    trained: list[Architecture] = field(default_factory=list)

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        """Report a flat curve."""
        self.trained.append(architecture)
        context.load_weights()
        found = self.value(architecture)
        for epoch in range(1, context.epochs + 1):
            context.report(epoch, {"val_accuracy": found})
            if context.should_stop():
                break
        context.keep_weights({})
        return {"val_accuracy": found}


def noise_of(network: Architecture) -> float:
    """Return an accuracy that has nothing to do with the network, the same each time."""
    seed = zlib.crc32(repr(sorted(network.choices.items())).encode())
    return float(np.random.default_rng(seed).random())
