"""Operations of neural architecture search: what each becomes, and its parameters by formula.

An operation knows the width that comes in and the width that goes out, says which layer of the
table it is, and how many parameters that layer has. One of a user's own becomes a layer that
spaces may name by ``register_operation``.
"""

from neural_automl.nas_operations._cells import create_nas_cell, get_nas_primitives
from neural_automl.nas_operations._of_table import (
    ConvBN,
    DilatedConv,
    FactorizedReduce,
    InvertedResidual,
    PoolBN,
    SamePool,
    SepConv,
    SkipConnection,
    Zero,
)
from neural_automl.nas_operations._operation import NASOperation
from neural_automl.nas_operations._register import register_operation
from neural_automl.nas_operations._size import compute_flops, estimate_model_size

__all__ = [
    "ConvBN",
    "DilatedConv",
    "FactorizedReduce",
    "InvertedResidual",
    "NASOperation",
    "PoolBN",
    "SamePool",
    "SepConv",
    "SkipConnection",
    "Zero",
    "compute_flops",
    "create_nas_cell",
    "estimate_model_size",
    "get_nas_primitives",
    "register_operation",
]
