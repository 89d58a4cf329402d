"""A Gaussian process over whole configurations, as an Optuna sampler."""

from __future__ import annotations

from neural_automl.samplers.gaussian_process._sampler import GaussianProcessSampler

__all__ = ["GaussianProcessSampler"]
