"""Stop trainings whose power law says that they will not be the best."""

from __future__ import annotations

from neural_automl.pruners.learning_curve._pruner import LearningCurvePruner

__all__ = ["LearningCurvePruner"]
