"""The modules of a user's own layers: copied beside the network where they are plain files."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.architecture import Architecture

_ADVICE: Final = "; define the modules in a file of their own and register them from another"
#: What a file of source code needs besides the standard library, by format.
_FRAMEWORK: Final = {"pytorch": "torch", "keras": "keras"}
#: The file of each format that imports layers.
SOURCES: Final = {"pytorch": "model.py", "keras": "keras_model.py"}


def export_notes(architecture: Architecture, formats: Sequence[str] = ("pytorch",)) -> list[str]:
    """Return what the source needs besides its framework and the files beside it.

    Nothing, where the network has no layer of a user's own. Otherwise a sentence for each module
    that cannot be copied, and for what the copied ones import.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    notes: list[str] = []
    for name in formats:
        if name in SOURCES:
            notes += _notes_of(architecture, name)
    return list(dict.fromkeys(notes))


def _notes_of(architecture: Architecture, name: str) -> list[str]:
    notes = []
    for module, file in _user_files(architecture, name).items():
        if file is None:
            notes.append(
                f"{SOURCES[name]} imports {module}, which is no single file and was not copied: it "
                "must be installed, or on the path, where the model is used"
            )
            continue
        needed = _imported(file.read_text(encoding="utf-8"), _FRAMEWORK[name])
        if needed:
            notes.append(
                f"{module}.py imports {', '.join(needed)}, which must be there too where the model "
                "is used" + (_ADVICE if "neural_automl" in needed else "")
            )
    return notes


def _user_files(architecture: Architecture, name: str) -> dict[str, Path | None]:
    """Return the modules of a user's own layers; None for one that is no single plain file."""
    from neural_automl.backends import pytorch, tensorflow

    backend = pytorch if name == "pytorch" else tensorflow
    return {module: _plain_file(module) for module in backend.user_modules(architecture)}


def has_user_modules(architecture: Architecture, name: str) -> bool:
    """Whether the source of a format imports layers of a user's own."""
    return bool(_user_files(architecture, name))


def _plain_file(module: str) -> Path | None:
    # A module inside a package would not be found beside model.py.
    name = getattr(sys.modules.get(module), "__file__", None)
    file = Path(name) if isinstance(name, str) else None
    is_plain = file is not None and file.name == f"{module}.py" and file.is_file()
    return file if is_plain else None


def copies(architecture: Architecture, name: str) -> dict[str, str]:
    """Return the content of the user's files that the source of a format imports, by file name.

    Raises:
        ExportError: One would lie in the place of the source.
    """
    files = [file for file in _user_files(architecture, name).values() if file is not None]
    found = {file.name: file.read_text(encoding="utf-8") for file in files}
    for taken in SOURCES.values():
        if taken in found:
            raise ExportError(
                f"a layer's module is defined in {taken}, the name of a file that is written "
                "here; rename yours"
            )
    return found


def _imported(source: str, framework: str) -> list[str]:
    """Return what a file imports besides its framework and the standard library."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
    roots = {name.partition(".")[0] or "." for name in names}
    return sorted(roots - {framework} - sys.stdlib_module_names)
