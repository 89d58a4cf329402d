"""The forms that users give data in, behind one interface."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from neural_automl.data import (
    Array,
    DataSplits,
    Pair,
    check_pair,
    prepare_inputs,
    prepare_targets,
    scaling_of,
)
from neural_automl.data import split_indices as draw_split
from neural_automl.evaluation._batches import (
    Batches,
    Form,
    LoadedBatches,
    TensorBatches,
    as_tensor,
    reseeded,
    unpack,
)
from neural_automl.evaluation._fit import Description
from neural_automl.exceptions import DataError

# Enough to tell two data sets apart, and little enough to read before every search.
_FINGERPRINT_SAMPLES: Final = 64
_FINGERPRINT_BATCHES: Final = 4


class Source(ABC):
    """Inputs and targets, before any architecture is known."""

    @property
    @abstractmethod
    def description(self) -> Description:
        """Shapes and range, of all samples or, of what is loaded in batches, of the first."""

    @abstractmethod
    def place(self, device: torch.device, form: Form) -> Batches:
        """Return the data in a form, for a device."""

    @abstractmethod
    def split(self, share: float, seed: int) -> tuple[Source, Source]:
        """Return what stays, and a share of the samples that is held out.

        Raises:
            DataError: The data cannot be split.
        """

    @abstractmethod
    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield what a fingerprint is made of."""


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource(Source):
    """Arrays in memory, prepared and checked.

    Args:
        x: Inputs, shape (N, ...).
        y: Targets, shape (N,) or (N, K).
    """

    x: Array
    y: Array

    @property
    def description(self) -> Description:
        """Shapes and range of all samples."""
        return describe((self.x, self.y))

    def place(self, device: torch.device, form: Form) -> TensorBatches:
        """Return tensors, on the device where they fit."""
        x, y = form.inputs(as_tensor(self.x)), form.targets(as_tensor(self.y))
        if _fits(x, device):
            x, y = x.to(device), y.to(device)
        return TensorBatches(x, y, device)

    def split(self, share: float, seed: int) -> tuple[ArraySource, ArraySource]:
        """Return a stratified split."""
        kept, held_out = draw_split(self.y, share, np.random.default_rng(seed))
        return (
            ArraySource(self.x[kept], self.y[kept]),
            ArraySource(self.x[held_out], self.y[held_out]),
        )

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield all inputs and targets."""
        yield "x", self.x
        yield "y", self.y


@dataclass(frozen=True, slots=True, eq=False)
class DatasetSource(Source):
    """A data set whose samples are read, and perhaps altered, each time.

    Args:
        dataset: With a length and samples by index.
        description: Of its first sample.
    """

    dataset: Dataset[Any]
    description: Description

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(cast("Sized", self.dataset))

    def place(self, device: torch.device, form: Form) -> LoadedBatches:
        """Return batches by a loader of our own."""
        return LoadedBatches(self._load, form, device, lambda size: -(-self.size // size))

    def split(self, share: float, seed: int) -> tuple[DatasetSource, DatasetSource]:
        """Return a random split: labels are not known without reading every sample."""
        kept, held_out = draw_split(np.zeros(self.size), share, np.random.default_rng(seed))
        return (
            DatasetSource(Subset(self.dataset, kept.tolist()), self.description),
            DatasetSource(Subset(self.dataset, held_out.tolist()), self.description),
        )

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield some samples, evenly spaced, and how many there are."""
        yield "size", np.array(self.size)
        count = min(self.size, _FINGERPRINT_SAMPLES)
        with _fixed_randomness():
            for index in np.linspace(0, self.size - 1, count, dtype=np.int64).tolist():
                for part, value in zip("xy", unpack(self.dataset[index]), strict=True):
                    yield f"{part}{index}", to_array(value)

    def _load(self, batch_size: int, generator: torch.Generator | None) -> Iterable[Any]:
        return DataLoader(
            self.dataset, batch_size, shuffle=generator is not None, generator=generator
        )


