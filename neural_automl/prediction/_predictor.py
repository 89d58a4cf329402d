"""The predictor: a Gaussian process over architectures, and a power law where a curve has begun."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState
from scipy.stats import spearmanr

from neural_automl.evaluation import direction_of
from neural_automl.exceptions import PredictionError
from neural_automl.prediction._features import Features, Row, scores_of
from neural_automl.pruners.learning_curve._power_law import FEWEST_POINTS, extrapolate
from neural_automl.registry import architecture_of, is_trained
from neural_automl.samplers._define_by_run import Observation, losses, values_key
from neural_automl.samplers.gaussian_process._model import Hyperparameters, Posterior, fit
from neural_automl.samplers.gaussian_process._surrogate import best_and_latest
from neural_automl.samplers.gaussian_process._targets import rank_gauss

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.samplers.gaussian_process._encoding import Part

#: Fewer trials say nothing, and more than so many are not read: their number cubed is the cost.
FEWEST_TRIALS: Final = 5
FEWEST_COMPLETE: Final = 2
_MOST_TRIALS: Final = 300
_MOST_FITTED: Final = 120
_FOLDS: Final = 10
#: A power law alone is too sure of itself: its deviation counts so many times.
_CURVE_DOUBT: Final = 3.0


class Prediction(NamedTuple):
    """What a training is expected to come to, in units of the metric.

    Attributes:
        mean: Expected value.
        std: Its standard deviation, noise of the training included.
    """

    mean: float
    std: float


@dataclass(frozen=True)
class _Fitted:
    """What was learned; targets are normal scores, larger is better."""

    features: Features
    parts: Sequence[Part]
    target: NDArray[np.float64]
    learned: Hyperparameters
    posterior: Posterior
    scale: tuple[NDArray[np.float64], NDArray[np.float64]]  # scores and losses of complete trials
    last: int


class PerformancePredictor:
    """Predicts the final metric of a network from the trials of a search.

    A Gaussian process, the one of ``GaussianProcessSampler``, over the choices, the encoding
    (``ArchitectureSpace.encode``: counts of operations, paths and neighbourhoods, logarithms of the
    costs) and the zero-cost scores (attributes ``zero_cost.NAME``) of the trials. What it learns
    is the rank of each trial among the others; one that was stopped stands where its last value
    stood among the others at that epoch.

    Args:
        space: What is searched.
        metric: What is predicted.
        direction: Where it improves; by default as the metric's name says.

    Raises:
        ValueError: The direction is none.

    Example:
        >>> from neural_automl.architecture_space import Choice, Layer
        >>> from neural_automl.architecture_space import ArchitectureSpace
        >>> space = ArchitectureSpace((4,), [Layer("Dense", Choice(4, 8)), Layer("Dense", 2)])
        >>> PerformancePredictor(space).direction
        'maximize'
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        *,
        metric: str = "val_accuracy",
        direction: str | None = None,
    ) -> None:
        direction = direction_of(metric) if direction is None else direction
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"`direction` must be 'maximize' or 'minimize' but got {direction!r}")
        self.space = space
        self.metric = metric
        self.direction = direction
        self._rows: dict[frozenset[Any], Row] = {}
        self._fitted: _Fitted | None = None

    @property
    def _sign(self) -> float:
        return -1.0 if self.direction == "maximize" else 1.0

    @property
    def proxies(self) -> tuple[str, ...]:
        """The zero-cost scores that were learned from."""
        return () if self._fitted is None else self._fitted.features.proxies

    # --- learning -----------------------------------------------------------------------------

    def fit(self, trials: Iterable[FrozenTrial]) -> None:
        """Learn from trials; those that say nothing of a training are left out.

        Args:
            trials: Of a study with one objective, this metric.

        Raises:
            PredictionError: Fewer than five networks trained, or fewer than two to the end.
            StudyError: A trial is not one of the space.
        """
        latest = {values_key(trial.params): trial for trial in trials if is_known(trial)}
        known = list(latest.values())
        complete = sum(trial.state is TrialState.COMPLETE for trial in known)
        if len(known) < FEWEST_TRIALS or complete < FEWEST_COMPLETE:
            raise PredictionError(
                f"`trials` must hold at least {FEWEST_TRIALS} trained networks, "
                f"{FEWEST_COMPLETE} of them to the end, but has {len(known)} and {complete}"
            )
        loss = losses([_observation(trial) for trial in known], [self._study_direction()])[:, 0]
        kept = best_and_latest(loss, _MOST_TRIALS)
        known, loss = [known[place] for place in kept], loss[kept]
        rows = [self._row(trial) for trial in known]
        target = rank_gauss(-loss)
        features = Features(rows)
        parts = features.parts(rows)
        some = best_and_latest(loss, _MOST_FITTED)
        learned = fit([part.take(some) for part in parts], target[some])
        whole = np.array([trial.state is TrialState.COMPLETE for trial in known])
        order = np.argsort(target[whole], kind="stable")
        self._fitted = _Fitted(
            features,
            parts,
            target,
            learned,
            Posterior(parts, target, learned),
            (target[whole][order], loss[whole][order]),
            max((trial.last_step or 0 for trial in known), default=0),
        )

    def _study_direction(self) -> StudyDirection:
        return StudyDirection[self.direction.upper()]

    def _row(self, trial: FrozenTrial) -> Row:
        key = values_key(trial.params)
        scores = scores_of(trial.user_attrs)
        row = self._rows.get(key)
        if row is None or row.scores != scores:
            encoding = row.encoding if row else self._encode(architecture_of(self.space, trial))
            row = self._rows[key] = Row(trial.params, trial.distributions, encoding, scores)
        return row

    def _encode(self, architecture: Architecture) -> NDArray[np.float64]:
        return np.array(self.space.encode(architecture))

    def cross_validate(self) -> float:
        """Return Spearman's correlation of predictions with trials that they did not see.

        In ten folds; the kernel's weights are those of all trials.

        Raises:
            PredictionError: Nothing was learned yet.
        """
        fitted = self._require()
        n = len(fitted.target)
        predicted = np.zeros(n)
        places = np.random.default_rng(0).permutation(n)
        for fold in np.array_split(places, min(_FOLDS, n)):
            rest = np.setdiff1d(places, fold).tolist()
            known = [part.take(rest) for part in fitted.parts]
            posterior = Posterior(known, fitted.target[rest], fitted.learned)
            predicted[fold] = posterior.mean([part.take(fold.tolist()) for part in fitted.parts])
        return correlation(predicted, fitted.target)

    # --- predicting ---------------------------------------------------------------------------

    def predict(
        self, architecture: Architecture, partial_metrics: Mapping[str, Any] | None = None
    ) -> Prediction:
        """Predict what a network's training will come to.

        Args:
            architecture: One of the space.
            partial_metrics: What is known of it: zero-cost scores as ``zero_cost.NAME``, and the
                first epochs of its curve under the metric's name, as a sequence or by epoch. From
                three epochs on a power law through these is weighed against the rest.

        Raises:
            PredictionError: Nothing was learned yet.
        """
        fitted = self._require()
        known = partial_metrics or {}
        mean, deviation = self._scores(architecture, known)
        values = [self._value(fitted, mean + step * deviation) for step in (-1.0, 0.0, 1.0)]
        prior = Prediction(values[1], abs(values[2] - values[0]) / 2)
        return self._with_curve(prior, known.get(self.metric, ()), fitted.last)

    def chance(
        self,
        architecture: Architecture,
        share: float,
        partial_metrics: Mapping[str, Any] | None = None,
    ) -> float:
        """Return the probability that a network ends among the best of those learned from.

        Args:
            architecture: One of the space.
            share: Of the trials, above 0 and below 1: 0.25 is the best quarter.
            partial_metrics: Its zero-cost scores.

        Raises:
            PredictionError: Nothing was learned yet.
        """
        border = float(np.quantile(self._require().target, 1.0 - share))
        mean, deviation = self._scores(architecture, partial_metrics or {})
        return 1.0 - NormalDist(mean, deviation).cdf(border)

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise PredictionError("a predictor must be fitted before it predicts")
        return self._fitted

    def _scores(self, architecture: Architecture, known: Mapping[str, Any]) -> tuple[float, float]:
        """Return mean and standard deviation of a network's normal score, noise included."""
        fitted = self._require()
        choices = architecture.choices or self.space.choices_of(architecture)
        row = Row(choices, {}, self._encode(architecture), scores_of(known))
        mean, deviation = fitted.posterior.mean_and_deviation(fitted.features.parts([row]))
        variance = float(deviation[0]) ** 2 + math.exp(fitted.learned.noise)
        return float(mean[0]), math.sqrt(variance)

    def _value(self, fitted: _Fitted, score: float) -> float:
        """Return the value of the metric that a normal score stands for.

        Beyond the ends it goes on as steeply as in the outer quarter.
        """
        scores, found = fitted.scale
        loss = float(np.interp(score, scores, found))
        outer = max(1, len(scores) // 4)
        for end, inner in ((-1, -1 - outer), (0, outer)):
            beyond = score - scores[end]
            width = scores[end] - scores[inner]
            if beyond * width > 0:
                loss += float(beyond / width * (found[end] - found[inner]))
        return self._sign * loss

    def _with_curve(self, prior: Prediction, curve: Any, last: int) -> Prediction:
        pairs = curve.items() if isinstance(curve, Mapping) else enumerate(curve, start=1)
        points = sorted((step, value) for step, value in pairs if math.isfinite(value))
        if len(points) < FEWEST_POINTS:
            return prior
        steps, values = zip(*points, strict=True)
        found = extrapolate(steps, self._sign * np.array(values, float), max(last, steps[-1]))
        spread = (_CURVE_DOUBT * found.deviation) ** 2
        if prior.std == 0:
            return prior
        weight = prior.std**2 / (prior.std**2 + spread)
        mean = weight * self._sign * found.mean + (1 - weight) * prior.mean
        return Prediction(mean, math.sqrt(weight * spread))


def correlation(
    first: Sequence[float] | NDArray[Any], second: Sequence[float] | NDArray[Any]
) -> float:
    """Return Spearman's correlation; 0 where one of the two is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def is_known(trial: FrozenTrial) -> bool:
    """Return whether a trial trained a network and says how well."""
    if not is_trained(trial):
        return False
    if trial.state is TrialState.COMPLETE:
        return trial.values is not None and math.isfinite(trial.values[0])
    return any(map(math.isfinite, trial.intermediate_values.values()))


def _observation(trial: FrozenTrial) -> Observation:
    whole = trial.state is TrialState.COMPLETE
    return Observation(
        number=trial.number,
        state=trial.state,
        params=trial.params,
        configuration=None,
        values=tuple(trial.values) if whole else None,
        intermediate=trial.intermediate_values,
        violation=0.0,
    )
