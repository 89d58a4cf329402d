"""Where a trial keeps what it reported: Optuna has one number a step, and several are needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from optuna.study import StudyDirection

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: The user attribute: step, as text, to a list of numbers; null where one is not finite.
VECTORS: Final = "intermediate_vectors"


def reported(study: Study, trial: FrozenTrial) -> dict[int, list[float]]:
    """Return what a trial reported: step, rising, to one value an objective.

    With one objective these are Optuna's own intermediate values. With several, a value that was
    not finite is NaN.
    """
    if len(study.directions) == 1:
        return {step: [value] for step, value in sorted(trial.intermediate_values.items())}
    kept = trial.user_attrs.get(VECTORS, {})
    return {
        step: [math.nan if value is None else value for value in kept[str(step)]]
        for step in sorted(map(int, kept))
    }


def losses(study: Study, values: list[float]) -> NDArray[np.float64]:
    """Return values so that smaller is better; infinite where they are not finite.

    Returns:
        Shape (objectives,).
    """
    return np.array(
        [
            (-value if direction is StudyDirection.MAXIMIZE else value)
            if math.isfinite(value)
            else math.inf
            for value, direction in zip(values, study.directions, strict=True)
        ]
    )
