"""Spaces of architectures: the tree of fixed layers and choices."""

from neural_automl.architecture_space._connections import Parallel, Residual
from neural_automl.architecture_space._constraints import Constraint, as_constraints
from neural_automl.architecture_space._describe import SpaceSummary, number_text
from neural_automl.architecture_space._nodes import (
    Cell,
    Layer,
    LayerChoice,
    Maybe,
    Repeat,
)
from neural_automl.architecture_space._outline import Outline
from neural_automl.architecture_space._space import ArchitectureSpace
from neural_automl.architecture_space._suggest import RandomTrial, Trial
from neural_automl.architecture_space._values import Choice, LogRange, Range, value_text
from neural_automl.values import Call, Expression

__all__ = [
    "ArchitectureSpace",
    "Call",
    "Cell",
    "Choice",
    "Constraint",
    "Expression",
    "Layer",
    "LayerChoice",
    "LogRange",
    "Maybe",
    "Outline",
    "Parallel",
    "RandomTrial",
    "Range",
    "Repeat",
    "Residual",
    "SpaceSummary",
    "Trial",
    "as_constraints",
    "number_text",
    "value_text",
]