@dataclass(frozen=True, slots=True, eq=False)
class BatchSource(Source):
    """A loader, or anything else that gives (inputs, targets) batches again and again.

    Args:
        batches: With a batch size of its own.
        description: Of its first batch.
    """

    batches: Iterable[Any]
    description: Description

    def place(self, device: torch.device, form: Form) -> LoadedBatches:
        """Return its batches in form."""
        return LoadedBatches(self._load, form, device, self._length)

    def split(self, share: float, seed: int) -> tuple[Source, Source]:
        """Refuse: batches may be shuffled, so that no sample can be held out for good."""
        raise DataError(
            "data that comes in batches cannot be split; give validation data of its own"
        )

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield the first batches, or some samples of the data set behind a loader."""
        if isinstance(self.batches, DataLoader) and not isinstance(
            self.batches.dataset, IterableDataset
        ):
            yield "batch_size", np.array(self.batches.batch_size or 0)
            yield from DatasetSource(self.batches.dataset, self.description).arrays()
            return
        with _fixed_randomness():
            for number, batch in zip(range(_FINGERPRINT_BATCHES), self.batches, strict=False):
                for part, value in zip("xy", unpack(batch), strict=True):
                    yield f"{part}{number}", to_array(value)

    def _load(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Any]:
        if not isinstance(self.batches, DataLoader):
            yield from self.batches
            return
        with reseeded(self.batches, generator):
            yield from self.batches

    def _length(self, batch_size: int) -> int | None:
        if isinstance(self.batches, Sized):
            try:
                return len(self.batches)
            except TypeError:  # a loader has the method, also over a set that has no length
                return None
        return None


def open_source(data: Any, name: str) -> Source:
    """Return the source of data in any form that is accepted.

    Args:
        data: A pair of arrays, a torch ``Dataset`` or ``DataLoader``, or an iterable of batches
            that can be gone through again and again.
        name: For messages.

    Raises:
        DataError: It is none of these, or its content breaks a rule.
    """
    # A subclass may alter what it gives.
    if type(data) is TensorDataset and len(data.tensors) == 2:
        data = data.tensors
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], tuple):
        pair = prepare_pair(data, name)
        check_pair(pair, f"{name} inputs", f"{name} targets")
        return ArraySource(*pair)
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        if len(cast("Sized", data)) == 0:
            raise DataError(f"the {name} data is empty")
        with _fixed_randomness():
            x, y = unpack(data[0])
        first = (to_array(x)[np.newaxis], to_array(y)[np.newaxis])
        return DatasetSource(data, describe(prepare_pair(first, name)))
    if isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size=32)
    if isinstance(data, Iterator) or not isinstance(data, Iterable):
        raise DataError(
            f"the {name} data must be a pair of arrays, a Dataset, a DataLoader or an iterable of "
            f"(inputs, targets) batches that can be read again, but is a {type(data).__name__}"
        )
    with _fixed_randomness():
        batch = next(iter(data), None)
    if batch is None:
        raise DataError(f"the {name} data is empty")
    return BatchSource(data, describe(prepare_pair(unpack(batch), name)))


def prepare_pair(pair: tuple[Any, Any], name: str) -> Pair:
    """Return inputs and targets as checked arrays."""
    x, y = to_array(pair[0]), to_array(pair[1])
    return prepare_inputs(x, f"{name} inputs"), prepare_targets(y, f"{name} targets")


def scaling_in(data: Any) -> str:
    """Return what is done to the values of the inputs, in words; empty where it isn't known.

    Args:
        data: ``DataSplits``, or what ``open_source`` takes.
    """
    if isinstance(data, DataSplits):
        return data.scaling
    is_pair = isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], tuple)
    return scaling_of(to_array(data[0])) if is_pair else ""


def describe(pair: Pair) -> Description:
    """Return shapes and range of a pair of prepared arrays."""
    x, y = pair
    return Description(
        sample_shape=tuple(x.shape[1:]),
        integer_targets=y.dtype.kind != "f",
        columns=None if y.ndim == 1 else int(y.shape[1]),
        smallest=float(y.min()),
        largest=float(y.max()),
        ids=(int(x.min()), int(x.max())) if x.dtype.kind in "iu" else None,
    )


def to_array(value: Any) -> Array:
    """Return an array of a tensor, an array, or lists of numbers.

    Raises:
        DataError: The lists are of different lengths.
    """
    if not isinstance(value, Tensor):
        try:
            return np.asarray(value)
        except ValueError as error:
            raise DataError(f"data is not an array: {error}") from error
    tensor = value.detach().cpu()
    # NumPy has no bfloat16.
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def _fits(tensor: Tensor, device: torch.device) -> bool:
    """Whether half of the free memory of the device is enough; the network needs the rest."""
    if device.type != "cuda":
        return True  # the CPU has it already, and MPS shares the CPU's memory
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.nbytes <= free // 2


@contextlib.contextmanager
def _fixed_randomness() -> Iterator[None]:
    """Let random alterations of samples be the same each time, unseen by the caller."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield
