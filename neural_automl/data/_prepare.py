"""Arrays as networks and losses take them, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_automl.exceptions import DataError

Array: TypeAlias = npt.NDArray[Any]
Pair: TypeAlias = tuple[Array, Array]
Task: TypeAlias = Literal["classification", "regression"]


def prepare_inputs(x: Array, name: str = "x") -> Array:
    """Return inputs as the networks take them: float32, or integers left as they are.

    Args:
        x: Shape (N, ...). Images, which are uint8 with at least two axes a sample, are scaled
            from 0..255 to [0, 1].
        name: For messages.

    Raises:
        DataError: The array is not numeric, is empty, or holds NaN or an infinite number.
    """
    if x.dtype.kind not in "fiub":
        raise DataError(f"'{name}' must hold numbers but has dtype {x.dtype}")
    if x.ndim == 0 or x.size == 0:
        raise DataError(f"'{name}' is empty: its shape is {x.shape}")
    if x.dtype == np.uint8 and x.ndim >= 3:
        return x.astype(np.float32) / np.float32(255)
    if x.dtype.kind in "iu":
        return x.astype(x.dtype.newbyteorder("="), copy=False)
    return _finite_floats(x, name)


def scaling_of(x: Array) -> str:
    """Return what ``prepare_inputs`` does to the values of inputs, in words."""
    if x.dtype == np.uint8 and x.ndim >= 3:
        return "values 0 to 255 divided by 255"
    return "integers as they are" if x.dtype.kind in "iu" else "values as they are in the data"


def prepare_targets(y: Array, name: str = "y") -> Array:
    """Return targets as int64 class labels or float32 values; (N, 1) labels become (N,).

    Args:
        y: Shape (N,) or (N, K).
        name: For messages.

    Raises:
        DataError: The array is not numeric, has another rank, is empty, holds NaN, an infinite
            number or a negative label, or is (N, K) labels that are not zeros and ones.
    """
    if y.dtype.kind not in "fiub":
        raise DataError(
            f"'{name}' must hold the integers 0 to C-1, or numbers, but has dtype {y.dtype}"
        )
    if y.size == 0:
        raise DataError(f"'{name}' is empty: its shape is {y.shape}")
    if y.ndim not in (1, 2):
        raise DataError(f"'{name}' must have the shape (N,) or (N, K) but has {y.shape}")
    if y.dtype.kind == "f":
        return _finite_floats(y, name)
    if y.max() > np.iinfo(np.int64).max:  # of uint64
        raise DataError(f"'{name}' must hold the labels 0 to C-1 but has {y.max()}")
    labels = y.astype(np.int64)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.min() < 0:
        raise DataError(f"'{name}' must hold the labels 0 to C-1 but has {labels.min()}")
    if labels.ndim == 2 and labels.max() > 1:
        raise DataError(f"'{name}' of shape {y.shape} must hold 0 and 1 but has {labels.max()}")
    return labels


def check_pair(pair: Pair, x_name: str = "x", y_name: str = "y") -> None:
    """Raise a DataError unless there are as many inputs as targets."""
    x, y = pair
    if len(x) != len(y):
        raise DataError(f"'{x_name}' holds {len(x)} samples but '{y_name}' {len(y)}")


def describe_targets(targets: Iterable[Array]) -> tuple[Task, int | None]:
    """Return the task of prepared targets and the number of classes.

    Raises:
        DataError: A label between 0 and the largest does not occur in any part, or there is
            one class only.
    """
    parts = list(targets)
    if parts[0].dtype.kind == "f":
        return "regression", None
    if parts[0].ndim == 2:
        return "classification", int(parts[0].shape[1])
    present = np.unique(np.concatenate([np.unique(part) for part in parts]))
    classes = int(present[-1]) + 1
    if len(present) < classes:
        # Found without listing 0 to C-1, which a label of 10**12 would make a large list.
        missing = int(np.flatnonzero(present != np.arange(len(present)))[0])
        raise DataError(
            f"labels must be the integers 0 to C-1 but the largest is {classes - 1} "
            f"and {missing} does not occur"
        )
    if classes == 1:
        raise DataError("all targets are of one class; there must be at least 2")
    return "classification", classes


def check_kinds(parts: Mapping[str, Array]) -> None:
    """Raise a DataError unless the inputs of all parts, not yet prepared, are of one kind.

    Images in uint8 are scaled and others are not, so that parts of two kinds would differ.
    """
    train = parts["train"]
    for part, x in parts.items():
        if _kind(x) != _kind(train):
            raise DataError(
                f"'x_{part}' has dtype {x.dtype} but 'x_train' {train.dtype}; all parts must hold "
                "one kind of numbers"
            )


def _kind(x: Array) -> str:
    if x.dtype == np.uint8 and x.ndim >= 3:
        return "bytes"
    return "integers" if x.dtype.kind in "iu" else x.dtype.kind


def check_agreement(parts: Mapping[str, Pair]) -> None:
    """Raise a DataError unless all parts have samples of one shape and targets of one kind."""
    train_x, train_y = parts["train"]
    for part, (x, y) in parts.items():
        if x.shape[1:] != train_x.shape[1:]:
            raise DataError(
                f"samples of 'x_{part}' have the shape {x.shape[1:]} "
                f"but those of 'x_train' {train_x.shape[1:]}"
            )
        if y.shape[1:] != train_y.shape[1:] or y.dtype != train_y.dtype:
            raise DataError(
                f"'y_{part}' {y.shape} {y.dtype} does not go with "
                f"'y_train' {train_y.shape} {train_y.dtype}"
            )


def _finite_floats(array: Array, name: str) -> Array:
    with np.errstate(over="ignore"):  # too large for float32 is reported below, as infinite
        floats = np.ascontiguousarray(array, dtype=np.float32)
    bad = floats.size - int(np.isfinite(floats).sum())
    if bad:
        values = "1 value that is" if bad == 1 else f"{bad} values that are"
        first = np.argwhere(~np.isfinite(floats))[0].tolist()
        raise DataError(f"'{name}' holds {values} NaN or infinite; the first is at {first}")
    return floats
