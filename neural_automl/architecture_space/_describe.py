"""What a space is, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import inf, log10
from statistics import median_low
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._outline import Outline, outline
from neural_automl.architecture_space._suggest import RandomTrial
from neural_automl.architecture_space._values import offer_text
from neural_automl.exceptions import SpaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        samples: How many architectures were drawn.
        feasible: Share of them that met the constraints and whose shapes follow, 0 to 1.
        costs: Least, median and largest cost of those whose shapes follow, by name.
    """

    name: str
    size: int | float = field(repr=False)  # Python writes no integer of more than 4,300 digits
    architectures: int | float = field(repr=False)
    decisions: Mapping[str, str]
    outline: tuple[Outline, ...]
    samples: int
    feasible: float
    costs: Mapping[str, tuple[int, int, int]]

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
    """Return a space in numbers, with costs from architectures drawn at random."""
    trial = RandomTrial(seed)
    costs = []
    feasible = 0
    for _ in range(samples):
        try:
            architecture = space.suggest(trial)
            costs.append(architecture.cost)
        except SpaceError:
            continue
        feasible += not space.violations(architecture)
    columns = {name: sorted(getattr(cost, name) for cost in costs) for name in _COSTS}
    return SpaceSummary(
        name=space.name,
        size=space.get_search_space_size(),
        architectures=space.get_search_space_size(training=False),
        decisions={name: offer_text(offer) for name, offer in space.decisions().items()},
        outline=outline(space.nodes),
        samples=samples,
        feasible=feasible / samples,
        costs={
            name: (column[0], median_low(column), column[-1])
            for name, column in columns.items()
            if column
        },
    )
