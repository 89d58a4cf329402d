"""The command `export`: a trial's network as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from optuna.trial import TrialState

from neural_automl.commands import _complete as complete
from neural_automl.commands._arguments import (
    ImportOption,
    JsonOption,
    StorageOption,
    StudyOption,
)
from neural_automl.commands._exit import wrong_options
from neural_automl.commands._output import print_json
from neural_automl.exceptions import NeuralAutoMLError
from neural_automl.export import (
    DEFAULT_FORMATS,
    EXPORT_FORMATS,
    export_architecture,
    export_notes,
)

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


def export(
    storage: StorageOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A new folder for the files.", show_default=False)
    ],
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", help="Number of a completed trial; by default the best.", show_default=False
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help=f"Among {', '.join(EXPORT_FORMATS)}; may be repeated. Default: the backend that "
            "trained it, dsl and json.",
            show_default=False,
            autocompletion=complete.formats,
        ),
    ] = None,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Write a trial's network as files that need nothing of this package.

    Each model is loaded in a fresh process, and its outputs are compared, before this says done.

    model.py needs torch alone, keras_model.py Keras, model.onnx any runtime of ONNX. With layers
    of your own the first two import the modules that define them: those that are single files are
    copied beside, others must be installed where the model is used.
    """
    from neural_automl.backends import backend_of
    from neural_automl.registry import architecture_of, require_best, space_of
    from neural_automl.search._card import card_of
    from neural_automl.studies import load_study, storage_errors, storage_url

    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        chosen = require_best(loaded) if trial is None else _find_trial(loaded, trial)
        architecture = architecture_of(space_of(loaded), chosen)
        weights = _weights(storage, loaded, chosen)
        card = card_of(loaded, chosen)
    written = formats or DEFAULT_FORMATS[backend_of(weights)]
    with wrong_options():
        files = export_architecture(
            architecture, output, formats=written, weights=weights, card=card
        )
    notes = export_notes(architecture, written)
    if as_json:
        paths = [str(path) for path in files]
        print_json({"trial": chosen.number, "files": paths, "notes": notes})
    for path in files:
        typer.echo(str(path), err=as_json)
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number:
            if trial.state != TrialState.COMPLETE:
                raise NeuralAutoMLError(
                    f"trial {number} is {trial.state.name}; only a COMPLETE one has a network to "
                    "export"
                )
            return trial
    raise NeuralAutoMLError(f"the study {study.study_name!r} has no trial {number}")


def _weights(storage: str, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    from neural_automl.artifacts import load_weights
    from neural_automl.studies import artifact_directory, make_artifact_store

    return load_weights(make_artifact_store(artifact_directory(storage)), study, trial)
