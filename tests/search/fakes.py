"""Evaluators that train nothing, for tests of what stands around a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Maybe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

WIDTHS = (4, 8, 16, 32)


def small_space(**options: object) -> ArchitectureSpace:
    """Return a space of eight networks over four features."""
    return ArchitectureSpace(
        (4,),
        [
            Layer("Dense", Choice(*WIDTHS)),
            Maybe("ReLU"),
            Layer("Dense", 2),
        ],
        **options,  # type: ignore[arg-type]
    )


def width_of(architecture: Architecture) -> int:
    """Return the units of the first layer."""
    width: int = architecture.layers[0].params["units"]
    return width


@dataclass
class CurveEvaluator:
    """Reports ``curve(architecture, epoch)`` as val_accuracy.

    Attributes:
        trained: The architectures, in order.
        contexts: What each was trained under.
    """

    curve: Callable[[Architecture, int], float] = lambda architecture, epoch: (
        width_of(architecture) / 100 + epoch / 1000
    )
    trained: list[Architecture] = field(default_factory=list)
    contexts: list[EvaluationContext] = field(default_factory=list)

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        """Report a curve."""
        self.trained.append(architecture)
        self.contexts.append(context)
        values: list[float] = []
        for epoch in range(1, context.epochs + 1):
            values.append(self.curve(architecture, epoch))
            context.report(epoch, {"val_accuracy": values[-1]})
            if context.should_stop():
                break
        return {"val_accuracy": values[-1], "val_accuracy.best": max(values)}
