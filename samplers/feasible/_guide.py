"""How far from feasible a configuration is likely to be, from those that were looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from optuna.distributions import CategoricalDistribution

from neural_automl.samplers._define_by_run import Configuration, to_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution

# The newest are nearest to what is asked next.
_ROWS: Final = 300
_RIDGE: Final = 1e-3


class Guide:
    """A linear model of the excess over the values of a configuration.

    Each category of each parameter has its own weight, and a number has a line and a parabola over
    its range. Costs of networks are sums over their layers, so a line goes far: it only orders what
    is then looked at.
    """

    def __init__(self) -> None:
        self._rows: deque[tuple[dict[int, float], float]] = deque(maxlen=_ROWS)
        self._index: dict[tuple[str, Any], int] = {}
        self._weights: NDArray[np.float64] | None = None
        self._mean = 0.0
        self._scale = 1.0
        self._fitted = False

    def learn(self, configuration: Configuration, excess: float) -> None:
        """Take in what was found out about one configuration; an infinite excess says nothing."""
        if np.isfinite(excess):
            self._rows.append((self._features(configuration, grow=True), excess))
            self._fitted = False

    def predict(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        """The likely excess of each, in a monotone scale in which 0 stays 0."""
        self._fit()
        weights = self._weights
        if weights is None:
            return np.zeros(len(configurations))
        return np.array(
            [
                self._mean + sum(weights[i] * x for i, x in self._features(c, grow=False).items())
                for c in configurations
            ]
        )

    def _fit(self) -> None:
        if self._fitted or len(self._rows) < 2:
            return
        y = np.array([excess for _, excess in self._rows])
        self._scale = float(np.median(np.abs(y))) or 1.0
        # Linear near 0, where it matters, and logarithmic far out.
        y = np.arcsinh(y / self._scale)
        x = np.zeros((len(self._rows), len(self._index)))
        for row, (features, _) in zip(x, self._rows, strict=True):
            row[list(features)] = list(features.values())
        self._mean = float(y.mean())
        y -= self._mean
        # Of the two forms of ridge regression the one with the smaller system.
        if len(self._index) <= len(y):
            self._weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(len(self._index)), x.T @ y)
        else:
            self._weights = x.T @ np.linalg.solve(x @ x.T + _RIDGE * np.eye(len(y)), y)
        self._fitted = True

    def _features(self, configuration: Configuration, *, grow: bool) -> dict[int, float]:
        features = {}
        for name, distribution in configuration.distributions.items():
            for key, x in _parts(distribution, configuration.values[name]).items():
                place = (name, key)
                if grow and place not in self._index:
                    self._index[place] = len(self._index)
                index = self._index.get(place)
                if index is not None and (grow or self._is_known(index)):
                    features[index] = x
        return features

    def _is_known(self, index: int) -> bool:
        return self._weights is not None and index < len(self._weights)


def _parts(distribution: BaseDistribution, value: Any) -> Mapping[Any, float]:
    if isinstance(distribution, CategoricalDistribution):
        # The type tells 0 from False, which are equal.
        return {(type(value), value if value == value else "nan"): 1.0}
    unit = to_unit(distribution, value)  # type: ignore[arg-type]
    return {"there": 1.0, "line": unit, "parabola": (2 * unit - 1) ** 2}
