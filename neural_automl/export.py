"""Taking a network home: files that need nothing of this package."""

from __future__ import annotations

import ast
import json
import sys
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

_ADVICE: Final = "; define the modules in a file of their own and register them from another"


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
        formats: ``pytorch`` (model.py: a class that needs torch alone, or, with layers of your
            own, also the modules that define them; those that are plain files are copied beside
            it), ``dsl`` (network.neural), ``json`` (architecture.json).
        weights: Tensors by name, written as weights.safetensors; their names are those of the
            class in model.py.

    Raises:
        ExportError: The folder exists or cannot be made, or no file can import a layer's module.
        ValueError: There is no such format.
    """
    for name in formats:
        if name not in _WRITERS:
            raise ValueError(f"format must be one of {', '.join(_WRITERS)} but got {name!r}")
    # Written out before anything is made: an error leaves no half of an export.
    contents = {_WRITERS[name][0]: _WRITERS[name][1](architecture) for name in formats}
    if "pytorch" in formats:
        contents |= _copies(architecture)
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


def export_notes(architecture: Architecture) -> list[str]:
    """Return what model.py needs besides torch and the files beside it, a sentence each.

    Nothing, where the network has no layer of a user's own. Otherwise each module that cannot be
    copied, and what the copied ones import.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    notes = []
    for module, file in _user_files(architecture).items():
        if file is None:
            notes.append(
                f"model.py imports {module}, which is no single file and was not copied: it must "
                "be installed, or on the path, where the model is used"
            )
            continue
        needed = _imported(file.read_text(encoding="utf-8"))
        if needed:
            notes.append(
                f"{module}.py imports {', '.join(needed)}, which must be there too where the model "
                "is used" + (_ADVICE if "neural_automl" in needed else "")
            )
    return notes


def _user_files(architecture: Architecture) -> dict[str, Path | None]:
    """Return the modules of a user's own layers; None for one that is no single plain file."""
    from neural_automl.backends.pytorch import user_modules

    return {module: _plain_file(module) for module in user_modules(architecture)}


def _plain_file(module: str) -> Path | None:
    # A module inside a package would not be found beside model.py.
    name = getattr(sys.modules.get(module), "__file__", None)
    file = Path(name) if isinstance(name, str) else None
    is_plain = file is not None and file.name == f"{module}.py" and file.is_file()
    return file if is_plain else None


def _copies(architecture: Architecture) -> dict[str, str]:
    """Return the content of the user's files that model.py imports, by file name.

    Raises:
        ExportError: One would lie in the place of model.py.
    """
    files = [file for file in _user_files(architecture).values() if file is not None]
    copies = {file.name: file.read_text(encoding="utf-8") for file in files}
    if "model.py" in copies:
        raise ExportError(
            "a layer's module is defined in model.py, the name of the file that is written here; "
            "rename yours"
        )
    return copies


def _imported(source: str) -> list[str]:
    """Return what a file imports besides torch and the standard library."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    roots = {name.partition(".")[0] or "." for name in names}
    return sorted(roots - {"torch"} - sys.stdlib_module_names)
