"""Every point of a small space, by depth-first search on a trial that remembers what it said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace


class TooManyError(Exception):
    """A space has more points than a test looks at."""


@dataclass
class RecordingTrial:
    """Answers with the places of a script, then with first places; keeps what it was asked.

    A continuous value has its low end alone.
    """

    script: list[int]
    said: list[tuple[int, int]] = field(default_factory=list)
    offers: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def _answer(self, name: str, offer: tuple[Any, ...], options: Sequence[Any]) -> Any:
        assert name not in self.offers, f"{name} was asked twice in one trial"
        self.offers[name] = offer
        place = self.script[len(self.said)] if len(self.said) < len(self.script) else 0
        self.said.append((place, len(options)))
        return options[place]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._answer(name, ("categorical", *choices), choices)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        value: int = self._answer(name, ("int", low, high, step, log), range(low, high + 1, step))
        return value

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        places = 0 if step is None else round((high - low) / step)
        options = [round(low + place * (step or 0), 6) for place in range(places + 1)]
        value: float = self._answer(name, ("float", low, high, step, log), options)
        return value


@dataclass(frozen=True)
class Point:
    """One architecture, and what was asked on the way to it."""

    architecture: Architecture
    offers: dict[str, tuple[Any, ...]]


def enumerate_points(space: ArchitectureSpace, most: int = 3000) -> Iterator[Point]:
    """Yield every point of a space.

    Raises:
        TooManyError: There are more than are looked at.
    """
    script: list[int] | None = []
    for _ in range(most):
        assert script is not None
        trial = RecordingTrial(script)
        yield Point(space.suggest(trial), trial.offers)
        script = _next(trial.said)
        if script is None:
            return
    raise TooManyError


def _next(said: list[tuple[int, int]]) -> list[int] | None:
    """Return the script after the one that led to these answers, in order of depth."""
    for end in range(len(said) - 1, -1, -1):
        place, options = said[end]
        if place + 1 < options:
            return [*(before for before, _ in said[:end]), place + 1]
    return None
