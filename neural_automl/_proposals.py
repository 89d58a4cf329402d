"""What samplers need to know of a space: how it suggests, and what of it may be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.exceptions import ShapeError, SpaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import BaseTrial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace, Constraint

#: The excess of an architecture whose shapes cannot follow: as one of twice a limit.
_NO_SHAPE = 1.0


class SuggestOf:
    """The define-by-run function of a space, for samplers: it has an end whatever the values.

    Args:
        space: What is suggested from.
    """

    def __init__(self, space: ArchitectureSpace) -> None:
        self._space = space

    def __call__(self, trial: BaseTrial) -> Architecture | None:
        """Return the architecture; None where the values break a rule of the space."""
        try:
            return self._space.suggest(trial)
        except SpaceError:
            return None


class ExcessOf:
    """By how much an architecture breaks limits, as a share of the limit.

    Args:
        constraints: The limits.
    """

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._constraints = tuple(constraints)

    def __call__(self, architecture: Architecture | None) -> float:
        """Return the largest excess: 0 or below where all limits are kept."""
        if architecture is None:
            return _NO_SHAPE
        try:
            cost = architecture.cost
        except ShapeError:
            return _NO_SHAPE
        return max(
            (limit.excess(cost) / max(abs(limit.limit), 1.0) for limit in self._constraints),
            default=-1.0,
        )
