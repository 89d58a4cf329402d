"""From a graph to a model and to source code, one folder a framework."""

from neural_automl.backends._builder import BACKENDS, ArchitectureBuilder

__all__ = ["BACKENDS", "ArchitectureBuilder"]
