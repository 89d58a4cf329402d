"""The data of a search on the command line: split as the space says, and what to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from neural_automl.data import load_data
from neural_automl.evaluation import ArchitectureEvaluator, estimate_seconds
from neural_automl.exceptions import DataError, SpaceError

if TYPE_CHECKING:
    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.data import DataSplits

_SHARE = 0.2


def load_for(
    space: ArchitectureSpace, source: str, target: str | None, missing: Literal["error", "mean"]
) -> DataSplits:
    """Load data for a space: a fifth held out as a test, then the space's validation split.

    Raises:
        DataError: The data cannot be used.
        SpaceError: The space's ``validation_split`` is 0, or open.
        ValueError: An option is for another kind of source.
    """
    share = _training(space).get("validation_split", _SHARE)
    path = "training.validation_split"
    if not isinstance(share, int | float):
        raise SpaceError(
            "validation_split must be a plain number: networks are compared on one and the same "
            f"validation part, so it can't be {share}",
            path=path,
        )
    if share == 0:
        raise SpaceError("validation_split must be above 0 for a search but is 0", path=path)
    return load_data(
        source,
        validation_split=share,
        test_split=0.2,
        seed=0,
        target=target,
        missing=missing,
    )


def timed_seconds(space: ArchitectureSpace, source: str, trials: int) -> float:
    """Return about how long a search takes on some data, from some networks trained briefly.

    Raises:
        DataError: The data cannot be used.
    """
    splits = load_for(space, source, None, "error")
    return estimate_seconds(space, ArchitectureEvaluator(splits), trials)


def search_notes(space: ArchitectureSpace, splits: DataSplits) -> list[str]:
    """Return what a user might take for granted and is not so, a sentence each."""
    notes = []
    if _training(space).get("search_method") is not None:
        notes.append("search_method has no effect: --strategy says how networks are proposed")
    outputs = space.sample_architecture(seed=0).graph.output_shape
    if splits.classes is not None and len(outputs) == 1 and 1 < splits.classes < outputs[0]:
        notes.append(
            f"the networks have {outputs[0]} outputs but the data only {splits.classes} classes"
        )
    return notes


def explain_misfit(error: DataError, splits: DataSplits) -> DataError:
    """Return an error about the shape of samples with what a table's columns became."""
    if not splits.columns or "do not fit the input shape" not in str(error):
        return error
    columns = ", ".join(
        column.name + (f" ({column.width} features, one a text)" if column.categories else "")
        for column in splits.columns
    )
    return DataError(
        f"{error}; the table became {splits.sample_shape[0]} features, of the columns {columns}: "
        f"write `input: ({splits.sample_shape[0]},)`"
    )


def _training(space: ArchitectureSpace) -> dict[str, Any]:
    return dict(space.hyperparameters.get("training", {}))
