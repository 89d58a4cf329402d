"""The graph laid out for PyTorch: names, layouts, and a permutation where the layout changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from neural_automl._forms import Apply, Input, call
from neural_automl._strides import suggests_channels_last
from neural_automl.backends._outline import outline
from neural_automl.backends._plan import Plan, Step
from neural_automl.backends._repeats import Item
from neural_automl.cost import inputs_of
from neural_automl.graph import layouts, natural_layout
from neural_automl.primitives import PRIMITIVES, Layout

if TYPE_CHECKING:
    from neural_automl.graph import Graph, Node

#: Blocks that a node stands in, outermost first.
Blocks: TypeAlias = tuple[Item, ...]

_FIRST: Final[Layout] = "channels_first"

#: To the other layout, by the number of axes with the batch.
_TO_FIRST: Final = {3: (0, 2, 1), 4: (0, 3, 1, 2)}
_TO_LAST: Final = {3: (0, 2, 1), 4: (0, 2, 3, 1)}


def make_plan(graph: Graph) -> Plan:
    """Lay a graph out: images enter and leave channels first, everything else channels last."""
    return _Planner(graph).plan()


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._steps: list[Step] = []
        self._outline = outline(graph)
        self._made_in = layouts(graph)
        # The value of a node as it is made.
        self._values: dict[int, int] = {0: 0}
        # The value of a node in the other layout, in each block that has brought it there.
        self._turned: dict[tuple[int, Blocks], int] = {}

    def plan(self) -> Plan:
        for index, node in enumerate(self._graph.built_nodes()[1:], start=1):
            self._add(index, node)
        shape = self._graph.nodes[self._graph.logits].shape
        output = self._value(self._graph.logits, natural_layout(shape), ())
        return Plan(tuple(self._steps), output, self._graph, self._outline.root)

    def _add(self, index: int, node: Node) -> None:
        shapes = [self._graph.nodes[source].shape for source in node.inputs]
        layout = self._made_in[index]
        place = self._outline.places[index]
        inputs = tuple(self._value(source, layout, place.blocks) for source in node.inputs)
        form = PRIMITIVES[node.op].pytorch(node.attribute_values(), layout, *shapes)
        if form.promise is not None:
            form = replace(form, promise=replace(form.promise, path=node.path))
        if node.op == "GroupNorm" and suggests_channels_last(*inputs_of(self._graph, index)):
            # PyTorch 2.13 ends the process in the backward pass of a channels-last input that
            # needs no gradient. Tensor.contiguous would leave a single pixel as it is.
            sizes = (-1, shapes[0][-1], *shapes[0][:-1])
            laid = call("torch.reshape", call("torch.flatten", Input(0), 1), sizes)
            form = replace(form, forward=Apply((laid,)))
        name = "" if form.module is None else place.name
        self._steps.append(Step(name, form, inputs, index, place.blocks))
        self._values[index] = len(self._steps)

    def _value(self, node: int, layout: Layout, blocks: Blocks) -> int:
        """Return the value of a node in a layout, permuting it the first time in each block."""
        shape = self._graph.nodes[node].shape
        made_in = self._made_in[node]
        if len(shape) == 1 or layout == made_in:
            return self._values[node]
        if (node, blocks) not in self._turned:
            order = (_TO_FIRST if layout == _FIRST else _TO_LAST)[len(shape) + 1]
            form = PRIMITIVES["Permute"].pytorch({"order": order}, made_in, shape)
            self._steps.append(Step("", form, (self._values[node],), node, blocks))
            self._turned[node, blocks] = len(self._steps)
        return self._turned[node, blocks]
