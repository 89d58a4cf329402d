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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from optuna.study import StudyDirection
from optuna.trial import TrialState

from neural_automl.registry import is_trained

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

#: Attributes of a trial: its rung, from 0, and the trial whose weights it goes on from.
RUNG: Final = "rung"
RESUMED_FROM: Final = "resumed_from"
#: Attribute of a study: the rungs, as text.
_ATTRIBUTE: Final = "rungs"


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
            raise ValueError(f"`rungs` must be at least 2 but got {_listed(self.epochs)}")
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
    """

    def __init__(self, study: optuna.Study, rungs: Rungs) -> None:
        self._study = study
        self._rungs = rungs
        metric = str(study.user_attrs["metrics"])
        self._metric = f"{metric}.best" if study.user_attrs["value"] == "best" else metric
        self._sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0

    def promote(self, own: int | None = None) -> bool:
        """Queue the promotion that is due, if one is.

        Args:
            own: The number of a trial that has trained and ends only after this.
        """
        trials = self._study.get_trials(deepcopy=False)
        return self._queue(self._due(trials, own))

    def advance(self, *, spent: bool) -> bool:
        """Queue what goes on next, where nothing else is left to train.

        Args:
            spent: Whether the budget is spent: then only the first network to reach the last rung
                goes on.

        Returns:
            Whether a trial waits.
        """
        trials = self._study.get_trials(deepcopy=False)
        complete = any(trial.state == TrialState.COMPLETE for trial in trials)
        if spent and complete:
            return False
        promotions = [trial for trial in trials if trial.user_attrs.get(RUNG)]
        if any(trial.state == TrialState.WAITING for trial in promotions):
            return True
        if not spent and self._queue(self._due(trials, None)):
            return True
        if complete or any(trial.state == TrialState.RUNNING for trial in promotions):
            return False
        return self._queue(self._highest(trials))

    def twin(self, trial: FrozenTrial) -> FrozenTrial | None:
        """Return an earlier trial that is the same promotion: two workers saw that it was due."""
        wanted = (trial.user_attrs.get(RESUMED_FROM), trial.user_attrs.get(RUNG))
        for other in self._study.get_trials(deepcopy=False):
            found = (other.user_attrs.get(RESUMED_FROM), other.user_attrs.get(RUNG))
            if other.number < trial.number and found == wanted and not _is_lost(other):
                return other
        return None

    def _queue(self, trial: FrozenTrial | None) -> bool:
        if trial is None:
            return False
        rung = trial.user_attrs[RUNG] + 1
        attributes = {RESUMED_FROM: trial.number, RUNG: rung}
        self._study.enqueue_trial(dict(trial.params), user_attrs=attributes)
        return True

    def _due(self, trials: Sequence[FrozenTrial], own: int | None) -> FrozenTrial | None:
        """Return the best trial, of the highest rung, that is to go on and did not."""
        promoted = _promoted(trials)
        for ranked in self._rungs_downwards(trials, own):
            for trial in ranked[: len(ranked) // self._rungs.factor]:
                if trial.number not in promoted:
                    return trial
        return None

    def _highest(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best trial, of the highest rung, that did not go on."""
        promoted = _promoted(trials)
        for ranked in self._rungs_downwards(trials, None):
            for trial in ranked:
                if trial.number not in promoted:
                    return trial
        return None

    def _rungs_downwards(
        self, trials: Sequence[FrozenTrial], own: int | None
    ) -> Iterator[list[FrozenTrial]]:
        """Give the trials of each rung but the last, best first, from the highest down."""
        for rung in range(self._rungs.last - 1, -1, -1):
            members = [
                trial
                for trial in trials
                if trial.user_attrs.get(RUNG) == rung
                and (is_trained(trial) or trial.number == own)
                and isinstance(trial.user_attrs.get(self._metric), int | float)
            ]
            yield sorted(members, key=self._rank)

    def _rank(self, trial: FrozenTrial) -> tuple[float, float, int]:
        # What breaks a soft limit goes on only where nothing else does.
        excess = sum(max(value, 0.0) for value in trial.constraints.values())
        return excess, self._sign * trial.user_attrs[self._metric], trial.number


def _promoted(trials: Sequence[FrozenTrial]) -> set[int]:
    return {
        trial.user_attrs[RESUMED_FROM]
        for trial in trials
        if trial.user_attrs.get(RUNG) and not _is_lost(trial)
    }


def _is_lost(trial: FrozenTrial) -> bool:
    """Return whether a trial was cut off: what failed by itself would fail again."""
    return trial.state == TrialState.FAIL and "error" not in trial.user_attrs
