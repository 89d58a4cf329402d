"""The model card: what a network is, what it reached, where it comes from, how it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from neural_automl.backends._plan import class_name
from neural_automl.backends._texts import shape_text
from neural_automl.values import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neural_automl.architecture import Architecture
    from neural_automl.graph import Node
    from neural_automl.primitives import Layout, Shape


@dataclass(frozen=True)
class ModelCard:
    """What only the one who trained a network knows of it.

    Args:
        metrics: That it reached, by name.
        data_fingerprint: Of the data that it was trained on.
        found: How it was found, a line each: ``{"study": "digits", "trial": 12}``.
        epochs: That it was trained for; None where it isn't known.
        scaling: What was done to the values of the inputs, in words.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    data_fingerprint: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    scaling: str = ""


_LOADING: Final = {
    "pytorch": """from safetensors.torch import load_file
from model import {name}
model = {name}()
model.load_state_dict(load_file("weights.safetensors"))
model.eval()""",
    "keras": """from safetensors.numpy import load_file
from keras_model import build_model
model, weights = build_model(), load_file("keras_weights.safetensors")
for variable in model.weights:
    variable.assign(weights[variable.path])""",
    "onnx": """import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
(outputs,) = session.run(None, {{"inputs": inputs}})""",
    "json": """import json
from neural_automl.architecture import Architecture
with open("architecture.json") as file:
    architecture = Architecture.from_dict(json.load(file))""",
    "dsl": """from neural_automl import ArchitectureSpace
space = ArchitectureSpace.from_dsl("network.neural")
architecture = space.sample_architecture()""",
}
_TITLES: Final = {
    "pytorch": "PyTorch",
    "keras": "Keras",
    "onnx": "ONNX",
    "json": "JSON, with neural_automl",
    "dsl": "Space language, with neural_automl",
}
#: How a format's model takes images.
_LAYOUTS: Final[Mapping[str, Layout]] = {
    "pytorch": "channels_first",
    "keras": "channels_last",
    "onnx": "channels_first",
}


def card_text(
    architecture: Architecture,
    formats: Sequence[str],
    weights: Mapping[str, Any] | None,
    card: ModelCard,
) -> str:
    """Return the card as Markdown."""
    graph, cost = architecture.graph, architecture.cost
    head = f" These are logits: {graph.head} makes them probabilities." if graph.head else ""
    costs = {
        "parameters": f"{cost.params:,}",
        "multiply-adds for one sample": f"{cost.macs:,}",
        "peak memory of activations": f"{cost.peak_memory_bytes:,} bytes",
        "layers with weights on the longest path": cost.depth,
    }
    training = {
        "loss": architecture.loss,
        "optimizer": architecture.optimizer and _call_text(architecture.optimizer),
        **architecture.training,
        **({} if card.epochs is None else {"epochs": card.epochs}),
    }
    about = (
        f"A network found by neural architecture search. Input {graph.input_shape}, channels last "
        f"and without the batch; output {graph.nodes[graph.logits].shape}.{head} Weights: "
        f"{'trained' if weights is not None else 'none'}."
    )
    lines = [
        f"# {architecture.name}",
        "",
        about,
        "",
        *_table("Costs", ("what", "size"), costs.items()),
        *_table("Metrics", ("metric", "value"), _rounded(card.metrics)),
        *_table("Training", ("setting", "value"), _given(training)),
        *_table("Data", ("what", "value"), _given({"fingerprint": card.data_fingerprint or None})),
        *_table("How it was found", ("what", "value"), card.found.items()),
        *_table("Network", ("layer", "does", "gives", "parameters"), _rows(architecture)),
        "## How to load it",
        "",
    ]
    if card.scaling:
        lines += [f"Inputs, as in training: {card.scaling}.", ""]
    for name in formats:
        code = _LOADING[name].format(name=class_name(architecture.name))
        lines += [
            f"{_TITLES[name]}{_axes(graph.input_shape, name)}:",
            "",
            "```python",
            *code.splitlines(),
            "```",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _axes(shape: Shape, name: str) -> str:
    """Return what axes a format takes; nothing for those that hold no model."""
    if name not in _LAYOUTS:
        return ""
    order = f", {_LAYOUTS[name].replace('_', ' ')}" if len(shape) == 3 else ""
    return f", for inputs of shape {shape_text(shape, _LAYOUTS[name])}{order}"


def _table(title: str, columns: Sequence[str], rows: Any) -> list[str]:
    """Return a heading and a table; nothing without rows."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    if not cells:
        return []
    return [
        f"## {title}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
    ]


def _call_text(value: Any) -> str:
    if not isinstance(value, Call):
        return str(value)
    arguments = ", ".join(f"{name}={_call_text(item)}" for name, item in value.params.items())
    return f"{value.type}({arguments})"


def _rounded(metrics: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        yield name, f"{value:.6g}"


def _given(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if value is not None:
            yield name, value


def _rows(architecture: Architecture) -> Iterator[tuple[str, str, Any, str]]:
    """Yield a row for each layer: its place, primitives, output shape and parameters."""
    nodes = architecture.graph.built_nodes()[1:]
    for path, group in groupby(nodes, key=lambda node: node.path):
        members: list[Node] = list(group)
        params = sum(node.facts.params for node in members)
        does = ", ".join(map(_words, members))
        yield f"`{path}`", does, members[-1].shape, f"{params:,}" if params else ""


#: What says most of a primitive.
_TOLD: Final = {
    "Dense": "units",
    "Conv": "kernel_size",
    "MaxPool": "pool_size",
    "AveragePool": "pool_size",
    "Activation": "function",
    "Dropout": "rate",
    "LSTM": "units",
    "GRU": "units",
    "MultiHeadAttention": "num_heads",
}


def _words(node: Node) -> str:
    if node.op not in _TOLD:
        return node.op
    value = node.attribute_values()[_TOLD[node.op]]
    return f"{node.op} {'x'.join(map(str, value)) if isinstance(value, tuple) else value}"
