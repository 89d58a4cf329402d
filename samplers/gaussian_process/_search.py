"""Where the acquisition function is large: local search over whole configurations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from neural_automl.samplers._define_by_run import (
    Configuration,
    Suggest,
    changeable,
    draw,
    is_long,
    neighbours,
    perturbed,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_DRAWS = 10

Score = Callable[[Sequence[Configuration]], "NDArray[np.float64]"]


@dataclass(frozen=True)
class SearchSettings:
    """How much is looked at for one proposal.

    Args:
        n_random: Draws from the whole space, fewer by the share of long ranges.
        n_neighbours: Neighbours of one configuration, at most.
        n_parents: Configurations whose neighbours are looked at in one round.
        n_rounds: Rounds at most; the search ends when the best has been a parent.
        n_starts: Observations, best predicted first, whose neighbours are looked at first.
        n_moves: Besides its neighbours, so many moves of several long ranges at once.
    """

    n_random: int = 100
    n_neighbours: int = 30
    n_parents: int = 3
    n_rounds: int = 5
    n_starts: int = 5
    n_moves: int = 20


def search(
    suggest: Suggest,
    score: Score,
    starts: Sequence[Configuration],
    rng: np.random.Generator,
    fixed: Mapping[str, Any],
    settings: SearchSettings,
) -> list[Configuration]:
    """Give configurations by falling score: random ones, and uphill from the starts and these.

    Numbers of long ranges move around the starts alone. In many of them at once the process knows
    nearly nothing a few steps on, so uphill leads into the corners of the space.

    Args:
        suggest: The define-by-run function.
        score: Gives one number for each configuration; larger is better.
        starts: Where neighbours are looked at first.
        rng: Draws configurations.
        fixed: Values that hold as they are.
        settings: How much is looked at.
    """
    pool: dict[Configuration, float] = {}

    def add(configurations: Iterable[Configuration]) -> None:
        new = [c for c in dict.fromkeys(configurations) if c not in pool]
        if new:
            pool.update(zip(new, score(new).tolist(), strict=True))

    def around(parent: Configuration) -> Iterator[Configuration]:
        yield from islice(neighbours(suggest, parent, rng, fixed=fixed), settings.n_neighbours)
        for _ in range(settings.n_moves):
            moved = perturbed(suggest, parent, rng, fixed=fixed)
            if moved is None:
                break
            yield moved

    def uphill(parent: Configuration) -> Iterator[Configuration]:
        near = neighbours(suggest, parent, rng, fixed=fixed, long_ranges=False)
        yield from islice(near, settings.n_neighbours)

    first = _draws(suggest, rng, fixed, settings.n_random)
    add([*first, *(near for start in starts for near in around(start))])
    expanded: set[Configuration] = set(starts)
    for _ in range(settings.n_rounds):
        ordered = sorted(pool, key=pool.__getitem__, reverse=True)
        if ordered[0] in expanded:
            break
        parents = [c for c in ordered[: settings.n_parents] if c not in expanded]
        expanded.update(parents)
        add(near for parent in parents for near in uphill(parent))
    return sorted(pool, key=pool.__getitem__, reverse=True)


def _draws(
    suggest: Suggest, rng: np.random.Generator, fixed: Mapping[str, Any], most: int
) -> list[Configuration]:
    found = [draw(suggest, rng, fixed)]
    names = changeable(found[0], fixed)
    n_long = sum(is_long(found[0].distributions[name]) for name in names)
    n = max(math.ceil(most * (1.0 - n_long / max(len(names), 1))), min(most, _LEAST_DRAWS))
    return found + [draw(suggest, rng, fixed) for _ in range(n - 1)]
