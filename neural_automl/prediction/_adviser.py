"""When a prediction is acted on: which networks a search does not train."""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from neural_automl._fallbacks import add_fallback
from neural_automl.exceptions import FallbackWarning
from neural_automl.prediction._predictor import (
    FEWEST_COMPLETE,
    FEWEST_TRIALS,
    PerformancePredictor,
    correlation,
    is_known,
)
from neural_automl.registry import is_trained
from neural_automl.samplers._define_by_run import SKIPPED
from neural_automl.trials._attributes import write_attributes
from neural_automl.trials._run import COST_METRICS
from neural_automl.trials._rungs import RESUMED_FROM
from neural_automl.trials._scores import PREFIX
from neural_automl.workers._leases import ATTEMPTS

if TYPE_CHECKING:
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace

#: Attributes of a trial: what was predicted before it trained.
PREDICTED: Final = "predicted"
PREDICTED_STD: Final = "predicted_std"
#: Attribute of a study: whether its predictor is trusted, and why.
PREDICTOR: Final = "predictor"
#: Predictions made before a training that are looked at, the latest, and that say something.
_LATEST: Final = 30
_FEWEST_MEASURED: Final = 10
#: One-sided, 95 %.
_DEVIATIONS: Final = 1.645


@dataclass(frozen=True)
class SkipRule:
    """Which networks are not trained, and when a predictor is trusted.

    A network is skipped where its chance to end among the best ``share`` of the trials so far is
    below ``chance``. The predictor is trusted while ``least_correlation`` is below the lower end
    (one-sided 95 %, by Fisher's z) of its cross-validated Spearman correlation, from
    ``n_startup_trials`` trained networks on; and, once ten networks were predicted before
    they trained, while the correlation over the latest thirty of these is at least
    ``least_measured``.

    Args:
        share: Above 0 and below 1.
        chance: Above 0 and below 1.
        explore: Share of the trials, drawn at random, that are trained whatever is predicted.
        in_a_row: Trials in a row that may be skipped; the next one is trained.
        n_startup_trials: At least 5.
        least_correlation: 0 to below 1.
        least_measured: -1 to below 1. It is low, as the networks that are trained are those that
            were predicted to be alike: the best.

    Raises:
        ValueError: One is out of its range.
    """

    share: float = 0.2
    chance: float = 0.2
    explore: float = 0.1
    in_a_row: int = 10
    n_startup_trials: int = 20
    least_correlation: float = 0.4
    least_measured: float = 0.1

    def __post_init__(self) -> None:
        for name in ("share", "chance"):
            if not 0 < getattr(self, name) < 1:
                value = getattr(self, name)
                raise ValueError(f"`{name}` must be above 0 and below 1 but got {value}")
        if not 0 <= self.explore <= 1:
            raise ValueError(f"`explore` must be 0 to 1 but got {self.explore}")
        if self.in_a_row < 1:
            raise ValueError(f"`in_a_row` must be at least 1 but got {self.in_a_row}")
        if self.n_startup_trials < FEWEST_TRIALS:
            raise ValueError(
                f"`n_startup_trials` must be at least {FEWEST_TRIALS} but got "
                f"{self.n_startup_trials}"
            )
        if not 0 <= self.least_correlation < 1:
            raise ValueError(
                f"`least_correlation` must be 0 to below 1 but got {self.least_correlation}"
            )
        if not -1 <= self.least_measured < 1:
            raise ValueError(
                f"`least_measured` must be -1 to below 1 but got {self.least_measured}"
            )


@dataclass(frozen=True)
class Standing:
    """How well a predictor has done in a study.

    Attributes:
        trusted: Whether it may skip.
        why: In words.
        trials: Trained networks that it learned from.
        cross_validated: Spearman's correlation in ten folds; None where it learned nothing yet.
        measured: The same of predictions made before the training; None for fewer than ten.
        measured_on: How many these are.
    """

    trusted: bool = False
    why: str = "too few trained networks"
    trials: int = 0
    cross_validated: float | None = None
    measured: float | None = None
    measured_on: int = 0


