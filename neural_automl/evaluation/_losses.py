"""The losses of one epoch: their mean, and the moment at which one is not finite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import isfinite
from typing import Final

import torch
from torch import Tensor

from neural_automl.exceptions import DataError, DivergenceError

# Reading a loss from an accelerator waits for all that it still has to do.
_CHECK_EVERY: Final = 16


class Losses(ABC):
    """Collects the loss of each step."""

    @abstractmethod
    def add(self, loss: Tensor, size: int) -> None:
        """Add the mean loss of a batch of ``size`` samples.

        Raises:
            DivergenceError: This loss, or one of the last few, is NaN or infinite.
        """

    @abstractmethod
    def mean(self) -> float:
        """Return the mean over the samples.

        Raises:
            DataError: There was no batch.
        """


class HostLosses(Losses):
    """Losses on the CPU, where reading one costs less than adding it up as a tensor."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._sum = 0.0
        self._samples = 0

    def add(self, loss: Tensor, size: int) -> None:
        """Add the mean loss of a batch."""
        value = loss.item()
        if not isfinite(value):
            raise DivergenceError(
                f"the loss became {value} in epoch {self._epoch} after {self._samples} samples"
            )
        self._sum += value * size
        self._samples += size

    def mean(self) -> float:
        """Return the mean over the samples."""
        return self._sum / _at_least_one(self._samples)


class DeviceLosses(Losses):
    """Losses on an accelerator, added up there; the sum keeps a NaN or infinity that came in."""

    def __init__(self, epoch: int, device: torch.device) -> None:
        self._epoch = epoch
        self._sum = torch.zeros((), device=device)
        self._samples = 0
        self._steps = 0

    def add(self, loss: Tensor, size: int) -> None:
        """Add the mean loss of a batch."""
        self._sum.add_(loss, alpha=size)
        self._samples += size
        self._steps += 1
        if self._steps % _CHECK_EVERY == 0:
            self._read()

    def mean(self) -> float:
        """Return the mean over the samples."""
        return self._read() / _at_least_one(self._samples)

    def _read(self) -> float:
        value = self._sum.item()
        if not isfinite(value):
            raise DivergenceError(
                f"the loss became NaN or infinite in epoch {self._epoch}, "
                f"at the latest after {self._samples} samples"
            )
        return value


def make_losses(device: torch.device, epoch: int) -> Losses:
    """Return the losses of an epoch on a device."""
    return HostLosses(epoch) if device.type == "cpu" else DeviceLosses(epoch, device)


def _at_least_one(samples: int) -> int:
    if samples == 0:
        raise DataError("the training data gave no batch")
    return samples
