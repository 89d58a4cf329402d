"""What a trial gives to an evaluator: how long, which seed, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture


def _report_nowhere(step: int, metrics: Mapping[str, float]) -> None:
    return None


def _never_stop() -> bool:
    return False


def _no_weights() -> Mapping[str, Any] | None:
    return None


def _no_checkpoint() -> dict[str, Any] | None:
    return None


def _keep_nothing(state: Mapping[str, Any]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """One evaluation, as an evaluator sees it.

    An evaluator of your own must train for ``epochs`` and should take every random number from
    ``seed``. After each epoch it calls ``report``, then ``should_stop``, and ends when that says
    so. The other functions are for those who want them; by default all of them do nothing.

    Args:
        epochs: Longest training, at least 1.
        seed: Of the weights, the shuffling and the dropout.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto`` leaves it to the
            evaluator.
        report: Called with the epoch, from 1, and its metrics.
        should_stop: Whether the training shall end after this epoch.
        load_weights: What to begin with, or None: the weights that a shorter training of the same
            network ended with. The optimizer and the schedule are fresh.
        load_checkpoint: The state that an earlier, interrupted attempt saved last, or None.
        save_checkpoint: Called after each epoch with all that the next one needs: a dictionary of
            tensors, numbers and text, read before the call returns.
        keep_weights: Called at the end with the tensors of the trained network, by name.

    Example:
        >>> context = EvaluationContext(epochs=3, seed=0)
        >>> context.report(1, {"val_loss": 0.5})
        >>> context.should_stop()
        False
    """

    epochs: int
    seed: int
    device: str = "auto"
    report: Callable[[int, Mapping[str, float]], None] = _report_nowhere
    should_stop: Callable[[], bool] = _never_stop
    load_weights: Callable[[], Mapping[str, Any] | None] = _no_weights
    load_checkpoint: Callable[[], dict[str, Any] | None] = _no_checkpoint
    save_checkpoint: Callable[[Mapping[str, Any]], None] = _keep_nothing
    keep_weights: Callable[[Mapping[str, Any]], None] = _keep_nothing

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"`epochs` must be at least 1 but got {self.epochs}.")


class Evaluator(Protocol):
    """Anything that turns an architecture into metrics."""

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        """Return the metrics by name, flat.

        Raises:
            DivergenceError: The training led to NaN or infinity.
            OutOfMemoryError: There is no room for the network.
        """
        ...
