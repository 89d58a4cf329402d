"""The operations by the names of the benchmarks, and cells that search over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from neural_automl.exceptions import excerpt
from neural_automl.layers import find_layer
from neural_automl.nas_operations._of_table import (
    ConvBN,
    DilatedConv,
    OperationOfTable,
    SamePool,
    SepConv,
    SkipConnection,
    Zero,
)
from neural_automl.nas_operations._operation import NASOperation


def get_nas_primitives() -> dict[str, NASOperation]:
    """Return the operations of NAS-Bench-201 and DARTS by the names that they have there.

    Pooling is that of NAS-Bench-201, without BN; ``PoolBN`` is that of DARTS.

    Example:
        >>> get_nas_primitives()["nor_conv_3x3"].get_parameter_count(16, 16)
        2336
    """
    return {
        "none": Zero(),
        "skip_connect": SkipConnection(),
        "nor_conv_1x1": ConvBN(1),
        "nor_conv_3x3": ConvBN(3),
        "avg_pool_3x3": SamePool("avg"),
        "max_pool_3x3": SamePool("max"),
        "sep_conv_3x3": SepConv(3),
        "sep_conv_5x5": SepConv(5),
        "dil_conv_3x3": DilatedConv(3),
        "dil_conv_5x5": DilatedConv(5),
    }


_NAS_BENCH_201: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def create_nas_cell(
    nodes: int = 4,
    operations: Iterable[str | NASOperation] | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return a searchable cell, to stand among the layers of an ``ArchitectureSpace``.

    Every node sums an operation on each node before it, and the search chooses each operation.

    Args:
        nodes: Number of nodes with the input, 2 to 12.
        operations: Names of layers, or operations: those of this module, or registered ones; by
            default the five of NAS-Bench-201.
        name: Cells of one name are one cell.

    Raises:
        UnknownLayerError: No layer has a name, or an operation is not registered.
        TypeError: An operation is neither a name nor an operation.
        ValueError: Too few or too many nodes.

    Example:
        >>> create_nas_cell(3, ["skip_connect", SepConv(5)])["params"]["operations"][1]
        {'type': 'SepConv', 'params': {'kernel_size': 5, 'strides': 1}}
    """
    if isinstance(nodes, bool) or not isinstance(nodes, int) or not 2 <= nodes <= 12:
        raise ValueError(f"`nodes` must be 2 to 12 but got {excerpt(nodes)}")
    given = _NAS_BENCH_201 if operations is None else operations
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"`operations` must be a list of operations but got {excerpt(given)}")
    params: dict[str, Any] = {"nodes": nodes, "operations": [_of_cell(each) for each in given]}
    if name is not None:
        params["name"] = name
    return {"type": "cell", "params": params, "sublayers": []}


def _of_cell(operation: Any) -> Any:
    if isinstance(operation, OperationOfTable):
        return {"type": operation.name, "params": operation.values()}
    name = operation.name if isinstance(operation, NASOperation) else operation
    if not isinstance(name, str):
        raise TypeError(
            f"an operation of a cell must be a name or a NASOperation but got {excerpt(operation)}"
        )
    find_layer(name)
    return name
