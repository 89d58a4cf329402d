"""The simplified graph: what is left when everything that does not change the function is gone.

What is rewritten holds for all weights, in training and in inference:

- identities vanish: sums, products and concatenations of one; dropout of nothing; windows of one
  pixel; padding by nothing; a ReLU of what is never negative;
- zeros vanish from sums, and pass through what maps zero to zero for all weights: pooling, padding,
  bias-free convolutions and dense layers, activations with f(0) = 0. Through a bias or a norm they
  become a learnable constant, and stay;
- nested sums, products and concatenations are flattened;
- the same computation twice is one computation, unless it has weights, statistics or chance of its
  own: two convolutions of one input are two;
- padding is kept apart from the convolution that it belongs to;
- the order of a concatenation is dropped where every reader can take up another order of its
  channels by permuting its own weights;
- what the output does not depend on is gone.

Average pooling is not distributed over sums: a pooled sum and a sum of pools have different keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from neural_automl.canonical._rules import COMMUTATIVE, UNORDERED, Label, Simplifier, live_nodes

if TYPE_CHECKING:
    from neural_automl.graph import Graph


class SimpleNode(NamedTuple):
    """One node of a simplified graph.

    ``label`` says what it does. ``inputs`` are indices of nodes; sorted where their order does
    not matter. ``source`` is the index, in the graph as written, of a node that it comes from.
    """

    label: Label
    inputs: tuple[int, ...]
    source: int


@dataclass(frozen=True, slots=True)
class SimpleGraph:
    """The input, the nodes that the output depends on, in topological order; and the output."""

    nodes: tuple[SimpleNode, ...]
    output: int


# --- the order of concatenations ---------------------------------------------------------------

#: Readers that take up any order of the channels in their own weights.
_ABSORBS: Final = frozenset({"Dense", "GRU", "LSTM", "MultiHeadAttention"})
#: Readers whose result has the same channels, in the order in which they came.
_FOLLOWS: Final = frozenset(
    {
        "Activation", "AveragePool", "BatchNorm", "Concatenate", "Crop", "Dropout", "Flatten",
        "GlobalAveragePool", "GlobalMaxPool", "LayerNorm", "MaxPool", "Pad",
    }
)  # fmt: skip


def _orderless(s: Simplifier, live: list[bool], output: int) -> list[bool]:
    """Tell of each node whether all that reads it can take another order of its channels."""
    free = [True] * len(s.labels)
    free[output] = False
    for index in range(len(s.labels) - 1, -1, -1):
        if not live[index]:
            continue
        op, values = s.labels[index]
        if op in _ABSORBS or (op == "Conv" and values[5] == 1):
            continue
        follows = op in _FOLLOWS or (
            (op == "GroupNorm" and values[0] == 1)
            or (op == "Reshape" and len(s.shapes[index]) == 1)
        )
        if not (follows and free[index]):
            for k in s.inputs[index]:
                free[k] = False
    return free


def _drop_orders(s: Simplifier, live: list[bool], output: int) -> tuple[Simplifier, int]:
    """Return the graph with concatenations sorted where their order does not matter."""
    free = _orderless(s, live, output)
    result = Simplifier()
    place = [0] * len(s.labels)
    for index, label in enumerate(s.labels):
        if not live[index]:
            continue
        result.source = s.sources[index]
        inputs = tuple([place[k] for k in s.inputs[index]])
        if label[0] == "Concatenate" and free[index]:
            label = (UNORDERED, ())
        if label[0] in COMMUTATIVE:
            inputs = tuple(sorted(inputs))
        place[index] = result.put(label, inputs, s.shapes[index])
    return result, place[output]


def simplify(graph: Graph) -> SimpleGraph:
    """Return a graph without what does not change its function; see the module for the rules.

    A head that belongs to the loss is part of it.
    """
    s = Simplifier()
    output = s.add_graph(graph)
    live = live_nodes(s.inputs, output)
    if any(live[k] and label[0] == "Concatenate" for k, label in enumerate(s.labels)):
        s, output = _drop_orders(s, live, output)
        live = live_nodes(s.inputs, output)
    place = [0] * len(s.labels)
    nodes: list[SimpleNode] = []
    for index in range(output + 1):
        if live[index]:
            place[index] = len(nodes)
            inputs = tuple([place[k] for k in s.inputs[index]])
            nodes.append(SimpleNode(s.labels[index], inputs, s.sources[index]))
    return SimpleGraph(tuple(nodes), place[output])
