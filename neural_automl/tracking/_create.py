"""Names for trackers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from neural_automl._options import check_options, lookup
from neural_automl.exceptions import TrackingError
from neural_automl.tracking._tracker import TrackedEnd, TrackedRun, TrackedTrial, Tracker

#: Called once a training has ended: with the trial, the metrics of each epoch, and the end.
TrackFunction: TypeAlias = Callable[
    [TrackedTrial, Sequence[Mapping[str, float]], TrackedEnd], object
]

# Loaded when asked for: each needs a package of its own.
_CLASSES: Final = {
    "mlflow": ("neural_automl.tracking._mlflow", "MLflowTracker"),
    "tensorboard": ("neural_automl.tracking._tensorboard", "TensorBoardTracker"),
    "wandb": ("neural_automl.tracking._wandb", "WandbTracker"),
}
#: The names of this package's own trackers.
TRACKER_NAMES: Final = tuple(_CLASSES)


def create_tracker(tracking: str | Tracker | TrackFunction, **options: Any) -> Tracker:
    """Return the tracker of a name; a tracker is returned as it is.

    Args:
        tracking: ``mlflow``, ``tensorboard``, ``wandb``, a ``Tracker``, or a function that is
            called after each training with a ``TrackedTrial``, the metrics of each epoch as a list
            of dictionaries, and a ``TrackedEnd``.
        **options: Of that name. ``mlflow``: ``tracking_uri``, ``experiment``,
            ``artifact_location``. ``tensorboard``: ``folder``. ``wandb``: ``project``, ``entity``,
            ``mode``, ``folder``.

    Raises:
        ImportError: The package is not installed; the message names the extra.
        ValueError: There is no such name.
        TypeError: There is no such option, or it is given with a tracker.

    Example:
        >>> import tempfile
        >>> tracker = create_tracker("tensorboard", folder=tempfile.mkdtemp())
        >>> tracker.name
        'tensorboard'
    """
    if isinstance(tracking, str):
        module, kind = lookup("tracker", tracking, _CLASSES)
        make = getattr(importlib.import_module(module), kind)
        check_options(tracking, options, make)
        made: Tracker = make(**options)
        return made
    if options:
        raise TypeError(f"options are of a tracker by name but got {', '.join(options)}")
    if isinstance(tracking, Tracker):
        return tracking
    if callable(tracking):
        return FunctionTracker(tracking)
    raise TypeError(
        f"a tracker must be one of {', '.join(_CLASSES)}, a Tracker or a function but got "
        f"{type(tracking).__name__}"
    )


def make_tracker(
    tracking: str | Tracker | TrackFunction | None, options: Mapping[str, Any] | None = None
) -> Tracker | None:
    """Return a tracker, or None where there shall be none.

    Raises:
        TypeError: There are options without a name.
    """
    if tracking is None:
        if options:
            raise TypeError(f"options of a tracker need its name but got {', '.join(options)}")
        return None
    return create_tracker(tracking, **(options or {}))


def prepare(tracker: Tracker | None, study: str) -> None:
    """Let a tracker make what the runs of a search share.

    Args:
        tracker: Where runs go, or None.
        study: Name of the study.

    Raises:
        TrackingError: It can't, whatever it raised: nothing is trained yet.
    """
    if tracker is not None:
        try:
            tracker.prepare(study)
        except Exception as error:
            raise TrackingError(
                f"the tracker {tracker.name} can't begin: {type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True)
class FunctionTracker(Tracker):
    """Calls a function once for each training, in the end.

    Args:
        function: Takes the trial, the metrics of each epoch and the end.
    """

    function: TrackFunction
    name: str = "function"

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        """Begin to collect."""
        return _FunctionRun(self.function, trial)


class _FunctionRun(TrackedRun):
    def __init__(self, function: TrackFunction, trial: TrackedTrial) -> None:
        self._function = function
        self._trial = trial
        self._curve: list[dict[str, float]] = []

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._curve.append({"epoch": epoch, **metrics})

    def end(self, end: TrackedEnd) -> None:
        self._function(self._trial, self._curve, end)
