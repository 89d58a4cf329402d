"""What samplers need to know of a space: how it suggests, and what of it may be trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from neural_automl.exceptions import ShapeError, SpaceError
from neural_automl.identity import identity_of

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace, Constraint

#: The excess of an architecture whose shapes cannot follow: as one of twice a limit.
_NO_SHAPE = 1.0
#: Drawn until the shapes of one follow.
_SAMPLES = 64


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


class KeepsLimits:
    """Whether an architecture keeps limits, for samplers that ask for a yes or no.

    Args:
        excess: By how much it breaks them.
    """

    def __init__(self, excess: ExcessOf) -> None:
        self._excess = excess

    def __call__(self, architecture: Architecture | None) -> bool:
        """Return whether the largest excess is 0 or below."""
        return self._excess(architecture) <= 0


class IdentityOf:
    """What is equal for architectures that need one training; equal where there is no network.

    Samplers ask it of every trial of a study, also of those that a user enqueued and that cannot be
    lowered.
    """

    def __call__(self, architecture: Architecture | None) -> str | None:
        """Return the identity; None where shapes cannot follow."""
        if architecture is None:
            return None
        try:
            return identity_of(architecture)
        except ShapeError:
            return None


class FeaturesOf:
    """A user's features of an architecture, for a sampler that asks them of every draw.

    Args:
        space: Gives the architecture by which their number is known.
        features: From an architecture to numbers, always as many.

    Raises:
        TypeError: ``features`` is no function.
    """

    def __init__(
        self, space: ArchitectureSpace, features: Callable[[Architecture], Sequence[float]]
    ) -> None:
        if not callable(features):
            raise TypeError(f"`features` must be a function of an architecture but got {features}.")
        self._features = features
        samples = (space.sample_architecture(seed, feasible=False) for seed in range(_SAMPLES))
        sample = next((sample for sample in samples if _has_graph(sample)), None)
        self._none = [0.0] * (0 if sample is None else len(features(sample)))

    def __call__(self, architecture: Architecture | None) -> Sequence[float]:
        """Return the features; zeros where shapes cannot follow, which no network has."""
        if architecture is None or not _has_graph(architecture):
            return self._none
        return self._features(architecture)


def _has_graph(architecture: Architecture) -> bool:
    try:
        architecture.graph  # noqa: B018 - raises where shapes cannot follow
    except ShapeError:
        return False
    return True
