"""Batches on a device, in the form that a network and its loss want."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from neural_automl.evaluation._fit import Move
from neural_automl.exceptions import DataError

Batch: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Form:
    """What a network and its loss take.

    Args:
        move: What brings the inputs into place.
        integers: Whether inputs stay integers, for an embedding.
        classes: Number of classes where the targets are labels, shape (N,); None where they are
            values, shape (N, K).
        room: Number of ids that the embedding has room for, or None without one.
        sample: Shape of each sample as the data gives it, or None where nobody says.
    """

    move: Move
    integers: bool
    classes: int | None
    room: int | None = None
    sample: tuple[int, ...] | None = None

    def inputs(self, x: Tensor) -> Tensor:
        """Return inputs (N, ...) as float32, or int64, in the shape that the network takes.

        Images keep the order in which they lie in memory.
        """
        if x.dtype == torch.uint8 and x.ndim >= 3 and not self.integers:
            x = x.float() / 255
        x = x.to(torch.int64 if self.integers else torch.float32)
        if self.move in ("add_front", "add_back"):
            x = x.unsqueeze(-1)
        return x.permute(0, 3, 1, 2) if self.move in ("add_front", "channels_to_front") else x

    def targets(self, y: Tensor) -> Tensor:
        """Return labels (N,) as int64, or values (N, K) as float32."""
        if self.classes is None:
            values = y.to(torch.float32)
            return values.unsqueeze(1) if values.ndim == 1 else values
        return y.reshape(len(y)).to(torch.int64)


class Batches(ABC):
    """Data as a training loop takes it."""

    @abstractmethod
    def training(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch in an order drawn from the generator, without a last batch of one.

        Batch normalization cannot train on a single sample; one is only given where there is
        nothing else: a batch size of 1, or data of one sample.
        """

    @abstractmethod
    def whole(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once."""

    @abstractmethod
    def steps(self, batch_size: int) -> int | None:
        """Return the number of training batches of an epoch, or None if nobody knows."""


class TensorBatches(Batches):
    """Tensors, batched by index.

    Args:
        x: All inputs, in form.
        y: All targets, in form.
        device: Where batches go; the tensors lie there too if they fit.
    """

    def __init__(self, x: Tensor, y: Tensor, device: torch.device) -> None:
        # A gathered batch lies in the order of its axes, so images are kept with their channels
        # last, and their batches turned: a view.
        self._turned = x.ndim == 4 and _prefers_channels_last(device)
        self.x = (x.permute(0, 2, 3, 1) if self._turned else x).contiguous()
        self.y = y
        self.device = device

    def training(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch."""
        order = torch.randperm(len(self.x), generator=generator).to(self.x.device)
        resident = self.x.device.type == self.device.type
        for index in torch.split(order, batch_size):
            if len(index) == 1 and batch_size > 1 and len(order) > 1:
                return
            x, y = self._turn(self.x.index_select(0, index)), self.y.index_select(0, index)
            yield (x, y) if resident else (x.to(self.device), y.to(self.device))

    def whole(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once."""
        for x, y in zip(
            torch.split(self.x, batch_size), torch.split(self.y, batch_size), strict=True
        ):
            yield self._turn(x).to(self.device), y.to(self.device)

    def steps(self, batch_size: int) -> int:
        """Return the number of training batches of an epoch."""
        full, rest = divmod(len(self.x), batch_size)
        return full + int(rest > 1 or (rest == 1 and full == 0))

    def tensors(self) -> Batch:
        """Return all inputs and targets, in form."""
        return self._turn(self.x), self.y

    def _turn(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2) if self._turned else x


@dataclass(frozen=True, slots=True, eq=False)
class LoadedBatches(Batches):
    """Batches that are made anew each epoch.

    Args:
        load: ``(batch size, generator or None) -> batches``; a generator asks for an epoch of
            training.
        form: What they are brought into.
        device: Where they go.
        length: Number of batches for a batch size, or None if nobody knows.
    """

    load: Callable[[int, torch.Generator | None], Iterable[Any]]
    form: Form
    device: torch.device
    length: Callable[[int], int | None]

    def training(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch."""
        largest = 0
        for batch in _collated(self.load(batch_size, generator)):
            x, y = self._convert(batch)
            if len(x) == 1 and largest > 1:
                continue
            largest = max(largest, len(x))
            yield x, y

    def whole(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once."""
        return map(self._convert, _collated(self.load(batch_size, None)))

    def steps(self, batch_size: int) -> int | None:
        """Return the number of training batches of an epoch, or None if nobody knows."""
        return self.length(batch_size)

    def _convert(self, batch: Any) -> Batch:
        try:
            x, y = (as_tensor(part) for part in unpack(batch))
        except (TypeError, ValueError) as error:
            raise DataError(f"a batch cannot be read as arrays of numbers: {error}") from error
        _check_batch(x, y, self.form)
        y = self.form.targets(y)
        classes = self.form.classes
        if classes is not None and not (y.min() >= 0 and y.max() < classes):
            raise DataError(
                f"a batch has labels from {int(y.min())} to {int(y.max())} "
                f"but the output of the space has room for the labels 0 to {classes - 1}"
            )
        x = self.form.inputs(x)
        if x.ndim == 4 and _prefers_channels_last(self.device):
            x = x.contiguous(memory_format=torch.channels_last)
        return x.to(self.device), y.to(self.device)


def _collated(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield batches; samples that a loader cannot stack are an error of the data."""
    try:
        yield from batches
    except RuntimeError as error:
        if "stack expects each tensor to be equal size" not in str(error):
            raise
        raise DataError(f"the samples of a batch have different shapes: {error}") from error


def _check_batch(x: Tensor, y: Tensor, form: Form) -> None:
    if len(x) != len(y):
        raise DataError(f"a batch holds {len(x)} inputs but {len(y)} targets")
    if form.sample is not None and tuple(x.shape[1:]) != form.sample:
        raise DataError(
            f"a batch has samples of shape {tuple(x.shape[1:])} but the first one {form.sample}"
        )
    if form.room is not None and not (x.min() >= 0 and x.max() < form.room):
        raise DataError(
            f"a batch holds the integers {int(x.min())} to {int(x.max())} but the Embedding of the "
            f"space has room for 0 to {form.room - 1}"
        )


def _prefers_channels_last(device: torch.device) -> bool:
    """Whether images should lie in memory with their channels last; their shape is the same.

    On the CPU small networks of any kind took 10 to 38 % less time a step so.
    """
    return device.type == "cpu"


def as_tensor(part: Any) -> Tensor:
    """Return a tensor; memory is shared where it can be."""
    if isinstance(part, Tensor):
        return part.detach()
    array = np.asarray(part)
    # PyTorch warns of arrays that may not be written to, as it cannot mark its tensors so.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def unpack(batch: Any) -> tuple[Any, Any]:
    """Return the inputs and targets of a batch.

    Raises:
        DataError: It is not a pair of two.
    """
    if isinstance(batch, list | tuple) and len(batch) == 2:
        return batch[0], batch[1]
    length = f" of {len(batch)}" if isinstance(batch, list | tuple) else ""
    raise DataError(
        f"data must give pairs (inputs, targets) but gave a {type(batch).__name__}{length}"
    )


@contextlib.contextmanager
def reseeded(loader: DataLoader[Any], generator: torch.Generator | None) -> Iterator[None]:
    """Let a loader's own generators start from a number of ours, and put them back at the end.

    A loader that was given a generator goes on from where its last epoch ended, so that the
    second of two equal trainings would see another order.
    """
    owned: list[torch.Generator] = []
    if loader.generator is not None:
        owned.append(loader.generator)
    if isinstance(loader.sampler, RandomSampler) and loader.sampler.generator is not None:
        owned.append(loader.sampler.generator)
    if generator is None or not owned:
        yield
        return
    seed = int(torch.randint(2**62, (), generator=generator))
    states = [own.get_state() for own in owned]
    for own in owned:
        own.manual_seed(seed)
    try:
        yield
    finally:
        for own, state in zip(owned, states, strict=True):
            own.set_state(state)
