"""What all trials of one study share: agreed on at the first, held to by all others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from neural_automl._version import __version__
from neural_automl.exceptions import StudyError

if TYPE_CHECKING:
    import optuna

    from neural_automl.evaluation import Evaluator

#: Metrics of which it is known where they improve, whoever measures them.
_DIRECTIONS: Final = {
    **dict.fromkeys(("val_accuracy", "val_f1", "val_precision", "val_recall"), "MAXIMIZE"),
    **dict.fromkeys(("val_auroc", "val_r2"), "MAXIMIZE"),
    **dict.fromkeys(("val_loss", "train_loss", "val_mse", "val_mae", "val_rmse"), "MINIMIZE"),
    **dict.fromkeys(("params", "macs", "peak_memory_bytes", "depth"), "MINIMIZE"),
}


@dataclass(frozen=True)
class Terms:
    """What makes the values of a study's trials comparable.

    Attributes:
        space: Text of the space.
        metrics: What is optimised, joined by commas.
        value: Whether a trial's value is its last or its best epoch's metric.
        epochs: Longest training.
        rungs: Epochs of the rungs and which share goes on; an empty string without rungs.
        data_fingerprint: Of the data, or an empty string where the evaluator has none.
        evaluator_settings: Of what else changes a result.
    """

    space: str
    metrics: str
    value: str
    epochs: int
    data_fingerprint: str
    evaluator_settings: str
    rungs: str = ""


_WORDS: Final = {
    "space": "another space",
    "metrics": "other metrics",
    "value": "another kind of value",
    "epochs": "another number of epochs",
    "data_fingerprint": "other data",
    "evaluator_settings": "other settings of the evaluator",
    "rungs": "other rungs",
}
#: Terms that a reader can make sense of, to be shown where they differ.
_SHOWN: Final = ("metrics", "value", "epochs", "rungs")


def settings_of(evaluator: Evaluator) -> str:
    """Return what, beside the data, changes an evaluator's results; its kind if it says nothing."""
    return str(getattr(evaluator, "fingerprint", type(evaluator).__qualname__))


def fingerprints(evaluator: Evaluator, terms: list[Any]) -> dict[str, str]:
    """Return, under the names that a trial keeps them by, what equal trainings share.

    Args:
        evaluator: Trains.
        terms: What else is equal then, as JSON has it.
    """
    # A study may go on with another backend, but no result of one is taken for the other's.
    backend = getattr(evaluator, "backend", None)
    text = json.dumps([settings_of(evaluator), backend, *terms])
    prints = {"evaluator_fingerprint": hashlib.sha256(text.encode()).hexdigest()[:32]}
    of_data = getattr(evaluator, "data_fingerprint", None)
    return prints if of_data is None else {**prints, "data_fingerprint": of_data}


def agree(study: optuna.Study, terms: Terms) -> None:
    """Write the terms into a study, or check that they are the study's.

    Raises:
        StudyError: The study has other terms, another number of objectives, or optimises a
            metric in the wrong direction.
    """
    _check_directions(study, terms.metrics.split(","))
    known = study.user_attrs
    if "space" not in known:
        study.set_user_attr("neural_automl_version", __version__)
        # The space last: a worker that sees it sees all of them.
        for field in reversed(fields(Terms)):
            study.set_user_attr(field.name, getattr(terms, field.name))
        return
    for field in fields(Terms):
        before, now = known.get(field.name), getattr(terms, field.name)
        if field.name in known and before != now:
            shown = f" ({before}, now {now})" if field.name in _SHOWN else ""
            raise StudyError(
                f"the study {study.study_name!r} was begun with {_WORDS[field.name]}{shown}: its "
                "trials could not be compared; use another study name"
            )


def _check_directions(study: optuna.Study, metrics: list[str]) -> None:
    if len(study.directions) != len(metrics):
        raise StudyError(
            f"the study has {len(study.directions)} objectives but the metrics are "
            f"{', '.join(metrics)}"
        )
    for metric, direction in zip(metrics, study.directions, strict=True):
        right = _DIRECTIONS.get(metric)
        if right is not None and direction.name != right:
            raise StudyError(
                f"the study would {direction.name.lower()} {metric}; create it with "
                f"direction={right.lower()!r}"
            )
