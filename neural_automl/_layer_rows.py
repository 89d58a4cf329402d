"""An architecture layer by layer: what a table of it, or a drawing, shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neural_automl.architecture import lower_sequence
from neural_automl.graph import GraphBuilder

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.graph import Graph
    from neural_automl.primitives import Shape


@dataclass(frozen=True)
class LayerRow:
    """One layer in place.

    Attributes:
        path: In the spelling of study parameters.
        type: As the space names it.
        depth: How many structures it stands in.
        shape: Channels-last shape of its output, without the batch.
        params: What it adds itself; what stands in its block is not counted.
        macs: The same, for one sample.
    """

    path: str
    type: str
    depth: int
    shape: Shape
    params: int
    macs: int


def layer_rows(architecture: Architecture) -> tuple[list[LayerRow], Graph, list[int]]:
    """Return the layers in order, the graph, and for each node the layer that it comes from.

    A node of no layer, which is the input, has -1.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    builder = GraphBuilder(architecture.input_shape)
    graph = builder.finish(lower_sequence(builder, 0, architecture.layers), architecture.loss)
    owners = [-1] * len(graph.nodes)
    for row, span in enumerate(builder.spans):  # inner layers begin later: theirs is the last word
        owners[span.start : span.stop] = [row] * (span.stop - span.start)
    counts = [[0, 0] for _ in builder.spans]
    for owner, node in zip(owners, graph.built_nodes(), strict=False):
        if owner >= 0:
            counts[owner][0] += node.facts.params
            counts[owner][1] += node.facts.macs
    rows = [
        LayerRow(span.path, span.type, span.depth, builder.shape(span.output), params, macs)
        for span, (params, macs) in zip(builder.spans, counts, strict=True)
    ]
    return rows, graph, owners
