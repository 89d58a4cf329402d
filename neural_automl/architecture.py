"""One point of a space: concrete, frozen, JSON in and out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from neural_automl.cost import Cost, measure
from neural_automl.exceptions import SpaceError
from neural_automl.graph import Graph, GraphBuilder
from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES, TRAINING, canonical_loss
from neural_automl.layers import Block, find_layer, lower_layer
from neural_automl.parameters import check_parameters, did_you_mean
from neural_automl.values import Call, from_plain, to_plain

if TYPE_CHECKING:
    from torch import nn

    from neural_automl.primitives import Shape

Backend = Literal["pytorch", "tensorflow"]


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One concrete layer or structure.

    Args:
        type: Name in the table of layers.
        params: Values by name, as they were given: defaults are not filled in.
        sublayers: The layers of its block, or its branches.
        path: Where it comes from, in the spelling of study parameters.
        position: Line and column in the text that it comes from.
    """

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    sublayers: tuple[LayerConfig, ...] = ()
    path: str = field(default="", compare=False)
    position: tuple[int, int] | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        return hash((self.type, tuple(self.params.items()), self.sublayers))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"type", "params", "sublayers"}``."""
        return {
            "type": self.type,
            "params": to_plain(self.params),
            "sublayers": [layer.to_dict() for layer in self.sublayers],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "") -> LayerConfig:
        """Return the layer of such a dictionary.

        Raises:
            SpaceError: The dictionary has another form.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
            raise SpaceError("a layer must be a dictionary with a 'type'", path=path)
        try:
            params = {str(k): from_plain(v) for k, v in data.get("params", {}).items()}
        except ValueError as error:
            raise SpaceError(str(error), path=path) from error
        sublayers = tuple(
            cls.from_dict(layer, f"{path}[{index}]")
            for index, layer in enumerate(data.get("sublayers", ()))
        )
        return cls(data["type"], params, sublayers, path)


