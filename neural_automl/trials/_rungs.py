"""Short trainings first: rungs of epochs, and who goes on to the next.

Every network is trained for the epochs of the lowest rung, with a whole schedule of its own. The
best share of a rung goes on to the next: a new trial starts from its weights with a fresh optimizer
and the next rung's whole schedule. Who goes on is decided from the study alone, whenever a worker
is free, so that no worker waits for another.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020,
algorithm 2 (asynchronous successive halving); here what is promoted goes on from its weights.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final

from optuna.study import StudyDirection
from optuna.trial import TrialState

from neural_automl.registry import is_trained
from neural_automl.samplers._define_by_run import EXHAUSTED, STOP_REASON

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

#: Attributes of a trial: its rung, from 0, and the trial whose weights it goes on from.
RUNG: Final = "rung"
RESUMED_FROM: Final = "resumed_from"
#: Attribute of a study: the rungs, as text.
_ATTRIBUTE: Final = "rungs"
#: So often workers may choose the same: then the trial is one of the lowest rung.
_ROUNDS: Final = 20
# Longest wait before choosing again, in seconds.
_LONGEST_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Rungs:
    """Epochs of each rung, and which share goes on.

    Args:
        epochs: Of each rung, rising; the last is the whole training.
        factor: One in so many goes on to the next rung.

    Raises:
        ValueError: There are fewer than two rungs, one is no number of epochs, they do not rise,
            or the factor is below 2.

    Example:
        >>> Rungs((3, 9, 27)).text
        '3,9,27/3'
    """

    epochs: tuple[int, ...]
    factor: int = 3

    def __post_init__(self) -> None:
        if len(self.epochs) < 2:
            raise ValueError(f"`rungs` must be two numbers or more but got {_listed(self.epochs)}")
        for epochs in self.epochs:
            if not _is_count(epochs) or epochs < 1:
                raise ValueError(
                    "`rungs` must be whole numbers of epochs, at least 1, but got "
                    f"{_listed(self.epochs)}"
                )
        if any(after <= before for before, after in pairwise(self.epochs)):
            raise ValueError(f"`rungs` must rise but got {_listed(self.epochs)}")
        if not _is_count(self.factor) or self.factor < 2:
            raise ValueError(
                f"`reduction_factor` must be a whole number, at least 2, but got {self.factor!r}"
            )

    @classmethod
    def of(cls, study: optuna.Study) -> Rungs | None:
        """Return the rungs that a study was begun with; None where it has none."""
        text = study.user_attrs.get(_ATTRIBUTE)
        if not text:
            return None
        epochs, _, factor = str(text).partition("/")
        return cls(tuple(map(int, epochs.split(","))), int(factor))

    @property
    def text(self) -> str:
        """The rungs, as a study keeps them."""
        return f"{','.join(map(str, self.epochs))}/{self.factor}"

    @property
    def last(self) -> int:
        """The number of the last rung."""
        return len(self.epochs) - 1

    def before(self, rung: int) -> int:
        """Return how many epochs a network was trained for before it begins a rung."""
        return sum(self.epochs[:rung])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(epochs: Sequence[object]) -> str:
    return ", ".join(map(str, epochs)) or "none"


def rung_seed(seed: int, rung: int) -> int:
    """Return the seed of a promotion: it follows from that of the trial that it goes on from."""
    digest = hashlib.sha256(f"{seed}/rung {rung}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class Ladder:
    """The rungs of a study: who stands where, and who goes on.

    Args:
        study: A study with rungs, one that is agreed on already.
        rungs: Its rungs.
        sleep: Waits some seconds.
    """

    def __init__(
        self, study: optuna.Study, rungs: Rungs, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._study = study
        self._rungs = rungs
        self._sleep = sleep
        attributes = study.user_attrs
        metric = str(attributes["metrics"])
        self._metric = f"{metric}.best" if attributes["value"] == "best" else metric
        self._sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        self._exhausted = attributes.get(STOP_REASON) == EXHAUSTED
        most = attributes.get("max_trials")
        self._budget = None if most is None else most * rungs.epochs[-1]

    def climb(self, trial: Trial, *, finish: bool = False) -> FrozenTrial | None:
        """Make a trial the next promotion, and return whom it goes on from.

        Of workers that choose the same at once each sees the other, at least one of them does, and
        whoever does chooses again: a claim is written before it is looked for others.

        Args:
            trial: A trial that has suggested nothing yet.
            finish: See ``next``.

        Returns:
            The trial of the lower rung; None where a new network is to begin.
        """
        for _ in range(_ROUNDS):
            chosen = self.next(but=trial.number, finish=finish)
            if chosen is None:
                return None
            trial.set_user_attr(RUNG, chosen.user_attrs[RUNG] + 1)
            trial.set_user_attr(RESUMED_FROM, chosen.number)
            rivals = _going_on_from(chosen.number, self._study.get_trials(deepcopy=False))
            if rivals == {trial.number}:
                return chosen
            trial.set_user_attr(RESUMED_FROM, None)
            trial.set_user_attr(RUNG, 0)
            self._sleep(_LONGEST_PAUSE * random.random())
        return None

    def next(self, *, but: int | None = None, finish: bool = False) -> FrozenTrial | None:
        """Return who is to go on next; None where a new network is to begin, or nothing is.

        Of the best share of a rung, who did not go on yet: of the highest such rung the best. Where
        no new network can get to the last rung within the budget any more, or the space has no
        further ones, the best of the highest rung that the budget allows. Where no network got to
        the last rung and none is on the way, one goes on in any case.

        Args:
            but: The number of the trial that asks.
            finish: Whether no new network shall begin, and the first whole training is all that is
                wanted.
        """
        trials = [t for t in self._study.get_trials(deepcopy=False) if t.number != but]
        left = self._left(trials)
        promoted = _promoted(trials)
        rungs = [
            [(trial, trial.number in promoted) for trial in ranked]
            for ranked in self._rungs_downwards(trials)
        ]
        fitting = [ranked for ranked in rungs if ranked and self._cost(ranked[0][0]) <= left]
        if not finish:
            shares = [ranked[: len(ranked) // self._rungs.factor] for ranked in fitting]
            if (found := _first(shares)) is not None:
                return found
            if self._is_late(left) and (found := _first(fitting)) is not None:
                return found
        if (finish or self._is_late(left)) and not any(map(_is_whole_or_on_the_way, trials)):
            return _first(rungs)
        return None

    def is_spent(self) -> bool:
        """Return whether the budget allows nothing more; False where the study has none."""
        trials = self._study.get_trials(deepcopy=False)
        # Given back by a worker that died: it is taken up before anything else.
        waits = any(t.state == TrialState.WAITING and _is_promotion(t) for t in trials)
        return (
            not waits
            and any(map(is_trained, trials))
            and self._left(trials) < sum(self._rungs.epochs)
            and self.next() is None
        )

    def _is_late(self, left: float) -> bool:
        return self._exhausted or left < sum(self._rungs.epochs)

    def _left(self, trials: Sequence[FrozenTrial]) -> float:
        """Return the epochs that nobody has trained, or trains; infinite without a budget."""
        if self._budget is None:
            return inf
        taken = sum(
            self._rungs.epochs[trial.user_attrs.get(RUNG) or 0]
            for trial in trials
            if trial.state == TrialState.RUNNING or is_trained(trial)
        )
        return float(self._budget - taken)

    def _cost(self, trial: FrozenTrial) -> int:
        """Return the epochs of the rung that a trial goes on to."""
        epochs: int = self._rungs.epochs[trial.user_attrs[RUNG] + 1]
        return epochs

    def _rungs_downwards(self, trials: Sequence[FrozenTrial]) -> Iterator[list[FrozenTrial]]:
        """Give the trials of each rung but the last, best first, from the highest down."""
        for rung in range(self._rungs.last - 1, -1, -1):
            members = [
                trial
                for trial in trials
                if trial.user_attrs.get(RUNG) == rung
                and is_trained(trial)
                and isinstance(trial.user_attrs.get(self._metric), int | float)
            ]
            yield sorted(members, key=self._rank)

    def _rank(self, trial: FrozenTrial) -> tuple[float, float, int]:
        # What breaks a soft limit goes on only where nothing else does.
        excess = sum(max(value, 0.0) for value in trial.constraints.values())
        return excess, self._sign * trial.user_attrs[self._metric], trial.number


def _first(rungs: Sequence[Sequence[tuple[FrozenTrial, bool]]]) -> FrozenTrial | None:
    return next((trial for ranked in rungs for trial, went_on in ranked if not went_on), None)


def _is_whole_or_on_the_way(trial: FrozenTrial) -> bool:
    running = trial.state == TrialState.RUNNING and _is_promotion(trial)
    return running or trial.state == TrialState.COMPLETE


def _promoted(trials: Sequence[FrozenTrial]) -> set[int]:
    return {trial.user_attrs[RESUMED_FROM] for trial in trials if _is_promotion(trial)}


def _going_on_from(number: int, trials: Sequence[FrozenTrial]) -> set[int]:
    return {
        trial.number
        for trial in trials
        if _is_promotion(trial) and trial.user_attrs[RESUMED_FROM] == number
    }


def _is_promotion(trial: FrozenTrial) -> bool:
    """Return whether a trial goes on from another, or did.

    One that was cut off does not count; what failed by itself would fail again.
    """
    lost = trial.state == TrialState.FAIL and "error" not in trial.user_attrs
    return (
        bool(trial.user_attrs.get(RUNG))
        and trial.user_attrs.get(RESUMED_FROM) is not None
        and not lost
    )
