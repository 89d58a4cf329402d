"""The tree of a space: layers, and what the search decides about them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from neural_automl.architecture_space._conform import (
    Position,
    check_count,
    layer_parameters,
    operation_meaning,
)
from neural_automl.architecture_space._dictionary import (
    STRUCTURES,
    check_device,
    node_dict,
    read_parts,
)
from neural_automl.architecture_space._labels import choice_labels, default_labels
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Range,
    check_name,
    open_values,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.layers import find_layer
from neural_automl.values import Call, Expression, to_plain

#: What may stand where layers are wanted: a node, a type's name, the dictionary form, or several.
LayersLike = Any


@dataclass(frozen=True, slots=True, init=False)
class Layer:
    """A layer or structure of the table, with values that may be open.

    Args:
        type: Name in the table of layers.
        *values: Parameters by position, in the table's order.
        body: The layers of its block; for ``parallel`` its branches.
        device: Where the text places it (``@``): kept and printed, with no effect.
        **params: Parameters by name.

    Raises:
        UnknownLayerError: No layer has that name.
        SpaceError: A parameter is unknown, missing, of another kind or out of bounds.

    Example:
        >>> Layer("Conv2D", Choice(16, 32), 3, padding="same").params["kernel_size"]
        3
    """

    type: str
    params: Mapping[str, Any]
    body: tuple[Node, ...]
    device: str | None
    position: Position = field(compare=False)

    def __init__(
        self,
        type: str,  # noqa: A002 - the word of the dictionary form
        *values: Any,
        body: LayersLike = (),
        device: str | None = None,
        position: Position = None,
        **params: Any,
    ) -> None:
        checked = layer_parameters(type, values, params, position)
        row, _ = find_layer(type)
        nodes = as_branches(body) if row.blocks == "branches" else as_nodes(body)
        if nodes and not row.takes_block:
            raise SpaceError(f"{type} takes no block", position=position)
        if row.block_required and not nodes:
            raise SpaceError(f"{type} requires a block", position=position)
        _fill(self, position, device, type=type, params=checked, body=nodes)

    def __hash__(self) -> int:
        return hash((self.type, frozenset(self.params.items()), self.body))

    @property
    def label(self) -> str:
        """What a choice calls it."""
        return self.type

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return node_dict(self, self.type, to_plain(self.params), self.body)


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that follow each other as one: an alternative or a branch."""

    body: tuple[Node, ...]
    label: ClassVar = "block"
    device: ClassVar = None  # of the layers in it

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return node_dict(self, "sequence", {}, self.body)


@dataclass(frozen=True, slots=True, init=False)
class LayerChoice:
    """One of several alternatives, each a layer or several.

    Args:
        alternatives: At least one; an empty list is the identity.
        name: Choices of one name are one decision, wherever they stand.
        labels: What the study calls each; by default the layer's type, or ``block``.
        device: As of a layer.

    Raises:
        SpaceError: No alternative, or labels that are not as many different strings.
    """

    alternatives: tuple[Node, ...]
    name: str | None
    labels: tuple[str, ...]
    device: str | None
    position: Position = field(compare=False)
    label: ClassVar = "choice"

    def __init__(
        self,
        alternatives: Iterable[LayersLike],
        *,
        name: str | None = None,
        labels: Sequence[str] | None = None,
        device: str | None = None,
        position: Position = None,
    ) -> None:
        nodes = as_branches(alternatives)
        if not nodes:
            raise SpaceError("a choice needs at least one alternative", position=position)
        named = choice_labels(labels, nodes, position)
        _fill(self, position, device, alternatives=nodes, name=check_name(name), labels=named)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.labels != default_labels(self.alternatives):
            params["labels"] = list(self.labels)
        return node_dict(self, "choice", params, self.alternatives)


