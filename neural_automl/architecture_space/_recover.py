"""From an architecture back to the choices of a space that lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space._conform import operation_meaning
from neural_automl.architecture_space._nodes import (
    Cell,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
)
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._recover_values import (
    Bound,
    ValueMatcher,
    bind,
)
from neural_automl.architecture_space._renaming import copy_paths
from neural_automl.architecture_space._suggest import Trial
from neural_automl.architecture_space._tree import edge_names
from neural_automl.architecture_space._values import value_label
from neural_automl.exceptions import ShapeError, SpaceError, UnknownLayerError, excerpt
from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES, TRAINING
from neural_automl.layers import find_layer
from neural_automl.parameters import REQUIRED, as_integer, check_parameters
from neural_automl.values import Call

#: Ways to read the architecture that are tried.
_MOST: Final = 100_000
#: A place in a sequence of layers, and what is decided so far.
_State = tuple[int, Bound]
_IDENTITY: Final = LayerConfig("SkipConnection")


def recover_choices(
    suggest: Callable[[Trial], Architecture],
    located: Sequence[Located],
    training: Sequence[tuple[Any, str]],
    architecture: Architecture,
) -> dict[str, Any]:
    """Return the decisions that lead to an architecture.

    Args:
        suggest: Makes the architecture of decisions.
        located: The tree of the space, written out, with paths.
        training: The values of the training that may be open, with their names.
        architecture: Built by hand, or suggested.

    Raises:
        SpaceError: There are none, or they can't be told.
    """
    carried = _rebuilt(suggest, architecture.choices)
    if carried is not None and _is_alike(carried, architecture):
        return dict(carried.choices)
    layers = tuple(map(_normal, architecture.layers))
    matcher = _Matcher(layers)
    for end, bound in matcher.sequence(located, layers, 0, {}):
        if end != len(layers):
            continue
        for choices in matcher.training(training, architecture, bound):
            rebuilt = _rebuilt(suggest, choices)
            if rebuilt is not None and _is_alike(rebuilt, architecture):
                return dict(rebuilt.choices)
    raise SpaceError(matcher.reason(architecture))


class _Given:
    """Answers as was decided; whatever was not, or is not on offer, ends the walk."""

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self._choices = choices

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = self._value(name)
        for choice in choices:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return choice
        raise SpaceError(f"{excerpt(value)} is not on offer", path=name)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        value = as_integer(self._value(name))
        if value is None or not low <= value <= high or (value - low) % step:
            raise SpaceError("the value is out of its range", path=name)
        return value

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        value = self._value(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise SpaceError("the value is out of its range", path=name)
        if step is not None:
            place = low + round((value - low) / step) * step
            if abs(place - value) > 1e-9 * max(abs(low), abs(high)):
                raise SpaceError("the value is between two steps of its range", path=name)
        return float(value)

    def _value(self, name: str) -> Any:
        if name not in self._choices:
            raise SpaceError("nothing is decided", path=name)
        return self._choices[name]


def _rebuilt(
    suggest: Callable[[Trial], Architecture], choices: Mapping[str, Any]
) -> Architecture | None:
    try:
        return suggest(_Given(choices))
    except SpaceError:
        return None


def _is_alike(one: Architecture, other: Architecture) -> bool:
    """Whether two are one network, as written, and trained alike; defaults count as given."""
    if one == other:
        return True
    if one.input_shape != other.input_shape or _training(one) != _training(other):
        return False
    try:
        return one.graph.digest() == other.graph.digest()
    except (ShapeError, UnknownLayerError):
        return False  # without shapes only what is written alike is alike


def _training(architecture: Architecture) -> Any:
    optimizer = architecture.optimizer or Call("Adam", {})
    values = check_parameters("", OPTIMIZERS[optimizer.type], optimizer.params)
    schedule = values["learning_rate"]
    if isinstance(schedule, Call):
        settings = check_parameters("", SCHEDULES[schedule.type], schedule.params)
        values["learning_rate"] = (schedule.type, settings)
    settings = check_parameters("training", TRAINING, architecture.training)
    return architecture.loss, optimizer.type, values, settings


def _normal(layer: LayerConfig) -> LayerConfig:
    """Return a layer under its type's own name, with every parameter, and so those in it."""
    try:
        row, preset = find_layer(layer.type)
    except UnknownLayerError as error:
        raise UnknownLayerError(error.message, path=layer.path) from error
    params = {**_defaults(row.parameters), **preset, **layer.params}
    return LayerConfig(row.name, params, tuple(map(_normal, layer.sublayers)), layer.path)


def _defaults(parameters: Sequence[Any]) -> dict[str, Any]:
    return {p.name: p.default for p in parameters if p.default is not REQUIRED}


