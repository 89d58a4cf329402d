"""What need not be trained: results of equal architectures, and trainings that are under way.

Two trials are repeats where their networks compute the same function and are trained alike, on the
same data, for the same epochs. A repeat of a finished trial gets its result; one of a running trial
waits for it. Who trains is settled among the trials alone, without a lock: Lamport's bakery. A
trial writes what it is about to train and reads the others. Where none is about to train the same,
it trains: whoever comes later sees it. Else it takes a number above theirs, reads again, and waits
for those of a lower number, and for those without one.

Source: Lamport, "A New Solution of Dijkstra's Concurrent Programming Problem", CACM 17(8), 1974.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import optuna
from optuna.trial import FrozenTrial, TrialState

from neural_automl.exceptions import StudyError
from neural_automl.samplers._define_by_run import SKIPPED
from neural_automl.trials._ledger import Stopwatch
from neural_automl.workers import _leases

if TYPE_CHECKING:
    from optuna.trial import Trial

#: Attributes of a trial: what it trains, and its number in the queue of those who train the same.
CLAIM: Final = "training_key"
TICKET: Final = "ticket"
_FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
_LONGEST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """The result of an equal training.

    Args:
        trial: The trial that was trained.
        name: What the attribute ``cached_from`` says: its number, with its study where that is
            another.
    """

    trial: FrozenTrial
    name: int | str


@dataclass(frozen=True, slots=True)
class _Finished:
    """The finished trials of one study: which were read, and what they trained."""

    read: set[int] = field(default_factory=set)
    known: dict[str, Known] = field(default_factory=dict)


class KnownValues:
    """The finished trainings of a study, and of others where asked for.

    Args:
        reuse: Names of further studies of the storage, read once.
        patience: Seconds without a sign of life after which a running trial is taken for dead.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        reuse: Sequence[str] = (),
        *,
        patience: float = _leases.PATIENCE,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._reuse = tuple(reuse)
        self._patience = patience
        self._sleep = sleep
        self._others: dict[str, Known] = {}
        self._finished: WeakKeyDictionary[optuna.Study, _Finished] = WeakKeyDictionary()

    def open(self, study: optuna.Study) -> None:
        """Read the other studies of the storage that results are taken from.

        Raises:
            StudyError: There is no such study.
        """
        for name in self._reuse:
            try:
                other = optuna.load_study(study_name=name, storage=study._storage)
            except KeyError as error:
                raise StudyError(f"there is no study {name!r} to reuse results of") from error
            for trial in other.get_trials(deepcopy=False, states=_FINISHED):
                if is_reusable(trial):
                    known = Known(trial, f"{name}:{trial.number}")
                    self._others.setdefault(trial.user_attrs[CLAIM], known)

    def find_or_claim(
        self, trial: Trial, claim: str, watch: Stopwatch | None = None
    ) -> Known | None:
        """Return the result of an equal training; None where this trial is the one to train.

        Waits while an equal training is under way.

        Args:
            trial: A running trial.
            claim: Equal for equal trainings.
            watch: Measures the waiting.
        """
        known = self._others.get(claim)
        if known is None:
            if TICKET in trial.user_attrs:  # of an earlier attempt
                trial.set_user_attr(TICKET, None)
            trial.set_user_attr(CLAIM, claim)
            known, rivals = self._look(trial, claim)
            if known is None and rivals:
                tickets = [rival.user_attrs.get(TICKET) or 0 for rival in rivals]
                ticket = max(tickets, default=0) + 1
                trial.set_user_attr(TICKET, ticket)
                known = self._wait(trial, claim, ticket, watch or Stopwatch())
        return known

    def _wait(self, trial: Trial, claim: str, ticket: int, stopwatch: Stopwatch) -> Known | None:
        watch = _leases.Watch(self._patience)
        pause = 0.02
        while True:
            known, rivals = self._look(trial, claim)
            if known is not None or not any(
                _goes_first(rival, ticket, trial.number) and watch.is_alive(rival)
                for rival in rivals
            ):
                return known
            # At random, so that waiters do not ask all at once.
            with stopwatch.on("waiting"):
                self._sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _look(self, trial: Trial, claim: str) -> tuple[Known | None, list[FrozenTrial]]:
        """Return the result of a claim, if there is one, and the running trials that share it."""
        study = trial.study
        finished = self._finished.setdefault(study, _Finished())
        rivals = []
        for other in study.get_trials(deepcopy=False):
            if other.number in finished.read or other.number == trial.number:
                continue
            if other.state.is_finished():
                if is_reusable(other):
                    known = Known(other, other.number)
                    finished.known.setdefault(other.user_attrs[CLAIM], known)
                # Last: another thread that looks now skips what was read, and must find it.
                finished.read.add(other.number)
            elif other.state == TrialState.RUNNING and other.user_attrs.get(CLAIM) == claim:
                rivals.append(other)
        return finished.known.get(claim), rivals

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_finished"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._finished = WeakKeyDictionary()


def _goes_first(rival: FrozenTrial, ticket: int, number: int) -> bool:
    """Return whether another trial trains before the one of this ticket.

    One without a ticket is waited for: it read before ours was there, or is about to take one.
    """
    other = rival.user_attrs.get(TICKET)
    return other is None or (other, rival.number) < (ticket, number)


def is_reusable(trial: FrozenTrial) -> bool:
    """Return whether a finished trial was trained itself, and would train so again.

    One that found no memory, or was too slow, might not be so on another device.
    """
    attributes = trial.user_attrs
    if trial.state not in _FINISHED or not attributes.get(CLAIM):
        return False
    if {"cached_from", SKIPPED} & attributes.keys():
        return False
    if trial.state == TrialState.COMPLETE:
        return True
    return all(trial.constraints.get(name, 0.0) <= 0 for name in ("memory", "latency"))
