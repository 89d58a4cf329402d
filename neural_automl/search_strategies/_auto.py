"""Which strategy suits a space, a budget and a number of objectives."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Final

from neural_automl.architecture_space import number_text

if TYPE_CHECKING:
    from neural_automl.architecture_space import ArchitectureSpace

#: Trials up to which a proposal of the Gaussian process costs little beside a training.
_MOST_FOR_BAYESIAN: Final = 1000


@dataclass(frozen=True, slots=True)
class Pick:
    """What was picked.

    Attributes:
        name: A name of ``create_sampler``.
        reason: Why, as a sentence without its end.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def pick_strategy(
    space: ArchitectureSpace, *, n_trials: int | None = None, n_objectives: int = 1
) -> Pick:
    """Return the strategy that ``auto`` stands for.

    A budget that covers the space takes all of it: ``grid``. Otherwise one objective is modelled,
    by ``bayesian``, as long as a proposal costs little: up to 1,000 trials, or where the budget is
    not known; ``regularized_evolution`` takes any number. Several objectives are searched by
    ``evolutionary``, whose population covers the front.

    Args:
        space: What is searched.
        n_trials: How many architectures shall be trained, if that is known.
        n_objectives: How many metrics are optimised.

    Raises:
        ValueError: A number is below 1.

    Example:
        >>> from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
        >>> space = ArchitectureSpace((4,), [Layer("Dense", Choice(4, 8)), Layer("Dense", 2)])
        >>> print(pick_strategy(space, n_trials=20))
        grid (20 trials cover all 2 configurations)
    """
    for name, number in (("n_trials", n_trials), ("n_objectives", n_objectives)):
        if number is not None and number < 1:
            raise ValueError(f"`{name}` must be at least 1 but got {number}.")
    size = space.get_search_space_size()
    if n_trials is not None and size <= n_trials:
        return Pick("grid", f"{n_trials:,} trials cover all {size:,} configurations")
    of = "infinitely many" if isinf(size) else number_text(size)
    trials = "trials" if n_trials is None else f"{n_trials:,} trials"
    if n_objectives > 1:
        return Pick(
            "evolutionary", f"{trials} among {of} configurations, {n_objectives} objectives"
        )
    reason = f"{trials} among {of} configurations, one objective"
    if n_trials is not None and n_trials > _MOST_FOR_BAYESIAN:
        return Pick("regularized_evolution", f"{reason}, more than {_MOST_FOR_BAYESIAN:,} to model")
    return Pick("bayesian", reason)
