"""What a space is, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._suggest import RandomTrial
from neural_automl.architecture_space._values import Open, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture_space._space import ArchitectureSpace

_COSTS: Final = ("params", "macs", "peak_memory_bytes", "depth")


@dataclass(frozen=True)
class SpaceSummary:
    """A space in numbers.

    Attributes:
        name: Of its networks.
        size: Exact number of configurations; ``inf`` where something is continuous.
        decisions: What can be decided, by the name that a study gives it, in words.
        samples: How many architectures were drawn.
        feasible: Share of them that met the constraints and whose shapes follow, 0 to 1.
        costs: Least, median and largest cost of those whose shapes follow, by name.
    """

    name: str
    size: int | float
    decisions: Mapping[str, str]
    samples: int
    feasible: float
    costs: Mapping[str, tuple[int, int, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data; an infinite size is the text ``inf``."""
        data = asdict(self)
        return {**data, "size": "inf" if self.size == float("inf") else self.size}


def describe(space: ArchitectureSpace, samples: int, seed: int) -> SpaceSummary:
    """Return a space in numbers, with costs from architectures drawn at random."""
    trial = RandomTrial(seed)
    drawn = [space.suggest(trial) for _ in range(samples)]
    violations = [space.violations(architecture) for architecture in drawn]
    costs = [
        architecture.cost
        for architecture, broken in zip(drawn, violations, strict=True)
        if "shape" not in broken
    ]
    columns = {name: sorted(getattr(cost, name) for cost in costs) for name in _COSTS}
    return SpaceSummary(
        name=space.name,
        size=space.get_search_space_size(),
        decisions={name: _offer_text(offer) for name, offer in space.decisions().items()},
        samples=samples,
        feasible=sum(not broken for broken in violations) / samples,
        costs={
            name: (column[0], median_low(column), column[-1])
            for name, column in columns.items()
            if column
        },
    )


def _offer_text(offer: Open | tuple[Any, ...]) -> str:
    if isinstance(offer, tuple):
        return " | ".join(str(label) for label in offer)
    return value_text(offer)
