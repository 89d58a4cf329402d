"""The path of everything in a tree, and every decision that it leaves open."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from neural_automl.architecture_space._counts import largest_count
from neural_automl.architecture_space._nodes import (
    Cell,
    Group,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
)
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._renaming import copy_paths
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Open,
    Range,
    offer_text,
    open_values,
    operand_names,
    value_label,
)
from neural_automl.exceptions import SpaceError
from neural_automl.layers import cell_edges, find_layer
from neural_automl.values import Call, Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def children(node: Node, path: str) -> Iterator[Located]:
    """Yield what stands below a node, each copy of a repetition's largest count once."""
    if isinstance(node, Group | Maybe):
        yield from body_paths(node.body, path)
    elif isinstance(node, LayerChoice):
        for index, branch in enumerate(node.alternatives):
            yield from branch_paths(branch, f"{path}[{index}]")
    elif isinstance(node, Layer):
        if find_layer(node.type)[0].blocks == "branches":
            for index, branch in enumerate(node.body):
                yield from branch_paths(branch, f"{path}[{index}]")
        else:
            yield from body_paths(node.body, path)
    elif isinstance(node, Repeat):
        for copy in range(largest_count(node.count)):
            yield from copy_paths(node, path, copy)


def edge_names(cell: Cell, path: str) -> list[str]:
    """Return the name of the decision on each edge, in stored order."""
    return [f"{cell.name or path}.edge_{i}_{j}" for i, j in cell_edges(cell.nodes)]


# --- every decision -----------------------------------------------------------------------------


class _Decision(NamedTuple):
    name: str
    offer: Open | tuple[Any, ...]
    tied: bool  # whether it bears the name itself, and so is one with all others that do


def decisions(
    layers: Iterable[Located], values: Iterable[tuple[Any, str]] = ()
) -> dict[str, Open | tuple[Any, ...]]:
    """Return everything that can be decided, by name, in the order of the tree.

    Args:
        layers: A tree that is written out, with paths.
        values: Further values that may be open, with their names.

    Raises:
        SpaceError: Decisions of one name offer different things, or a tie is named like the path
            of a decision that does not belong to it.
    """
    found: dict[str, _Decision] = {}
    for decision in _layer_decisions(layers):
        _add(found, decision)
    for value, name in values:
        for decision in _value_decisions(value, name):
            _add(found, decision)
    return {name: decision.offer for name, decision in found.items()}


def tied_places(
    layers: Iterable[Located], values: Iterable[tuple[Any, str]] = ()
) -> dict[str, int]:
    """Return the decisions that are made once and used in several places, and in how many."""
    counts: Counter[str] = Counter()
    for decision in _layer_decisions(layers):
        counts[decision.name] += decision.tied
    for value, name in values:
        for decision in _value_decisions(value, name):
            counts[decision.name] += decision.tied
    return {name: count for name, count in counts.items() if count > 1}


def _add(found: dict[str, _Decision], decision: _Decision) -> None:
    first = found.setdefault(decision.name, decision)
    if first.tied != decision.tied:
        raise SpaceError(
            f"the name {decision.name!r} is the path of another decision, which does not bear it: "
            "give the tie another name"
        )
    if first is not decision and not _is_same(first.offer, decision.offer):
        raise SpaceError(
            f"all that bears the name {decision.name!r} must offer the same but one offers "
            f"{offer_text(first.offer)} and another {offer_text(decision.offer)}"
        )


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two offers are the same to a study: 1 and 1.0 are, true and 1 are not."""
    if isinstance(one, Choice) and isinstance(other, Choice):
        return _is_same(one.values, other.values)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, Range | LogRange) and isinstance(other, Range | LogRange):
        return one == other and one.is_integer == other.is_integer
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _layer_decisions(layers: Iterable[Located]) -> Iterator[_Decision]:
    for node, path in layers:
        if isinstance(node, Layer):
            for key, value in node.params.items():
                yield from _value_decisions(value, f"{path}.{node.type}.{key}")
        elif isinstance(node, LayerChoice):
            yield _Decision(node.name or f"{path}.choice", node.labels, node.name is not None)
        elif isinstance(node, Maybe):
            yield _Decision(node.name or f"{path}.maybe", (False, True), node.name is not None)
        elif isinstance(node, Repeat):
            yield from _value_decisions(node.count, f"{path}.repeat")
        elif isinstance(node, Cell):
            labels = tuple(value_label(operation) for operation in node.operations)
            for name in edge_names(node, path):
                yield _Decision(name, labels, node.name is not None)
        yield from _layer_decisions(children(node, path))


def _value_decisions(value: Any, name: str, tied: bool = False) -> Iterator[_Decision]:
    """Yield the decisions in a value; what stands in a tied choice is tied with it."""
    if isinstance(value, Open):
        tied = tied or value.name is not None
        name = value.name or name
        yield _Decision(name, value, tied)
        if isinstance(value, Choice):
            for place, element in enumerate(value.values):
                yield from _value_decisions(element, f"{name}[{place}]", tied)
    elif isinstance(value, Expression):
        for operand, own in zip(open_values(value), operand_names(value, name), strict=True):
            yield from _value_decisions(operand, own, tied)
    elif isinstance(value, tuple):
        for place, element in enumerate(value):
            yield from _value_decisions(element, f"{name}[{place}]", tied)
    elif isinstance(value, Call):
        for key, element in value.params.items():
            yield from _value_decisions(element, f"{name}.{key}", tied)
