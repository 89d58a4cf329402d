"""What earlier studies found, as networks of another space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import FixedTrial

from neural_automl._similarity import labels_of, shared
from neural_automl.exceptions import ShapeError, SpaceError, StudyError
from neural_automl.registry import architecture_of, space_of, top_trials

if TYPE_CHECKING:
    import optuna

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace

#: Of each study so many of the best are looked at, for each that is wanted.
_LOOKED_AT: Final = 3


@dataclass(frozen=True)
class Suggestion:
    """A network that may be queued.

    Attributes:
        network: With its choices in the space that is searched.
        attributes: Of its trial.
    """

    network: Architecture
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Good:
    """A network that did well in an earlier study: 1 is its best, 0 would be below its worst."""

    network: Architecture
    quality: float
    found_in: str


def best_of_studies(
    studies: Sequence[optuna.Study],
    space: ArchitectureSpace,
    candidates: int,
    wanted: int,
    seed: int,
    seen: set[str],
) -> tuple[list[Suggestion], list[Suggestion], dict[str, int]]:
    """Return networks of a space that promise most by what earlier studies found.

    A network counts as the best product of its similarity to a good earlier one and of that one's
    place in its own study, as a share. Networks that the space has are equal to themselves: 1.

    Args:
        studies: Earlier ones.
        space: Is searched now.
        candidates: Networks drawn from it, which stand in for what it does not have.
        wanted: How many will be taken.
        seed: Of the draws.
        seen: Keys of networks that will not be taken again.

    Returns:
        The networks that were drawn; all by promise, the best first; what was dropped, by reason.

    Raises:
        StudyError: A study holds no space of architectures.
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
    """
    from neural_automl.zero_cost import draw_distinct

    good = _good_of(studies, _LOOKED_AT * wanted)
    dropped = {"not in this space": 0, "infeasible": 0, "in the study already": 0}
    mapped: dict[str, Architecture] = {}
    for one in good:
        here = _in_space(space, one.network)
        if here is None:
            dropped["not in this space"] += 1
        elif space.violations(here):
            dropped["infeasible"] += 1
        elif here.key in seen:
            dropped["in the study already"] += 1
        else:
            mapped.setdefault(here.key, here)
    pool = draw_distinct(space, candidates, seed)
    networks = [*mapped.values(), *(n for n in pool if n.key not in mapped)]
    promise = _promises(networks, good)
    order = sorted(range(len(networks)), key=lambda place: -promise[place][0])
    best = [
        Suggestion(networks[k], {"warm_start_from": promise[k][1], "promise": promise[k][0]})
        for k in order
    ]
    return [Suggestion(network) for network in pool], best, dropped


def _good_of(studies: Sequence[optuna.Study], count: int) -> list[_Good]:
    good: list[_Good] = []
    for study in studies:
        space = space_of(study)
        several = len(study.directions) > 1
        trials = study.best_trials if several else top_trials(study, len(study.trials))
        found: dict[str, _Good] = {}
        for place, trial in enumerate(trials):
            if len(found) == count:
                break
            quality = 1.0 if several else 1 - place / len(trials)
            try:
                network = architecture_of(space, trial)
                found.setdefault(
                    network.key, _Good(network, quality, f"{study.study_name} {trial.number}")
                )
            except (ShapeError, StudyError):  # enqueued by hand: never a network
                continue
        good += found.values()
    return good


def _in_space(space: ArchitectureSpace, network: Architecture) -> Architecture | None:
    """Return a network with the choices that lead to it in a space; None where there are none."""
    try:
        return space.suggest(FixedTrial(dict(network.choices)))
    except ValueError:  # other names or values; another way may lead there
        pass
    try:
        return space.suggest(FixedTrial(space.choices_of(network)))
    except (SpaceError, ValueError):
        return None


def _promises(networks: Sequence[Architecture], good: Sequence[_Good]) -> list[tuple[float, str]]:
    labels = labels_of([n.graph for n in networks] + [one.network.graph for one in good])
    found = []
    for network, own in zip(networks, labels, strict=False):
        best = (0.0, "")
        for one, other in zip(good, labels[len(networks) :], strict=True):
            alike = 1.0 if network.key == one.network.key else shared(own, other)
            best = max(best, (alike * one.quality, one.found_in))
        found.append(best)
    return found
