"""What a space's architectures are like: gone through where they are few, else drawn at random."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._suggest import RandomTrial, Trial
from neural_automl.exceptions import SpaceError
from neural_automl.identity import identity_of

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space._space import ArchitectureSpace

#: Architectures in which one decision is changed, at most.
_TRIES: Final = 12


class _Odometer:
    """Takes the options of each decision in turn: every combination once.

    Args:
        names: The decisions to go through; of all others the first option stands for all.
    """

    def __init__(self, names: Container[str]) -> None:
        self._names = names
        self._places: list[int] = []
        self._counts: list[int] = []
        self._step = 0

    def begin(self) -> None:
        self._step = 0

    def advance(self) -> bool:
        """Go to the next combination; False where there is none."""
        del self._places[self._step :], self._counts[self._step :]
        while self._places:
            self._places[-1] += 1
            if self._places[-1] < self._counts[-1]:
                return True
            self._places.pop()
            self._counts.pop()
        return False

    def _take(self, name: str, count: int) -> int:
        if name not in self._names:
            return 0
        if self._step == len(self._places):
            self._places.append(0)
            self._counts.append(count)
        self._step += 1
        return self._places[self._step - 1]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[self._take(name, len(choices))]

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return low + step * self._take(name, (high - low) // step + 1)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is None:
            self._take(name, 1)
            return low
        return low + step * self._take(name, round((high - low) / step) + 1)


class _Replay:
    """Answers as an architecture was decided, but for one name; what is new is drawn."""

    def __init__(self, choices: Mapping[str, Any], name: str, seed: int) -> None:
        self._choices = choices
        self._name = name
        self._trial = RandomTrial(seed)
        self._random = random.Random(seed)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        known = self._choices.get(name, choices)
        if name == self._name:
            others = [c for c in choices if (c, type(c)) != (known, type(known))]
            return self._random.choice(others or list(choices))
        return known if known in choices else self._trial.suggest_categorical(name, choices)

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> int:
        if name != self._name and name in self._choices:
            return int(self._choices[name])
        return self._trial.suggest_int(name, low, high, **options)

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        if name != self._name and name in self._choices:
            return float(self._choices[name])
        return self._trial.suggest_float(name, low, high, **options)


def every_architecture(space: ArchitectureSpace) -> Iterator[Architecture | SpaceError]:
    """Yield each architecture once, or why there is none; one training stands for all."""
    odometer = _Odometer(space.decisions(training=False))
    more = True
    while more:
        odometer.begin()
        yield _suggested(space, odometer)
        more = odometer.advance()


def random_architectures(
    space: ArchitectureSpace, samples: int, seed: int
) -> Iterator[Architecture | SpaceError]:
    """Yield architectures drawn at random, or why there is none."""
    trial = RandomTrial(seed)
    for _ in range(samples):
        yield _suggested(space, trial)


def _suggested(space: ArchitectureSpace, trial: Trial) -> Architecture | SpaceError:
    """Return an architecture whose shapes follow, or where they do not."""
    try:
        architecture = space.suggest(trial)
        architecture.cost  # noqa: B018 - raises where shapes cannot follow
    except SpaceError as error:
        return error
    return architecture


def estimated_distinct(keys: Sequence[str]) -> tuple[int, bool]:
    """Return how many different functions a space holds, estimated from draws.

    Returns:
        The estimate, and whether it is a lower bound alone: no key was drawn twice.

    Source: Chao, "Nonparametric estimation of the number of classes in a population", 1984.
    """
    frequencies = Counter(Counter(keys).values())
    seen, once, twice = sum(frequencies.values()), frequencies[1], frequencies[2]
    if seen == len(keys):
        return seen, True
    return seen + once * (once - 1) // (2 * (twice + 1)), False


def idle_decisions(
    space: ArchitectureSpace, architectures: Sequence[Architecture], seed: int
) -> tuple[str, ...]:
    """Return the decisions that never changed what is computed, nor how it is trained.

    Each is changed alone in some of the architectures in which it was made: two changes an
    architecture, all in all. Where there are more decisions, the last are not tried.
    """
    budget = 2 * len(architectures)
    names = list(space.decisions())[: budget // 2]
    tries = max(2, min(_TRIES, budget // max(1, len(names))))
    shuffled = random.Random(seed).sample(list(architectures), len(architectures))
    idle = []
    for name in names:
        compared = False
        for architecture in [a for a in shuffled if name in a.choices][:tries]:
            changed = _suggested(space, _Replay(architecture.choices, name, seed))
            if isinstance(changed, SpaceError):
                compared = False  # it decides whether there is a network at all
                break
            if changed.choices[name] == architecture.choices[name]:
                continue
            compared = True
            if identity_of(changed) != identity_of(architecture):
                compared = False
                break
        if compared:
            idle.append(name)
    return tuple(idle)
