"""Evolution of whole configurations, as an Optuna sampler."""

from __future__ import annotations

from neural_automl.samplers.evolution._sampler import EvolutionSampler

__all__ = ["EvolutionSampler"]
