"""Folders of images: one folder a class, perhaps within one folder a part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from neural_automl.data._prepare import Array, Pair
from neural_automl.data._raw import PARTS, UNREADABLE, Raw
from neural_automl.exceptions import DataError, excerpt

if TYPE_CHECKING:
    from PIL.Image import Image

_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_GREY: Final = ("1", "L", "LA")
_COLOR: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")


def read_images(folder: Path) -> Raw:
    """Read a folder of one folder a class, or of ``train``, ``val`` and ``test`` of such.

    Classes, and the images of each, are taken in the order of their names.

    Args:
        folder: With png and jpg images of one size.

    Returns:
        Images of shape (N, height, width, 1) if all are grey, else (N, height, width, 3), as
        uint8, without what they hold of transparency, and labels of shape (N,).

    Raises:
        DataError: Pillow is not installed, or the folder, or an image, breaks a rule.
    """
    try:
        import PIL.Image  # noqa: F401 (needed below; said here before any file is looked at)
    except ImportError as error:
        raise DataError(
            'reading images needs Pillow; install it with `pip install "neural-automl[images]"`, '
            'or, in a clone, with `pip install -c constraints.txt ".[images]"`'
        ) from error
    parts = _find_parts(folder)
    names = tuple(each.name for each in _folders(parts["train"]))
    files = {part: _find_files(place, names) for part, place in parts.items()}
    images = _read_files([file for pairs in files.values() for file, _ in pairs])
    arrays: dict[str, Pair] = {}
    start = 0
    for part, pairs in files.items():
        labels = np.array([label for _, label in pairs])
        arrays[part] = (images[start : start + len(pairs)], labels)
        start += len(pairs)
    return Raw(arrays, class_names=names)


def _folders(place: Path) -> list[Path]:
    try:
        found = [each for each in place.iterdir() if each.is_dir() and each.name[0] != "."]
    except OSError as error:
        raise DataError(f"cannot read '{place}': {error}") from error
    return sorted(found, key=lambda each: each.name)


def _find_parts(folder: Path) -> dict[str, Path]:
    inside = _folders(folder)
    if not inside:
        raise DataError(
            f"the folder '{folder}' must hold one folder of images a class, or the folders train, "
            "val and test with these, or idx files"
        )
    if not any(each.name == "train" for each in inside):
        return {"train": folder}
    parts: dict[str, Path] = {}
    for each in inside:
        part = PARTS.get(each.name)
        if part is None:
            raise DataError(
                f"'{folder}' holds the folder train, so that {excerpt(each.name)} must be val or "
                "test"
            )
        if part in parts:
            raise DataError(f"'{parts[part]}' and '{each}' are both validation data")
        parts[part] = each
    if not _folders(parts["train"]):
        raise DataError(f"'{parts['train']}' must hold one folder of images a class")
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}


def _find_files(place: Path, names: Sequence[str]) -> list[tuple[Path, int]]:
    found = []
    for folder in _folders(place):
        if folder.name not in names:
            raise DataError(f"'{folder}' is a class that the training data lacks")
        files = sorted(
            each
            for each in folder.iterdir()
            if each.suffix.lower() in _SUFFIXES and each.name[0] != "."
        )
        if not files:
            raise DataError(f"'{folder}' holds no image ({', '.join(_SUFFIXES)})")
        found += [(file, names.index(folder.name)) for file in files]
    if not found:
        raise DataError(f"'{place}' must hold one folder of images a class")
    return found


def _read_files(files: Sequence[Path]) -> Array:
    """Return images of one size, shape (N, height, width, 1 or 3)."""
    images = [_read_file(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise DataError(
                f"all images must have one size, but '{file}' is {width} x {height} and "
                f"'{files[0]}' {first_width} x {first_height}"
            )
    channels = max(image.shape[2] for image in images)
    return np.stack([np.broadcast_to(each, (*each.shape[:2], channels)) for each in images])


def _read_file(file: Path) -> Array:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                return _pixels(image, file)
    except DataError:
        raise
    except (
        *UNREADABLE,  # also Pillow's UnidentifiedImageError
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise DataError(f"cannot read '{file}': {error}") from error


def _pixels(image: Image, file: Path) -> Array:
    """Return the pixels, shape (height, width, 1 or 3), as uint8."""
    if image.mode in _GREY:
        return np.asarray(image.convert("L"), dtype=np.uint8)[..., np.newaxis]
    if image.mode in _COLOR:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)
    raise DataError(f"'{file}' has pixels of the kind {image.mode}; save it with 8 bits a channel")
