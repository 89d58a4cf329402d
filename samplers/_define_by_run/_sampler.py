"""From whole configurations to an Optuna sampler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler

from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    complete,
    draw,
    trial_rng,
)
from neural_automl.samplers._define_by_run._recording import Suggest
from neural_automl.samplers._define_by_run._values import contains, draw_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class ConfigurationSampler(BaseSampler):
    """A sampler that proposes whole configurations of a define-by-run function.

    A subclass writes `propose`. The rest answers Optuna: the configuration is made when the
    relative search space is asked for, and handed out by `sample_relative`. Names that the function
    does not know are drawn at random, so the sampler also serves an objective that suggests more.

    Args:
        suggest: The define-by-run function. For equal values it must suggest equal names.
        seed: Seed of the proposals, together with the number of the trial; None for fresh ones.

    Raises:
        TypeError: `suggest` cannot be called, or `seed` is no integer.
        ValueError: `suggest` suggests nothing, or other names when it is given the same values.
    """

    def __init__(self, suggest: Suggest, *, seed: int | None = None) -> None:
        if not callable(suggest):
            raise TypeError(f"`suggest` must be a function of a trial but got {suggest!r}.")
        if seed is not None and (not isinstance(seed, int | np.integer) or isinstance(seed, bool)):
            raise TypeError(f"`seed` must be an integer or None but got {seed!r}.")
        if seed is not None and seed < 0:
            raise ValueError(f"`seed` must be at least 0 but got {seed}.")
        check_suggest(suggest)
        self._suggest = suggest
        self._seed = None if seed is None else int(seed)
        self._proposed: dict[tuple[int, int], Configuration] = {}

    @abstractmethod
    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Propose the configuration of a trial.

        Called once for each trial, before its first parameter is suggested; several threads may
        call it at once. Workers that ask at the same time see the same trials:
        `AnnouncingSampler` and `claim_first` keep them from proposing the same.

        Args:
            study: The study; do not change it.
            trial: The trial that is being sampled.
            fixed: Values that hold whatever is proposed: those of `study.enqueue_trial`, and what a
                trial that is continued has suggested before. Complete around them.
            rng: The random numbers of this trial.
        """

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Propose a configuration and give its distributions."""
        fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        proposed = self.propose(study, trial, fixed, trial_rng(self._seed, trial.number))
        self._proposed[study._study_id, trial._trial_id] = proposed
        return {
            name: distribution
            for name, distribution in proposed.distributions.items()
            if name not in fixed
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Hand out the proposed values; draw what the search space has beside them."""
        proposed = self._proposed.pop((study._study_id, trial._trial_id), None)
        values = {} if proposed is None else proposed.values
        return {
            name: values[name]
            if name in values and contains(distribution, values[name])
            else self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a value for a name that the configuration does not have."""
        return draw_value(param_distribution, trial_rng(self._seed, trial.number, param_name))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_proposed": {}}


def check_suggest(suggest: Suggest) -> None:
    """Raise ValueError if a define-by-run function suggests nothing or is not deterministic."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        drawn = draw(suggest, rng)
        if not drawn.values:
            raise ValueError("`suggest` must suggest at least one parameter but suggested none.")
        again = complete(suggest, drawn.values, rng)
        if again.distributions != drawn.distributions:
            names = sorted(drawn.values.keys() ^ again.values.keys()) or sorted(
                name
                for name, distribution in drawn.distributions.items()
                if again.distributions[name] != distribution
            )
            raise ValueError(
                "`suggest` must suggest equal parameters when it is given equal values but differed"
                f" in {names[0]!r}."
            )
