"""The rules by which nodes are added to a simplified graph, one an operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from neural_automl.graph import Graph, Node
    from neural_automl.primitives import Shape

#: Operation and attribute values: what two nodes must share to be alike.
Label = tuple[str, tuple[Any, ...]]

#: A concatenation whose order every reader can take up in its own weights.
UNORDERED: Final = "UnorderedConcatenate"
#: No weights, no statistics, no chance: done twice to one input, it gives one result.
PURE: Final = frozenset(
    {
        "Activation", "Add", "AveragePool", "Concatenate", "Crop", "Flatten", "GlobalAveragePool",
        "GlobalMaxPool", "Input", "MaxPool", "Multiply", "Pad", "Reshape", "Zeros", UNORDERED,
    }
)  # fmt: skip
#: Their inputs have no order.
COMMUTATIVE: Final = frozenset({"Add", "Multiply", UNORDERED})
_ZERO_AT_ZERO: Final = frozenset(
    {"relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "softsign"}
)
_NEVER_NEGATIVE: Final = frozenset(
    {"relu", "relu6", "sigmoid", "softmax", "softplus", "exponential"}
)
_KEEPS_POSITIVE: Final = frozenset({"relu", "leaky_relu", "elu"})
_AT_MOST_SIX: Final = frozenset({"relu6", "sigmoid", "softmax"})
#: Their result is never negative where none of their inputs is.
_KEEPS_SIGN: Final = frozenset(
    {
        "Add", "AveragePool", "Concatenate", "Crop", "Dropout", "Flatten", "GlobalAveragePool",
        "GlobalMaxPool", "MaxPool", "Multiply", "Pad", "Reshape", "Zeros",
    }
)  # fmt: skip


class Simplifier:
    """Adds nodes one by one; nodes that compute the same are one."""

    def __init__(self) -> None:
        self.labels: list[Label] = []
        self.inputs: list[tuple[int, ...]] = []
        self.sources: list[int] = []
        self.shapes: list[Shape] = []
        self.signless: list[bool] = []  # never negative
        self._known: dict[tuple[Label, tuple[int, ...]], int] = {}
        self.source = 0

    def add_graph(self, graph: Graph) -> int:
        """Add what the output of a graph depends on; return the index of the output."""
        nodes = graph.nodes
        live = live_nodes([node.inputs for node in nodes], graph.output)
        place = [0] * len(nodes)
        for index, node in enumerate(nodes):
            if live[index]:
                self.source = index
                inputs = tuple([place[k] for k in node.inputs])
                rule = _RULES.get(node.op)
                place[index] = (
                    self.plain(node, inputs) if rule is None else rule(self, node, inputs)
                )
        return place[graph.output]

    def plain(self, node: Node, inputs: tuple[int, ...]) -> int:
        """Add a node as it is."""
        return self.put((node.op, node.attributes), inputs, node.facts.shape)

    def put(self, label: Label, inputs: tuple[int, ...], shape: Shape) -> int:
        """Add a node, or find the one that computes the same."""
        op = label[0]
        pure = op in PURE
        if pure:
            known = self._known.get((label, inputs))
            if known is not None:
                return known
        index = len(self.labels)
        self.labels.append(label)
        self.inputs.append(inputs)
        self.sources.append(self.source)
        self.shapes.append(shape)
        if op == "Activation":
            self.signless.append(label[1][0] in _NEVER_NEGATIVE)
        else:
            self.signless.append(op in _KEEPS_SIGN and all(self.signless[k] for k in inputs))
        if pure:
            self._known[label, inputs] = index
        return index

    def zeros(self, shape: Shape) -> int:
        """Add a tensor of zeros, which depends on nothing."""
        return self.put(("Zeros", shape), (), shape)

    def is_zero(self, index: int) -> bool:
        return self.labels[index][0] == "Zeros"


# --- rules: each adds a node, or what stands for it, and returns its index ---------------------


def _zeros(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    return s.zeros(node.facts.shape)


def _sum(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    terms: list[int] = []
    for k in inputs:
        op = s.labels[k][0]
        if op == "Add":
            terms.extend(s.inputs[k])
        elif op != "Zeros":
            terms.append(k)
    if not terms:
        return s.zeros(node.facts.shape)
    if len(terms) == 1:
        return terms[0]
    return s.put(("Add", ()), tuple(sorted(terms)), node.facts.shape)


def _product(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    factors: list[int] = []
    for k in inputs:
        if s.is_zero(k):
            return s.zeros(node.facts.shape)
        factors.extend(s.inputs[k] if s.labels[k][0] == "Multiply" else (k,))
    if len(factors) == 1:
        return factors[0]
    return s.put(("Multiply", ()), tuple(sorted(factors)), node.facts.shape)


def _concatenation(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    parts: list[int] = []
    for k in inputs:
        for part in s.inputs[k] if s.labels[k][0] == "Concatenate" else (k,):
            if parts and s.is_zero(part) and s.is_zero(parts[-1]):
                before, shape = s.shapes[parts.pop()], s.shapes[part]
                part = s.zeros((*shape[:-1], before[-1] + shape[-1]))
            parts.append(part)
    if len(parts) == 1:
        return parts[0]
    return s.put(("Concatenate", ()), tuple(parts), node.facts.shape)


def _activation(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    function = node.attributes[0]
    op, values = s.labels[x]
    if op == "Zeros" and function in _ZERO_AT_ZERO:
        return x
    if s.signless[x] and function in _KEEPS_POSITIVE:
        return x
    if function == "relu6" and op == "Activation":
        if values[0] in _AT_MOST_SIX:
            return x
        if values[0] == "relu":
            return s.plain(node, s.inputs[x])
    return s.plain(node, inputs)


def _pool(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    if s.is_zero(x):
        return s.zeros(node.facts.shape)
    window, strides, _ = node.attributes
    shape = node.facts.shape
    # The padding is not counted and never wins: alone in its window, a pixel stays what it is.
    if shape == s.shapes[x] and (prod(shape[:-1]) == 1 or prod(window) == 1):
        return x
    if prod(window) == 1:
        return s.put(("AveragePool", (window, strides, node.attributes[2])), inputs, shape)
    return s.plain(node, inputs)


def _global_pool(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    if s.is_zero(x):
        return s.zeros(node.facts.shape)
    if prod(s.shapes[x][:-1]) == 1:
        return _reshaped(s, x, node.facts.shape)
    return s.plain(node, inputs)


def _reshaped(s: Simplifier, x: int, shape: Shape) -> int:
    if s.is_zero(x):
        return s.zeros(shape)
    if s.labels[x][0] == "Reshape":
        (x,) = s.inputs[x]
    if s.shapes[x] == shape:
        return x
    return s.put(("Reshape", (shape,)), (x,), shape)


def _reshape(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    return _reshaped(s, inputs[0], node.facts.shape)


def _flatten(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    shape = s.shapes[x]
    # An image is flattened channels first, which is another order than that of its shape.
    if s.is_zero(x) or len(shape) < 3 or shape[-1] == 1 or prod(shape[:-1]) == 1:
        return _reshaped(s, x, node.facts.shape)
    return s.plain(node, inputs)


def _pad(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    return _padded(s, inputs[0], node.attributes[0], node.facts.shape)


def _padded(s: Simplifier, x: int, padding: tuple[tuple[int, int], ...], shape: Shape) -> int:
    if s.shapes[x] == shape:
        return x
    if s.is_zero(x):
        return s.zeros(shape)
    op, values = s.labels[x]
    if op == "Pad":
        (x,) = s.inputs[x]
        padding = tuple((a + c, b + d) for (a, b), (c, d) in zip(values[0], padding, strict=True))
    return s.put(("Pad", (padding,)), (x,), shape)


def _crop(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    if s.is_zero(x):
        return s.zeros(node.facts.shape)
    return x if node.facts.shape == s.shapes[x] else s.plain(node, inputs)


def _dropout(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    return x if node.attributes[0] == 0 or s.is_zero(x) else s.plain(node, inputs)


def _dense(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    _, use_bias = node.attributes
    if not use_bias and s.is_zero(inputs[0]):
        return s.zeros(node.facts.shape)
    return s.plain(node, inputs)


def _conv(s: Simplifier, node: Node, inputs: tuple[int, ...]) -> int:
    (x,) = inputs
    if s.is_zero(x) and not node.attributes[-1]:
        return s.zeros(node.facts.shape)
    attributes, padding, amounts = _without_padding(node.attributes)
    if any(amounts):
        shape = s.shapes[x]
        sizes = [n + 2 * p for n, p in zip(shape[:-1], amounts, strict=True)]
        x = _padded(s, x, padding, (*sizes, shape[-1]))
    return s.put(("Conv", attributes), (x,), node.facts.shape)


@lru_cache(maxsize=4096)
def _without_padding(
    attributes: tuple[Any, ...],
) -> tuple[tuple[Any, ...], tuple[tuple[int, int], ...], tuple[int, ...]]:
    amounts = attributes[3]
    bare = (*attributes[:3], (0,) * len(amounts), *attributes[4:])
    return bare, tuple((p, p) for p in amounts), amounts


_RULES: Final[dict[str, Callable[[Simplifier, Node, tuple[int, ...]], int]]] = {
    "Activation": _activation,
    "Add": _sum,
    "AveragePool": _pool,
    "Concatenate": _concatenation,
    "Conv": _conv,
    "Crop": _crop,
    "Dense": _dense,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _pool,
    "Multiply": _product,
    "Pad": _pad,
    "Reshape": _reshape,
    "Zeros": _zeros,
}


def live_nodes(inputs: list[tuple[int, ...]], output: int) -> list[bool]:
    live = [False] * len(inputs)
    live[0] = live[output] = True  # the input is there even where nothing depends on it
    for index in range(output, -1, -1):
        if live[index]:
            for k in inputs[index]:
                live[k] = True
    return live
