"""What a search found, trained again: longer, on more data, several times, and compared."""

from neural_automl.retraining._comparison import Comparison
from neural_automl.retraining._retrain import ATTRIBUTE, Callback, retrain
from neural_automl.retraining._retrained import Candidate, Retrained, Run

__all__ = ["ATTRIBUTE", "Callback", "Candidate", "Comparison", "Retrained", "Run", "retrain"]
