"""How alike two graphs are, by the labels of their nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from neural_automl.canonical import COMMUTATIVE, simplify

if TYPE_CHECKING:
    from neural_automl.graph import Graph

_ROUNDS: Final = 2

Labels: TypeAlias = Counter[tuple[int, int]]


def label_similarity(a: Graph, b: Graph) -> float:
    """Return the share of labels that two different graphs have in common, 0 to below 1.

    Read from the simplified graphs: what does not change the function does not count.

    Source: Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12, 2011, section 3.2;
    as a ratio of minimum to maximum (Ruzicka).
    """
    return shared(*labels_of((a, b)))


def labels_of(graphs: Iterable[Graph]) -> list[Labels]:
    """Return the labels of graphs that are to be compared with each other by ``shared``."""
    ids: dict[Any, int] = {}
    return [_labels(graph, ids) for graph in graphs]


def shared(a: Labels, b: Labels) -> float:
    """Return the share of labels in common, as ``label_similarity`` does."""
    # Labels see two steps far. One more for the whole graph keeps apart what differs further on.
    return (a & b).total() / ((a | b).total() + 1)


def _labels(graph: Graph, ids: dict[Any, int]) -> Labels:
    nodes = simplify(graph).nodes
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    current = [ids.setdefault(repr(node.label), len(ids)) for node in nodes]
    counted = Counter((0, label) for label in current)
    for step in range(1, _ROUNDS + 1):
        refined = []
        for index, node in enumerate(nodes):
            before = [current[source] for source in node.inputs]
            if node.label[0] in COMMUTATIVE:
                before.sort()
            after = sorted(current[reader] for reader in readers[index])
            label = (current[index], tuple(before), tuple(after))
            refined.append(ids.setdefault(label, len(ids)))
        current = refined
        counted.update((step, label) for label in current)
    return counted
