"""The pruner: rungs, and at each rung the share of the trials that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import TrialState

from neural_automl.pruners.multi_objective._ranking import is_dominated, number_better
from neural_automl.pruners.multi_objective._vectors import losses, reported

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
#: By default the first rung stands at this part of the steps.
_FIRST_RUNG = 9


class MultiObjectivePruner(BasePruner):
    """Stops a trial that is dominated at a rung, and not among the best there.

    At a rung, all trials that have reached it are put in order: by the front that they are in
    (non-dominated sorting), and inside a front by how lonely they are. The first
    ``1 / reduction_factor`` of them go on. A trial that no other dominates always goes on, also
    where the front is larger than that share: one that is stopped there would be missing in the
    result. Trials that break a constraint stand behind those that break none, by their excess.

    Each objective counts by its order alone: units do not matter. Values that are known from the
    start, as the size of a network is, stand in the vector as they are at every step.

    Trials that run elsewhere count with what they have reported, stopped ones too, failed ones do
    not. A vector with a value that is not finite is stopped at its rung. Asked between rungs, the
    trial is judged by its last rung. Equal studies give equal decisions.

    With several objectives, trials report by ``report_vector`` and ask by ``should_prune``, since
    Optuna's own methods refuse them. With one objective, Optuna's own are used.

    Args:
        max_step: The last step of a whole training; steps count from 1.
        first_rung: Step of the first rung; by default a ninth of ``max_step``, rounded up.
        reduction_factor: Each rung stands at so many times the step of the one before, below
            ``max_step``, and one in so many trials goes on.
        n_startup_trials: No trial is stopped at a rung before so many others have reached it.

    Raises:
        ValueError: An option is out of its range.

    Example:
        >>> import optuna
        >>> pruner = MultiObjectivePruner(18)
        >>> pruner.rungs
        (2, 6)
        >>> study = optuna.create_study(directions=["maximize", "minimize"], pruner=pruner)

    Source: Schmucker et al., Multi-objective Asynchronous Successive Halving, arXiv 2106.12639,
    2021, for rungs with non-dominated sorting; the rest of a front is always kept here.
    """

    #: What the bridge asks: whether trials with several objectives can be judged.
    several_objectives = True

    def __init__(
        self,
        max_step: int,
        *,
        first_rung: int | None = None,
        reduction_factor: int = 3,
        n_startup_trials: int = 4,
    ) -> None:
        first = first_rung
        for name, value, least in (
            ("max_step", max_step, 1),
            ("first_rung", 1 if first is None else first, 1),
            ("reduction_factor", reduction_factor, 2),
            ("n_startup_trials", n_startup_trials, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`{name}` must be an integer of at least {least} but got {value!r}."
                )
        if first is not None and first > max_step:
            raise ValueError(
                f"`first_rung` must be at most `max_step`, {max_step}, but got {first}."
            )
        self._max_step = max_step
        self._reduction_factor = reduction_factor
        self._n_startup_trials = n_startup_trials
        rungs = []
        step = -(-max_step // _FIRST_RUNG) if first is None else first
        while step < max_step:
            rungs.append(step)
            step *= reduction_factor
        self._rungs = tuple(rungs)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The steps at which a trial may be stopped."""
        return self._rungs

    def has_rung(self, step: int) -> bool:
        """Return whether a trial may be stopped at a step.

        Raises:
            ValueError: The step is not in 1 to ``max_step``.
        """
        if not 1 <= step <= self._max_step:
            raise ValueError(
                f"steps must be between 1 and `max_step`, {self._max_step}, but got {step}."
            )
        return step in self._rungs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to stop a trial at the last step that it reported.

        Raises:
            ValueError: That step is not in 1 to ``max_step``.
        """
        steps = reported(study, trial)
        if not steps:
            return False
        step = max(steps)
        if not self.has_rung(step):
            return False
        own = losses(study, steps[step])
        if not np.isfinite(own).all():
            return True
        rivals = [
            (_excess(other), losses(study, found[step]))
            for other in study.get_trials(deepcopy=False, states=_COUNTED)
            if other.number != trial.number and step in (found := reported(study, other))
        ]
        if len(rivals) < self._n_startup_trials:
            return False
        kept = max(1, (len(rivals) + 1) // self._reduction_factor)
        feasible = [values for excess, values in rivals if excess == 0]
        excess = _excess(trial)
        if excess > 0:
            return len(feasible) + sum(0 < other < excess for other, _ in rivals) >= kept
        return len(feasible) >= kept and _is_behind(own, np.array(feasible), kept)


def _is_behind(own: NDArray[np.float64], others: NDArray[np.float64], kept: int) -> bool:
    # The cheap half first: sorting into fronts is of the order of the square of their number.
    return is_dominated(own, others) and number_better(own, others) >= kept


def _excess(trial: FrozenTrial) -> float:
    return sum(max(value, 0.0) for value in trial.constraints.values())
