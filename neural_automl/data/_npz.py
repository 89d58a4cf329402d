"""NumPy archives."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neural_automl.data._raw import PARTS, UNREADABLE, Raw
from neural_automl.exceptions import DataError, excerpt


def read_npz(path: Path) -> Raw:
    """Read the arrays ``x_train``, ``y_train`` and so on, or ``x`` and ``y``; nothing pickled.

    Raises:
        DataError: The file is broken, lacks an array, or holds two of a kind.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"'{path}' is not an .npz file")
        # Pickled objects can run any code on loading, so they are never read.
        with np.load(path, allow_pickle=False) as archive:
            wanted = {key: place for key in archive.files if (place := _place_of(key))}
            _check_places(wanted, path)
            arrays = {place: np.asarray(archive[key]) for key, place in wanted.items()}
            found = ", ".join(archive.files) or "nothing"
    except DataError:
        raise
    except UNREADABLE as error:
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
    return Raw({part: (arrays[part, "x"], arrays[part, "y"]) for part in sorted(parts)})


def _check_places(wanted: Mapping[str, tuple[str, str]], path: Path) -> None:
    first: dict[tuple[str, str], str] = {}
    for key, (part, axis) in wanted.items():
        other = first.setdefault((part, axis), key)
        if other != key:
            raise DataError(f"'{path}' holds both {other} and {key}, which are both {axis}_{part}")


def _place_of(key: str) -> tuple[str, str] | None:
    """Return the part and axis that an array's name means, or None."""
    if key in ("x", "y"):
        return "train", key
    first, _, second = key.lower().partition("_")
    axis, part = (first, second) if first in ("x", "y") else (second, first)
    return (PARTS[part], axis) if part in PARTS and axis in ("x", "y") else None
