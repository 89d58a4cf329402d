"""Taking a network home: files that need nothing of this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from neural_automl.architecture import Architecture

_WRITERS: Final[Mapping[str, tuple[str, Callable[[Architecture], str]]]] = {
    # format: (file name, content)
    "pytorch": ("model.py", lambda architecture: architecture.to_source("pytorch")),
    "dsl": ("network.neural", lambda architecture: architecture.to_dsl()),
    "json": (
        "architecture.json",
        lambda architecture: json.dumps(architecture.to_dict(), indent=2) + "\n",
    ),
}

EXPORT_FORMATS: Final = tuple(_WRITERS)


def export_architecture(
    architecture: Architecture,
    directory: str | Path,
    *,
    formats: Sequence[str] = EXPORT_FORMATS,
    weights: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a network into a new folder and return the files.

    Args:
        architecture: What to write.
        directory: Made here; it must not be there yet, so that nothing is overwritten.
        formats: ``pytorch`` (model.py: a class that needs torch alone), ``dsl``
            (network.neural), ``json`` (architecture.json).
        weights: Tensors by name, written as weights.safetensors; their names are those of the
            class in model.py.

    Raises:
        ExportError: The folder exists or cannot be made.
        ValueError: There is no such format.
    """
    for name in formats:
        if name not in _WRITERS:
            raise ValueError(f"format must be one of {', '.join(_WRITERS)} but got {name!r}")
    # Written out before anything is made: an error leaves no half of an export.
    contents = {_WRITERS[name][0]: _WRITERS[name][1](architecture) for name in formats}
    folder = Path(directory)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ExportError(f"{folder} is there already; choose a new folder") from error
    except OSError as error:
        raise ExportError(f"the folder {folder} can't be made: {error.strerror}") from error
    files = []
    for file_name, content in contents.items():
        files.append(folder / file_name)
        files[-1].write_text(content, encoding="utf-8")
    if weights is not None:
        from safetensors.torch import save

        files.append(folder / "weights.safetensors")
        files[-1].write_bytes(save(dict(weights)))
    return files