def standing_of(
    rule: SkipRule, n: int, cross_validated: float, pairs: Sequence[tuple[float, float]]
) -> Standing:
    """Judge a predictor.

    Args:
        rule: What it must reach.
        n: Trained networks that it learned from.
        cross_validated: Its correlation in folds.
        pairs: Predictions made before a training, and what came of it, in order.
    """
    latest = pairs[-_LATEST:]
    measured = None
    if len(latest) >= _FEWEST_MEASURED:
        measured = correlation(*map(list, zip(*latest, strict=True)))
    low = lower_end(cross_validated, n)
    if n < rule.n_startup_trials:
        trusted, why = False, f"{n} networks trained, of {rule.n_startup_trials}"
    elif low <= rule.least_correlation:
        trusted = False
        why = f"its correlation may be as low as {low:.2f}, not above {rule.least_correlation:g}"
    elif measured is not None and measured < rule.least_measured:
        trusted = False
        why = f"what it predicted last came true with a correlation of {measured:.2f} alone"
    else:
        trusted, why = True, f"its correlation is at least {low:.2f}"
    return Standing(trusted, why, n, cross_validated, measured, len(latest))


def lower_end(found: float, n: int) -> float:
    """Return the lower end, one-sided 95 %, of a rank correlation over n trials.

    Source: Bonett and Wright, Sample size requirements for estimating Pearson, Kendall and
    Spearman correlations, Psychometrika 65(1), 2000, equation 4: the variance of Fisher's z.
    """
    if n < 4:
        return -1.0
    z = math.atanh(min(found, 0.999))
    return math.tanh(z - _DEVIATIONS * math.sqrt((1 + found**2 / 2) / (n - 3)))


@dataclass
class _State:
    """What is known of one study in this process."""

    fitted_on: int = 0
    standing: Standing = field(default_factory=Standing)
    warned: bool = False
    failed: bool = False


