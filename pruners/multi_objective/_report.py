"""What a trial of several objectives calls instead of Optuna's ``report`` and ``should_prune``."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.pruners import NopPruner

from neural_automl.pruners.multi_objective._pruner import MultiObjectivePruner
from neural_automl.pruners.multi_objective._vectors import VECTORS

if TYPE_CHECKING:
    from optuna.trial import Trial


def report_vector(trial: Trial, values: Sequence[float], step: int) -> None:
    """Keep the values that a trial has at a step, for the pruner.

    They are in the user attribute ``intermediate_vectors``. For a ``MultiObjectivePruner`` only
    those of its rungs are written. A step that was reported already is left as it is, as by
    Optuna's ``report``, which this calls where the study has one objective.

    Args:
        trial: The running trial.
        values: One an objective, in the study's order.
        step: From 1, rising.

    Raises:
        ValueError: There are not as many values as objectives, or the step does not fit.
        TypeError: A value is no number, or the step no integer.

    Example:
        >>> import optuna
        >>> def objective(trial):
        ...     size = trial.suggest_int("size", 1, 10)
        ...     for step in range(1, 19):
        ...         report_vector(trial, (1 / size + 1 / step, size), step)
        ...         if should_prune(trial):
        ...             raise optuna.TrialPruned
        ...     return 1 / size, size
        >>> study = optuna.create_study(
        ...     directions=["minimize"] * 2, pruner=MultiObjectivePruner(18)
        ... )
        >>> study.optimize(objective, n_trials=3)
    """
    study = trial.study
    if len(values) != len(study.directions):
        raise ValueError(
            f"`values` must be {len(study.directions)}, one an objective, but got {len(values)}."
        )
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise TypeError(f"`values` must be numbers but got {values!r}.") from error
    step = operator.index(step)
    if step < 1:
        raise ValueError(f"`step` must be at least 1 but got {step}.")
    if isinstance(study.pruner, MultiObjectivePruner) and not study.pruner.has_rung(step):
        return
    if len(numbers) == 1:
        trial.report(numbers[0], step)
        return
    kept = trial.user_attrs.get(VECTORS, {})
    if str(step) in kept:
        return
    last = max(map(int, kept), default=0)
    if step < last:
        raise ValueError(f"steps must rise but trial {trial.number} reported {step} after {last}.")
    row = [number if math.isfinite(number) else None for number in numbers]
    trial.set_user_attr(VECTORS, {**kept, str(step): row})


def should_prune(trial: Trial) -> bool:
    """Return whether the study's pruner gives a trial up, by what ``report_vector`` kept.

    Raises:
        TypeError: The study has several objectives, for which its pruner is not made.
    """
    study = trial.study
    if len(study.directions) == 1:
        return trial.should_prune()
    pruner = study.pruner
    if isinstance(pruner, NopPruner):
        return False
    if not getattr(pruner, "several_objectives", False):
        raise TypeError(
            f"{type(pruner).__name__} is for studies with one objective but this has "
            f"{len(study.directions)}; use MultiObjectivePruner, or NopPruner to stop none."
        )
    frozen = next(
        found for found in study.get_trials(deepcopy=False) if found.number == trial.number
    )
    return pruner.prune(study, frozen)
