"""Where a trial keeps what it reported: Optuna has one number a step, and several are needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from optuna.study import StudyDirection
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: The user attribute: step, as text, to a list of numbers; null where one is not finite.
VECTORS: Final = "intermediate_vectors"


def vectors_of(study: Study, trial: FrozenTrial) -> dict[int, NDArray[np.float64]]:
    """Return what a trial reported: step to losses, smaller is better, infinite where not finite.

    With one objective, these are Optuna's own intermediate values.

    Returns:
        Arrays of shape (objectives,), by rising step.
    """
    signs = [-1.0 if d is StudyDirection.MAXIMIZE else 1.0 for d in study.directions]
    if len(signs) == 1:
        found: dict[int, list[float | None]] = {
            step: [value] for step, value in trial.intermediate_values.items()
        }
    else:
        found = {int(step): list(row) for step, row in trial.user_attrs.get(VECTORS, {}).items()}
    return {step: _losses(found[step], signs) for step in sorted(found)}


def _losses(values: list[float | None], signs: list[float]) -> NDArray[np.float64]:
    return np.array(
        [
            sign * value if value is not None and math.isfinite(value) else math.inf
            for sign, value in zip(signs, values, strict=True)
        ]
    )
