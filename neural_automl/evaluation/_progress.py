"""Everything that changes while a network is trained, so that a training can be cut off and go on.

After `restore` the next epoch is the one that would have come, bit for bit on the CPU: weights,
optimizer, schedule, order of the samples and random numbers are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neural_automl.evaluation._tracker import MetricTracker
from neural_automl.exceptions import EvaluationError


@dataclass(slots=True)
class Progress:
    """A training between two epochs.

    Args:
        model: On the device.
        optimizer: Of its parameters.
        shuffle: Gives the order of the samples.
        scaler: Of mixed precision, or None.
        step: Batches trained on.
        epoch: Epochs trained.
        seconds: That they took.
        tracker: Their metrics.
        best_weights: Those of the best epoch, where they are kept.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    shuffle: torch.Generator
    scaler: torch.amp.GradScaler | None = None
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    tracker: MetricTracker = field(default_factory=MetricTracker)
    best_weights: dict[str, Tensor] | None = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: it refers to the tensors, later training changes them."""
        return {
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict()["state"],
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
            "shuffle": self.shuffle.get_state(),
            "random": _random_state(self._device()),
            "step": self.step,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "histories": histories_of(self.tracker),
            "best_weights": self.best_weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state.

        Raises:
            EvaluationError: It is another network's, or not a state of this kind.
        """
        try:
            self.model.load_state_dict(state["weights"])
            self._restore_optimizer(state["optimizer"])
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
            self.shuffle.set_state(state["shuffle"])
            _set_random_state(self._device(), state["random"])
            self.step, self.epoch = state["step"], state["epoch"]
            self.seconds, self.best_weights = state["seconds"], state["best_weights"]
            refill(self.tracker, state["histories"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"the checkpoint does not fit this training: {error}") from error

    def _restore_optimizer(self, state: Mapping[int, Mapping[str, Any]]) -> None:
        full = self.optimizer.state_dict()
        # The groups hold options alone, and a schedule sets the learning rate before each step.
        self.optimizer.load_state_dict({**full, "state": dict(state)})
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # Fused optimizers go through memory in one order for both: where a parameter
                    # lies with its channels last, so must what belongs to it.
                    values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def histories_of(tracker: MetricTracker) -> dict[str, dict[int, float]]:
    """Return the values of each metric by epoch."""
    return {name: tracker.history(name) for name in tracker.names}


def refill(tracker: MetricTracker, histories: Mapping[str, Mapping[int, float]]) -> None:
    """Give an empty tracker what another one held."""
    for name, history in histories.items():
        for epoch, value in history.items():
            tracker.update(epoch, {name: value})


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_state(device: torch.device, states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    # One that was cut off on another kind of device goes on with the numbers of this one's seed.
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