class Adviser:
    """Predicts each network of a search before it is trained, and skips the likely poor.

    It learns anew from the study as its trained networks become a tenth more; workers share
    nothing but the study. What is enqueued, goes on from a lower rung or was begun before is never
    skipped.

    Args:
        predictor: Learns and predicts.
        rule: What is skipped.
        seed: Of the trials that are trained whatever is predicted.
    """

    def __init__(
        self, predictor: PerformancePredictor, rule: SkipRule | None = None, seed: int = 0
    ) -> None:
        self.predictor = predictor
        self.rule = rule or SkipRule()
        self._seed = seed
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._states: dict[str, _State] = {}
        self._fitted_to: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_lock", "_states", "_fitted_to")
        return {name: value for name, value in self.__dict__.items() if name not in hidden}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @classmethod
    def of(
        cls,
        predictor: PerformancePredictor | bool,
        space: ArchitectureSpace,
        metrics: Sequence[str],
        seed: int,
    ) -> Adviser | None:
        """Return the adviser of an objective; None where it shall have none.

        Raises:
            ValueError: There are several metrics, or one that needs no training.
            TypeError: It is neither a predictor nor a truth value.
        """
        if predictor is False:
            return None
        check_metrics(metrics)
        if predictor is True:
            predictor = PerformancePredictor(space, metric=metrics[0])
        if not isinstance(predictor, PerformancePredictor):
            raise TypeError(
                "`predictor` must be a PerformancePredictor, True or False but got "
                f"{type(predictor).__name__}"
            )
        return cls(predictor, seed=seed)

    def advise(
        self, trial: Trial, architecture: Architecture, epochs: int, *, may_skip: bool
    ) -> None:
        """Predict a network, note it, and end its trial if it is likely poor.

        Args:
            trial: About to train.
            architecture: What it would train.
            epochs: For so long.
            may_skip: Whether its network is a new one.

        Raises:
            optuna.TrialPruned: It is skipped.
        """
        name = trial.study.study_name
        with self._lock:
            state = self._states.setdefault(name, _State())
            if state.failed or not may_skip:
                return
            try:
                reason = self._look(trial, architecture, state)
            except Exception as error:  # noqa: BLE001 - whatever a predictor raises, a search goes on
                state.failed = True
                text = (
                    f"trial {trial.number}: the predictor failed and the search goes on without "
                    f"it ({type(error).__name__}: {error})"
                )
                add_fallback(trial.study, text)
                warnings.warn(text, FallbackWarning, stacklevel=2)
                return
            self._warn(state)
        begun = trial._fixed_params or trial.user_attrs.get(ATTEMPTS)
        if reason is not None and not begun and self._allows(trial):
            write_attributes(trial, {"max_epochs": epochs, SKIPPED: reason})
            raise optuna.TrialPruned(f"skipped: {reason}")

    def _look(self, trial: Trial, architecture: Architecture, state: _State) -> str | None:
        """Predict, and return why the network should be skipped; None if it should not."""
        study = trial.study
        self._learn(study, state)
        if state.standing.cross_validated is None:
            return None
        known = {n: v for n, v in trial.user_attrs.items() if n.startswith(PREFIX)}
        mean, std = self.predictor.predict(architecture, known)
        write_attributes(trial, {PREDICTED: mean, PREDICTED_STD: std})
        if not state.standing.trusted:
            return None
        chance = self.predictor.chance(architecture, self.rule.share, known)
        if chance >= self.rule.chance:
            return None
        return (
            f"predicted {self.predictor.metric} {mean:.4g} ± {std:.2g}, with a chance of "
            f"{chance:.2g} to be among the best {self.rule.share:.0%}"
        )

    def _warn(self, state: _State) -> None:
        """Say once that it is not trusted, though there was enough to learn from."""
        standing = state.standing
        if standing.trusted or state.warned or standing.trials < self.rule.n_startup_trials:
            return
        state.warned = True
        text = f"the predictor is not trusted, and skips nothing: {standing.why}"
        warnings.warn(text, stacklevel=2)

    def _allows(self, trial: Trial) -> bool:
        """Whether a trial may be skipped for all that was before it."""
        digest = hashlib.sha256(f"{self._seed}/explore {trial.number}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 < self.rule.explore:
            return False
        skipped = 0
        for other in reversed(trial.study.get_trials(deepcopy=False)):
            if other.number > trial.number:
                continue
            if SKIPPED in other.user_attrs:
                skipped += 1
            elif is_trained(other) or _trains(other):
                break
        return skipped < self.rule.in_a_row

    # --- learning -----------------------------------------------------------------------------

    def _learn(self, study: optuna.Study, state: _State) -> None:
        trials = [t for t in study.get_trials(deepcopy=False) if is_known(t)]
        whole = sum(t.state is TrialState.COMPLETE for t in trials)
        if len(trials) < FEWEST_TRIALS or whole < FEWEST_COMPLETE:
            return
        is_new = self._fitted_to != study.study_name
        if not is_new and len(trials) < state.fitted_on + max(1, state.fitted_on // 10):
            return
        self.predictor.fit(trials)
        self._fitted_to, state.fitted_on = study.study_name, len(trials)
        standing = standing_of(
            self.rule, len(trials), self.predictor.cross_validate(), measured_pairs(trials)
        )
        state.standing = standing
        study.set_user_attr(PREDICTOR, asdict(standing))


def _trains(trial: FrozenTrial) -> bool:
    """Return whether a trial is past the decision, and training."""
    return trial.state is TrialState.RUNNING and "max_epochs" in trial.user_attrs


def measured_pairs(trials: Sequence[FrozenTrial]) -> list[tuple[float, float]]:
    """Return what was predicted of complete trials before they trained, and what came of it.

    On rungs a network was predicted in the trial that it began with.
    """
    attributes = {trial.number: trial.user_attrs for trial in trials}
    pairs = []
    for trial in trials:
        if trial.state is not TrialState.COMPLETE or not is_trained(trial):
            continue
        held = trial.user_attrs
        while PREDICTED not in held and held.get(RESUMED_FROM) in attributes:
            held = attributes[held[RESUMED_FROM]]
        if PREDICTED in held:
            pairs.append((float(held[PREDICTED]), trial.values[0]))
    return pairs


def check_metrics(metrics: Sequence[str]) -> None:
    """Check that a predictor can be had for what a search optimises.

    Raises:
        ValueError: There are several metrics, or one that needs no training.
    """
    if len(metrics) != 1:
        raise ValueError(f"`predictor` needs one metric but got {', '.join(metrics)}")
    if metrics[0] in COST_METRICS:
        raise ValueError(f"`predictor` needs a metric of a training but got {metrics[0]}")