@dataclass(frozen=True, slots=True, init=False)
class Maybe:
    """Layers that are there or not.

    Args:
        body: One layer or several.
        name: Those of one name are one decision, wherever they stand.
        device: As of a layer.
    """

    body: tuple[Node, ...]
    name: str | None
    device: str | None
    position: Position = field(compare=False)
    label: ClassVar = "maybe"

    def __init__(
        self,
        body: LayersLike,
        *,
        name: str | None = None,
        device: str | None = None,
        position: Position = None,
    ) -> None:
        nodes = as_nodes(body)
        if not nodes:
            raise SpaceError("a maybe needs at least one layer", position=position)
        _fill(self, position, device, body=nodes, name=check_name(name))

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params = {} if self.name is None else {"name": self.name}
        return node_dict(self, "maybe", params, self.body)


@dataclass(frozen=True, slots=True, init=False)
class Repeat:
    """Layers several times over.

    Args:
        body: One layer or several.
        count: How often: a number, an open value of integers, or an expression. Zero is allowed
            where a choice lists it or an expression gives it.
        shared: Whether what the body leaves open is decided once for all copies; otherwise each
            copy decides for itself. What is shared is shared through repetitions inside too.
        device: As of a layer.

    Raises:
        SpaceError: An empty body, or a count that is not made of integers from 0 to 10,000.
    """

    body: tuple[Node, ...]
    count: int | Choice | Range | LogRange | Expression
    shared: bool
    device: str | None
    position: Position = field(compare=False)
    label: ClassVar = "repeat"

    def __init__(
        self,
        body: LayersLike,
        count: Any,
        *,
        shared: bool = False,
        device: str | None = None,
        position: Position = None,
    ) -> None:
        nodes = as_nodes(body)
        if not nodes:
            raise SpaceError("a repetition needs at least one layer", position=position)
        times = check_count(count, position)
        _fill(self, position, device, body=nodes, count=times, shared=shared)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {"count": to_plain(self.count)}
        if self.shared:
            params["shared"] = True
        return node_dict(self, "repeat", params, self.body)


@dataclass(frozen=True, slots=True, init=False)
class Cell:
    """NAS-Bench-201's cell: every node sums an operation on each node before it.

    Args:
        nodes: Number of nodes with the input, 2 to 12.
        operations: Names or calls of layers without a block, nothing in them open; each edge
            chooses one.
        name: Cells of one name are one cell.
        device: As of a layer.

    Raises:
        SpaceError: Too few or too many nodes, no operation, an unknown or open one, equal ones.
    """

    nodes: int
    operations: tuple[str | Call, ...]
    name: str | None
    device: str | None
    position: Position = field(compare=False)
    label: ClassVar = "cell"

    def __init__(
        self,
        nodes: int,
        operations: Iterable[str | Call],
        *,
        name: str | None = None,
        device: str | None = None,
        position: Position = None,
    ) -> None:
        if isinstance(nodes, bool) or not isinstance(nodes, int) or not 2 <= nodes <= 12:
            raise SpaceError(
                f"the nodes of a cell must be 2 to 12 but got {excerpt(nodes)}", position=position
            )
        if isinstance(operations, str) or not isinstance(operations, Iterable):
            raise SpaceError(
                f"the operations of a cell must be a list but got {excerpt(operations)}",
                position=position,
            )
        given = tuple(_operation(operation, position) for operation in operations)
        if not given or len(set(map(operation_meaning, given))) != len(given):
            raise SpaceError(
                "the operations of a cell must be different ones, at least one, but got "
                f"{excerpt(to_plain(given))}",
                position=position,
            )
        _fill(self, position, device, nodes=nodes, operations=given, name=check_name(name))

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {"nodes": self.nodes, "operations": to_plain(self.operations)}
        if self.name is not None:
            params["name"] = self.name
        return node_dict(self, "cell", params, ())


Node = Layer | Group | LayerChoice | Maybe | Repeat | Cell


def _fill(node: Node, position: Position, device: str | None, **values: Any) -> None:
    """Set the fields of a frozen node while it is made."""
    values["position"], values["device"] = position, check_device(device, position)
    for name, value in values.items():
        object.__setattr__(node, name, value)


