"""One point of a space: concrete, frozen, JSON in and out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from neural_automl.canonical import canonical_form
from neural_automl.cost import Cost, measure
from neural_automl.exceptions import SpaceError, UnknownLayerError, excerpt
from neural_automl.graph import Graph, GraphBuilder
from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES, TRAINING, canonical_loss
from neural_automl.layers import Block, find_layer, lower_layer
from neural_automl.parameters import as_integer, as_number, check_parameters, did_you_mean
from neural_automl.values import Call, call_from_plain, from_plain, frozen, to_plain

if TYPE_CHECKING:
    import keras
    from torch import nn

    from neural_automl.primitives import Shape

Backend = Literal["pytorch", "tensorflow"]

_LAYER_KEYS: Final = ("type", "params", "sublayers")


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One concrete layer or structure.

    Args:
        type: Name in the table of layers.
        params: Values by name, as they were given, lists as tuples: defaults are not filled in.
        sublayers: The layers of its block, or its branches.
        path: Where it comes from, in the spelling of study parameters.
        position: Line and column in the text that it comes from.
    """

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    sublayers: tuple[LayerConfig, ...] = ()
    path: str = field(default="", compare=False)
    position: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        params = {key: frozen(value) for key, value in self.params.items()}
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "sublayers", tuple(self.sublayers))

    def __hash__(self) -> int:
        return hash((self.type, frozenset(self.params.items()), self.sublayers))

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
            raise SpaceError(
                f"a layer must be a dictionary with a 'type' but got {excerpt(data)}", path=path
            )
        for key in data:
            if key not in _LAYER_KEYS:
                raise SpaceError(
                    f"a layer has no '{key}'{did_you_mean(key, _LAYER_KEYS)}", path=path
                )
        params, sublayers = data.get("params") or {}, data.get("sublayers") or ()
        if not isinstance(params, Mapping) or not isinstance(sublayers, list | tuple):
            raise SpaceError(
                "'params' of a layer must be a dictionary and 'sublayers' a list", path=path
            )
        try:
            values = {str(key): from_plain(value) for key, value in params.items()}
        except ValueError as error:
            raise SpaceError(str(error), path=path) from error
        layers = [cls.from_dict(layer, f"{path}[{k}]") for k, layer in enumerate(sublayers)]
        return cls(data["type"], values, tuple(layers), path)


@dataclass(frozen=True, eq=False)
class Architecture:
    """A network, and how it is to be trained.

    Two are equal where layers, input and training are, with the same values given; the name and
    the choices that led there do not count.

    Args:
        input_shape: Channels-last, without the batch: ``(height, width, channels)``,
            ``(length, channels)`` or ``(features,)``.
        layers: From input to output.
        loss: A name of ``hyperparameters.LOSSES``, or None for the task's usual one.
        optimizer: Name and parameters, or None for Adam(learning_rate=0.001).
        training: ``epochs``, ``batch_size`` and the other settings that were given, in the
            normal form of their parameters.
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
    choices: Mapping[str, Any] = field(default_factory=dict)
    name: str = "Network"

    def __post_init__(self) -> None:
        normal: dict[str, Any] = {
            "input_shape": without_batch(self.input_shape),
            "layers": tuple(self.layers),
            "choices": dict(self.choices),
        }
        try:
            if self.loss is not None:
                normal["loss"] = canonical_loss(self.loss)
            normal["training"] = _given(
                self.training, check_parameters("training", TRAINING, self.training)
            )
            if self.optimizer is not None:
                normal["optimizer"] = _checked_optimizer(self.optimizer)
        except (TypeError, ValueError) as error:
            raise SpaceError(str(error)) from error
        for name, value in normal.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        # Python's own hash of a string differs from process to process.
        return int(self.digest[:15], 16)

    def __repr__(self) -> str:
        return (
            f"Architecture({self.name!r}, input_shape={self.input_shape}, "
            f"{len(self.layers)} layers, digest={self.digest[:8]!r})"
        )

    @cached_property
    def graph(self) -> Graph:
        """The network lowered to primitives with shapes.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it, or a value breaks a rule.
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
        """Hash of the simplified graph: equal for architectures that compute the same function."""
        return canonical_form(self.graph).key

    @cached_property
    def digest(self) -> str:
        """Hash of the architecture and its training, the same in every process."""
        data = {k: v for k, v in self.to_dict().items() if k not in ("name", "choices")}
        text = json.dumps(_whole(data), sort_keys=True, separators=(",", ":"))
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
        shape, layers = check_sections(data, "an architecture", known)
        optimizer = data.get("optimizer")
        try:
            return cls(
                shape,
                tuple(LayerConfig.from_dict(item, f"layers[{i}]") for i, item in enumerate(layers)),
                loss=data.get("loss"),
                optimizer=None if optimizer is None else call_from_plain(optimizer),
                training={k: from_plain(value) for k, value in data.get("training", {}).items()},
                choices=data.get("choices", {}),
                name=data.get("name", "Network"),
            )
        except ValueError as error:
            raise SpaceError(str(error)) from error

    @overload
    def build(self, backend: Literal["pytorch"] = "pytorch") -> nn.Module: ...

    @overload
    def build(self, backend: Literal["tensorflow"]) -> keras.Model: ...

    @overload
    def build(self, backend: Backend) -> Any: ...

    def build(self, backend: Backend = "pytorch") -> Any:
        """Return the network as a model of a backend, with fresh weights.

        A PyTorch module takes ``(batch, channels, height, width)``, ``(batch, length, channels)``
        or ``(batch, features)`` and puts out logits; so does a ``keras.Model``, but that it takes
        images channels last.

        Raises:
            ExportError: A layer of a user's own has no form for the backend.
            ImportError: The backend is not installed.
            ShapeError: A layer cannot take the shape that reaches it.
            ValueError: There is no such backend.
        """
        from neural_automl.backends import ArchitectureBuilder

        return ArchitectureBuilder(backend).build(self)

    def to_source(self, backend: Backend = "pytorch") -> str:
        """Return the network as a Python file that needs the backend alone.

        Raises:
            ExportError: A layer of a user's own has no form for the backend.
            ShapeError: A layer cannot take the shape that reaches it.
            ValueError: There is no such backend.
        """
        from neural_automl.backends import ArchitectureBuilder

        return ArchitectureBuilder(backend).source(self)

    def to_dsl(self) -> str:
        """Return the architecture as text of the space language."""
        from neural_automl.dsl import print_network

        return print_network({k: v for k, v in self.to_dict().items() if k != "choices"})


