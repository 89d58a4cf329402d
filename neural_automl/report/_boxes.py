"""A network as boxes and what joins them: the layers of a graph, small ones joined to large."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from neural_automl._layer_rows import LayerRow, layer_rows
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.architecture import Architecture
    from neural_automl.graph import Node
    from neural_automl.primitives import Shape

Kind = Literal["input", "weighted", "pool", "merge", "other"]

_MERGES: Final = {"Add": "+", "Concatenate": "concatenate", "Multiply": "×"}
#: Layers that stand as a line in the box of the layer before them.
_SMALL: Final = ("Activation", "BatchNorm", "Dropout", "GroupNorm", "LayerNorm", "LeakyReLU")
_SHORT: Final = {
    "BatchNormalization": "BatchNorm",
    "LayerNormalization": "LayerNorm",
    "GlobalAveragePooling2D": "GlobalAvgPooling2D",
}


@dataclass(frozen=True)
class Box:
    """One layer, or a layer with the small ones that follow it.

    Attributes:
        title: Its type, and what its settings are.
        kind: How it is coloured.
        shape: Channels-last shape of its output.
        params: Of everything in it.
        path: Where the space has it.
        inputs: Indices of the boxes that feed it; they stand before it.
        followers: Names of the small layers in it.
    """

    title: str
    kind: Kind
    shape: Shape
    params: int
    path: str
    inputs: tuple[int, ...]
    followers: tuple[str, ...] = field(default=())


def boxes_of(architecture: Architecture) -> list[Box]:
    """Return the boxes of a network in topological order, the input first.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    rows, graph, owners = layer_rows(architecture)
    nodes = graph.nodes[: graph.output + 1]
    readers = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            readers[source] += 1
    boxes: list[Box] = []
    box_of: list[int] = []
    for index, node in enumerate(nodes):
        sources = tuple(dict.fromkeys(box_of[source] for source in node.inputs))
        before = index - 1
        is_chain = node.inputs == (before,) and readers[before] == 1 and node.op not in _MERGES
        if is_chain and _is_same(nodes[before], node, owners[before] == owners[index]):
            boxes[-1] = _grown(boxes[-1], node, None)
        elif is_chain and node.op in _SMALL and boxes[box_of[before]].kind == "weighted":
            boxes[-1] = _grown(boxes[-1], node, _name(rows, owners[index], node))
        else:
            boxes.append(_box(rows, owners[index], node, sources))
        box_of.append(len(boxes) - 1)
    return boxes


def _is_same(before: Node, node: Node, same_layer: bool) -> bool:
    """Return whether two nodes are of one layer; the edges of a cell differ by their paths."""
    return same_layer and before.path == node.path and before.op not in (*_MERGES, "Input")


def _name(rows: Sequence[LayerRow], owner: int, node: Node) -> str:
    kind = rows[owner].type if owner >= 0 else node.op
    if node.op == "Activation" and kind in ("Activation", "cell"):
        return str(node.attributes[0])
    return _SHORT.get(node.op if kind == "cell" else kind, node.op if kind == "cell" else kind)


def _box(rows: Sequence[LayerRow], owner: int, node: Node, inputs: tuple[int, ...]) -> Box:
    if node.op in _MERGES:
        return Box(_MERGES[node.op], "merge", node.shape, 0, node.path, inputs)
    if not node.inputs:
        return Box("input", "input", node.shape, 0, "", inputs)
    name = _name(rows, owner, node)
    if name in ("ResidualConnection", "residual"):
        name = "projection"
    title = " ".join(part for part in (name, _settings(node)) if part)
    return Box(title, _kind(node), node.shape, node.facts.params, node.path, inputs)


def _grown(box: Box, node: Node, name: str | None) -> Box:
    followers = box.followers if name is None else (*box.followers, name)
    title = box.title
    if name is None and box.kind == "other" and _kind(node) == "weighted":
        settings = _settings(node)
        if title in PRIMITIVES or title.islower():  # an operation of a cell, by its first part
            title = node.op
        title = f"{title} {settings}" if settings and settings not in title else title
    kind = box.kind if name is not None or _kind(node) == "other" else _kind(node)
    params = box.params + node.facts.params
    return replace(
        box, title=title, kind=kind, shape=node.shape, params=params, followers=followers
    )


def _settings(node: Node) -> str:
    """Return kernel and stride, where they are what a reader looks for."""
    values = node.attribute_values()
    kernel, strides = values.get("kernel_size"), values.get("strides")
    text = "×".join(map(str, kernel)) if isinstance(kernel, tuple) else str(kernel or "")
    steps = strides if isinstance(strides, tuple) else (strides or 1,)
    return f"{text} /{steps[0]}" if text and any(step != 1 for step in steps) else text


def _kind(node: Node) -> Kind:
    if PRIMITIVES[node.op].weighted:
        return "weighted"
    return "pool" if "Pool" in node.op else "other"
