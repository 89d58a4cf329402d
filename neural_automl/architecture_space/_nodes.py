"""The tree of a space: layers, and what the search decides about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Range,
    conform,
    value_from_plain,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.layers import find_layer
from neural_automl.parameters import did_you_mean, find_parameter
from neural_automl.values import Call, Expression, to_plain

Position = tuple[int, int] | None
#: What may stand where layers are wanted: a node, a type's name, the dictionary form, or several.
LayersLike = Any


@dataclass(frozen=True, slots=True, init=False)
class Layer:
    """A layer or structure of the table, with values that may be open.

    Args:
        type: Name in the table of layers.
        *values: Parameters by position, in the table's order.
        body: The layers of its block; for ``parallel`` its branches.
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
    position: Position = field(compare=False)

    def __init__(
        self,
        type: str,  # noqa: A002 - the word of the dictionary form
        *values: Any,
        body: LayersLike = (),
        position: Position = None,
        **params: Any,
    ) -> None:
        row, preset = find_layer(type)
        if len(values) > len(row.parameters):
            raise SpaceError(
                f"{type} takes at most {len(row.parameters)} values but got {len(values)}",
                position=position,
            )
        given = dict(zip((parameter.name for parameter in row.parameters), values, strict=False))
        for name in params:
            if name in given:
                raise SpaceError(f"'{name}' of {type} is given twice", position=position)
        given.update(params)
        checked = {}
        for name, value in given.items():
            parameter = find_parameter(row.parameters, name)
            if parameter is None:
                near = did_you_mean(name, (p.name for p in row.parameters))
                raise SpaceError(f"{type} has no parameter '{name}'{near}", position=position)
            try:
                checked[name] = conform(parameter, value)
            except (TypeError, ValueError) as error:
                raise SpaceError(f"{type}: {error}", position=position) from error
        for parameter in row.parameters:
            if parameter.required and parameter.name not in {*checked, *preset}:
                raise SpaceError(f"{type} requires '{parameter.name}'", position=position)
        nodes = as_branches(body) if row.blocks == "branches" else as_nodes(body)
        if nodes and not row.takes_block:
            raise SpaceError(f"{type} takes no block", position=position)
        if row.block_required and not nodes:
            raise SpaceError(f"{type} requires a block", position=position)
        for name, value in (
            ("type", type),
            ("params", checked),
            ("body", nodes),
            ("position", position),
        ):
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return hash((self.type, tuple(self.params.items()), self.body))

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _node_dict(self.type, to_plain(self.params), self.body)


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that follow each other as one: an alternative or a branch."""

    body: tuple[Node, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _node_dict("sequence", {}, self.body)


@dataclass(frozen=True, slots=True, init=False)
class LayerChoice:
    """One of several alternatives, each a layer or several.

    Args:
        alternatives: At least one; an empty list is the identity.
        name: Choices of one name are one decision, wherever they stand.
        labels: What the study calls each; by default the layer's type, or ``block``.

    Raises:
        SpaceError: No alternative, or labels that do not fit.
    """

    alternatives: tuple[Node, ...]
    name: str | None
    labels: tuple[str, ...]
    position: Position = field(compare=False)

    def __init__(
        self,
        alternatives: Iterable[LayersLike],
        *,
        name: str | None = None,
        labels: Sequence[str] | None = None,
        position: Position = None,
    ) -> None:
        nodes = as_branches(alternatives)
        if not nodes:
            raise SpaceError("a choice needs at least one alternative", position=position)
        derived = default_labels(nodes)
        if labels is not None and (len(labels) != len(nodes) or len(set(labels)) != len(nodes)):
            raise SpaceError(
                f"a choice of {len(nodes)} needs as many different labels but got {list(labels)}",
                position=position,
            )
        for key, value in (
            ("alternatives", nodes),
            ("name", name),
            ("labels", tuple(labels) if labels else derived),
            ("position", position),
        ):
            object.__setattr__(self, key, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.labels != default_labels(self.alternatives):
            params["labels"] = list(self.labels)
        return _node_dict("choice", params, self.alternatives)


@dataclass(frozen=True, slots=True, init=False)
class Maybe:
    """Layers that are there or not.

    Args:
        body: One layer or several.
        name: Those of one name are one decision, wherever they stand.
    """

    body: tuple[Node, ...]
    name: str | None
    position: Position = field(compare=False)

    def __init__(
        self, body: LayersLike, *, name: str | None = None, position: Position = None
    ) -> None:
        nodes = as_nodes(body)
        if not nodes:
            raise SpaceError("a maybe needs at least one layer", position=position)
        object.__setattr__(self, "body", nodes)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "position", position)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        return _node_dict("maybe", {} if self.name is None else {"name": self.name}, self.body)


@dataclass(frozen=True, slots=True, init=False)
class Repeat:
    """Layers several times over.

    Args:
        body: One layer or several.
        count: How often: a number, an open value of integers, or an expression. Zero is allowed
            where a choice lists it or an expression gives it.
        shared: Whether what the body leaves open is decided once for all copies; otherwise each
            copy decides for itself.

    Raises:
        SpaceError: An empty body, or a count that is not made of integers from 0 on.
    """

    body: tuple[Node, ...]
    count: int | Choice | Range | LogRange | Expression
    shared: bool
    position: Position = field(compare=False)

    def __init__(
        self, body: LayersLike, count: Any, *, shared: bool = False, position: Position = None
    ) -> None:
        nodes = as_nodes(body)
        if not nodes:
            raise SpaceError("a repetition needs at least one layer", position=position)
        object.__setattr__(self, "body", nodes)
        object.__setattr__(self, "count", _check_count(count, position))
        object.__setattr__(self, "shared", shared)
        object.__setattr__(self, "position", position)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {"count": to_plain(self.count)}
        if self.shared:
            params["shared"] = True
        return _node_dict("repeat", params, self.body)


@dataclass(frozen=True, slots=True, init=False)
class Cell:
    """NAS-Bench-201's cell: every node sums an operation on each node before it.

    Args:
        nodes: Number of nodes with the input, 2 to 12.
        operations: Names or calls of layers that keep the shape; each edge chooses one.
        name: Cells of one name are one cell.

    Raises:
        SpaceError: Too few or too many nodes, no operation, an unknown one, or equal ones.
    """

    nodes: int
    operations: tuple[str | Call, ...]
    name: str | None
    position: Position = field(compare=False)

    def __init__(
        self,
        nodes: int,
        operations: Iterable[str | Call],
        *,
        name: str | None = None,
        position: Position = None,
    ) -> None:
        if isinstance(nodes, bool) or not isinstance(nodes, int) or not 2 <= nodes <= 12:
            raise SpaceError(
                f"the nodes of a cell must be 2 to 12 but got {excerpt(nodes)}", position=position
            )
        given = tuple(operations)
        if not given or len(set(given)) != len(given):
            raise SpaceError(
                "the operations of a cell must be different ones, at least one, but got "
                f"{excerpt(to_plain(given))}",
                position=position,
            )
        for operation in given:
            if isinstance(operation, str):
                find_layer(operation)
            else:
                Layer(operation.type, position=position, **operation.params)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "operations", given)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "position", position)

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        params: dict[str, Any] = {"nodes": self.nodes, "operations": to_plain(self.operations)}
        if self.name is not None:
            params["name"] = self.name
        return _node_dict("cell", params, ())


Node = Layer | Group | LayerChoice | Maybe | Repeat | Cell


def Residual(body: LayersLike, *, projection: str = "conv") -> Layer:  # noqa: N802 - a node
    """Return a residual connection: the body's output added to its input.

    Args:
        body: One layer or several.
        projection: ``"conv"`` projects the input by a strided 1x1 convolution and BN where the
            shapes differ; ``"none"`` then leaves the addition out.
    """
    return Layer("ResidualConnection", body=body, projection=projection)


def Parallel(branches: Iterable[LayersLike], *, merge: str = "concat") -> Layer:  # noqa: N802
    """Return branches that read one input, merged by ``"concat"`` (channels) or ``"add"``."""
    return Layer("parallel", body=branches, merge=merge)


def default_labels(alternatives: Iterable[Node]) -> tuple[str, ...]:
    """Return the type of each alternative, or ``block``; ``#2`` is added where two are equal."""
    labels: list[str] = []
    for node in alternatives:
        stem = node.type if isinstance(node, Layer) else _STEMS.get(type(node), "block")
        count = 1 + sum(label.split("#")[0] == stem for label in labels)
        labels.append(stem if count == 1 else f"{stem}#{count}")
    return tuple(labels)


