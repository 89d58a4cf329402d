"""Every configuration of a conditional space, once."""

from __future__ import annotations

from neural_automl.samplers.grid._sampler import ExhaustiveSampler

__all__ = ["ExhaustiveSampler"]
