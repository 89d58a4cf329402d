"""Training, validation and test data, how they are divided, and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neural_automl.data._columns import Column
from neural_automl.data._prepare import Array, Pair, Task
from neural_automl.exceptions import DataError


@dataclass(frozen=True, slots=True, eq=False)
class DataSplits:
    """Data that a search trains on, chooses by, and is judged by at the end.

    Args:
        train: Inputs of shape (N, ...) and targets of shape (N,) or (N, K).
        validation: What architectures are compared on.
        test: What no search sees, or None.
        task: ``classification`` where the targets are integers, else ``regression``.
        classes: Number of classes, or None for a regression. With targets (N, K) of zeros and
            ones it is K.
        fingerprint: Hash of the shapes, dtypes and content of all parts.
        class_names: What each label is called, where the source names its classes.
        columns: How a table became features, in their order; empty for what is no table.
        source: The arguments of ``load_data`` that made them, in JSON's types; None where they
            were made otherwise.
        scaling: What was done to the values of the inputs, in words; empty where it isn't known.

    Example:
        >>> splits = load_data("digits")
        >>> splits.sample_shape, splits.classes
        ((8, 8, 1), 10)
    """

    train: Pair = field(repr=False)
    validation: Pair = field(repr=False)
    test: Pair | None = field(repr=False)
    task: Task
    classes: int | None
    fingerprint: str
    class_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    source: Mapping[str, Any] | None = None
    scaling: str = ""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self.train[0].shape[1:])


def split_indices(
    targets: Array, share: float, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Draw the indices that stay and those that are held out, both ascending.

    Args:
        targets: Prepared targets; labels of shape (N,) are stratified: each class gives its share,
            rounded up or down, and the sum is the share of all.
        share: Held out of all, in (0, 1).
        generator: What the draw depends on.

    Raises:
        DataError: Either part would be empty.
    """
    count = len(targets)
    held_out = round(count * share)
    if not 0 < held_out < count:
        raise DataError(f"a share of {share:g} of {count} samples leaves an empty part")
    order = generator.permutation(count)
    if targets.dtype.kind != "f" and targets.ndim == 1:
        order = order[np.argsort(targets[order], kind="stable")]
    # Every (count / held_out)-th sample of the sorted order: no class can get more than its share.
    steps = np.arange(count + 1) * held_out // count
    chosen = np.diff(steps) > 0
    return np.sort(order[~chosen]), np.sort(order[chosen])


def hash_arrays(arrays: Iterable[tuple[str, Array]]) -> str:
    """Return a hash of the names, shapes, dtypes and content of arrays, equal on every machine."""
    digest = hashlib.sha256()
    for name, array in arrays:
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name}:{little.shape}:{little.dtype.str};".encode())
        digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]


def hold_out(pair: Pair, share: float, generator: np.random.Generator) -> tuple[Pair, Pair]:
    """Return what stays of a pair, and the share that is held out; see ``split_indices``."""
    x, y = pair
    kept, held_out = split_indices(y, share, generator)
    return (x[kept], y[kept]), (x[held_out], y[held_out])
