"""Which configurations the trials of a study hold, so that no two trials hold the same.

A sampler writes what it proposes into one system attribute of the trial, its claim, before any
parameter is stored, and reads the study again. Of two workers that claim the same at once at least
one sees the other's claim; whoever does chooses again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import FrozenTrial, TrialState

from neural_automl.samplers._define_by_run._configuration import Configuration, replay
from neural_automl.samplers._define_by_run._judge import Judge
from neural_automl.samplers._define_by_run._observations import CLAIM, live_params
from neural_automl.samplers._define_by_run._recording import Suggest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

# So often, with so many seconds between, a storage is asked for a trial that it does not show yet.
_PATIENCE: Final = 1000
_PAUSE: Final = 0.005
#: Study attribute that says why there is nothing more to propose.
STOP_REASON: Final = "stop_reason"
EXHAUSTED: Final = "space exhausted"
#: Trial attribute of a trial that trained nothing, with the reason.
INFEASIBLE: Final = "infeasible"


@dataclass(frozen=True, slots=True)
class Held:
    """What one trial holds.

    Args:
        values: Name to value: its claim, its fixed parameters, and what it has suggested.
        configuration: What they stand for, or None if they leave it open.
        keys: What of it no other trial shall have.
        settled: Whether the trial is finished.
    """

    values: Mapping[str, Any]
    configuration: Configuration | None
    keys: frozenset[Hashable]
    settled: bool


def _every_trial(study: Study) -> list[FrozenTrial]:
    """Return the trials of a study, each at the place of its number.

    From the storage, as some pruners show samplers a study of fewer trials. Where threads share a
    storage, Optuna's cache may for a moment hold a trial and not the one before it, which another
    thread has made and is about to enter: then it is asked again.

    Raises:
        RuntimeError: A trial stays away.
    """
    trials: list[FrozenTrial] = []
    for _ in range(_PATIENCE):
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if not trials or trials[-1].number == len(trials) - 1:
            return trials
        time.sleep(_PAUSE)
    raise RuntimeError(
        f"the storage holds {len(trials)} trials of the study {study.study_name!r}, but the last "
        f"has the number {trials[-1].number}"
    )


class Claims:
    """Reads the trials of one study; each finished one is worked out once.

    Args:
        suggest: The define-by-run function that the parameters belong to.
        judge: Gives the identities.
    """

    def __init__(self, suggest: Suggest, judge: Judge) -> None:
        self._suggest = suggest
        self._judge = judge
        self._held: dict[int, Held] = {}
        self._holders: dict[Hashable, set[int]] = {}
        self._open: set[int] = set()
        self._shapes: dict[tuple[str, BaseDistribution], BaseDistribution] = {}
        self.any_feasible = False

    def update(self, study: Study, *, but: int | None = None) -> list[FrozenTrial]:
        """Read what has changed.

        Args:
            study: The study.
            but: The number of the trial that is being sampled: it holds nothing yet.

        Returns:
            Every trial of the study, ordered by number.
        """
        trials = _every_trial(study)
        self._open.update(range(len(self._held), len(trials)))
        for number in sorted(self._open):
            held = _EMPTY if number == but else self._read(trials[number])
            self._put(number, held)
        self._open = {number for number in self._open if not self._held[number].settled}
        return trials

    def of(self, number: int) -> Held:
        """What a trial holds."""
        return self._held[number]

    def holders(self, key: Hashable, but: int) -> set[int]:
        """The numbers of other trials that hold a key: of values, or an identity."""
        return self._holders.get(key, set()) - {but}

    def is_taken(self, configuration: Configuration, but: int) -> bool:
        """Whether another trial holds the configuration, or one that is the same in effect."""
        if self.holders(configuration.key, but):
            return True
        verdict = self._judge(configuration)
        return verdict.is_feasible and bool(self.holders(verdict.identity, but))

    def _read(self, trial: FrozenTrial) -> Held:
        settled = trial.state.is_finished()
        values = live_params(trial)
        if trial.state is TrialState.WAITING:
            values.update(trial.system_attrs.get("fixed_params", {}))
        before = self._held.get(trial.number)
        if before is not None and before.values == values and not settled:
            return before
        if before is not None and before.values == values:
            return Held(values, before.configuration, before.keys, settled)
        configuration = replay(self._suggest, values)
        if configuration is None:
            return Held(values, None, frozenset(), settled)
        verdict = self._judge(configuration)
        slim = self._slim(configuration)
        keys: set[Hashable] = {slim.key}
        if verdict.is_feasible:
            self.any_feasible = True
            keys.add(verdict.identity)
        held = slim.values if values == slim.values else values
        return Held(held, slim, frozenset(keys), settled)

    def _slim(self, configuration: Configuration) -> Configuration:
        """Return an equal one that shares what it can: a study holds thousands of trials."""
        return Configuration(
            {sys.intern(name): value for name, value in configuration.values.items()},
            {
                sys.intern(name): self._shapes.setdefault((name, shape), shape)
                for name, shape in configuration.distributions.items()
            },
            constraints=configuration.constraints,
        )

    def _put(self, number: int, held: Held) -> None:
        before = self._held.get(number)
        if before is held:
            return
        for key in before.keys if before is not None else ():
            self._holders[key].discard(number)
        self._held[number] = held
        for key in held.keys:
            self._holders.setdefault(key, set()).add(number)


_EMPTY = Held({}, None, frozenset(), settled=False)


def write_claim(study: Study, trial: FrozenTrial, values: Mapping[str, Any]) -> None:
    """Write what a trial holds where every worker can read it."""
    study._storage.set_trial_system_attr(trial._trial_id, CLAIM, dict(values))


def stop_exhausted(study: Study) -> None:
    """Say that there is nothing more to propose, and stop the loop that runs, if one does."""
    study.set_user_attr(STOP_REASON, EXHAUSTED)
    stop(study)


def stop(study: Study) -> None:
    """Stop the loop that runs, if one does: `study.ask` needs none."""
    if study._thread_local.in_optimize_loop:
        study.stop()
