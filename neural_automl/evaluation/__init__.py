"""Training: an architecture in, metrics out."""

from neural_automl.evaluation._context import EvaluationContext, Evaluator
from neural_automl.evaluation._evaluator import ArchitectureEvaluator
from neural_automl.evaluation._everything import Predictor, on_everything, trained_model
from neural_automl.evaluation._forecast import estimate_seconds
from neural_automl.evaluation._latency import Latency, measure_latency
from neural_automl.evaluation._names import METRIC_NAMES
from neural_automl.evaluation._sample import sample_batch
from neural_automl.evaluation._tracker import MetricTracker, direction_of

__all__ = [
    "METRIC_NAMES",
    "ArchitectureEvaluator",
    "EvaluationContext",
    "Evaluator",
    "Latency",
    "MetricTracker",
    "Predictor",
    "direction_of",
    "estimate_seconds",
    "measure_latency",
    "on_everything",
    "sample_batch",
    "trained_model",
]
