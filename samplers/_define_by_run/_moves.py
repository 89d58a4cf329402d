"""From configurations to others: mutation, crossover, neighbours, and the first one that is new."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    complete,
    draw,
)
from neural_automl.samplers._define_by_run._recording import Suggest
from neural_automl.samplers._define_by_run._values import (
    NumericDistribution,
    from_unit,
    is_long,
    other_value,
    other_values,
    to_unit,
)

if TYPE_CHECKING:
    import numpy as np

Feasible = Callable[[Any], bool]
Identity = Callable[[Any], Hashable]


def mutate(
    suggest: Suggest,
    configuration: Configuration,
    rng: np.random.Generator,
    n_changes: int = 1,
    fixed: Mapping[str, Any] | None = None,
) -> Configuration:
    """Give some parameters another value and complete what becomes active by it.

    Args:
        suggest: The define-by-run function.
        configuration: The parent.
        rng: Draws the parameters, their values and what is completed.
        n_changes: How many parameters change; all that can, if there are fewer.
        fixed: Values that hold as they are.
    """
    names = changeable(configuration, fixed)
    n_changes = min(n_changes, len(names))
    values = dict(configuration.values)
    for index in rng.choice(len(names), n_changes, replace=False) if n_changes else ():
        name = names[int(index)]
        values[name] = other_value(configuration.distributions[name], values[name], rng)
    return complete(suggest, values, rng, fixed)


def crossover(
    suggest: Suggest,
    first: Configuration,
    second: Configuration,
    rng: np.random.Generator,
    fixed: Mapping[str, Any] | None = None,
) -> Configuration:
    """Take each parameter from one of two parents at random (uniform crossover).

    A parameter that one parent lacks comes from the other, where the child asks for it.
    """
    taken = {
        name: value
        for name, value in second.values.items()
        if name not in first.values or rng.random() < 0.5
    }
    return complete(suggest, {**first.values, **taken}, rng, fixed)


def neighbours(
    suggest: Suggest,
    configuration: Configuration,
    rng: np.random.Generator,
    *,
    fixed: Mapping[str, Any] | None = None,
    n_numeric: int = 4,
    long_ranges: bool = True,
) -> Iterator[Configuration]:
    """Every configuration that differs in one parameter, in random order, made one by one.

    What becomes active by the change is drawn; what stays active keeps its value.

    Args:
        suggest: The define-by-run function.
        configuration: Where to start.
        rng: Orders them and draws what is completed.
        fixed: Values that hold as they are.
        n_numeric: How many values to try of a parameter with a long or continuous range.
        long_ranges: Whether these change at all.
    """
    edits = [
        (name, value)
        for name in changeable(configuration, fixed)
        if long_ranges or not is_long(configuration.distributions[name])
        for value in other_values(
            configuration.distributions[name], configuration.values[name], rng, n_numeric
        )
    ]
    for index in rng.permutation(len(edits)):
        name, value = edits[int(index)]
        yield complete(suggest, {**configuration.values, name: value}, rng, fixed)


def perturbed(
    suggest: Suggest,
    configuration: Configuration,
    rng: np.random.Generator,
    *,
    fixed: Mapping[str, Any] | None = None,
    scales: Sequence[float] = (0.02, 0.06, 0.2),
) -> Configuration | None:
    """Move some of the numbers together, normally distributed; None if there are no long ranges.

    Args:
        suggest: The define-by-run function.
        configuration: Where to start.
        rng: Draws which numbers move, by how much, and what is completed.
        fixed: Values that hold as they are.
        scales: Standard deviations as parts of the range, of which one is drawn.
    """
    names = [
        name
        for name in changeable(configuration, fixed)
        if is_long(configuration.distributions[name])
    ]
    if not names:
        return None
    scale = scales[int(rng.integers(len(scales)))]
    moved = rng.choice(len(names), int(rng.integers(1, len(names) + 1)), replace=False)
    values = dict(configuration.values)
    for index in moved:
        distribution = configuration.distributions[names[int(index)]]
        assert isinstance(distribution, NumericDistribution)
        center = to_unit(distribution, values[names[int(index)]])
        unit = abs(center + scale * float(rng.standard_normal()))  # reflected at the ends
        values[names[int(index)]] = from_unit(distribution, 1.0 - abs(1.0 - unit))
    return complete(suggest, values, rng, fixed)


def changeable(configuration: Configuration, fixed: Mapping[str, Any] | None = None) -> list[str]:
    """The parameters of a configuration that are not fixed and have more than one value."""
    return [
        name
        for name, distribution in configuration.distributions.items()
        if not distribution.single() and (fixed is None or name not in fixed)
    ]


def propose_new(
    candidates: Iterable[Configuration],
    *,
    seen: Set[Hashable] = frozenset(),
    feasible: Feasible | None = None,
    identity: Identity | None = None,
    max_attempts: int | None = None,
) -> Configuration | None:
    """Give the first candidate that is feasible and was not seen; candidates are made lazily.

    Args:
        candidates: The best first.
        seen: `Configuration.key` of what shall not come again and, where there is an `identity`,
            what that gives for their results.
        feasible: Whether the result of a configuration may be tried. A constraint that `suggest`
            itself breaks counts too.
        identity: What is equal for results that are the same in effect.
        max_attempts: After so many unseen candidates it gives up.

    Returns:
        The configuration, or None if no candidate is left.
    """
    tried: set[Hashable] = set()
    for candidate in candidates:
        if candidate.key in seen or candidate.key in tried:
            continue
        if max_attempts is not None and len(tried) >= max_attempts:
            return None
        tried.add(candidate.key)
        if is_allowed(candidate, feasible) and (
            identity is None or identity(candidate.result) not in seen
        ):
            return candidate
    return None


def is_allowed(configuration: Configuration, feasible: Feasible | None) -> bool:
    """Whether a configuration keeps its constraints and what `feasible` asks."""
    if any(value > 0 for value in configuration.constraints.values()):
        return False
    return feasible is None or feasible(configuration.result)


def new_or_any(
    suggest: Suggest,
    rng: np.random.Generator,
    fixed: Mapping[str, Any],
    *,
    seen: Set[Hashable],
    feasible: Feasible | None = None,
    identity: Identity | None = None,
    n_draws: int = 200,
) -> Configuration:
    """Draw a configuration that is new and feasible; what comes nearest to it if none turns up.

    After `n_draws` draws the neighbours of the last are tried, which finds the rest of a small
    space. If all that is feasible was seen, a feasible one comes again; if nothing is feasible, the
    last draw: to propose nothing is not open to a sampler.
    """
    draws = [draw(suggest, rng, fixed)]

    def candidates() -> Iterator[Configuration]:
        for _ in range(n_draws):
            draws.append(draw(suggest, rng, fixed))
            yield draws[-1]
        for start in draws[-10:]:
            yield from neighbours(suggest, start, rng, fixed=fixed)

    found = propose_new(candidates(), seen=seen, feasible=feasible, identity=identity)
    if found is not None:
        return found
    return next((each for each in draws if is_allowed(each, feasible)), draws[-1])