_STEMS = {LayerChoice: "choice", Maybe: "maybe", Repeat: "repeat", Cell: "cell"}


def _node_dict(kind: str, params: dict[str, Any], body: Iterable[Node]) -> dict[str, Any]:
    return {"type": kind, "params": params, "sublayers": [node.to_dict() for node in body]}


def _check_count(count: Any, position: Position) -> Any:
    if isinstance(count, int) and not isinstance(count, bool):
        if not 1 <= count <= 10_000:
            raise SpaceError(
                f"a repetition must be 1 to 10000 times but got {count}", position=position
            )
        return count
    if isinstance(count, Expression):
        return count
    ends: tuple[Any, ...]
    match count:
        case Choice(values=values):
            ends = values
        case Range(low=low, high=high) | LogRange(low=low, high=high):
            ends = (low, high)
        case _:
            ends = ("",)
    for end in ends:
        if isinstance(end, Range | LogRange | Choice):
            _check_count(end, position)
        elif isinstance(end, bool) or not isinstance(end, int) or not 0 <= end <= 10_000:
            raise SpaceError(
                "a repetition must be a number, or open over integers from 0 to 10000, but got "
                f"{excerpt(to_plain(count))}",
                position=position,
            )
    return count


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
        SpaceError: The form is unknown, or breaks a rule.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise SpaceError(f"a layer must be a dictionary with a 'type' but got {excerpt(data)}")
    position = (positions or {}).get(place)
    params = data.get("params") or {}
    sublayers = [
        node_from_dict(layer, positions, (*place, index))
        for index, layer in enumerate(data.get("sublayers") or ())
    ]
    kind = data["type"]
    try:
        values = {str(key): value_from_plain(value) for key, value in params.items()}
        if kind in _STRUCTURES or (kind == "cell" and values.get("edges") is None):
            return _structure(kind, values, sublayers, position)
        return Layer(kind, body=sublayers, position=position, **values)
    except (SpaceError, TypeError, ValueError) as error:
        located = error.position if isinstance(error, SpaceError) else None
        message = error.message if isinstance(error, SpaceError) else str(error)
        kind_of_error = type(error) if isinstance(error, SpaceError) else SpaceError
        raise kind_of_error(message, position=located or position) from error


_STRUCTURES = ("sequence", "choice", "maybe", "repeat")


def _structure(kind: str, values: dict[str, Any], body: list[Node], position: Position) -> Node:
    if kind == "sequence":
        return Group(tuple(body))
    if kind == "choice":
        return LayerChoice(body, position=position, **values)
    if kind == "maybe":
        return Maybe(body, position=position, **values)
    if kind == "repeat":
        return Repeat(body, values.pop("count", None), position=position, **values)
    values.pop("edges", None)
    return Cell(
        values.pop("nodes", 4), values.pop("operations", None) or (), position=position, **values
    )
