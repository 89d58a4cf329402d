"""The graph laid out for Keras: everything channels last, so there is nothing to permute.

But for one place: PyTorch flattens images channels first. Keras flattens them as they lie, and
the weights of what follows lie in that order, wherever nothing else depends on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Final

from neural_automl import _keras_forms as keras_forms
from neural_automl._forms import Apply, Call, Input, ModuleForm
from neural_automl.backends._plan import Plan, Step
from neural_automl.exceptions import ExportError, UnknownLayerError
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from neural_automl.graph import Graph, Node
    from neural_automl.primitives import Shape

#: What gives the same features in another order where it gets them so.
_KEEPS_ORDER: Final = frozenset({"Activation", "Dropout", "BatchNorm", "LayerNorm"})


def make_plan(graph: Graph) -> Plan:
    """Lay a graph out.

    Raises:
        ExportError: A user's layer has no Keras form.
        UnknownLayerError: A user's layer was unregistered since.
    """
    nodes = graph.built_nodes()
    orders = feature_orders(graph)
    counts: Counter[str] = Counter()
    steps: list[Step] = []
    values = [0]
    for index, node in enumerate(nodes[1:], start=1):
        form = _form(graph, node)
        if node.op == "Flatten" and index not in orders and _is_image(graph, node):
            form = keras_forms.flatten_channels_first({}, node.shape)
        inputs = tuple(values[source] for source in node.inputs)
        if isinstance(form.forward, Apply) and isinstance(form.forward.args[0], Apply):
            # What is done to the input first is a line of its own.
            steps.append(Step("", ModuleForm(form.forward.args[0]), inputs, index))
            form = replace(form, forward=replace(form.forward, args=(Input(0),)))
            inputs = (len(steps),)
        name = ""
        if form.module is not None:
            counts[form.name] += 1
            name = f"{form.name}{counts[form.name]}"
        steps.append(Step(name, form, inputs, index))
        values.append(len(steps))
    return Plan(tuple(steps), values[graph.logits], graph)


def _form(graph: Graph, node: Node) -> ModuleForm:
    row = PRIMITIVES.get(node.op)
    if row is None:
        raise UnknownLayerError(
            f"{node.op} is no layer any more: it was taken out of the table", path=node.path
        )
    if row.keras is None:
        raise ExportError(
            f"{node.path}: {node.op} has no form for tensorflow; register it with `keras`"
        )
    shapes = [graph.nodes[source].shape for source in node.inputs]
    form: ModuleForm = row.keras(node.attribute_values(), *shapes)
    if form.promise is not None:
        form = replace(form, promise=replace(form.promise, path=node.path))
    return form


def _is_image(graph: Graph, node: Node) -> bool:
    """Whether the order of a node's elements, flattened, is another with the channels first."""
    shape = graph.nodes[node.inputs[0]].shape
    return len(shape) == 3 and shape[-1] > 1 and prod(shape[:-1]) > 1


def feature_orders(graph: Graph) -> dict[int, Shape]:
    """Return the nodes whose features lie in another order than PyTorch's.

    Returns:
        By index of the node, the channels-last shape of the image that its features were.
    """
    nodes = graph.built_nodes()
    readers = defaultdict(list)
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    orders: dict[int, Shape] = {}
    for index, node in enumerate(nodes):
        if node.op == "Flatten" and _is_image(graph, node):
            kept = _until_dense(graph, readers, index)
            orders |= dict.fromkeys(kept, nodes[node.inputs[0]].shape)
    return orders


def _until_dense(graph: Graph, readers: dict[int, list[int]], start: int) -> set[int]:
    """Return the nodes that carry the order of one on, all of which end in dense layers alone.

    None, where anything else would see the order.
    """
    kept, open_ends = {start}, [start]
    while open_ends:
        index = open_ends.pop()
        if index == graph.logits:
            return set()
        for reader in readers[index]:
            op = graph.nodes[reader].op
            if op == "Dense":
                continue
            if op not in _KEEPS_ORDER:
                return set()
            kept.add(reader)
            open_ends.append(reader)
    return kept


def input_dtype(plan: Plan) -> str:
    """Return the type of the input: integers where an embedding reads them."""
    reads_ids = any(node.op == "Embedding" and 0 in node.inputs for node in plan.graph.nodes)
    return "int32" if reads_ids else "float32"


def named(call: Call, name: str) -> Call:
    """Add a layer's name to the call of its constructor."""
    return Call(call.function, call.args, (*call.kwargs, ("name", name)), call.spread)
