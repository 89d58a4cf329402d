"""Any Optuna sampler, made to propose only what is feasible and new."""

from __future__ import annotations

from neural_automl.samplers.feasible._sampler import FeasibleSampler

__all__ = ["FeasibleSampler"]
