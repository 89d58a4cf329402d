"""Several attributes of a trial at once: our databases write them in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neural_automl.workers._patience import PatientDatabase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.trial import Trial


def write_attributes(trial: Trial, attributes: Mapping[str, Any]) -> None:
    """Set user attributes of a running trial.

    Optuna writes each in a transaction of its own, which is what a trial costs a database most.

    Raises:
        TypeError: A value cannot be written as JSON.
        optuna.exceptions.UpdateFinishedTrialError: The trial has ended.
    """
    database = getattr(trial.storage, "_backend", trial.storage)
    if isinstance(database, PatientDatabase):
        database.set_trial_user_attrs(trial._trial_id, attributes)
        trial._cached_frozen_trial.user_attrs.update(attributes)
    else:
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
