from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl.backends import backend_of, weights_for
from neural_automl.exceptions import ExportError
from neural_automl.export._card import ModelCard, card_text
from neural_automl.export._user_files import SOURCES, copies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neural_automl.architecture import Architecture, Backend

EXPORT_FORMATS: Final = ("pytorch", "keras", "onnx", "dsl", "json")

#: By the backend that a network was trained with.
DEFAULT_FORMATS: Final[Mapping[Backend, tuple[str, ...]]] = {
    "pytorch": ("pytorch", "dsl", "json"),
    "tensorflow": ("keras", "dsl", "json"),
}
WEIGHTS: Final = {"pytorch": "weights.safetensors", "keras": "keras_weights.safetensors"}
BACKENDS: Final[Mapping[str, Backend]] = {"pytorch": "pytorch", "keras": "tensorflow"}


def export_architecture(
    architecture: Architecture,
    directory: str | Path,
    *,
    formats: Sequence[str] | None = None,
    weights: Mapping[str, Any] | None = None,
    card: ModelCard | None = None,
    check: bool = True,
) -> list[Path]:
    """Write a network into a new folder and return the files.

    Args:
        architecture: What to write.
        directory: Made here; it must not be there yet, so that nothing is overwritten.
        formats: ``pytorch`` (model.py: a class that needs torch alone, or, with layers of your
            own, also the modules that define them; those that are plain files are copied beside
            it), ``keras`` (keras_model.py: the same for Keras), ``onnx`` (model.onnx, with the
            weights in it), ``dsl`` (network.neural), ``json`` (architecture.json). Default: what
            the weights are of, ``dsl`` and ``json``.
        weights: Tensors by name, of either backend. Written as weights.safetensors, with the names
            of the class in model.py, and as keras_weights.safetensors, with those of the model in
            keras_model.py.
        card: What README.md shall say of the training besides.
        check: Whether each model is loaded in a fresh process, without this package, and its
            outputs for random inputs are compared (1e-4); a difference is an error.

    Raises:
        ExportError: The folder exists or cannot be made, no file can import a layer's module, a
            layer has no form for a format, or a written model does not give the same outputs. No
            folder is left.
        ImportError: A format needs a package that is not installed.
        OSError: A file can't be written. No folder is left here either.
        ValueError: There is no such format.
    """
    if formats is None:
        formats = DEFAULT_FORMATS[backend_of(weights or {})]
    for name in formats:
        if name not in EXPORT_FORMATS:
            raise ValueError(f"format must be one of {', '.join(EXPORT_FORMATS)} but got {name!r}")
    if "onnx" in formats and weights is None:
        raise ExportError("a file of format onnx holds the weights, but none are given")
    # Written out before anything is made: an error leaves no half of an export.
    card = card or ModelCard()
    contents = _contents(architecture, formats, card.scaling)
    contents["README.md"] = card_text(architecture, formats, weights, card)
    folder = Path(directory)
    _make(folder)
    try:
        files = []
        for file_name, content in contents.items():
            files.append(folder / file_name)
            files[-1].write_text(content, encoding="utf-8")
        if weights is not None:
            files += _write_weights(architecture, folder, formats, weights)
        if check:
            from neural_automl.export._check import check_files

            check_files(architecture, folder, formats, weights)
    except BaseException:
        # Whatever ends it, Ctrl-C too: no next try may find half an export in its way.
        shutil.rmtree(folder)
        raise
    return files


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ExportError(f"{folder} is there already; choose a new folder") from error
    except OSError as error:
        raise ExportError(f"the folder {folder} can't be made: {error.strerror}") from error


def _contents(architecture: Architecture, formats: Sequence[str], scaling: str) -> dict[str, str]:
    """Return the text of each file by its name."""
    from neural_automl.backends import pytorch, tensorflow

    made: dict[str, str] = {}
    for name in formats:
        if name == "pytorch":
            made[SOURCES[name]] = pytorch.source(architecture, scaling=scaling)
        elif name == "keras":
            made[SOURCES[name]] = tensorflow.source(architecture, WEIGHTS[name], scaling=scaling)
        elif name == "dsl":
            made["network.neural"] = architecture.to_dsl()
        elif name == "json":
            made["architecture.json"] = json.dumps(architecture.to_dict(), indent=2) + "\n"
    for name in formats:
        if name in SOURCES:
            made |= copies(architecture, name)
    return made


def _write_weights(
    architecture: Architecture, folder: Path, formats: Sequence[str], weights: Mapping[str, Any]
) -> list[Path]:
    from safetensors.torch import save

    files = []
    # A network without source keeps its weights as they are.
    wanted = [name for name in formats if name in WEIGHTS]
    own = "pytorch" if backend_of(weights) == "pytorch" else "keras"
    for name in wanted or [own]:
        carried = weights_for(BACKENDS[name], weights, architecture)
        files.append(folder / WEIGHTS[name])
        files[-1].write_bytes(save({n: w.contiguous() for n, w in carried.items()}))
    if "onnx" in formats:
        from neural_automl.export._onnx import write_onnx

        files.append(folder / "model.onnx")
        write_onnx(architecture, weights_for("pytorch", weights, architecture), files[-1])
    return files
