"""Proposals that no other trial of the study holds, however many workers propose at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

import optuna

from neural_automl.exceptions import NoFeasibleArchitectureError
from neural_automl.samplers._define_by_run._claims import (
    EXHAUSTED,
    INFEASIBLE,
    STOP_REASON,
    Claims,
    stop,
    stop_exhausted,
    write_claim,
)
from neural_automl.samplers._define_by_run._configuration import Configuration

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# So often two workers may choose the same before it is taken as a fault.
_ROUNDS: Final = 100
# Longest wait before choosing again, in seconds.
_WAIT: Final = 0.02

Find = Callable[[], Configuration | None]


def claim_first(
    study: Study,
    trial: FrozenTrial,
    claims: Claims,
    find: Find,
    beside: Callable[[Configuration], Mapping[str, Any]],
    rng: np.random.Generator,
) -> Configuration | None:
    """Propose what `find` finds, and hold it against all other workers.

    Args:
        study: The study.
        trial: The trial that is being sampled.
        claims: What the study's trials hold; read before.
        find: Gives a configuration that is not taken, or None if there is none.
        beside: Gives what the claim of a configuration says: at least its values.
        rng: Draws the wait after a conflict.

    Returns:
        The configuration; None if there is none that is not taken.
    """
    for _ in range(_ROUNDS):
        found = find()
        if found is None:
            return None
        write_claim(study, trial, beside(found))
        claims.update(study, but=trial.number)
        if not claims.is_taken(found, but=trial.number):
            return found
        # Both may have withdrawn from it: it is free again then, and must not be left out.
        write_claim(study, trial, {})
        time.sleep(_WAIT * float(rng.random()))
        claims.update(study, but=trial.number)
    raise RuntimeError(f"Trial {trial.number} lost {_ROUNDS} proposals in a row to other workers.")


def give_up(study: Study, trial: FrozenTrial, claims: Claims, reason: str) -> NoReturn:
    """End a trial for which there is nothing to propose, and stop the study.

    Raises:
        optuna.TrialPruned: What is feasible was proposed before.
        NoFeasibleArchitectureError: Nothing feasible is known.
    """
    if claims.any_feasible:
        study._storage.set_trial_user_attr(trial._trial_id, INFEASIBLE, EXHAUSTED)
        stop_exhausted(study)
        raise optuna.TrialPruned(f"{EXHAUSTED}: {reason}")
    study.set_user_attr(STOP_REASON, "nothing feasible")
    stop(study)
    raise NoFeasibleArchitectureError(f"nothing feasible was found: {reason}")