class _Matcher:
    """Reads a sequence of layers by a tree, as a text is read by a grammar, in every way.

    Args:
        layers: The sequence, in normal form.

    Attributes:
        furthest: How many layers of the outermost sequence were read, at most.
    """

    def __init__(self, layers: Sequence[LayerConfig]) -> None:
        self.furthest = 0
        self._outermost = layers
        self._values = ValueMatcher(_MOST)

    def reason(self, architecture: Architecture) -> str:
        """Say why nothing was found."""
        if self.furthest < len(self._outermost):
            layer = architecture.layers[self.furthest]
            return (
                f"the architecture is not in the space: nothing in it gives layer {self.furthest}, "
                f"{layer.type}, after those before it"
            )
        return (
            "the architecture is not in the space: its layers end too early, or its training is "
            "another"
        )

    def sequence(
        self, located: Sequence[Located], layers: Sequence[LayerConfig], at: int, bound: Bound
    ) -> Iterator[_State]:
        """Yield where nodes that follow each other may end, and what they decide then."""
        if not located:
            yield at, bound
            return
        # A stack of alternatives: a space may be longer than recursion is deep.
        stack = [self._node(*located[0], layers, at, bound)]
        while stack:
            state = next(stack[-1], None)
            if state is None:
                stack.pop()
                continue
            self._values.count()
            if layers is self._outermost:
                self.furthest = max(self.furthest, state[0])
            if len(stack) < len(located):
                stack.append(self._node(*located[len(stack)], layers, *state))
            else:
                yield state

    def training(
        self, values: Sequence[tuple[Any, str]], architecture: Architecture, bound: Bound
    ) -> Iterator[Bound]:
        """Yield what the training decides beside what is decided."""
        given = {
            "loss": architecture.loss,
            "optimizer": architecture.optimizer,
            **{f"training.{p.name}": p.default for p in TRAINING},
            **{f"training.{name}": value for name, value in architecture.training.items()},
        }
        if architecture.optimizer is None and any(name == "optimizer" for _, name in values):
            given["optimizer"] = Call("Adam", {})
        yield from self._values.all(
            [(value, given[name], name) for value, name in values if value is not None], bound
        )

    def _node(
        self, node: Node, path: str, layers: Sequence[LayerConfig], at: int, bound: Bound
    ) -> Iterator[_State]:
        if isinstance(node, Layer | Cell):
            if at < len(layers):
                read = self._layer if isinstance(node, Layer) else self._cell
                for state in read(node, path, layers[at], bound):  # type: ignore[arg-type]
                    yield at + 1, state
        elif isinstance(node, LayerChoice):
            name = node.name or f"{path}.choice"
            for k, label in enumerate(node.labels):
                decided = bind(bound, name, label)
                if decided is not None:
                    branch = branch_paths(node.alternatives[k], f"{path}[{k}]")
                    yield from self.sequence(branch, layers, at, decided)
        elif isinstance(node, Maybe):
            name = node.name or f"{path}.maybe"
            for is_there in (False, True):
                decided = bind(bound, name, is_there)
                if decided is not None:
                    body = body_paths(node.body, path) if is_there else []
                    yield from self.sequence(body, layers, at, decided)
        elif isinstance(node, Repeat):
            for count, decided in self._values.options(node.count, f"{path}.repeat", bound):
                copies = [each for k in range(count) for each in copy_paths(node, path, k)]
                yield from self.sequence(copies, layers, at, decided)
        else:
            yield from self.sequence(body_paths(node.body, path), layers, at, bound)

    def _layer(self, node: Layer, path: str, layer: LayerConfig, bound: Bound) -> Iterator[Bound]:
        row, preset = find_layer(node.type)
        if row.name != layer.type:
            return
        params = {**_defaults(row.parameters), **preset, **node.params}
        if params.keys() != layer.params.keys():
            return
        pairs = [
            (value, layer.params[key], f"{path}.{node.type}.{key}") for key, value in params.items()
        ]
        for decided in self._values.all(pairs, bound):
            if row.blocks == "branches":
                yield from self._branches(node, path, layer, decided)
            elif node.body:
                yield from self._block(node, path, layer, decided)
            elif not layer.sublayers:
                yield decided

    def _block(self, node: Layer, path: str, layer: LayerConfig, bound: Bound) -> Iterator[Bound]:
        body = body_paths(node.body, path)
        yield from self._whole(body, layer.sublayers, bound)
        if layer.sublayers == (_normal(_IDENTITY),):
            # A body of nothing but choices that came out empty is written as the identity.
            yield from self._whole(body, (), bound)

    def _branches(
        self, node: Layer, path: str, layer: LayerConfig, bound: Bound, first: int = 0
    ) -> Iterator[Bound]:
        if len(node.body) != len(layer.sublayers):
            return
        if first == len(node.body):
            yield bound
            return
        branch = layer.sublayers[first]
        inside = branch.sublayers if branch.type == "sequence" else (branch,)
        located = branch_paths(node.body[first], f"{path}[{first}]")
        for decided in self._whole(located, inside, bound):
            yield from self._branches(node, path, layer, decided, first + 1)

    def _whole(
        self, located: Sequence[Located], layers: Sequence[LayerConfig], bound: Bound
    ) -> Iterator[Bound]:
        for end, decided in self.sequence(located, layers, 0, bound):
            if end == len(layers):
                yield decided

    def _cell(self, node: Cell, path: str, layer: LayerConfig, bound: Bound) -> Iterator[Bound]:
        names = edge_names(node, path)
        edges = layer.params.get("edges") if layer.type == "cell" else None
        if not isinstance(edges, tuple) or len(edges) != len(names):
            return
        try:
            meant = [operation_meaning(edge) for edge in edges]
        except (SpaceError, TypeError, ValueError):
            return
        offered = {operation_meaning(op): value_label(op) for op in node.operations}
        decided: Bound | None = bound
        for name, meaning in zip(names, meant, strict=True):
            if decided is None or meaning not in offered:
                return
            decided = bind(decided, name, offered[meaning])
        if decided is not None:
            yield decided