def without_batch(shape: Any) -> Shape:
    """Return a channels-last shape without the batch, which a leading None stands for.

    Raises:
        SpaceError: It is not one to three positive integers.
    """
    sizes = shape if isinstance(shape, list | tuple) else ()
    numbers = tuple(map(as_integer, sizes[1:] if sizes and sizes[0] is None else sizes))
    if not 1 <= len(numbers) <= 3 or not all(n is not None and n > 0 for n in numbers):
        raise SpaceError(
            "an input shape must be (features,), (length, channels) or (height, width, channels) "
            f"of positive integers but got {excerpt(shape)}"
        )
    return tuple(n for n in numbers if n is not None)


def check_sections(data: Any, what: str, known: Sequence[str]) -> tuple[Any, list[Any]]:
    """Return input shape and layers of a dictionary form.

    Args:
        what: For messages: what the dictionary is of.
        known: The keys that it may have.

    Raises:
        SpaceError: It has another key, or one of these is missing or of another form.
    """
    if not isinstance(data, Mapping):
        raise SpaceError(f"{what} must be a dictionary but got {excerpt(data)}")
    for key in data:
        if key not in known:
            raise SpaceError(f"{what} has no '{key}'{did_you_mean(key, known)}")
    place, layers = data.get("input"), data.get("layers")
    if not isinstance(place, Mapping) or "shape" not in place or not isinstance(layers, list):
        raise SpaceError(f"{what} needs 'input' with a 'shape', and a list of 'layers'")
    for key in ("training", "choices"):
        if not isinstance(data.get(key, {}), Mapping):
            raise SpaceError(f"'{key}' must be a dictionary but got {excerpt(data[key])}")
    return place["shape"], layers


def lower_sequence(
    builder: GraphBuilder, x: int, layers: Sequence[LayerConfig], path: str = "layers"
) -> int:
    """Add the nodes of layers that follow each other; return the index of the last output.

    Args:
        path: Of the sequence, for layers that bear no path of their own.
    """
    builder.widths.append([])
    for index, layer in enumerate(layers):
        before = builder.path, builder.position
        builder.path = layer.path or f"{path}[{index}]"
        builder.position = layer.position or builder.position
        builder.widths[-1].append(builder.shape(x)[-1])
        blocks = _blocks(builder, layer, builder.path)
        span = builder.begin(layer.type)
        x = lower_layer(builder, x, layer.type, layer.params, blocks)
        builder.end(span, x)
        builder.path, builder.position = before
    builder.widths.pop()
    return x


def _blocks(builder: GraphBuilder, layer: LayerConfig, path: str) -> list[Block]:
    def block(layers: Sequence[LayerConfig], path: str) -> Block:
        return lambda x: lower_sequence(builder, x, layers, path)

    if not layer.sublayers:
        return []
    try:
        is_branches = find_layer(layer.type)[0].blocks == "branches"
    except UnknownLayerError:
        return []  # lowering raises it again, with the path
    if not is_branches:
        return [block(layer.sublayers, path)]
    # A branch of several layers is a sequence: one structure, not two.
    return [
        block(branch.sublayers if branch.type == "sequence" else (branch,), f"{path}[{k}]")
        for k, branch in enumerate(layer.sublayers)
    ]


def _whole(data: Any) -> Any:
    """Return data in which integral floats are integers: 1 and 1.0 are one value."""
    if isinstance(data, dict):
        return {key: _whole(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_whole(value) for value in data]
    whole = as_integer(data)
    return data if whole is None else whole


def _given(given: Mapping[str, Any], checked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked values of what was given, in the order given."""
    return {name: checked[name] for name in given}


def _checked_optimizer(optimizer: Any) -> Call:
    if not isinstance(optimizer, Call):
        raise TypeError(f"an optimizer must be a call but got {excerpt(optimizer)}")
    if optimizer.type not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)} but got {optimizer.type!r}"
            + did_you_mean(optimizer.type, OPTIMIZERS)
        )
    values = check_parameters(optimizer.type, OPTIMIZERS[optimizer.type], optimizer.params)
    params = _given(optimizer.params, values)
    schedule = values["learning_rate"]
    if isinstance(schedule, Call):
        if schedule.type not in SCHEDULES:
            raise ValueError(
                f"a schedule must be one of {', '.join(SCHEDULES)} but got {schedule.type!r}"
                + did_you_mean(schedule.type, SCHEDULES)
            )
        checked = check_parameters(schedule.type, SCHEDULES[schedule.type], schedule.params)
        params["learning_rate"] = Call(schedule.type, _given(schedule.params, checked))
    elif as_number(schedule) is None:
        raise TypeError(
            f"'learning_rate' must be a number or a schedule but got {excerpt(schedule)}"
        )
    return Call(optimizer.type, params)
