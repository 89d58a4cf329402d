"""Everything that changes while a network is trained, so that a training can be cut off and go on.

After `restore` the next epoch is the one that would have come, bit for bit on the CPU: weights,
optimizer, schedule, order of the samples and random numbers are what they were.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neural_automl.evaluation._tracker import MetricTracker
from neural_automl.exceptions import EvaluationError


@dataclass(slots=True)
class Progress(ABC):
    """A training between two epochs, whatever framework takes the steps.

    Args:
        shuffle: Gives the order of the samples.
        step: Batches trained on.
        epoch: Epochs trained.
        seconds: That they took.
        tracker: Their metrics.
        best_weights: Those of the best epoch, where they are kept.
    """

    shuffle: torch.Generator
    step: int = field(default=0, kw_only=True)
    epoch: int = field(default=0, kw_only=True)
    seconds: float = field(default=0.0, kw_only=True)
    tracker: MetricTracker = field(default_factory=MetricTracker, kw_only=True)
    best_weights: dict[str, Tensor] | None = field(default=None, kw_only=True)

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes: it may refer to tensors that later training changes."""
        return {
            **self._own_state(),
            "shuffle": self.shuffle.get_state(),
            "step": self.step,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "histories": {name: self.tracker.history(name) for name in self.tracker.names},
            "best_weights": self.best_weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state.

        Raises:
            EvaluationError: It is another network's, or not a state of this kind.
        """
        try:
            self._restore_own(state)
            self.shuffle.set_state(state["shuffle"])
            self.step, self.epoch = state["step"], state["epoch"]
            self.seconds, self.best_weights = state["seconds"], state["best_weights"]
            for name, history in state["histories"].items():
                for epoch, value in history.items():
                    self.tracker.update(epoch, {name: value})
        except (EvaluationError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"the checkpoint does not fit this training: {error}") from error

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """Return the framework's part of a state: weights, optimizer, random numbers."""

    @abstractmethod
    def _restore_own(self, state: Mapping[str, Any]) -> None:
        """Put the framework's part back."""


@dataclass(slots=True)
class TorchProgress(Progress):
    """A training with PyTorch between two epochs.

    Args:
        model: On the device.
        optimizer: Of its parameters.
        scaler: Of mixed precision, or None.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None

    def _own_state(self) -> dict[str, Any]:
        return {
            "weights": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict()["state"],
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
            "random": _random_state(self._device()),
        }

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["weights"])
        self._restore_optimizer(state["optimizer"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        _set_random_state(self._device(), state["random"])

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
