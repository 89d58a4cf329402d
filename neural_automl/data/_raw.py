"""What a reader returns: arrays as a source holds them, before they are split and checked."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from neural_automl.data._columns import Column
from neural_automl.data._prepare import Array, Pair

#: Takes the inputs of a part and returns what networks see of them.
Encoder: TypeAlias = Callable[[Array], Array]

#: How parts may be called, and what we call them.
PARTS: Final[Mapping[str, str]] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
#: What readers raise on files that are broken, encrypted or made to harm.
UNREADABLE: Final = (
    OSError,
    ValueError,  # also UnicodeDecodeError
    EOFError,
    MemoryError,
    SyntaxError,
    RuntimeError,  # also RecursionError and NotImplementedError
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A source that was read.

    Args:
        parts: Inputs and targets by ``train``, ``val`` and ``test``; the first is always there.
        test_share: Held out where there is no test part and the caller does not say.
        class_names: Name of each label, where the source names them.
        scaling: What was done to the inputs' values, in words, where the reader did it.
        fit: Makes an encoder of the inputs that networks will be trained on, for sources whose
            inputs are no features yet.
    """

    parts: Mapping[str, Pair]
    test_share: float = 0.0
    class_names: tuple[str, ...] = ()
    scaling: str = ""
    fit: Callable[[Array], tuple[Encoder, tuple[Column, ...]]] | None = None
