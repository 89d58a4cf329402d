"""Data for a search: built-in sets and files, split and checked before anything trains on them."""

from __future__ import annotations

import hashlib
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_automl.exceptions import DataError, excerpt
from neural_automl.parameters import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Array: TypeAlias = npt.NDArray[Any]
Pair: TypeAlias = tuple[Array, Array]
Task: TypeAlias = Literal["classification", "regression"]

_BUILT_IN_TEST_SPLIT: Final = 0.2


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

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self.train[0].shape[1:])


def load_data(
    source: str | Path,
    *,
    validation_split: float = 0.2,
    test_split: float | None = None,
    seed: int = 0,
) -> DataSplits:
    """Load a built-in set or a file and split it.

    Parts that the source has are taken as they are; the shares are for those that it lacks. Splits
    are stratified by class and depend on nothing but the data and the seed.

    Args:
        source: ``"digits"``, or the path of an ``.npz`` file with the arrays ``x_train`` and
            ``y_train``, and if you like ``x_val``, ``y_val``, ``x_test``, ``y_test`` (``train_x``
            is read too), or with ``x`` and ``y``. Images in uint8 are scaled to [0, 1].
        validation_split: Share of the training samples that are held out, in (0, 1).
        test_split: Share of all samples that is held out first, in [0, 1); None holds out a fifth
            of ``digits`` and nothing of a file.
        seed: Of the splits.

    Raises:
        DataError: There is no such source, or it cannot be used; the message says why.
        ValueError: A share is out of bounds.
    """
    if not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1 but got {validation_split}.")
    if test_split is not None and not 0 <= test_split < 1:
        raise ValueError(f"`test_split` must be at least 0 and below 1 but got {test_split}.")
    parts, default_test_split = _read(source)
    prepared = {
        part: (prepare_inputs(x, f"x_{part}"), prepare_targets(y, f"y_{part}"))
        for part, (x, y) in parts.items()
    }
    for part, pair in prepared.items():
        check_pair(pair, f"x_{part}", f"y_{part}")
    _check_agreement(prepared)
    generator = np.random.default_rng(seed)
    share = default_test_split if test_split is None else test_split
    if "test" not in prepared and share > 0:
        prepared["train"], prepared["test"] = _hold_out(prepared["train"], share, generator)
    if "val" not in prepared:
        prepared["train"], prepared["val"] = _hold_out(
            prepared["train"], validation_split, generator
        )
    task, classes = describe_targets([y for _, y in prepared.values()])
    return DataSplits(
        train=prepared["train"],
        validation=prepared["val"],
        test=prepared.get("test"),
        task=task,
        classes=classes,
        fingerprint=hash_arrays(_named(prepared)),
    )


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
        DataError: A label between 0 and the largest does not occur in any part.
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
    return "classification", classes


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


def _finite_floats(array: Array, name: str) -> Array:
    with np.errstate(over="ignore"):  # too large for float32 is reported below, as infinite
        floats = np.ascontiguousarray(array, dtype=np.float32)
    bad = floats.size - int(np.isfinite(floats).sum())
    if bad:
        raise DataError(f"'{name}' holds {bad} values that are NaN or infinite")
    return floats


def _check_agreement(parts: Mapping[str, Pair]) -> None:
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


def _named(parts: Mapping[str, Pair]) -> Iterator[tuple[str, Array]]:
    for part in ("train", "val", "test"):
        if part in parts:
            x, y = parts[part]
            yield f"x_{part}", x
            yield f"y_{part}", y


def _hold_out(pair: Pair, share: float, generator: np.random.Generator) -> tuple[Pair, Pair]:
    x, y = pair
    kept, held_out = split_indices(y, share, generator)
    return (x[kept], y[kept]), (x[held_out], y[held_out])


def _read(source: str | Path) -> tuple[dict[str, Pair], float]:
    """Return the parts of a source and the share that is held out as a test where it has none."""
    if isinstance(source, str) and source in _NAMED:
        return _NAMED[source](), _BUILT_IN_TEST_SPLIT
    path = Path(source)
    names = ", ".join(_NAMED)
    reader = _SUFFIXES.get(path.suffix.lower())
    if reader is None and (path.suffix == "" or not path.exists()):
        raise DataError(
            f"there is no data set {excerpt(str(source))}{did_you_mean(str(source), _NAMED)}; "
            f"give one of {names}, or the path of a file ({', '.join(_SUFFIXES)})"
        )
    if reader is None:
        raise DataError(
            f"cannot read data from '{path}': the name must end in {', '.join(_SUFFIXES)}"
        )
    if not path.is_file():
        raise DataError(f"there is no file '{path}'")
    return reader(path), 0.0


def _read_digits() -> dict[str, Pair]:
    from sklearn.datasets import load_digits  # takes a second, and files do not need it

    digits = load_digits()
    images = np.asarray(digits.images, dtype=np.float32)[..., np.newaxis] / np.float32(16)
    return {"train": (images, np.asarray(digits.target))}


#: What NumPy and zipfile raise on files that are broken, encrypted or made to harm.
_UNREADABLE: Final = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    SyntaxError,
    RuntimeError,  # also RecursionError and NotImplementedError
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_PARTS: Final[Mapping[str, str]] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def _read_npz(path: Path) -> dict[str, Pair]:
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"'{path}' is not an .npz file")
        # Pickled objects can run any code on loading, so they are never read.
        with np.load(path, allow_pickle=False) as archive:
            wanted = {key: place for key in archive.files if (place := _place_of(key))}
            arrays = {place: np.asarray(archive[key]) for key, place in wanted.items()}
            found = ", ".join(archive.files) or "nothing"
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"cannot read '{path}': {error}") from error
    parts = {part for part, _ in arrays}
    if "train" not in parts:
        raise DataError(
            f"'{path}' must hold x_train and y_train, or x and y, but holds {excerpt(found)}"
        )
    for part in parts:
        for axis in "xy":
            if (part, axis) not in arrays:
                raise DataError(f"'{path}' holds no {axis}_{part}; it holds {excerpt(found)}")
    return {part: (arrays[part, "x"], arrays[part, "y"]) for part in sorted(parts)}


def _place_of(key: str) -> tuple[str, str] | None:
    """Return the part and axis that an array's name means, or None."""
    if key in ("x", "y"):
        return "train", key
    first, _, second = key.lower().partition("_")
    axis, part = (first, second) if first in ("x", "y") else (second, first)
    return (_PARTS[part], axis) if part in _PARTS and axis in ("x", "y") else None


_NAMED: Final[Mapping[str, Callable[[], dict[str, Pair]]]] = {"digits": _read_digits}
_SUFFIXES: Final[Mapping[str, Callable[[Path], dict[str, Pair]]]] = {".npz": _read_npz}
