"""Structure: residual connections, parallel branches and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from neural_automl.layers._lowering import lower_layer
from neural_automl.layers._table import Block, LayerType, Values, find_layer, register_rows
from neural_automl.layers._windows import batch_norm, convolve
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neural_automl.graph import GraphBuilder
    from neural_automl.primitives import Shape
    from neural_automl.values import Call


def _sequence(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return blocks[0](x) if blocks else x


def _stride(b: GraphBuilder, before: int, after: int) -> int:
    """Return the stride at which a 1x1 convolution takes one size to the other."""
    stride = -(-before // after)
    if -(-before // stride) != after:
        raise b.error(
            f"a residual can't project a size of {before} to {after}: no stride fits; "
            'use padding that keeps the size, or parallel(merge="add")'
        )
    return stride


def project(b: GraphBuilder, x: int, target: Shape) -> int:
    """Add a strided 1x1 convolution without bias and a batch normalisation, to reach a shape.

    Raises:
        ShapeError: The ranks differ, or no stride leads from one size to the other.
    """
    source = b.shape(x)
    if len(source) != len(target):
        raise b.error(f"a residual can't add shape {source} to shape {target}")
    if len(source) == 1:
        return batch_norm(b, b.add("Dense", x, units=target[0], use_bias=False))
    strides = tuple(_stride(b, *sizes) for sizes in zip(source[:-1], target[:-1], strict=True))
    x = convolve(
        b,
        x,
        len(strides),
        filters=target[-1],
        kernel_size=1,
        strides=strides,
        use_bias=False,
    )
    return batch_norm(b, x)


def _residual(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    y = blocks[0](x)
    if b.shape(x) == b.shape(y):
        return b.add("Add", x, y)
    if v["projection"] == "none":
        return y
    return b.add("Add", project(b, x, b.shape(y)), y)


_MERGES: Final = {"concat": "Concatenate", "add": "Add"}


def _parallel(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    outputs = [block(x) for block in blocks]
    return outputs[0] if len(outputs) == 1 else b.add(_MERGES[v["merge"]], *outputs)


def cell_edges(nodes: int) -> list[tuple[int, int]]:
    """Return a cell's edges in stored order: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3, ..."""
    return [(source, target) for target in range(1, nodes) for source in range(target)]


def nodes_of(edges: int) -> int:
    """Return the number of nodes of a cell with so many edges.

    Raises:
        ValueError: No cell has that number of edges.
    """
    nodes = next(n for n in range(2, edges + 3) if n * (n - 1) // 2 >= edges)
    if nodes * (nodes - 1) // 2 != edges:
        raise ValueError(f"a cell has 1, 3, 6, 10, ... edges but got {edges}")
    return nodes


def _cell(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """NAS-Bench-201's cell: each node is the sum of an operation on each node before it."""
    operations = v["edges"]
    if operations is None:
        raise b.error("a cell is built from its 'edges': sample them from the space first")
    states = [x]
    path = b.path
    try:
        nodes = nodes_of(len(operations))
    except ValueError as error:
        raise b.error(str(error)) from error
    if v["nodes"] not in (None, nodes):
        wanted = v["nodes"] * (v["nodes"] - 1) // 2
        raise b.error(
            f"a cell of {v['nodes']} nodes has {wanted} edges but 'edges' lists {len(operations)}"
        )
    edges = dict(zip(cell_edges(nodes), operations, strict=True))
    for target in range(1, nodes):
        incoming = []
        for source in range(target):
            b.path = f"{path}.edge_{source}_{target}"
            name, params = operation_call(edges[source, target])
            if find_layer(name)[0].structure:
                raise b.error(f"{name} can't be an operation of a cell")
            incoming.append(lower_layer(b, states[source], name, params))
        b.path = path
        states.append(incoming[0] if len(incoming) == 1 else b.add("Add", *incoming))
    return states[-1]


def operation_call(operation: str | Call) -> tuple[str, Mapping[str, Any]]:
    """Return the name and parameters of a cell's operation."""
    return (operation, {}) if isinstance(operation, str) else (operation.type, operation.params)


register_rows(
    [
        LayerType("sequence", (), _sequence, blocks="body", structure=True),
        LayerType(
            "ResidualConnection",
            (Parameter("projection", "string", "conv", options=("conv", "none")),),
            _residual,
            blocks="body",
            block_required=True,
        ),
        LayerType(
            "parallel",
            (Parameter("merge", "string", "concat", options=tuple(_MERGES)),),
            _parallel,
            blocks="branches",
            block_required=True,
            structure=True,
        ),
        LayerType(
            "cell",
            (
                # To search over: 4; where the edges are given, as many as they join.
                Parameter("nodes", "integer", None, minimum=2, nullable=True),
                Parameter("operations", "operations", None, nullable=True),
                Parameter("edges", "operations", None, nullable=True),
            ),
            _cell,
            structure=True,
        ),
    ],
    {
        "residual": ("ResidualConnection", {}),
        "Add": ("parallel", {"merge": "add"}),
        "Concatenate": ("parallel", {"merge": "concat"}),
    },
)