def placed(node: Node, device: str | None) -> Node:
    """Return a node with a device where it has none yet; of a group, its layers."""
    if device is None or node.device is not None:
        return node
    if isinstance(node, Group):
        return Group(tuple(placed(layer, device) for layer in node.body))
    other = copy.copy(node)
    object.__setattr__(other, "device", device)
    return other


def _operation(operation: Any, position: Position) -> str | Call:
    """Return an operation of a cell with its parameters conformed."""
    if isinstance(operation, Layer) and not operation.body:
        operation = Call(operation.type, operation.params)
    name, params = (
        (operation.type, operation.params) if isinstance(operation, Call) else (operation, {})
    )
    layer = Layer(name, position=position, **params)
    row, _ = find_layer(name)
    if row.structure or row.takes_block:
        raise SpaceError(f"{name} can't be an operation of a cell", position=position)
    if any(True for value in layer.params.values() for _ in open_values(value)):
        raise SpaceError(
            f"the operations of a cell must hold nothing open but got {excerpt(operation)}",
            position=position,
        )
    return Call(name, layer.params) if isinstance(operation, Call) else name


def as_nodes(layers: LayersLike) -> tuple[Node, ...]:
    """Return layers in any of their forms as nodes that follow each other."""
    if isinstance(layers, Group):
        return layers.body
    if isinstance(layers, Node):
        return (layers,)
    if isinstance(layers, str):
        return (Layer(layers),)
    if isinstance(layers, Mapping):
        return as_nodes(node_from_dict(layers))
    if isinstance(layers, Iterable):
        return tuple(node for item in layers for node in as_nodes(item))
    raise SpaceError(
        "a layer must be a node, a type's name or a dictionary with a 'type' but got "
        f"{excerpt(layers)}"
    )


def as_branches(branches: Any) -> tuple[Node, ...]:
    """Return each branch or alternative as one node; several layers become a sequence."""
    if isinstance(branches, str | Mapping | Node):
        branches = [branches]
    if not isinstance(branches, Iterable):
        raise SpaceError(f"branches must be a list of layers but got {excerpt(branches)}")
    nodes = []
    for branch in branches:
        layers = as_nodes(branch)
        nodes.append(layers[0] if len(layers) == 1 else Group(layers))
    return tuple(nodes)


def node_from_dict(
    data: Mapping[str, Any],
    positions: Mapping[tuple[int, ...], tuple[int, int]] | None = None,
    place: tuple[int, ...] = (),
) -> Node:
    """Return the node of its dictionary form.

    Args:
        positions: Line and column of layers, by their place in the dictionaries.
        place: Indices that lead here.

    Raises:
        SpaceError: The form is unknown, or breaks a rule; the path is that of the dictionaries.
    """
    position = (positions or {}).get(place)
    try:
        kind, values, sublayers = read_parts(data)
        body = [
            node_from_dict(layer, positions, (*place, index))
            for index, layer in enumerate(sublayers)
        ]
        if kind in STRUCTURES and not (kind == "cell" and values.get("edges") is not None):
            node = _structure(kind, values, body, position)
        else:
            node = Layer(kind, body=body, position=position, **values)
        return placed(node, check_device(data.get("device"), position))
    except (SpaceError, TypeError, ValueError) as error:
        path = "layers" + "".join(f"[{index}]" for index in place) if place else ""
        if not isinstance(error, SpaceError):
            raise SpaceError(str(error), path=path, position=position) from error
        raise type(error)(
            error.message, path=error.path or path, position=error.position or position
        ) from error


def _structure(kind: str, values: dict[str, Any], body: list[Node], position: Position) -> Node:
    if kind == "sequence":
        return Group(tuple(body))
    if kind == "choice":
        return LayerChoice(body, position=position, **values)
    if kind == "maybe":
        return Maybe(body, position=position, **values)
    if kind == "repeat":
        return Repeat(body, values.pop("count", None), position=position, **values)
    if body:
        raise SpaceError("cell takes no block")
    values.pop("edges", None)
    nodes, operations = values.pop("nodes", 4), values.pop("operations", None) or ()
    return Cell(nodes, operations, position=position, **values)
