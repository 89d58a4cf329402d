"""From a name or a path to data that a search can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from neural_automl.data._columns import Column
from neural_automl.data._csv import Missing, read_csv
from neural_automl.data._idx import is_idx, read_idx
from neural_automl.data._images import read_images
from neural_automl.data._npz import read_npz
from neural_automl.data._prepare import (
    Array,
    Pair,
    check_agreement,
    check_kinds,
    check_pair,
    describe_targets,
    prepare_inputs,
    prepare_targets,
    scaling_of,
)
from neural_automl.data._raw import Raw
from neural_automl.data._splits import DataSplits, hash_arrays, hold_out
from neural_automl.exceptions import DataError, excerpt
from neural_automl.parameters import did_you_mean


def load_data(
    source: str | Path,
    *,
    validation_split: float = 0.2,
    test_split: float | None = None,
    seed: int = 0,
    target: str | None = None,
    missing: Missing = "error",
) -> DataSplits:
    """Load a built-in set, a file or a folder and split it.

    Parts that the source has are taken as they are; the shares are for those that it lacks. Splits
    are stratified by class and depend on nothing but the data and the seed. What a table's columns
    are scaled by is learnt from the training part alone, after the splits.

    Args:
        source: ``"digits"``; the path of an ``.npz`` file with the arrays ``x_train`` and
            ``y_train``, and if you like ``x_val``, ``y_val``, ``x_test``, ``y_test`` (``train_x``
            is read too), or with ``x`` and ``y``; of a ``.csv`` file; of a folder of one folder of
            images a class, or of ``train``, ``val`` and ``test`` of these; or of a folder of
            MNIST's idx files, or one of them. Images in uint8 are scaled to [0, 1].
        validation_split: Share of the training samples that are held out, in (0, 1).
        test_split: Share of all samples that is held out first, in [0, 1); None holds out a fifth
            of ``digits`` and nothing of a file.
        seed: Of the splits.
        target: Column of a ``.csv`` file that is predicted; None is the one that is called target,
            label, class or y, else the last.
        missing: Whether a cell of a ``.csv`` file that holds nothing is an ``error``, or counts as
            the ``mean`` of the training part, and among categories as none of them.

    Raises:
        DataError: There is no such source, or it cannot be used; the message says why.
        TypeError: A share is no number.
        ValueError: A share or the seed is out of bounds, or an option is for another kind of
            source.
    """
    for name, share in (("validation_split", validation_split), ("test_split", test_split)):
        if share is not None and not isinstance(share, int | float):
            raise TypeError(f"`{name}` must be a number but got {share!r}.")
    if not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1 but got {validation_split}.")
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0 but got {seed}.")
    if test_split is not None and not 0 <= test_split < 1:
        raise ValueError(f"`test_split` must be at least 0 and below 1 but got {test_split}.")
    raw = _read(source, target, missing)
    share = raw.test_share if test_split is None else test_split
    parts = _split(raw, share, validation_split, np.random.default_rng(seed))
    task, classes = describe_targets([y for _, y in parts.values()])
    encoded, columns = _encode(raw, parts)
    return DataSplits(
        train=encoded["train"],
        validation=encoded["val"],
        test=encoded.get("test"),
        task=task,
        classes=classes,
        fingerprint=hash_arrays(_named(encoded)),
        class_names=raw.class_names,
        columns=columns,
        source={
            "source": source if source in _NAMED else str(Path(source).absolute()),
            "validation_split": validation_split,
            "test_split": test_split,
            "seed": seed,
            "target": target,
            "missing": missing,
        },
        scaling=_scaling(raw, columns),
    )


def _split(
    raw: Raw, test_split: float, validation_split: float, generator: np.random.Generator
) -> dict[str, Pair]:
    """Return the checked parts of a source, those that it lacks held out."""
    prepared = {
        part: (x if raw.fit else prepare_inputs(x, f"x_{part}"), prepare_targets(y, f"y_{part}"))
        for part, (x, y) in raw.parts.items()
    }
    for part, pair in prepared.items():
        check_pair(pair, f"x_{part}", f"y_{part}")
    check_agreement(prepared)
    check_kinds({part: x for part, (x, _) in raw.parts.items()})
    if "test" not in prepared and test_split > 0:
        prepared["train"], prepared["test"] = hold_out(prepared["train"], test_split, generator)
    if "val" not in prepared:
        prepared["train"], prepared["val"] = hold_out(
            prepared["train"], validation_split, generator
        )
    return prepared


def _encode(raw: Raw, parts: Mapping[str, Pair]) -> tuple[dict[str, Pair], tuple[Column, ...]]:
    """Return parts whose inputs are features, and how they were made."""
    if raw.fit is None:
        return dict(parts), ()
    encode, columns = raw.fit(parts["train"][0])
    return {
        part: (prepare_inputs(encode(x), f"x_{part}"), y) for part, (x, y) in parts.items()
    }, columns


def _scaling(raw: Raw, columns: tuple[Column, ...]) -> str:
    """Return what was done to the values of the inputs, in words."""
    told = {
        "categories as zeros and ones"
        if column.categories
        else "numbers less the training data's mean, divided by its deviation"
        for column in columns
    }
    if told:
        return "; ".join(sorted(told, reverse=True))
    return raw.scaling or scaling_of(raw.parts["train"][0])


def _named(parts: Mapping[str, Pair]) -> Iterator[tuple[str, Array]]:
    for part in ("train", "val", "test"):
        if part in parts:
            x, y = parts[part]
            yield f"x_{part}", x
            yield f"y_{part}", y


def _read(source: str | Path, target: str | None, missing: Missing) -> Raw:
    if missing not in ("error", "mean"):
        raise ValueError(f"`missing` must be 'error' or 'mean' but got {missing!r}.")
    path = Path(source)
    is_named = isinstance(source, str) and source in _NAMED
    is_table = not is_named and path.suffix.lower() == ".csv"
    if not is_table and (target is not None or missing != "error"):
        name = "target" if target is not None else "missing"
        raise ValueError(f"`{name}` is for .csv files but the source is {excerpt(str(source))}.")
    if is_named:
        return _NAMED[str(source)]()
    try:
        reader = _find_reader(source, path)
    except OSError as error:  # a name that no file can have
        raise DataError(f"cannot read {excerpt(str(source))}: {error.strerror}") from error
    return read_csv(path, target, missing) if reader is read_csv else reader(path)


def _find_reader(source: str | Path, path: Path) -> Callable[[Path], Raw]:
    # An empty text would be the folder that the program stands in.
    if str(source) and (path.is_dir() or path.is_file()) and is_idx(path):
        return read_idx
    if str(source) and path.is_dir():
        return read_images
    reader = _SUFFIXES.get(path.suffix.lower())
    if reader is None and (path.suffix == "" or not path.exists()):
        raise DataError(
            f"there is no data set {excerpt(str(source))}{did_you_mean(str(source), _NAMED)}; "
            f"give one of {', '.join(_NAMED)}, or the path of a file ({', '.join(_SUFFIXES)}) or "
            "of a folder of images or idx files"
        )
    if reader is None:
        raise DataError(
            f"cannot read data from '{path}': the name must end in {', '.join(_SUFFIXES)}"
        )
    if not path.is_file():
        raise DataError(f"there is no file '{path}'")
    return reader


def _read_digits() -> Raw:
    from sklearn.datasets import load_digits  # takes a second, and files do not need it

    digits = load_digits()
    images = np.asarray(digits.images, dtype=np.float32)[..., np.newaxis] / np.float32(16)
    return Raw(
        {"train": (images, np.asarray(digits.target))},
        test_share=0.2,
        scaling="values 0 to 16 divided by 16",
    )


_NAMED: Final[Mapping[str, Callable[[], Raw]]] = {"digits": _read_digits}
_SUFFIXES: Final[Mapping[str, Callable[[Path], Raw]]] = {".npz": read_npz, ".csv": read_csv}
