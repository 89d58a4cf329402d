"""One walk through the tree: from a trial to concrete layers."""

from __future__ import annotations

import random
from fractions import Fraction
from math import exp, log
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from neural_automl.architecture import LayerConfig
from neural_automl.architecture_space._nodes import Cell, Layer, LayerChoice, Maybe, Node, Repeat
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._renaming import copy_paths
from neural_automl.architecture_space._tree import edge_names
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Open,
    Range,
    operand_names,
    value_label,
)
from neural_automl.exceptions import SpaceError
from neural_automl.layers import find_layer
from neural_automl.values import CHANNELS, Call, Expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Trial(Protocol):
    """What a walk asks for decisions; any Optuna trial is one."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""
        ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Return an integer of the range."""
        ...

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        """Return a number of the range."""
        ...


class RandomTrial:
    """Draws each decision at random: a trial without a study.

    Args:
        seed: Of the draws; None draws differently each time.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        return self._random.choice(choices)

    def suggest_int(
        self,
        name: str,
        low: int,
        high: int,
        *,
        step: int = 1,
        log: bool = False,
    ) -> int:
        """Draw an integer of the range."""
        if log:
            return min(high, max(low, round(self._log_uniform(low - 0.5, high + 0.5))))
        return self._random.randrange(low, high + 1, step)

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        """Draw a number of the range."""
        if log:
            return self._log_uniform(low, high)
        if step is None:
            return self._random.uniform(low, high)
        # Exact, as the numbers are written: 0.1 is a tenth.
        first, distance = Fraction(repr(low)), Fraction(repr(step))
        places = int((Fraction(repr(high)) - first) / distance)
        return float(first + self._random.randint(0, places) * distance)

    def _log_uniform(self, low: float, high: float) -> float:
        return min(high, max(low, exp(self._random.uniform(log(low), log(high)))))


class _Place(NamedTuple):
    level: int
    start: int


class Walk:
    """Decides what is open, once for each name.

    Args:
        trial: Asked once for each name.

    Attributes:
        choices: What was decided, by name, as a study stores it.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.choices: dict[str, Any] = {}
        # How many concrete layers the sequences being written hold so far, outermost first; and
        # for each structure of the space around, where its layers so far begin in those.
        self._written = [0]
        self._places: list[list[_Place]] = []

    def layers(self, located: Iterable[Located]) -> list[LayerConfig]:
        """Return the concrete layers of nodes that follow each other."""
        result = []
        self._places.append([])
        for node, path in located:
            self._places[-1].append(_Place(len(self._written) - 1, self._written[-1]))
            result.extend(self._node(node, path))
        self._places.pop()
        return result

    def value(self, value: Any, name: str) -> Any:
        """Return a concrete value; expressions of ``channels`` stay expressions.

        So does a division by zero, for lowering to name the layer.
        """
        if isinstance(value, Open):
            return self._open(value, value.name or name)
        if isinstance(value, Expression):
            try:
                return value.replace(self._leaf_resolver(value, name))
            except ValueError:
                return value.substitute(self._leaf_resolver(value, name))
        if isinstance(value, tuple):
            return tuple(self.value(element, f"{name}[{k}]") for k, element in enumerate(value))
        if isinstance(value, Call):
            params = {key: self.value(v, f"{name}.{key}") for key, v in value.params.items()}
            return Call(value.type, params)
        return value

    def _leaf_resolver(self, value: Expression, name: str) -> Callable[[Any], Any]:
        names = iter(operand_names(value, name))

        def resolve(leaf: Any) -> Any:
            if isinstance(leaf, Open):
                return self._open(leaf, next(names))
            return self._far_channels(leaf) if isinstance(leaf, Expression) else leaf

        return resolve

    def _far_channels(self, leaf: Expression) -> Expression | str:
        """Return a width of an earlier node as a width of an earlier concrete layer."""
        back, up = leaf.operands
        if up >= len(self._places) or back >= len(self._places[-1 - up]):
            raise SpaceError(f"{leaf} goes back further than there are layers")
        place = self._places[-1 - up][-1 - back]
        concrete = (self._written[place.level] - place.start, len(self._written) - 1 - place.level)
        return CHANNELS if concrete == (0, 0) else Expression(CHANNELS, concrete)

    def _open(self, value: Open, name: str) -> Any:
        if isinstance(value, Choice):
            labels = [value_label(element) for element in value.values]
            chosen = self._categorical(name, labels)
            return self.value(value.values[chosen], f"{name}[{chosen}]")
        if name not in self.choices:
            self.choices[name] = self._number(name, value)
        return self.choices[name]

    def _number(self, name: str, value: Range | LogRange) -> int | float:
        is_log = isinstance(value, LogRange)
        step = value.step if isinstance(value, Range) else None
        if value.is_integer:
            return self._trial.suggest_int(
                name, int(value.low), int(value.high), step=int(step or 1), log=is_log
            )
        number = self._trial.suggest_float(
            name, float(value.low), float(value.high), step=step, log=is_log
        )
        return value.as_written(number) if isinstance(value, Range) else number

    def _categorical(self, name: str, labels: Sequence[Any]) -> int:
        if name not in self.choices:
            self.choices[name] = self._trial.suggest_categorical(name, labels)
        return labels.index(self.choices[name])

    def _node(self, node: Node, path: str) -> list[LayerConfig]:
        if isinstance(node, Layer | Cell):
            layer = self._layer(node, path) if isinstance(node, Layer) else self._cell(node, path)
            self._written[-1] += 1
            return [layer]
        if isinstance(node, LayerChoice):
            chosen = self._categorical(node.name or f"{path}.choice", node.labels)
            return self.layers(branch_paths(node.alternatives[chosen], f"{path}[{chosen}]"))
        if isinstance(node, Maybe):
            is_there = self._categorical(node.name or f"{path}.maybe", (False, True))
            return self.layers(body_paths(node.body, path)) if is_there else []
        if isinstance(node, Repeat):
            return self._repeat(node, path)
        return self.layers(body_paths(node.body, path))

    def _layer(self, node: Layer, path: str) -> LayerConfig:
        params = {
            key: self.value(value, f"{path}.{node.type}.{key}")
            for key, value in node.params.items()
        }
        if not node.body:
            body: list[LayerConfig] = []
        elif find_layer(node.type)[0].blocks == "branches":
            body = [self._branch(b, f"{path}[{k}]") for k, b in enumerate(node.body)]
        else:
            # A body of nothing but choices may come out empty: then it is the identity, written
            # as a layer, since a text may not leave a block empty.
            body = self._below(body_paths(node.body, path)) or [
                LayerConfig("SkipConnection", path=path, position=node.position)
            ]
        return LayerConfig(node.type, params, tuple(body), path, node.position)

    def _branch(self, branch: Node, path: str) -> LayerConfig:
        layers = self._below(branch_paths(branch, path))
        if len(layers) == 1:
            return layers[0]
        return LayerConfig("sequence", {}, tuple(layers), path)

    def _below(self, located: Iterable[Located]) -> list[LayerConfig]:
        """Return the layers of a concrete sequence of its own."""
        self._written.append(0)
        layers = self.layers(located)
        self._written.pop()
        return layers

    def _repeat(self, node: Repeat, path: str) -> list[LayerConfig]:
        count = self.value(node.count, f"{path}.repeat")  # the space has checked what it can be
        return [
            layer for copy in range(count) for layer in self.layers(copy_paths(node, path, copy))
        ]

    def _cell(self, node: Cell, path: str) -> LayerConfig:
        labels = [value_label(operation) for operation in node.operations]
        edges = tuple(
            self.value(node.operations[self._categorical(name, labels)], name)
            for name in edge_names(node, path)
        )
        return LayerConfig("cell", {"edges": edges}, (), path, node.position)