@dataclass(frozen=True)
class Architecture:
    """A network, and how it is to be trained.

    Args:
        input_shape: Channels-last, without the batch: ``(height, width, channels)``,
            ``(length, channels)`` or ``(features,)``.
        layers: From input to output.
        loss: A name of ``hyperparameters.LOSSES``, or None for the task's usual one.
        optimizer: Name and parameters, or None for Adam(learning_rate=0.001).
        training: ``epochs``, ``batch_size`` and the other settings that were given.
        choices: The decision taken for each parameter of the study, by name.
        name: The network's name.

    Raises:
        SpaceError: A value breaks a rule of its parameter. Layers are checked when the graph is
            asked for.

    Example:
        >>> architecture = Architecture((8, 8, 1), (LayerConfig("Flatten"),))
        >>> architecture.graph.output_shape
        (64,)
    """

    input_shape: Shape
    layers: tuple[LayerConfig, ...]
    loss: str | None = None
    optimizer: Call | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict, compare=False)
    name: str = field(default="Network", compare=False)

    def __post_init__(self) -> None:
        check_input_shape(self.input_shape)
        try:
            if self.loss is not None:
                object.__setattr__(self, "loss", canonical_loss(self.loss))
            _check_training(self.training)
            if self.optimizer is not None:
                _check_optimizer(self.optimizer)
        except (TypeError, ValueError) as error:
            raise SpaceError(str(error)) from error

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def graph(self) -> Graph:
        """The network lowered to primitives with shapes.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it.
            UnknownLayerError: A layer is not in the table.
        """
        builder = GraphBuilder(self.input_shape)
        output = lower_sequence(builder, 0, self.layers)
        return builder.finish(output, self.loss)

    @cached_property
    def cost(self) -> Cost:
        """Parameters, MACs, peak activation memory and depth; made without any tensor."""
        return measure(self.graph)

    @cached_property
    def key(self) -> str:
        """Hash of the lowered graph: equal for architectures that lower to the same nodes."""
        return self.graph.digest()

    @cached_property
    def digest(self) -> str:
        """Hash of the architecture and its training, the same in every process."""
        data = {k: v for k, v in self.to_dict().items() if k not in ("name", "choices")}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data in a stable order."""
        data: dict[str, Any] = {
            "name": self.name,
            "input": {"shape": list(self.input_shape)},
            "layers": [layer.to_dict() for layer in self.layers],
        }
        if self.loss is not None:
            data["loss"] = self.loss
        if self.optimizer is not None:
            data["optimizer"] = to_plain(self.optimizer)
        if self.training:
            data["training"] = to_plain(self.training)
        if self.choices:
            data["choices"] = to_plain(self.choices)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """Return the architecture of such data.

        Raises:
            SpaceError: The data has another form, or breaks a rule.
        """
        known = ("name", "input", "layers", "loss", "optimizer", "training", "choices")
        for key in data:
            if key not in known:
                raise SpaceError(f"an architecture has no '{key}'{did_you_mean(key, known)}")
        try:
            shape = data["input"]["shape"]
            layers = data["layers"]
        except (KeyError, TypeError) as error:
            raise SpaceError(
                "an architecture needs 'input' with a 'shape', and 'layers'"
            ) from error
        optimizer = data.get("optimizer")
        return cls(
            tuple(size for size in shape if size is not None),
            tuple(LayerConfig.from_dict(layer, f"layers[{i}]") for i, layer in enumerate(layers)),
            loss=data.get("loss"),
            optimizer=None if optimizer is None else Call.from_plain(optimizer),
            training={key: from_plain(value) for key, value in data.get("training", {}).items()},
            choices=data.get("choices", {}),
            name=data.get("name", "Network"),
        )

    def build(self, backend: Backend = "pytorch") -> nn.Module:
        """Return the network as a model of a backend, with fresh weights.

        A PyTorch model takes ``(batch, channels, height, width)``, ``(batch, length, channels)``
        or ``(batch, features)`` and puts out logits.
        """
        from neural_automl.backends import ArchitectureBuilder

        return ArchitectureBuilder(backend).build(self)

    def to_source(self, backend: Backend = "pytorch") -> str:
        """Return the network as a Python file that needs the backend alone."""
        from neural_automl.backends import ArchitectureBuilder

        return ArchitectureBuilder(backend).source(self)

    def to_dsl(self) -> str:
        """Return the architecture as text of the space language."""
        from neural_automl.dsl import print_network

        return print_network({k: v for k, v in self.to_dict().items() if k != "choices"})


def check_input_shape(shape: Any) -> None:
    """Check a channels-last shape without the batch.

    Raises:
        SpaceError: It is not one to three positive integers.
    """
    if (
        not isinstance(shape, tuple)
        or not 1 <= len(shape) <= 3
        or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
    ):
        raise SpaceError(
            "an input shape must be (features,), (length, channels) or (height, width, channels) "
            f"of positive integers but got {shape!r}"
        )


def lower_sequence(builder: GraphBuilder, x: int, layers: Sequence[LayerConfig]) -> int:
    """Add the nodes of layers that follow each other; return the index of the last output."""
    for layer in layers:
        before = builder.path, builder.position
        builder.path, builder.position = layer.path, layer.position or builder.position
        x = lower_layer(builder, x, layer.type, layer.params, _blocks(builder, layer))
        builder.path, builder.position = before
    return x


def _blocks(builder: GraphBuilder, layer: LayerConfig) -> list[Block]:
    def block(layers: Sequence[LayerConfig]) -> Block:
        return lambda x: lower_sequence(builder, x, layers)

    if not layer.sublayers:
        return []
    if find_layer(layer.type)[0].blocks == "branches":
        return [block((branch,)) for branch in layer.sublayers]
    return [block(layer.sublayers)]


def _check_training(training: Mapping[str, Any]) -> None:
    check_parameters("training", TRAINING, training)


def _check_optimizer(optimizer: Call) -> None:
    if optimizer.type not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)} but got {optimizer.type!r}"
            + did_you_mean(optimizer.type, OPTIMIZERS)
        )
    values = check_parameters(optimizer.type, OPTIMIZERS[optimizer.type], optimizer.params)
    schedule = values["learning_rate"]
    if isinstance(schedule, Call):
        if schedule.type not in SCHEDULES:
            raise ValueError(
                f"a schedule must be one of {', '.join(SCHEDULES)} but got {schedule.type!r}"
                + did_you_mean(schedule.type, SCHEDULES)
            )
        check_parameters(schedule.type, SCHEDULES[schedule.type], schedule.params)
