"""The layers that a space may name, their parameters, and how each becomes primitives."""

from neural_automl.layers import _basic, _operations, _sequence, _structures
from neural_automl.layers._basic import ACTIVATIONS
from neural_automl.layers._lowering import lower_layer
from neural_automl.layers._register import (
    REGISTERED,
    register_composite,
    register_layer,
    unregister_layer,
)
from neural_automl.layers._structures import cell_edges, nodes_of, operation_call
from neural_automl.layers._table import ALIASES, LAYERS, Block, LayerType, find_layer, register_rows

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "LAYERS",
    "REGISTERED",
    "Block",
    "LayerType",
    "cell_edges",
    "find_layer",
    "lower_layer",
    "nodes_of",
    "operation_call",
    "register_composite",
    "register_layer",
    "register_rows",
    "unregister_layer",
]

# Importing a module of rows puts them into the table.
_ROWS = (_basic, _operations, _sequence, _structures)
