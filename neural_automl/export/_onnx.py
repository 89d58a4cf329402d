"""A trained network as an ONNX file, by PyTorch's own exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

from neural_automl._imports import try_import
from neural_automl.exceptions import ExportError
from neural_automl.export._inputs import batch_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from neural_automl.architecture import Architecture


def write_onnx(architecture: Architecture, weights: Mapping[str, Any], path: Path) -> None:
    """Write a network that takes batches of any size.

    Args:
        weights: PyTorch's.

    Raises:
        ExportError: PyTorch cannot write it, or the weights are another architecture's.
        ImportError: A package of the extra ``onnx`` is not installed.
    """
    with try_import() as imports:
        import onnxruntime  # noqa: F401  # for the check, which runs in another process
        import onnxscript  # noqa: F401  # what the exporter works with
    imports.check()
    import torch

    model = architecture.build("pytorch").eval()
    try:
        model.load_state_dict(dict(weights))
        with _quiet():
            torch.onnx.export(
                model,
                (torch.from_numpy(batch_for(architecture, "pytorch")),),
                path,
                input_names=["inputs"],
                output_names=["outputs"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise ExportError(f"the network can't be written as onnx: {error}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's reports of its own progress to itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
