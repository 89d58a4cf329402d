"""The pruner: a power law, and a guard that it may not overrule."""

from __future__ import annotations

import math
import threading
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import StudyDirection

from neural_automl.pruners.learning_curve._history import History, as_loss
from neural_automl.pruners.learning_curve._power_law import FEWEST_POINTS, extrapolate

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_FEWEST_GUARDED = 2


class LearningCurvePruner(BasePruner):
    """Stops a trial that will hardly become the best and is not among the best now.

    Both must hold: a power law through the trial's curve says, with ``confidence``, that its last
    value will not beat the best finished trial, and the trial's rank at this step is outside a
    guarded share of all trials. A power law alone is too sure of itself; the guard makes it safe.
    The share falls with the steps, as a power of the step, from ``guard_quantile`` to
    ``last_quantile``, but never below two trials, of fewer than eight the best quarter; trials that
    were stopped earlier count among all trials. A value within
    ``tolerance`` times the curve's own noise of the guarded share is inside it.

    Trials that run elsewhere count with what they have reported; failed trials do not count. The
    best is a finished trial that keeps its constraints. A trial whose last value is NaN, or
    infinitely bad, is stopped after the warm-up. Equal studies give equal decisions.

    Args:
        max_step: The last step of a whole training; steps count from 1.
        confidence: Probability, above 0.5 and below 1, that the trial stays behind the best.
        guard_quantile: Share of the trials that is not stopped at the end of the warm-up.
        last_quantile: The same share at ``max_step``.
        n_warmup_steps: No trial is stopped before this step.
        n_startup_trials: No trial is stopped before so many have completed.
        tolerance: Width of the guard's border, in standard deviations of the curve's noise.

    Raises:
        ValueError: An option is out of its range.

    Example:
        >>> import optuna
        >>> pruner = LearningCurvePruner(50)
        >>> study = optuna.create_study(pruner=pruner)
    """

    def __init__(
        self,
        max_step: int,
        *,
        confidence: float = 0.95,
        guard_quantile: float = 0.4,
        last_quantile: float = 0.03,
        n_warmup_steps: int = 4,
        n_startup_trials: int = 1,
        tolerance: float = 2.0,
    ) -> None:
        for name, count in (
            ("max_step", max_step),
            ("n_warmup_steps", n_warmup_steps),
            ("n_startup_trials", n_startup_trials),
        ):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"`{name}` must be an integer of at least 1 but got {count!r}.")
        if not 0.5 < confidence < 1:
            raise ValueError(f"`confidence` must be between 0.5 and 1 but got {confidence}.")
        if not 0 < last_quantile <= guard_quantile <= 1:
            raise ValueError(
                "`guard_quantile` and `last_quantile` must be above 0 and at most 1, the last not "
                f"the larger, but got {guard_quantile} and {last_quantile}."
            )
        if not 0 <= tolerance < math.inf:
            raise ValueError(f"`tolerance` must be at least 0 but got {tolerance}.")
        self._max_step = max_step
        self._deviations = NormalDist().inv_cdf(confidence)
        self._guard_quantile = guard_quantile
        self._last_quantile = last_quantile
        self._n_warmup_steps = n_warmup_steps
        self._n_startup_trials = n_startup_trials
        self._tolerance = tolerance
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._histories: WeakKeyDictionary[Study, History] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_lock", "_histories")
        return {name: value for name, value in self.__dict__.items() if name not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to stop a trial at its last step.

        Raises:
            ValueError: The study has several objectives, or a step is not in 1 to ``max_step``.
        """
        if len(study.directions) > 1:
            raise ValueError(
                "LearningCurvePruner must be given to a study with one objective but this has "
                f"{len(study.directions)}."
            )
        step = trial.last_step
        if step is None:
            return False
        self._check_steps(trial)
        if step < self._n_warmup_steps or step == self._max_step:
            return False
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        loss = as_loss(trial.intermediate_values[step], sign)
        trials = study.get_trials(deepcopy=False)
        with self._lock:
            history = self._histories.setdefault(study, History(sign))
            history.update(trials)
            if history.completed < self._n_startup_trials:
                return False
            if loss == math.inf:
                return True
            return self._is_behind(trial, step, sign, history)

    def _check_steps(self, trial: FrozenTrial) -> None:
        for step in (min(trial.intermediate_values), max(trial.intermediate_values)):
            if not 1 <= step <= self._max_step:
                raise ValueError(
                    f"steps must be between 1 and `max_step`, {self._max_step}, but trial "
                    f"{trial.number} reported step {step}."
                )

    def _is_behind(self, trial: FrozenTrial, step: int, sign: float, history: History) -> bool:
        # By step: values may be reported, or come out of a database, in any order.
        curve = [
            (at, sign * value)
            for at, value in sorted(trial.intermediate_values.items())
            if math.isfinite(value)
        ]
        if len(curve) < FEWEST_POINTS or curve[-1][0] != step:
            return False
        # The cheap half first: most trials that may go on are inside the guard without any width.
        better, others = history.rank(trial.number, step, curve[-1][1])
        if better < self._guarded(step, others + 1):
            return False
        steps, losses = zip(*curve, strict=True)
        forecast = extrapolate(steps, np.array(losses), self._max_step)
        if forecast.mean - self._deviations * forecast.deviation <= history.best:
            return False
        border = curve[-1][1] - self._tolerance * forecast.noise
        better, others = history.rank(trial.number, step, border)
        return better >= self._guarded(step, others + 1)

    def _guarded(self, step: int, trials: int) -> float:
        """Return how many of the trials are guarded at a step: a straight line in logarithms.

        A small share of few trials is less than one of them: the two best of eight or more are
        guarded at every step, and of fewer the best quarter.
        """
        first, last = self._n_warmup_steps, self._max_step
        way = math.log(step / first) / math.log(last / first)
        share = self._guard_quantile * (self._last_quantile / self._guard_quantile) ** way
        return float(max(share * trials, min(_FEWEST_GUARDED, trials / 4)))
