"""Where features lie in another order than PyTorch's: images are flattened as they lie."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from neural_automl.graph import Graph, Node
    from neural_automl.primitives import Shape

#: What gives the same features in another order where it gets them so.
_KEEPS_ORDER: Final = frozenset({"Activation", "Dropout", "BatchNorm", "LayerNorm"})


def is_image(graph: Graph, node: Node) -> bool:
    """Whether the order of a node's elements, flattened, is another with the channels first."""
    shape = graph.nodes[node.inputs[0]].shape
    return len(shape) == 3 and shape[-1] > 1 and prod(shape[:-1]) > 1


def feature_orders(graph: Graph) -> dict[int, Shape]:
    """Return the nodes whose features lie in another order than PyTorch's.

    Returns:
        By index of the node, the channels-last shape of the image that its features were.
    """
    nodes = graph.built_nodes()
    readers = defaultdict(list)
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    orders: dict[int, Shape] = {}
    for index, node in enumerate(nodes):
        if node.op == "Flatten" and is_image(graph, node):
            kept = _until_dense(graph, readers, index)
            orders |= dict.fromkeys(kept, nodes[node.inputs[0]].shape)
    return orders


def _until_dense(graph: Graph, readers: dict[int, list[int]], start: int) -> set[int]:
    """Return the nodes that carry the order of one on, all of which end in dense layers alone.

    None, where anything else would see the order.
    """
    kept, open_ends = {start}, [start]
    while open_ends:
        index = open_ends.pop()
        if index == graph.logits:
            return set()
        for reader in readers[index]:
            op = graph.nodes[reader].op
            if op == "Dense":
                continue
            if op not in _KEEPS_ORDER:
                return set()
            kept.add(reader)
            open_ends.append(reader)
    return kept
