"""What a Gaussian process learns from configurations, and says of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_automl.samplers._define_by_run import Configuration
from neural_automl.samplers.gaussian_process._acquisition import Acquisition
from neural_automl.samplers.gaussian_process._encoding import Encoder, Part, feature_part
from neural_automl.samplers.gaussian_process._model import Posterior, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

Features = Callable[[Any], Sequence[float]]

# Learning the kernel reads so many trials at most; their number cubed is what it costs.
_MAX_FITTED = 120
# Targets have variance 1. Numbers can be refined without end, and by rank each step counts however
# small it is: without a margin the choices beside them would stay what they were.
_MARGIN = 0.25


class Surrogate:
    """A Gaussian process over whole configurations.

    Args:
        finished: n configurations that are known.
        target: What they are worth, larger is better, mean 0 and variance 1. Shape (n,).
        running: Configurations that will be known: they count with what is predicted of them
            (Ginsbourger et al., Kriging Is Well-Suited to Parallelize Optimization, 2010: the
            kriging believer).
        shown: Further ones, whose names and ranges are encoded too.
        features: Takes what `suggest` returned and gives numbers that describe it.

    Raises:
        numpy.linalg.LinAlgError: The matrix of the observations is singular.
        ValueError: The features are not finite, or not always as many.
    """

    def __init__(
        self,
        finished: Sequence[Configuration],
        target: NDArray[np.float64],
        running: Sequence[Configuration],
        shown: Sequence[Configuration],
        features: Features | None = None,
    ) -> None:
        self._features = features
        self._points = [*finished, *running]
        self._encoder = Encoder([*self._points, *shown])
        self._seen = None
        if features is not None:
            self._seen = feature_matrix([features(point.result) for point in self._points])
        parts = self._encode(self._points)
        n = len(finished)
        known = [part.take(range(n)) for part in parts]
        fitted = best_and_latest(-target, _MAX_FITTED)
        learned = fit([part.take(fitted) for part in known], target[fitted])
        self._posterior = Posterior(known, target, learned)
        if running:
            expected = self._posterior.mean([part.take(range(n, len(parts[0]))) for part in parts])
            self._posterior = Posterior(parts, np.concatenate([target, expected]), learned)
        self._means = self._posterior.mean(parts)

    def best(self, n: int) -> list[Configuration]:
        """The n observed configurations, running ones included, that are predicted best."""
        return [self._points[i] for i in np.argsort(-self._means, kind="stable")[:n]]

    def score(
        self, configurations: Sequence[Configuration], acquisition: Acquisition
    ) -> NDArray[np.float64]:
        """How much each promises over the best predicted mean. Shape (m,)."""
        mean, deviation = self._posterior.mean_and_deviation(self._encode(configurations))
        margin = _MARGIN if self._encoder.mixed else 0.0
        return acquisition(mean, deviation, float(self._means.max()) + margin)

    def _encode(self, configurations: Sequence[Configuration]) -> list[Part]:
        choices = self._encoder.choices(configurations)
        further = (self._encoder.counts(configurations), self._encoder.numbers(choices))
        parts = [choices, *(part for part in further if part is not None)]
        if self._features is not None and self._seen is not None:
            rows = [self._features(each.result) for each in configurations]
            parts.append(feature_part(feature_matrix(rows), self._seen))
        return parts


def best_and_latest(loss: NDArray[np.float64], most: int) -> list[int]:
    """Indices of at most so many losses, in order: half the smallest, the rest the latest."""
    if len(loss) <= most:
        return list(range(len(loss)))
    best = {int(i) for i in np.argsort(loss, kind="stable")[: most // 2]}
    latest = [i for i in range(len(loss) - 1, -1, -1) if i not in best]
    return sorted(best | set(latest[: most - len(best)]))


def feature_matrix(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The features of n configurations, shape (n, columns).

    Raises:
        ValueError: They are not always as many, or not finite.
    """
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(
            f"`features` must give equally many numbers each time but got {sorted(lengths)}."
        )
    matrix = np.array(rows, dtype=float)
    if not np.isfinite(matrix).all():
        raise ValueError("`features` must give finite numbers but got nan or inf.")
    return matrix
