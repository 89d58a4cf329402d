"""The canonical key: one text for all graphs that simplify to the same, but for the order of nodes.

A graph is cut where a single tensor carries everything, and each piece is put in order alone:
isomorphic graphs have isomorphic pieces in the same sequence. Repeated pieces are ordered once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neural_automl.canonical._order import Piece, ordered
from neural_automl.canonical._rules import COMMUTATIVE, PURE
from neural_automl.canonical._simplify import SimpleGraph, simplify

if TYPE_CHECKING:
    from neural_automl.graph import Graph


@dataclass(frozen=True, slots=True)
class CanonicalForm:
    """A graph's key, and what is left of it in canonical order.

    Args:
        key: Equal for graphs that compute the same function up to a permutation of weights, as far
            as the rules of simplification tell.
        order: Nodes of the graph as written that have weights, statistics or chance of their own
            and that the output depends on, in canonical order: between two graphs with one key,
            nodes at the same place have the same weights.
        params: Trainable parameters of these nodes.
    """

    key: str
    order: tuple[int, ...]
    params: int


def canonical_form(graph: Graph) -> CanonicalForm:
    """Return the key of a graph, and the order of its nodes behind it."""
    simple = simplify(graph)
    texts = [repr(graph.nodes[0].shape)]
    order: list[int] = []
    for nodes, piece in _pieces(simple):
        text, places = ordered(piece)
        texts.append(text)
        own = [simple.nodes[nodes[place]] for place in places]
        order += [node.source for node in own if node.label[0] not in PURE]
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
    params = sum([graph.nodes[index].facts.params for index in order])
    return CanonicalForm(key, tuple(order), params)


def _pieces(simple: SimpleGraph) -> list[tuple[list[int], Piece]]:
    """Cut a graph where one tensor carries all that comes after.

    Returns:
        For each piece the nodes of its places (0 is the node that it reads), and the piece.
    """
    rows = [_without_zeros(simple, k) for k in range(len(simple.nodes))]
    sequence, varies = _sequence(simple, [inputs for _, inputs in rows])
    place = {node: index for index, node in enumerate(sequence)}
    last = list(range(len(sequence)))
    for index, node in enumerate(sequence):
        for k in rows[node][1]:
            last[place[k]] = index
    pieces = []
    reach, start = 0, 0
    nodes, final = sequence[:1], len(sequence) - 1
    for index in range(1, len(sequence)):
        nodes.append(sequence[index])
        reach = max(reach, last[index - 1])
        if index == final or (reach <= index and varies[sequence[index]]):
            piece = tuple(
                [(rows[n][0], tuple([place[k] - start for k in rows[n][1]])) for n in nodes[1:]]
            )
            pieces.append((nodes, piece))
            nodes, start = [sequence[index]], index
    if len(sequence) == 1 and simple.output:  # the output is zeros
        pieces.append(([0, simple.output], (rows[simple.output],)))
    return pieces


def _without_zeros(simple: SimpleGraph, index: int) -> tuple[tuple[object, ...], tuple[int, ...]]:
    """Return label and inputs of a node, with inputs that are zeros moved into the label.

    Zeros are no tensor that two places share.
    """
    node = simple.nodes[index]
    zeros = [simple.nodes[k].label[0] == "Zeros" for k in node.inputs]
    if not any(zeros):
        return node.label, node.inputs
    shapes: list[object] = [
        simple.nodes[k].label[1] if zero else None
        for k, zero in zip(node.inputs, zeros, strict=True)
    ]
    if node.label[0] in COMMUTATIVE:
        shapes.sort(key=repr)
    inputs = tuple(k for k, zero in zip(node.inputs, zeros, strict=True) if not zero)
    return (*node.label, tuple(shapes)), inputs


def _sequence(simple: SimpleGraph, inputs: list[tuple[int, ...]]) -> tuple[list[int], list[bool]]:
    """Return the nodes in topological order, constants as late as they can be.

    Returns:
        The order, which begins with the input, and for each node whether it depends on the input.
    """
    varies = [True]
    for feeding in inputs[1:]:
        varies.append(any(varies[k] for k in feeding))
    sequence: list[int] = []
    placed = [node.label[0] == "Zeros" for node in simple.nodes]

    def put(index: int) -> None:
        stack = [index]
        while stack:
            node = stack[-1]
            missing = [k for k in inputs[node] if not placed[k]]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            if not placed[node]:
                placed[node] = True
                sequence.append(node)

    put(0)
    for index in range(len(simple.nodes)):
        if varies[index] or index == simple.output:
            put(index)
    return sequence, varies
