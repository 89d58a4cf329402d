"""Gaussian process regression with a mixture of kernels whose weights are learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from neural_automl.samplers.gaussian_process._encoding import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Priors on logarithms, as (mean, standard deviation); targets have variance 1.
_WEIGHT_SPREAD = 1.0
_AMPLITUDE_SPREAD = 1.0
_NOISE = (math.log(0.03), 1.0)
_BOUND = 5.0
_JITTER = 1e-6


@dataclass(frozen=True)
class Hyperparameters:
    """Logarithms of what is learned.

    Args:
        weights: Name to weight, of each part of the mixture.
        amplitudes: Variance of each part.
        noise: Variance of the noise.
    """

    weights: tuple[Mapping[str, float], ...]
    amplitudes: tuple[float, ...]
    noise: float


def fit(parts: Sequence[Part], target: NDArray[np.float64], n_steps: int = 20) -> Hyperparameters:
    """Maximise marginal likelihood times prior, from the mode of the prior, by L-BFGS.

    Args:
        parts: The encoded points, n rows each.
        target: Shape (n,), mean 0 and variance 1.
        n_steps: Steps of L-BFGS at most.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.9.
    """
    means = np.concatenate([_prior_means(parts), [_NOISE[0]]])
    spreads = np.concatenate([_prior_spreads(parts), [_NOISE[1]]])
    found = minimize(
        _loss,
        means,
        args=(parts, target, means, spreads),
        jac=True,
        method="L-BFGS-B",
        bounds=[(mean - _BOUND, mean + _BOUND) for mean in means],
        options={"maxiter": n_steps},
    )
    return _unpack(parts, found.x)


class Posterior:
    """What the process says after the observations.

    Args:
        parts: The encoded points, n rows each.
        target: Shape (n,).
        hyperparameters: From `fit`; names that it lacks get the mode of the prior.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        target: NDArray[np.float64],
        hyperparameters: Hyperparameters,
    ) -> None:
        self._parts = parts
        self._scaled = _scale(parts, hyperparameters)
        self._hyperparameters = hyperparameters
        self._amplitudes = np.exp(hyperparameters.amplitudes)
        kernel = _kernel(parts, self._scaled, self._scaled, self._amplitudes)
        noise = math.exp(hyperparameters.noise) + _JITTER
        kernel[np.diag_indices_from(kernel)] += noise
        self._factor = np.linalg.cholesky(kernel)
        self._alpha = cho_solve((self._factor, True), target)

    def mean(self, parts: Sequence[Part]) -> NDArray[np.float64]:
        """Mean at the given points, shape (m,)."""
        return self._cross(parts) @ self._alpha

    def mean_and_deviation(
        self, parts: Sequence[Part]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation without noise at the given points, each of shape (m,)."""
        cross = self._cross(parts)
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = self._amplitudes.sum() - np.einsum("ij,ij->j", half, half)
        return cross @ self._alpha, np.sqrt(np.maximum(variance, 1e-12))

    def _cross(self, parts: Sequence[Part]) -> NDArray[np.float64]:
        scaled = _scale(parts, self._hyperparameters)
        return _kernel(parts, scaled, self._scaled, self._amplitudes)


def _prior_weight(part: Part) -> float:
    # The mean squared distance, summed over n weights, stays near 1 for any n: a length scale that
    # grows with the square root of the dimension (Hvarfner et al., Vanilla Bayesian Optimization
    # Performs Great in High Dimensions, ICML 2024, section 4).
    return math.log(2.0 / len(part.names))


def _prior_means(parts: Sequence[Part]) -> NDArray[np.float64]:
    weights = [np.full(len(part.names), _prior_weight(part)) for part in parts]
    return np.concatenate([*weights, np.full(len(parts), -math.log(len(parts)))])


def _prior_spreads(parts: Sequence[Part]) -> NDArray[np.float64]:
    n_weights = sum(len(part.names) for part in parts)
    return np.concatenate(
        [np.full(n_weights, _WEIGHT_SPREAD), np.full(len(parts), _AMPLITUDE_SPREAD)]
    )


def _unpack(parts: Sequence[Part], x: NDArray[np.float64]) -> Hyperparameters:
    weights, start = [], 0
    for part in parts:
        values = x[start : start + len(part.names)].tolist()
        weights.append(dict(zip(part.names, values, strict=True)))
        start += len(part.names)
    return Hyperparameters(tuple(weights), tuple(x[start:-1].tolist()), float(x[-1]))


def _scale(parts: Sequence[Part], hyperparameters: Hyperparameters) -> list[NDArray[np.float64]]:
    scaled = []
    for part, weights in zip(parts, hyperparameters.weights, strict=True):
        default = _prior_weight(part)
        logs = np.array([weights.get(name, default) for name in part.names])
        scaled.append(part.points * np.exp(0.5 * logs)[part.groups])
    return scaled


def _kernel(
    parts: Sequence[Part],
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    amplitudes: NDArray[np.float64],
) -> NDArray[np.float64]:
    total = np.zeros((len(first[0]), len(second[0])))
    for part, a, b, amplitude in zip(parts, first, second, amplitudes, strict=True):
        total += amplitude * _fall(_distances(a, b), part.smooth)[0]
    return total


def _fall(
    squares: NDArray[np.float64], smooth: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A kernel of squared distances, and minus its derivative by these.

    Of choices, whose squared distance counts those that differ, the exponential: NAS-Bench-201 and
    TransNAS were searched better by it. Of numbers, the Matern kernel 5/2 (Rasmussen and Williams,
    2006, eq. 4.17).
    """
    if not smooth:
        value = np.exp(-squares)
        return value, value
    r = np.sqrt(5.0 * squares)
    decay = np.exp(-r)
    return (1.0 + r + r * r / 3.0) * decay, (5.0 / 6.0) * (1.0 + r) * decay


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def _loss(
    x: NDArray[np.float64],
    parts: Sequence[Part],
    target: NDArray[np.float64],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Negative log posterior of the hyperparameters, and its gradient."""
    n = len(target)
    amplitudes = np.exp(x[-1 - len(parts) : -1])
    noise = math.exp(x[-1])
    kernels, slopes, scaled, start = [], [], [], 0
    for part, amplitude in zip(parts, amplitudes, strict=True):
        logs = x[start : start + len(part.names)]
        start += len(part.names)
        points = part.points * np.exp(0.5 * logs)[part.groups]
        scaled.append(points)
        value, slope = _fall(_distances(points, points), part.smooth)
        kernels.append(amplitude * value)
        slopes.append(amplitude * slope)
    total = sum(kernels[1:], start=kernels[0].copy())
    total[np.diag_indices(n)] += noise + _JITTER
    factor = cho_factor(total, lower=True, check_finite=False)
    alpha = cho_solve(factor, target, check_finite=False)
    # d loss / d K, halved: tr((K^-1 - alpha alpha^T) dK) / 2 (eq. 5.9).
    outer = 0.5 * (cho_solve(factor, np.eye(n), check_finite=False) - np.outer(alpha, alpha))
    gradient, start = np.empty_like(x), 0
    for part, points, slope in zip(parts, scaled, slopes, strict=True):
        inner = outer * slope
        # Sum over pairs of inner times the squared distance in each column, without the pairs.
        columns = 2.0 * (inner.sum(1) @ (points * points)) - 2.0 * np.einsum(
            "ij,ij->j", points, inner @ points
        )
        gradient[start : start + len(part.names)] = -np.bincount(
            part.groups, columns, minlength=len(part.names)
        )
        start += len(part.names)
    gradient[start:-1] = [float((outer * kernel).sum()) for kernel in kernels]
    gradient[-1] = float(np.trace(outer)) * noise
    loss = 0.5 * float(target @ alpha) + float(np.log(np.diag(factor[0])).sum())
    deviations = (x - means) / spreads
    return loss + 0.5 * float(deviations @ deviations), gradient + deviations / spreads
