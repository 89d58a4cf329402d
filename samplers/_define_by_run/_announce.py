"""Proposals told to other workers, so that those who ask at once do not propose the same."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from neural_automl.samplers._define_by_run._claims import write_claim
from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    replay,
    trial_rng,
)
from neural_automl.samplers._define_by_run._observations import live_params
from neural_automl.samplers._define_by_run._sampler import ConfigurationSampler

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: After so many proposals that another worker announced too, the last one stays.
_ATTEMPTS: Final = 20
# Longest wait before proposing again, in seconds: workers in step would go on in step.
_WAIT: Final = 0.05


class AnnouncingSampler(ConfigurationSampler):
    """Tells each proposal to the other workers, and proposes again where one of them told the same.

    A subclass writes `choose`. Of two equal proposals, who told later sees the other, which may
    have finished by then. Cheaper than `claim_first`, and not exact: after twenty equal proposals
    the last one stays.
    """

    @abstractmethod
    def choose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Choose a configuration from the study as it is, and tell nobody.

        Args:
            study: The study; do not change it.
            trial: The trial that is being sampled.
            fixed: Values that hold whatever is chosen.
            rng: The random numbers of this attempt.
        """

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Propose what `choose` gives, and hold it against workers that ask at once."""
        proposed, is_told = self._announce(study, trial, fixed, rng)
        for attempt in range(1, _ATTEMPTS):
            if not is_told:
                break
            time.sleep(_WAIT * float(rng.random()))
            rng = trial_rng(self._seed, trial.number, f"claim {attempt}")
            proposed, is_told = self._announce(study, trial, fixed, rng)
        return proposed

    def _announce(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> tuple[Configuration, bool]:
        """Choose and tell; return that, and whether a worker that asks at once told it too."""
        before = study.get_trials(deepcopy=False)
        finished = {other.number for other in before if other.state.is_finished()}
        proposed = self.choose(study, trial, fixed, rng)
        write_claim(study, trial, proposed.values)
        rivals = (
            replay(self._suggest, live_params(other))
            for other in study.get_trials(deepcopy=False)
            if other.number not in finished and other.number != trial.number
        )
        return proposed, any(rival is not None and rival.key == proposed.key for rival in rivals)
