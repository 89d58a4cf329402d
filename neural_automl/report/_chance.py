"""How sure a result is: the spread around it, and what random search would have found."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING, Final

import numpy as np

from neural_automl._plain import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.report._facts import Facts

_DRAWS: Final = 10_000
#: From fewer random trials nothing is said.
_LEAST: Final = 5


def best_of_random(
    values: Sequence[float], count: int, *, maximize: bool, seed: int = 0
) -> tuple[float, float, float]:
    """Return the 5 %, 50 % and 95 % quantile of the best of ``count`` random trials.

    A bootstrap: ``count`` values are drawn from those of the random trials, with replacement, and
    the best is kept, 10,000 times. It knows no value beyond the best of those trials.

    Raises:
        ValueError: There is no value, or ``count`` is below 1.
    """
    if not len(values):
        raise ValueError("`values` must hold at least one value but is empty")
    if count < 1:
        raise ValueError(f"`count` must be at least 1 but got {count}")
    ordered = np.sort(np.asarray(values, dtype=float))
    if not maximize:
        ordered = ordered[::-1]
    # The best of n draws from m sorted values is the one at the largest of n uniform places.
    largest = np.random.default_rng(seed).random(_DRAWS) ** (1.0 / count)
    best = ordered[np.minimum((largest * len(ordered)).astype(int), len(ordered) - 1)]
    low, middle, high = np.quantile(best, [0.05, 0.5, 0.95], method="nearest")
    return float(low), float(middle), float(high)


def random_text(facts: Facts) -> str:
    """Return what random search would have found at this budget, or why that is not said."""
    if facts.several:
        return "Random search is not compared: with several objectives there is no one best value."
    drawn = facts.random_trials
    if drawn is None:
        return "Random search is not compared: the study does not say which trials were random."
    if facts.winner is None:
        return "Random search is not compared: no trial has a result."
    if len(drawn) == len(facts.trained):
        return "All networks were drawn at random, so there is nothing to compare the search with."
    values = [value for trial in drawn if (value := facts.value(trial)) is not None]
    if len(values) < _LEAST:
        return (
            f"Random search is not compared: the study has {len(values)} random trials with a "
            f"value, and it takes {_LEAST}."
        )
    count = len(facts.trained)
    low, middle, high = best_of_random(values, count, maximize=facts.maximize[0])
    best = facts.winner.values[0]
    ahead = best > high if facts.maximize[0] else best < low
    verdict = (
        "the search found better than that"
        if ahead
        else "the search did not do better than that, as far as these trials tell"
    )
    interval = f"90 % interval {number_text(low)} to {number_text(high)}"
    if low == high:
        interval = "so many draws find the best of them nearly always"
    return (
        f"Of {count} random trials the best would have reached about {number_text(middle)} "
        f"({interval}); {verdict}: {number_text(best)}. This is a bootstrap over the "
        f"study's {len(values)} random trials, "
        "each with the value that it ended with, stopped ones too; it cannot see beyond the best "
        "of them, so it flatters the search somewhat."
    )


def spread_text(facts: Facts) -> str:
    """Return how far the winner stands out from its own noise, with one objective."""
    winner = facts.winner
    if winner is None or facts.several:
        return ""
    steps = sorted(winner.intermediate_values)
    late = [winner.intermediate_values[step] for step in steps[len(steps) // 2 :]]
    once = "The winner was trained once, with one seed"
    others = sorted(
        (trial.values[0] for trial in facts.complete if trial.number != winner.number),
        reverse=facts.maximize[0],
    )
    if len(late) < 3 or not others:
        return f"{once}; train it again with other seeds before you rely on a small difference."
    wobble = statistics.stdev(b - a for a, b in itertools.pairwise(late))
    near = sum(abs(value - winner.values[0]) <= wobble for value in others)
    behind = abs(others[0] - winner.values[0])
    runner_up = f"is {number_text(behind)} away" if behind else "has the same value"
    text = (
        f"{once}. From epoch to epoch it wavers by {number_text(wobble)} in the later half of its "
        f"training, and the runner-up {runner_up}: "
    )
    if near:
        plural = "trial is" if near == 1 else "trials are"
        return f"{text}{near} other {plural} within that, and their order is not sure."
    return f"{text}no other trial is within that."
