"""What a space is, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from math import inf, log10
from statistics import median_low
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._outline import Outline, outline
from neural_automl.architecture_space._survey import (
    estimated_distinct,
    every_architecture,
    idle_decisions,
    random_architectures,
)
from neural_automl.architecture_space._values import offer_text
from neural_automl.exceptions import SpaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space._space import ArchitectureSpace

_HUGE: Final = 10**300
_COSTS: Final = ("params", "macs", "peak_memory_bytes", "depth")


@dataclass(frozen=True)
class SpaceSummary:
    """A space in numbers.

    Attributes:
        name: Of its networks.
        size: Exact number of configurations; ``inf`` where something is continuous.
        architectures: The same without what only the training depends on.
        decisions: What can be decided, by the name that a study gives it, in words.
        outline: The tree in words.
        samples: How many architectures were looked at.
        complete: Whether these are all that there are, else they were drawn at random.
        feasible: Share of them that met the constraints and whose shapes follow, 0 to 1.
        infeasible: How many of them broke what: a constraint, or the layer that could not follow.
        costs: Least, median and largest cost of those whose shapes follow, by name.
        extremes: What was decided in the architectures of least and of largest cost.
        distinct: Different functions among all architectures: exact where ``complete``, else
            estimated; ``distinct_is_bound`` where no function was seen twice, so that there are
            more.
        tied: Decisions that are used in several places, and in how many.
        idle: Decisions that never changed the function or the training where they were changed.
    """

    name: str
    size: int | float = field(repr=False)  # Python writes no integer of more than 4,300 digits
    architectures: int | float = field(repr=False)
    decisions: Mapping[str, str]
    outline: tuple[Outline, ...]
    samples: int
    complete: bool
    feasible: float
    infeasible: Mapping[str, int]
    costs: Mapping[str, tuple[int, int, int]]
    extremes: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
    distinct: int
    distinct_is_bound: bool
    tied: Mapping[str, int]
    idle: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data; an infinite size is the text ``inf``.

        A size above 1e300 is a text too: ``1.2e+5000``.
        """
        sizes = {"size": self.size, "architectures": self.architectures}
        plain = {name: n if n < _HUGE else number_text(n) for name, n in sizes.items()}
        return {**asdict(self), **plain}


def number_text(number: int | float) -> str:
    """Return a number of configurations in digits, or in scientific form where it is huge."""
    if number == inf:
        return "inf"
    if number < _HUGE:
        return f"{number:,}"
    exponent = int(log10(number))
    leading = number // 10 ** (exponent - 1)
    return f"{leading / 10:.1f}e+{exponent}"


def describe(space: ArchitectureSpace, samples: int, seed: int) -> SpaceSummary:
    """Return a space in numbers, from all of its architectures or from some drawn at random."""
    architectures = space.get_search_space_size(training=False)
    complete = architectures <= samples
    looked_at = (
        every_architecture(space) if complete else random_architectures(space, samples, seed)
    )
    found: list[Architecture] = []
    broken: Counter[str] = Counter()
    count = feasible = 0
    for item in looked_at:
        count += 1
        if isinstance(item, SpaceError):
            broken[item.path or "training"] += 1
            continue
        found.append(item)
        limits = [str(limit) for limit in space.constraints if limit.excess(item.cost) > 0]
        broken.update(limits)
        feasible += not limits
    distinct, is_bound = (
        (len({a.key for a in found}), False)
        if complete
        else estimated_distinct([a.key for a in found])
    )
    ranked = {name: sorted(found, key=lambda a: getattr(a.cost, name)) for name in _COSTS}
    costs = {
        name: [getattr(architecture.cost, name) for architecture in column]
        for name, column in ranked.items()
        if column
    }
    return SpaceSummary(
        name=space.name,
        size=space.get_search_space_size(),
        architectures=architectures,
        decisions={name: offer_text(offer) for name, offer in space.decisions().items()},
        outline=outline(space.nodes),
        samples=count,
        complete=complete,
        feasible=feasible / count,
        infeasible=dict(broken.most_common()),
        costs={name: (column[0], median_low(column), column[-1]) for name, column in costs.items()},
        extremes={name: (ranked[name][0].choices, ranked[name][-1].choices) for name in costs},
        distinct=distinct if architectures == inf else int(min(distinct, architectures)),
        distinct_is_bound=is_bound,
        tied=space.tied(),
        idle=idle_decisions(space, found, seed),
    )
