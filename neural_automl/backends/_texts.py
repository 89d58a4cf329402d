"""What a file of source code says about the network in it."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from neural_automl.backends._printing import LINE

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.backends._plan import Plan
    from neural_automl.backends._repeats import Item
    from neural_automl.primitives import Layout, Shape


def describe(
    architecture: Architecture,
    name: str,
    layout: Layout,
    *,
    params: int,
    modules: list[str],
    loading: list[str],
    scaling: str,
) -> list[str]:
    """Return the lines of the file's docstring.

    Args:
        architecture: What is in the file.
        name: Of the network.
        layout: Of images.
        params: Trainable parameters.
        modules: That a user's own layers are imported from.
        loading: Code that makes the model with trained weights.
        scaling: What was done to the values of the inputs; empty where it isn't known.
    """
    graph, cost = architecture.graph, architecture.cost
    head = f", logits: apply {graph.head} for probabilities" if graph.head else ""
    order = f", {layout.replace('_', ' ')}" if scaling and len(graph.input_shape) == 3 else ""
    shapes = (
        f"Input {shape_text(graph.input_shape, layout)}{order}, "
        f"{scaling or 'scaled as in training'}; "
        f"output {shape_text(graph.nodes[graph.logits].shape, layout)}{head}."
    )
    costs = f"{params:,} parameters, {cost.macs:,} multiply-adds for one sample."
    table = (
        "If the data was a table: the order of its columns, their means and their categories are "
        "not in this file; DataSplits.columns of the data has them."
    )
    own = f"Layers are imported from {', '.join(modules)}: keep that beside this file."
    return [
        f'"""{name}, found by neural architecture search.',
        "",
        *wrap(shapes, LINE),
        *wrap(costs, LINE),
        *(wrap(own, LINE) if modules else ()),
        *(wrap(table, LINE) if len(architecture.input_shape) == 1 else ()),
        "",
        "With trained weights:",
        "",
        *(f"    {line}" if line else "" for line in loading),
        '"""',
    ]


def summarize(architecture: Architecture, layout: Layout) -> str:
    """Return the docstring of the network's class or function: its shapes."""
    graph = architecture.graph
    made, given = graph.nodes[graph.logits].shape, graph.input_shape
    line = f'    """{shape_text(made, layout)} from {shape_text(given, layout)}."""'
    return line if len(line) <= LINE else '    """The network that is described above."""'


def summarize_block(plan: Plan, item: Item) -> str:
    """Return the docstring of a block: the primitives in it, each once."""
    ops = dict.fromkeys(plan.graph.nodes[node].op for node in item.nodes())
    text = f'    """{", ".join(ops)}."""'
    return text if len(text) <= LINE else f'    """{", ".join(list(ops)[:4])} and more."""'


def shape_text(shape: Shape, layout: Layout) -> str:
    """Return a shape with its batch, as a backend takes it."""
    is_turned = layout == "channels_first" and len(shape) == 3
    sizes = (shape[-1], *shape[:-1]) if is_turned else shape
    return f"({', '.join(['batch', *map(str, sizes)])})"
