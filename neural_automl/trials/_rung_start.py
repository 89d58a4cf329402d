"""Where the training of a trial begins, and how it ends, with rungs and without."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neural_automl.artifacts import load_weights
from neural_automl.trials._rungs import RESUMED_FROM, RUNG, Ladder, Rungs, rung_seed

if TYPE_CHECKING:
    import optuna
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial, Trial

    from neural_automl.trials._run import TrialRun


def check_rungs(
    rungs: Rungs,
    metrics: Sequence[str],
    costs: Sequence[str],
    epochs: int | None = None,
    reuse: Sequence[str] = (),
) -> None:
    """Check that rungs go with the other options of an objective.

    Raises:
        ValueError: They do not.
    """
    if len(metrics) > 1:
        raise ValueError(f"`rungs` need one metric to rank by but got {', '.join(metrics)}")
    if metrics[0] in costs:
        raise ValueError(f"`rungs` need a metric that training changes but got {metrics[0]}")
    if epochs is not None and rungs.epochs[-1] != epochs:
        raise ValueError(
            f"the last of `rungs` is the whole training: it must be `epochs`, {epochs}, but is "
            f"{rungs.epochs[-1]}"
        )
    if reuse:
        raise ValueError(
            "`rungs` do not go with `reuse`: the weights of other studies' trials are not kept here"
        )


class Start:
    """Where the training of one trial begins.

    Args:
        number: Of the trial.
        rungs: Of the study, or None.
        rung: The trial's, from 0.
        parent: The trial whose weights it goes on from; None on the lowest rung.
    """

    def __init__(
        self,
        number: int,
        rungs: Rungs | None = None,
        rung: int = 0,
        parent: FrozenTrial | None = None,
    ) -> None:
        self._number = number
        self._rungs = rungs
        self._rung = rung
        self._parent = parent
        self._loaded = False

    @classmethod
    def of(cls, trial: Trial, rungs: Rungs | None, *, finish: bool = False) -> Start:
        """Find a trial's place on the rungs, and note it, before it suggests anything.

        A promotion gets its network's choices as ``study.enqueue_trial`` gives them, so that no
        sampler is asked. It is not queued: of a SQLite queue, two workers may take one trial.

        Args:
            trial: The trial.
            rungs: Of the study, or None.
            finish: See ``Ladder.next``.
        """
        if rungs is None:
            return cls(trial.number)
        attributes = trial.user_attrs
        parent = None
        if attributes.get(RUNG) and attributes.get(RESUMED_FROM) is not None:
            # Again, after its worker died.
            parent = trial.study.get_trials(deepcopy=False)[attributes[RESUMED_FROM]]
        elif not trial.params and not trial._fixed_params:
            parent = Ladder(trial.study, rungs).climb(trial, finish=finish)
        if parent is None:
            trial.set_user_attr(RUNG, 0)
            return cls(trial.number, rungs)
        trial.storage.set_trial_system_attr(trial._trial_id, "fixed_params", parent.params)
        trial._fixed_params = dict(parent.params)
        return cls(trial.number, rungs, parent.user_attrs[RUNG] + 1, parent)

    @property
    def epochs(self) -> int | None:
        """Epochs of the trial's rung; None without rungs."""
        return None if self._rungs is None else self._rungs.epochs[self._rung]

    @property
    def is_new(self) -> bool:
        """Whether the training begins anew, not from a lower rung."""
        return self._parent is None

    @property
    def before(self) -> int | None:
        """Epochs that the network was trained for on lower rungs; None without rungs."""
        return None if self._rungs is None else self._rungs.before(self._rung)

    @property
    def text(self) -> str:
        """What tells the training from others for as many epochs: a promotion repeats nothing."""
        parent = "" if self._parent is None else f" from {self._parent.number}"
        return f"rung {self._rung}{parent}"

    def seed(self, seed: int) -> int:
        """Return the seed of the training: its own on the lowest rung, else from its parent's.

        Args:
            seed: Of the study.
        """
        if self._parent is None:
            return trial_seed(seed, self._number)
        return rung_seed(self._parent.user_attrs["seed"], self._rung)

    def load(self, study: optuna.Study, store: ArtifactStore | None) -> dict[str, Any] | None:
        """Return what the training goes on from; None where it begins anew."""
        self._loaded = True
        if self._parent is None or store is None:
            return None
        return load_weights(store, study, self._parent)

    def check(self, weights: Mapping[str, Any] | None) -> None:
        """Check that an evaluator began with the weights of the lower rung, and kept its own.

        Raises:
            ValueError: It did not.
        """
        if self._parent is not None and not self._loaded:
            raise ValueError(
                "with rungs an evaluator must begin with the weights of `context.load_weights()` "
                "but it did not ask for them"
            )
        if self._is_lower and weights is None:
            raise ValueError(
                "with rungs an evaluator must give its weights to `context.keep_weights` but it "
                "gave none: the next rung goes on from them"
            )

    def end(self, run: TrialRun, value: float | tuple[float, ...]) -> None:
        """End a trial of a lower rung.

        Raises:
            optuna.TrialPruned: It is one.
        """
        if self._is_lower and isinstance(value, float):
            raise run.end_rung(self._rung, value)

    @property
    def _is_lower(self) -> bool:
        return self._rungs is not None and self._rung < self._rungs.last


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a trial: it follows from the study's seed and the trial's number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
