"""Files in the format of MNIST and of the sets that took its place (Fashion-MNIST, KMNIST)."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from neural_automl.data._prepare import Array, Pair
from neural_automl.data._raw import UNREADABLE, Raw
from neural_automl.exceptions import DataError

_STEMS: Final[Mapping[str, str]] = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE: Final = 0x08
_CHUNK: Final = 1 << 20


def is_idx(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds one."""
    if path.is_dir():
        return any(map(is_idx, (each for each in path.iterdir() if each.is_file())))
    name = path.name.removesuffix(".gz")
    return any(
        name in _names(stem, kind) for stem in _STEMS.values() for kind in ("images", "labels")
    )


def read_idx(path: Path) -> Raw:
    """Read a folder of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and ``t10k-...``.

    The files may be packed (``.gz``); the two of the test may be missing.

    Args:
        path: The folder, or one of its files.

    Returns:
        Images of shape (N, height, width, 1) and labels of shape (N,), as uint8.

    Raises:
        DataError: A file is missing or broken.
    """
    folder = path if path.is_dir() else path.parent
    parts = {}
    for part, stem in _STEMS.items():
        images, labels = (_find(folder, stem, kind) for kind in ("images", "labels"))
        if images is None and labels is None and part != "train":
            continue
        if images is None or labels is None:
            name = _names(stem, "images" if images is None else "labels")[0]
            raise DataError(f"there is no file '{folder / name}', with or without '.gz'")
        parts[part] = _read_pair(images, labels)
    return Raw(parts)


def _names(stem: str, kind: str) -> tuple[str, str]:
    """Return the names of a file, as its authors write it and as archives unpack it."""
    axes = 3 if kind == "images" else 1
    return f"{stem}-{kind}-idx{axes}-ubyte", f"{stem}-{kind}.idx{axes}-ubyte"


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    names = (name + end for name in _names(stem, kind) for end in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_pair(images: Path, labels: Path) -> Pair:
    x, y = _read_array(images, 3), _read_array(labels, 1)
    if len(x) != len(y):
        raise DataError(f"'{images}' holds {len(x)} images but '{labels}' {len(y)} labels")
    return x[..., np.newaxis], y


def _read_array(path: Path, axes: int) -> Array:
    """Read one file: two zeros, a type, the number of axes, their lengths, the bytes."""
    header = 4 + 4 * axes
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(header)
            if len(head) < header or head[:4] != bytes((0, 0, _UNSIGNED_BYTE, axes)):
                raise DataError(f"'{path}' is no idx file of unsigned bytes with {axes} axes")
            shape = struct.unpack(f">{axes}I", head[4:])
            size = prod(shape)
            content = bytearray()
            # In pieces, and one byte more than there should be: a header may promise anything.
            while len(content) <= size and (
                piece := file.read(min(_CHUNK, size + 1 - len(content)))
            ):
                content += piece
    except UNREADABLE as error:
        raise DataError(f"cannot read '{path}': {error}") from error
    if len(content) != size:
        found = f"{len(content)}" if len(content) < size else "more"
        raise DataError(f"'{path}' should hold {size} bytes of content but holds {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)
