"""From a graph to a model and to source code, one folder a framework."""

from neural_automl.backends._builder import BACKENDS, ArchitectureBuilder
from neural_automl.backends._transfer import backend_of, transfer_weights, weights_for

__all__ = ["BACKENDS", "ArchitectureBuilder", "backend_of", "transfer_weights", "weights_for"]
