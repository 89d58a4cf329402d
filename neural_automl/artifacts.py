"""What a trial leaves beside the database: source, weights and curve, and how they come back."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optuna.artifacts import download_artifact, get_all_artifact_meta, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound

from neural_automl.backends import backend_of
from neural_automl.exceptions import ExportError, FallbackWarning, StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial, Trial

    from neural_automl.architecture import Architecture

SOURCE: Final = "model.py"
WEIGHTS: Final = "weights.safetensors"
CURVE: Final = "curve.json"
#: Attribute of a trial: why nothing is kept of it.
NO_ARTIFACTS: Final = "no_artifacts"


def save_artifacts(
    store: ArtifactStore,
    trial: Trial,
    architecture: Architecture,
    weights: Mapping[str, Any] | None,
    curve: Sequence[Mapping[str, float]],
    *,
    keep_weights: bool = True,
) -> None:
    """Keep a trial's source, weights (safetensors) and curve.

    The source is of the backend that the weights are of. A network with a module of the user's that
    no file can import has no source: the attribute ``no_source`` then holds the reason.

    Where there is no room, or nothing may be written, the trial keeps its value and loses the
    files, with a ``FallbackWarning`` and the reason in its attribute ``no_artifacts``.

    Args:
        weights: Tensors by name; None keeps none.
        keep_weights: Whether they are kept; if not, they only say which source is wanted.
        curve: The metrics of each epoch.
    """
    from safetensors import SafetensorError

    try:
        _save(store, trial, architecture, weights, curve, keep_weights=keep_weights)
    except (OSError, SafetensorError) as error:
        reason = f"neither weights nor source are kept: {error}"
        trial.set_user_attr(NO_ARTIFACTS, reason)
        warnings.warn(f"trial {trial.number}: {reason}", FallbackWarning, stacklevel=2)


def _save(
    store: ArtifactStore,
    trial: Trial,
    architecture: Architecture,
    weights: Mapping[str, Any] | None,
    curve: Sequence[Mapping[str, float]],
    *,
    keep_weights: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, CURVE)]
        files[0].write_text(json.dumps(list(curve)), encoding="utf-8")
        try:
            text = architecture.to_source(backend_of(weights or {}))
        except ExportError as error:
            trial.set_user_attr("no_source", str(error))
        else:
            files.append(Path(folder, SOURCE))
            files[-1].write_text(text, encoding="utf-8")
        if weights is not None and keep_weights:
            files.append(Path(folder, WEIGHTS))
            _save_weights(files[-1], weights)
        for file in files:
            upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=trial)


def _save_weights(file: Path, weights: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)


def load_weights(store: ArtifactStore, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    """Return a trial's weights as tensors by name.

    Raises:
        StudyError: The trial kept none.
    """
    from safetensors.torch import load

    return load(load_artifact(store, study, trial, WEIGHTS))


def load_artifact(
    store: ArtifactStore, study: optuna.Study, trial: FrozenTrial, name: str
) -> bytes:
    """Return the content of one of a trial's files.

    Raises:
        StudyError: The trial kept no such file, or the store has lost it.
    """
    for meta in get_all_artifact_meta(trial, storage=study._storage):
        if meta.filename == name:
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder, name)
                try:
                    download_artifact(
                        artifact_store=store, file_path=str(target), artifact_id=meta.artifact_id
                    )
                except ArtifactNotFound as error:
                    raise StudyError(
                        f"the artifact {name} of trial {trial.number} is not in the store; of "
                        "trials that are not among the best, a search with `keep_weights` removes "
                        "the weights"
                    ) from error
                return target.read_bytes()
    raise StudyError(f"trial {trial.number} kept no {name}")
