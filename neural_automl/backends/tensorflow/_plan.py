"""The graph laid out for Keras: everything channels last, so there is nothing to permute.

But for one place: PyTorch flattens images channels first. Keras flattens them as they lie, and
the weights of what follows lie in that order, wherever nothing else depends on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neural_automl import _keras_forms as keras_forms
from neural_automl._forms import Apply, Call, Input, ModuleForm
from neural_automl.backends._orders import feature_orders, is_image
from neural_automl.backends._outline import outline
from neural_automl.backends._plan import Plan, Step
from neural_automl.exceptions import ExportError, UnknownLayerError
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from neural_automl.graph import Graph, Node


def make_plan(graph: Graph) -> Plan:
    """Lay a graph out.

    Raises:
        ExportError: A user's layer has no Keras form.
        UnknownLayerError: A user's layer was unregistered since.
    """
    nodes = graph.built_nodes()
    orders = feature_orders(graph)
    found = None
    steps: list[Step] = []
    values = [0]
    for index, node in enumerate(nodes[1:], start=1):
        form = _form(graph, node)
        if node.op == "Flatten" and index not in orders and is_image(graph, node):
            form = keras_forms.flatten_channels_first({}, node.shape)
        found = found or outline(graph)
        place = found.places[index]
        inputs = tuple(values[source] for source in node.inputs)
        if isinstance(form.forward, Apply) and isinstance(form.forward.args[0], Apply):
            # What is done to the input first is a line of its own.
            steps.append(Step("", ModuleForm(form.forward.args[0]), inputs, index, place.blocks))
            form = replace(form, forward=replace(form.forward, args=(Input(0),)))
            inputs = (len(steps),)
        name = "" if form.module is None else place.name
        steps.append(Step(name, form, inputs, index, place.blocks))
        values.append(len(steps))
    return Plan(tuple(steps), values[graph.logits], graph, (found or outline(graph)).root)


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


def input_dtype(plan: Plan) -> str:
    """Return the type of the input: integers where an embedding reads them."""
    reads_ids = any(node.op == "Embedding" and 0 in node.inputs for node in plan.graph.nodes)
    return "int32" if reads_ids else "float32"


def named(call: Call, name: str) -> Call:
    """Add a layer's name to the call of its constructor."""
    return replace(call, kwargs=(*call.kwargs, ("name", name)))
