"""What a network costs, from its graph alone: no tensor is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Final

from neural_automl._strides import Strided, contiguous, viewed
from neural_automl.graph import layouts
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from neural_automl.graph import Graph
    from neural_automl.primitives import Shape

_BYTES: Final = 4  # float32
_COPIES: Final = 4  # weights, gradients and two moments of the optimizer


@dataclass(frozen=True, slots=True)
class Cost:
    """Exact costs of one network.

    Attributes:
        params: Trainable parameters of the PyTorch form.
        macs: Multiply-adds of one forward pass for one sample; half of what
            ``torch.utils.flop_counter.FlopCounterMode`` counts in training mode.
        peak_memory_bytes: Largest sum of live float32 activations, input included, of one sample
            in inference, with the nodes run in stored order; without weights.
        depth: Layers with weights (dense, convolution, embedding, recurrent, attention) on the
            longest path.
    """

    params: int
    macs: int
    peak_memory_bytes: int
    depth: int

    @property
    def flops(self) -> int:
        """Twice the MACs."""
        return 2 * self.macs

    def value(self, metric: str) -> int:
        """Return a cost by the name that a constraint gives it.

        Raises:
            ValueError: No cost has that name.
        """
        if metric not in _METRICS:
            raise ValueError(f"a cost must be one of {', '.join(_METRICS)} but got {metric!r}")
        value: int = getattr(self, _METRICS[metric])
        return value


_METRICS: Final = {
    "params": "params",
    "macs": "macs",
    "flops": "flops",
    "peak_memory": "peak_memory_bytes",
    "peak_memory_bytes": "peak_memory_bytes",
    "depth": "depth",
}


def measure(graph: Graph) -> Cost:
    """Return the cost of a graph as it is written, without a head that belongs to the loss."""
    nodes = graph.built_nodes()
    return Cost(
        params=sum(node.facts.params for node in nodes),
        macs=sum(node.facts.macs for node in nodes),
        peak_memory_bytes=_BYTES * _peak_elements(graph),
        depth=_depth(graph),
    )


def training_bytes(graph: Graph, batch_size: int) -> int:
    """Return about what a training keeps in memory: weights, their copies, all activations.

    It orders networks by size and tells the hopeless; a device takes somewhat more.

    Args:
        batch_size: Samples in one step.

    Returns:
        Bytes: float32 weights, gradients and two moments, and every stored activation of a batch.
    """
    stored = sum(node.facts.stored for node in graph.built_nodes())
    params = sum(node.facts.params for node in graph.built_nodes())
    return _BYTES * (batch_size * stored + _COPIES * params)


def _depth(graph: Graph) -> int:
    depths: list[int] = []
    for node in graph.built_nodes():
        before = max((depths[index] for index in node.inputs), default=0)
        depths.append(before + PRIMITIVES[node.op].weighted)
    return depths[graph.logits]


def _peak_elements(graph: Graph) -> int:
    """Return the largest number of elements alive at once.

    A view keeps its source's memory alive; a tensor dies after the last node that reads it.
    """
    nodes = graph.built_nodes()
    stored = _stored_elements(graph)
    owner: list[int] = []
    for index, node in enumerate(nodes):
        owner.append(owner[node.inputs[0]] if stored[index] == 0 and node.inputs else index)
    last_use = list(range(len(nodes)))
    for index, node in enumerate(nodes):
        for source in node.inputs:
            last_use[owner[source]] = index
    last_use[owner[graph.logits]] = len(nodes)
    dying: dict[int, int] = {}
    for index in range(len(nodes)):
        if owner[index] == index:
            dying[last_use[index]] = dying.get(last_use[index], 0) + stored[index]
    alive = peak = 0
    for index in range(len(nodes)):
        alive += stored[index]
        peak = max(peak, alive)
        alive -= dying.get(index, 0)
    return peak


def _stored_elements(graph: Graph) -> list[int]:
    """Return the elements that each node's output keeps: 0 for a view of its input."""
    return [elements for _, elements in placed(graph)]


def inputs_of(graph: Graph, index: int) -> list[Strided]:
    """Return how the inputs of a built node lie, in its layout."""
    made, node = layouts(graph), graph.nodes[index]
    lies = placed(graph)
    return [_turned(lies[source][0], made[source], made[index]) for source in node.inputs]


def placed(graph: Graph) -> list[tuple[Strided, int]]:
    """Return how each built node's output lies in PyTorch's memory, and the elements it keeps.

    Flattening and reshaping are views unless the input's elements lie in another order: then
    PyTorch must copy them. How they lie is followed from the input on.
    """
    made = layouts(graph)
    lies: list[Strided] = []
    stored = []
    for index, node in enumerate(graph.built_nodes()):
        layout = made[index]
        inputs = tuple(_turned(lies[source], made[source], layout) for source in node.inputs)
        sizes = _sizes(node.shape, layout)
        elements = node.facts.stored
        if node.op in ("Flatten", "Reshape"):
            view = viewed(inputs[0], sizes)
            elements = prod(sizes) if view is None else 0
            strides = contiguous({}, layout, sizes) if view is None else view
        else:
            strides = _strides(node.op, node.attributes, layout, sizes, inputs)
        lies.append(Strided(sizes, strides))
        stored.append(elements)
    return list(zip(lies, stored, strict=True))


@lru_cache(maxsize=1 << 16)
def _strides(
    name: str, attributes: tuple[Any, ...], layout: str, sizes: Shape, inputs: tuple[Strided, ...]
) -> Shape:
    row = PRIMITIVES[name]
    values = dict(zip(row.attributes, attributes, strict=True))
    return row.strides(values, layout, sizes, *inputs)


def _sizes(shape: Shape, layout: str) -> Shape:
    """Return the sizes of one sample as PyTorch holds it in a layout."""
    return (1, shape[-1], *shape[:-1]) if layout == "channels_first" else (1, *shape)


def _turned(x: Strided, made: str, layout: str) -> Strided:
    """Return a value as the view that a permutation gives where the layout is another."""
    if made == layout or len(x.sizes) == 2:
        return x
    axes = range(1, len(x.sizes))
    order = (axes[-1], *axes[:-1]) if layout == "channels_first" else (*axes[1:], axes[0])
    return x.permuted((0, *order))
