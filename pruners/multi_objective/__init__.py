"""Stop trainings whose values are dominated, in studies with several objectives."""

from __future__ import annotations

from neural_automl.pruners.multi_objective._pruner import MultiObjectivePruner
from neural_automl.pruners.multi_objective._report import report_vector, should_prune

__all__ = ["MultiObjectivePruner", "report_vector", "should_prune"]
