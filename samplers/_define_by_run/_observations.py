"""A study as a sampler sees it: one light record for each trial."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import FrozenTrial, TrialState

from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    replay,
    values_key,
)
from neural_automl.samplers._define_by_run._moves import Feasible, Identity, is_allowed
from neural_automl.samplers._define_by_run._recording import Suggest

if TYPE_CHECKING:
    from optuna.study import Study


#: System attribute of a trial: name to value of what was proposed, perhaps inactive ones too.
CLAIM: Final = "define_by_run:claim"
#: Attribute of a trial that was not tried, though it might have been: why. It teaches nothing.
SKIPPED: Final = "skipped"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one trial of a study says.

    Args:
        number: The number of the trial.
        state: Its state.
        params: Name to value, as the study has them; of a waiting trial also its fixed
            parameters, of a running one what it has announced.
        configuration: What the parameters stand for, or None if they leave it open.
        values: The objective values of a COMPLETE trial, as told.
        intermediate: Step to reported value.
        violation: How far its constraints are broken, summed; 0 if it is feasible.
        identity: What the configuration is the same as; None where nothing says so, and where it
            may not be tried: it may have no identity then.
        keys: What `propose_new` shall not propose again: its parameters and its identity.
        skipped: Whether it was not tried, though it might have been.
    """

    number: int
    state: TrialState
    params: Mapping[str, Any]
    configuration: Configuration | None
    values: tuple[float, ...] | None
    intermediate: Mapping[int, float]
    violation: float
    identity: Hashable | None = None
    keys: frozenset[Hashable] = frozenset()
    skipped: bool = False

    @property
    def teaches(self) -> bool:
        """Whether it ended with something to learn: a failure says nothing of its parameters."""
        return self.state in (TrialState.COMPLETE, TrialState.PRUNED) and not self.skipped

    @property
    def last(self) -> tuple[int, float] | None:
        """The last step with a reported value that is not NaN, and the value."""
        step = max((s for s, v in self.intermediate.items() if not math.isnan(v)), default=None)
        return None if step is None else (step, self.intermediate[step])


class StudyReader:
    """Reads a study into observations; what a finished trial says is worked out once.

    Args:
        suggest: The define-by-run function that the parameters belong to.
        identity: Takes what `suggest` returned and gives what is equal for equal results.
        feasible: Takes the same and says whether it may be tried.
    """

    def __init__(
        self,
        suggest: Suggest,
        identity: Identity | None = None,
        feasible: Feasible | None = None,
    ) -> None:
        for name, function in (("identity", identity), ("feasible", feasible)):
            if function is not None and not callable(function):
                raise TypeError(f"`{name}` must be a function of a result but got {function!r}.")
        self._suggest = suggest
        self._identity = identity
        self._feasible = feasible
        self._finished: dict[tuple[int, int], tuple[dt.datetime | None, Observation]] = {}

    def observations(self, study: Study, *, but: int | None = None) -> list[Observation]:
        """Every trial of the study, ordered by number.

        Args:
            study: The study.
            but: The number of a trial to leave out: the one that is being sampled.
        """
        return [
            self._observation(study._study_id, trial)
            for trial in study.get_trials(deepcopy=False)
            if trial.number != but
        ]

    def _observation(self, study_id: int, trial: FrozenTrial) -> Observation:
        # Two storages may number alike; the time of the end tells them apart.
        key, end = (study_id, trial._trial_id), trial.datetime_complete
        found = self._finished.get(key)
        if found is not None and found[0] == end:  # asked first: a study holds thousands of trials
            return found[1]
        observation = self._read(trial)
        if trial.state.is_finished():
            self._finished[key] = (end, observation)
        return observation

    def _read(self, trial: FrozenTrial) -> Observation:
        params = trial.params
        if trial.state is TrialState.WAITING:
            params = {**trial.system_attrs.get("fixed_params", {}), **params}
        elif trial.state is TrialState.RUNNING:
            params = live_params(trial)
        configuration = replay(self._suggest, params)
        identity = None
        if (
            self._identity is not None
            and configuration is not None
            and is_allowed(configuration, self._feasible)
        ):
            identity = self._identity(configuration.result)
        return Observation(
            number=trial.number,
            state=trial.state,
            params=params,
            configuration=configuration,
            values=tuple(trial.values) if trial.state is TrialState.COMPLETE else None,
            intermediate=trial.intermediate_values,
            violation=sum(max(value, 0.0) for value in trial.constraints.values()),
            identity=identity,
            keys=_keys(params, configuration, identity),
            skipped=SKIPPED in trial.user_attrs,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_finished": {}}


def _keys(
    params: Mapping[str, Any], configuration: Configuration | None, identity: Hashable | None
) -> frozenset[Hashable]:
    own = () if configuration is None else (configuration.key,)
    of_identity = () if identity is None else (identity,)
    return frozenset((*own, values_key(params), *of_identity))


def seen_keys(observations: Iterable[Observation]) -> set[Hashable]:
    """What `propose_new` shall not propose again: the keys of every trial."""
    return set().union(*(observation.keys for observation in observations))


def live_params(trial: FrozenTrial) -> dict[str, Any]:
    """What a running trial has suggested, and what it has announced to suggest."""
    return {**trial.system_attrs.get(CLAIM, {}), **trial.params}
