"""The one intermediate representation: an architecture lowered to primitive nodes with shapes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from neural_automl.exceptions import ShapeError, UnknownLayerError
from neural_automl.primitives import PRIMITIVES, Facts, Layout, Shape, facts

Head = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, slots=True)
class Node:
    """One primitive in place.

    Args:
        op: Name of the primitive.
        inputs: Indices of the nodes that feed it, in order.
        attributes: Values in the order of the primitive's attribute names.
        facts: Shape, parameters, MACs and stored elements.
        path: The layer that it comes from, in the spelling of study parameters.
    """

    op: str
    inputs: tuple[int, ...]
    attributes: tuple[Any, ...]
    facts: Facts
    path: str = field(default="", compare=False)

    @property
    def shape(self) -> Shape:
        """Channels-last shape of the output, without the batch."""
        return self.facts.shape

    def attribute_values(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return dict(zip(PRIMITIVES[self.op].attributes, self.attributes, strict=True))


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in topological order; the first is the input.

    Args:
        nodes: Every node's inputs stand before it.
        output: Index of the node that the architecture ends in.
        logits: Index of the node whose tensor a built model puts out: ``output``, or its input
            where a final activation belongs to the loss.
        head: The activation between ``logits`` and ``output``, or None where they are the same.
    """

    nodes: tuple[Node, ...]
    output: int
    logits: int
    head: Head | None = None

    @property
    def input_shape(self) -> Shape:
        """Channels-last shape of the input, without the batch."""
        return self.nodes[0].shape

    @property
    def output_shape(self) -> Shape:
        """Channels-last shape of the output, without the batch."""
        return self.nodes[self.output].shape

    def built_nodes(self) -> tuple[Node, ...]:
        """Return the nodes that a model is built of: all but a head that belongs to the loss."""
        return self.nodes if self.head is None else self.nodes[: self.output]

    def digest(self) -> str:
        """Return a hash of the nodes as written: equal graphs have equal digests."""
        rows = [[node.op, node.inputs, node.attributes] for node in self.nodes]
        text = json.dumps([rows, self.output], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def natural_layout(shape: Shape) -> Layout:
    """Return the layout in which PyTorch users hold data of a shape: images channels first."""
    return "channels_first" if len(shape) == 3 else "channels_last"


def layouts(graph: Graph) -> list[Layout]:
    """Return the layout in which the PyTorch form of each built node works, and gives its result.

    What takes either works as its first input was made; an image is flattened channels first.

    Raises:
        UnknownLayerError: A user's layer was unregistered since.
    """
    made: list[Layout] = []
    for node in graph.built_nodes():
        if node.op not in PRIMITIVES:
            raise UnknownLayerError(
                f"{node.op} is no layer any more: it was taken out of the table", path=node.path
            )
        if not node.inputs:
            made.append(natural_layout(node.shape))
        elif node.op == "Flatten":
            made.append(natural_layout(graph.nodes[node.inputs[0]].shape))
        else:
            made.append(PRIMITIVES[node.op].layout or made[node.inputs[0]])
    return made


@dataclass(slots=True)
class Span:
    """What one layer added to a graph: its nodes from ``start`` until before ``stop``.

    What stands in its block is in it; ``depth`` is how many layers it stands in. ``output`` is the
    node that it ends in, which may be another layer's where it adds none.
    """

    path: str
    type: str
    depth: int
    start: int
    stop: int = -1
    output: int = -1


class GraphBuilder:
    """Collects nodes; knows the layer that is being lowered, for messages.

    Args:
        input_shape: Channels-last, without the batch.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.path = ""
        self.position: tuple[int, int] | None = None
        #: Width that comes in at each layer so far of each sequence being lowered, outermost
        #: first: what ``channels`` of an expression may go back to.
        self.widths: list[list[int]] = []
        #: What each layer added, in the order in which they began.
        self.spans: list[Span] = []
        self._nodes: list[Node] = []
        # What reads the input, and the layers that do: ids are no numbers.
        self._readers: list[tuple[str, ShapeError]] = []
        self.add("Input", shape=tuple(input_shape))

    def add(self, op: str, *inputs: int, **attributes: Any) -> int:
        """Append a node and return its index.

        Raises:
            ShapeError: The primitive cannot take the shapes of its inputs.
        """
        values = tuple(attributes.values())
        if tuple(attributes) != PRIMITIVES[op].attributes:
            values = tuple(attributes[name] for name in PRIMITIVES[op].attributes)
        shapes = tuple(self._nodes[index].facts.shape for index in inputs)
        try:
            known = facts(op, values, shapes)
        except ValueError as error:
            raise self.error(str(error)) from error
        self._nodes.append(Node(op, inputs, values, known, self.path))
        if 0 in inputs:
            self._note_reader(op)
        return len(self._nodes) - 1

    def _note_reader(self, op: str) -> None:
        """Note what reads the input.

        Raises:
            ShapeError: One layer reads it as ids and another as numbers; it names the latter.
        """
        message = "reads the input as numbers, but an Embedding reads it as ids"
        self._readers.append((op, self.error(message)))
        if any(reader == "Embedding" for reader, _ in self._readers):
            for reader, error in self._readers:
                if reader != "Embedding":
                    raise error

    def shape(self, index: int) -> Shape:
        """Return the channels-last shape of a node's output."""
        return self._nodes[index].facts.shape

    def width(self, back: int, up: int) -> int:
        """Return the width that came in ``back`` layers earlier, ``up`` structures further out.

        Raises:
            ShapeError: No layer stands there.
        """
        if up >= len(self.widths) or back >= len(self.widths[-1 - up]):
            raise self.error(f"channels({back}, {up}) goes back further than there are layers")
        return self.widths[-1 - up][-1 - back]

    def begin(self, kind: str) -> Span:
        """Note that a layer of this type begins, at ``path``."""
        self.spans.append(Span(self.path, kind, len(self.widths) - 1, len(self._nodes)))
        return self.spans[-1]

    def end(self, span: Span, output: int) -> None:
        """Note that a layer is complete, and the node that it ends in."""
        span.stop, span.output = len(self._nodes), output

    def error(self, message: str) -> ShapeError:
        """Make an error that names the layer being lowered."""
        return ShapeError(message, path=self.path, position=self.position)

    def finish(self, output: int, loss: str | None) -> Graph:
        """Return the graph that ends in a node, with the head that its loss takes over.

        Args:
            output: Index of the last node.
            loss: The loss's name, or None where the text leaves it to the task.
        """
        # Nodes after the output, or beside it, would be computed for nothing.
        nodes = tuple(self._nodes)
        last = nodes[output]
        if last.op == "Activation" and output == len(nodes) - 1:
            function = last.attributes[0]
            if function == "softmax" and loss in (None, "cross_entropy"):
                return Graph(nodes, output, last.inputs[0], "softmax")
            if function == "sigmoid" and loss in (None, "binary_crossentropy"):
                return Graph(nodes, output, last.inputs[0], "sigmoid")
        return Graph(nodes, output, output)
