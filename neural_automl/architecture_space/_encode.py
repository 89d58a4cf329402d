"""An architecture as numbers: what a model of accuracies may learn from."""

from __future__ import annotations

import zlib
from collections import Counter
from math import log1p
from typing import TYPE_CHECKING, Any, Final

from neural_automl.canonical import COMMUTATIVE, simplify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from neural_automl.architecture import Architecture
    from neural_automl.canonical import SimpleNode

#: Buckets of each kind of count.
_OPERATIONS: Final = 32
_PATHS: Final = 32
_NEIGHBOURHOODS: Final = 64
#: Nodes on a path, and steps that a neighbourhood reaches.
_LONGEST: Final = 3
_ROUNDS: Final = 2

#: Numbers in an encoding.
LENGTH: Final = _OPERATIONS + _PATHS + _NEIGHBOURHOODS + 4

#: Where each kind of number stands in an encoding.
BLOCKS: Final = {
    "operations": slice(0, _OPERATIONS),
    "paths": slice(_OPERATIONS, _OPERATIONS + _PATHS),
    "neighbourhoods": slice(_OPERATIONS + _PATHS, LENGTH - 4),
    "costs": slice(LENGTH - 4, LENGTH),
}


def encode(architecture: Architecture) -> list[float]:
    """Return an architecture as numbers: ``ArchitectureSpace.encode``.

    Source: counts of paths: White et al., BANANAS, AAAI 2021, section 3; of labels: Ru et al.,
    Interpretable Neural Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman
    Kernels, ICLR 2021, section 3.
    """
    cost = architecture.cost
    nodes = simplify(architecture.graph).nodes
    counts = [
        *_hashed(_operations(nodes), _OPERATIONS),
        *_hashed(_paths(nodes), _PATHS),
        *_hashed(_neighbourhoods(nodes), _NEIGHBOURHOODS),
    ]
    costs = (cost.params, cost.macs, cost.peak_memory_bytes, cost.depth)
    return [*map(log1p, counts), *map(log1p, costs)]


def _operations(nodes: Sequence[SimpleNode]) -> Iterable[Any]:
    return (node.label for node in nodes)


def _paths(nodes: Sequence[SimpleNode]) -> Iterable[Any]:
    """Yield the operations on each path of some nodes, with all that is shorter."""
    ending: list[Counter[tuple[str, ...]]] = []
    for node in nodes:
        here: Counter[tuple[str, ...]] = Counter({(node.label[0],): 1})
        for source in node.inputs:
            for path, count in ending[source].items():
                if len(path) < _LONGEST:
                    here[(*path, node.label[0])] += count
        ending.append(here)
        for path, count in here.items():
            if len(path) > 1:
                yield from [path] * count


def _neighbourhoods(nodes: Sequence[SimpleNode]) -> Iterable[Any]:
    """Yield the Weisfeiler-Lehman labels of each node from the first round on."""
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    current = [_number(node.label) for node in nodes]
    for _ in range(_ROUNDS):
        refined = []
        for index, node in enumerate(nodes):
            before = [current[source] for source in node.inputs]
            if node.label[0] in COMMUTATIVE:
                before.sort()
            after = sorted(current[reader] for reader in readers[index])
            refined.append(_number((current[index], before, after)))
        current = refined
        yield from current


def _hashed(things: Iterable[Any], size: int) -> list[int]:
    counts = [0] * size
    for thing, count in Counter(things).items():
        counts[_number(thing) % size] += count
    return counts


def _number(thing: Any) -> int:
    # Python's own hash of a string differs from process to process.
    return zlib.crc32(repr(thing).encode())
