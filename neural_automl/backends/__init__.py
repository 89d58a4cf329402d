"""From a graph to a model and to source code, one folder a framework."""

from neural_automl.backends._builder import BACKENDS, ArchitectureBuilder
from neural_automl.backends._transfer import transfer_weights

__all__ = ["BACKENDS", "ArchitectureBuilder", "transfer_weights"]
