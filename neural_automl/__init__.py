"""Neural architecture search as ordinary Optuna studies."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural_automl._version import __version__ as __version__

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import (
        ArchitectureSpace,
        Cell,
        Choice,
        Constraint,
        Layer,
        LayerChoice,
        LogRange,
        Maybe,
        Parallel,
        Range,
        Repeat,
        Residual,
    )
    from neural_automl.backends import ArchitectureBuilder
    from neural_automl.data import load_data
    from neural_automl.early_stopping import create_pruner
    from neural_automl.engine import AutoMLEngine, SearchResult
    from neural_automl.evaluation import ArchitectureEvaluator
    from neural_automl.exceptions import DSLError, NeuralAutoMLError
    from neural_automl.layers import register_layer
    from neural_automl.nas_operations import register_operation
    from neural_automl.objective import ArchitectureObjective
    from neural_automl.search_strategies import create_sampler


#: Where each public name lives. Nothing is loaded before it is asked for, so that the import of
#: the package costs no more than Python's own.
_HOMES = {
    "Architecture": "architecture",
    "ArchitectureBuilder": "backends",
    "ArchitectureEvaluator": "evaluation",
    "ArchitectureObjective": "objective",
    "ArchitectureSpace": "architecture_space",
    "AutoMLEngine": "engine",
    "Cell": "architecture_space",
    "Choice": "architecture_space",
    "Constraint": "architecture_space",
    "create_pruner": "early_stopping",
    "create_sampler": "search_strategies",
    "DSLError": "exceptions",
    "Layer": "architecture_space",
    "LayerChoice": "architecture_space",
    "load_data": "data",
    "LogRange": "architecture_space",
    "Maybe": "architecture_space",
    "NeuralAutoMLError": "exceptions",
    "Parallel": "architecture_space",
    "Range": "architecture_space",
    "register_layer": "layers",
    "register_operation": "nas_operations",
    "Repeat": "architecture_space",
    "Residual": "architecture_space",
    "SearchResult": "engine",
}

__all__ = [
    "Architecture",
    "ArchitectureBuilder",
    "ArchitectureEvaluator",
    "ArchitectureObjective",
    "ArchitectureSpace",
    "AutoMLEngine",
    "Cell",
    "Choice",
    "Constraint",
    "create_pruner",
    "create_sampler",
    "DSLError",
    "Layer",
    "LayerChoice",
    "load_data",
    "LogRange",
    "Maybe",
    "NeuralAutoMLError",
    "Parallel",
    "Range",
    "register_layer",
    "register_operation",
    "Repeat",
    "Residual",
    "SearchResult",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'neural_automl' has no attribute {name!r}")
    value = getattr(import_module(f"neural_automl.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
