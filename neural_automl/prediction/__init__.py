"""What a training will come to, told from the trainings before it."""

from neural_automl.prediction._adviser import Adviser as Adviser
from neural_automl.prediction._adviser import SkipRule as SkipRule
from neural_automl.prediction._adviser import check_metrics as check_metrics
from neural_automl.prediction._predictor import PerformancePredictor as PerformancePredictor
from neural_automl.prediction._predictor import Prediction as Prediction
