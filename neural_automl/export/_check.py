"""Written models tried in a process of their own, as their user will try them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neural_automl.backends import backend_of, weights_for
from neural_automl.backends._plan import class_name
from neural_automl.exceptions import BrokenExportError, ExportError
from neural_automl.export._inputs import batch_for
from neural_automl.export._user_files import has_user_modules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neural_automl.architecture import Architecture, Backend

#: Of the largest output, and of 1 where that is smaller.
TOLERANCE: Final = 1e-4

#: Reads a job as JSON: folder, name of the class, weights, inputs, outputs, search path.
_PYTORCH: Final = """
import numpy as np, torch
from importlib import import_module
from safetensors.torch import load_file

model = getattr(import_module("model"), job["name"])()
model.load_state_dict(load_file(job["weights"]))
model.eval()
with torch.no_grad():
    outputs = model(torch.from_numpy(np.load(job["inputs"]))).numpy()
"""
_KERAS: Final = """
import numpy as np
from safetensors.numpy import load_file
from keras_model import build_model

model = build_model()
weights = load_file(job["weights"])
for variable in model.weights:
    variable.assign(weights[variable.path])
outputs = np.asarray(model(np.load(job["inputs"]), training=False))
"""
_ONNX: Final = """
import numpy as np, onnxruntime

session = onnxruntime.InferenceSession(job["folder"] + "/model.onnx")
(outputs,) = session.run(None, {"inputs": np.load(job["inputs"])})
"""
_SCRIPTS: Final = {"pytorch": _PYTORCH, "keras": _KERAS, "onnx": _ONNX}
_FILES: Final = {"pytorch": "model.py", "keras": "keras_model.py", "onnx": "model.onnx"}
_BEFORE: Final = """
import json, sys
job = json.loads(sys.argv[1])
sys.path[:0] = [job["folder"]]
sys.path += job["path"]
sys.dont_write_bytecode = True
"""
_AFTER: Final = """
np.save(job["outputs"], outputs)
if job["alone"] and "neural_automl" in sys.modules:
    sys.exit("it loads neural_automl")
"""


def check_files(
    architecture: Architecture,
    folder: Path,
    formats: Sequence[str],
    weights: Mapping[str, Any] | None,
) -> None:
    """Load each written model in a fresh process and compare its outputs with ours.

    Without weights, those of a fresh network are used.

    Raises:
        ExportError: One does not run, or its outputs differ.
        ImportError: The backend of a format is not installed.
    """
    for name in formats:
        if name in _SCRIPTS:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
                _check_file(architecture, folder, name, weights, Path(work))


def _check_file(
    architecture: Architecture,
    folder: Path,
    name: str,
    weights: Mapping[str, Any] | None,
    work: Path,
) -> None:
    backend: Backend = "tensorflow" if name == "keras" else "pytorch"
    if weights is None:
        weights = _fresh_weights(architecture, backend)
    expected = _outputs(architecture, weights)
    from safetensors.torch import save_file

    carried = weights_for(backend, weights, architecture)
    save_file({n: w.contiguous() for n, w in carried.items()}, work / "weights.safetensors")
    np.save(work / "inputs.npy", batch_for(architecture, name))
    job = {
        "folder": str(folder.resolve()),
        "name": class_name(architecture.name),
        "weights": str(work / "weights.safetensors"),
        "inputs": str(work / "inputs.npy"),
        "outputs": str(work / "outputs.npy"),
        # Modules of a user's own that are not copied must be found as they are here.
        "path": [str(Path(entry).resolve()) for entry in sys.path],
        "alone": name == "onnx" or not has_user_modules(architecture, name),
    }
    ran = subprocess.run(
        [sys.executable, "-c", _BEFORE + _SCRIPTS[name] + _AFTER, json.dumps(job)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        reason = (ran.stderr.strip().splitlines() or ["no message"])[-1]
        raise BrokenExportError(f"{_FILES[name]} does not run in a process of its own: {reason}")
    _compare(np.load(work / "outputs.npy"), expected, name)


def _compare(outputs: NDArray[Any], expected: NDArray[Any], name: str) -> None:
    """Compare outputs, images with the channels last.

    Raises:
        BrokenExportError: They differ.
    """
    if outputs.ndim == 4 and name != "keras":
        outputs = outputs.transpose(0, 2, 3, 1)
    if outputs.shape != expected.shape:
        raise BrokenExportError(
            f"{_FILES[name]} gives outputs of shape {outputs.shape}, not {expected.shape}"
        )
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(outputs - expected).max())
    if not difference <= limit:
        raise BrokenExportError(
            f"the outputs of {_FILES[name]} differ from the network's by {difference:.2g}, more "
            f"than {limit:.2g}"
        )


def _fresh_weights(architecture: Architecture, backend: Backend) -> dict[str, Any]:
    if backend == "pytorch":
        return dict(architecture.build("pytorch").state_dict())
    from neural_automl.backends.tensorflow import build
    from neural_automl.backends.tensorflow._model import weights_of

    return weights_of(build(architecture))


def _outputs(architecture: Architecture, weights: Mapping[str, Any]) -> NDArray[Any]:
    """Return the outputs of the backend that the weights are of, images channels last.

    Raises:
        ExportError: The weights are another architecture's.
    """
    try:
        if backend_of(weights) == "tensorflow":
            return _keras_outputs(architecture, weights)
        import torch

        model = architecture.build("pytorch").eval()
        model.load_state_dict(dict(weights))
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"the weights do not fit the network: {error}") from error
    with torch.no_grad():
        made = model(torch.from_numpy(batch_for(architecture, "pytorch"))).numpy()
    return np.asarray(made.transpose(0, 2, 3, 1) if made.ndim == 4 else made)


def _keras_outputs(architecture: Architecture, weights: Mapping[str, Any]) -> NDArray[Any]:
    from neural_automl.backends.tensorflow import build
    from neural_automl.backends.tensorflow._model import load_weights

    model = build(architecture)
    load_weights(model, {name: np.asarray(value) for name, value in weights.items()})
    return np.asarray(model(batch_for(architecture, "keras"), training=False))
