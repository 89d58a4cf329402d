"""Proposals told to other workers, so that those who ask at once do not propose the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from neural_automl.samplers._define_by_run._claims import write_claim
from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    replay,
    trial_rng,
)
from neural_automl.samplers._define_by_run._observations import live_params
from neural_automl.samplers._define_by_run._recording import Suggest

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: After so many proposals that another worker announced too, the last one stays.
_ATTEMPTS: Final = 20
# Longest wait before proposing again, in seconds: workers in step would go on in step.
_WAIT: Final = 0.05


def announced(
    suggest: Suggest,
    study: Study,
    trial: FrozenTrial,
    rng: np.random.Generator,
    seed: int | None,
    propose: Callable[[np.random.Generator], Configuration],
) -> Configuration:
    """Propose, tell it to the others, and propose again where one of them told the same.

    Of two equal proposals, who told later sees the other, which may have finished by then. Cheaper
    than `claim_first`, and not exact: after twenty equal proposals the last one stays.

    Args:
        suggest: The define-by-run function.
        study: The study.
        trial: The trial that is being sampled.
        rng: The random numbers of the first attempt.
        seed: Of the random numbers of further attempts, together with the number of the trial.
        propose: Makes a proposal from the study as it is when it is called.
    """
    proposed = None
    for attempt in range(1, _ATTEMPTS + 1):
        before = study.get_trials(deepcopy=False)
        finished = {other.number for other in before if other.state.is_finished()}
        proposed = propose(rng)
        write_claim(study, trial, proposed.values)
        rivals = (
            replay(suggest, live_params(other))
            for other in study.get_trials(deepcopy=False)
            if other.number not in finished and other.number != trial.number
        )
        if not any(rival is not None and rival.key == proposed.key for rival in rivals):
            break
        time.sleep(_WAIT * float(rng.random()))
        rng = trial_rng(seed, trial.number, f"claim {attempt}")
    assert proposed is not None
    return proposed
