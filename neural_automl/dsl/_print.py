"""The dictionary form as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from neural_automl.dsl import _limits
from neural_automl.dsl._print_values import ValuePrinter, is_name, limit_text
from neural_automl.dsl._tables import is_layer, parameters_of, row_of, takes_block
from neural_automl.exceptions import excerpt

_WIDTH: Final = 88
_SHORT: Final = 68
Layer = Mapping[str, Any]


def print_network(model: Mapping[str, Any]) -> str:
    """Return a network in the dictionary form as text of the space language.

    Reading the text gives the same dictionary, and printing that the same text.

    Args:
        model: As ``parse(text).model``.

    Raises:
        ValueError: The dictionary holds what the language cannot say.
    """
    name = model.get("name", "Network")
    if not is_name(name):
        raise ValueError(f"a network's name must be a word but is {excerpt(name)}")
    values = ValuePrinter()
    layers = _LayerPrinter(values).sequence(model["layers"]) or ["{}"]
    sections = _sections(model, values)  # before the lets are taken: sections may use them too
    lines = [f"network {name} {{", f"  input: {values.value(model['input']['shape'])}"]
    lines += [f"  let {let} = {text}" for let, text in values.lets.items()]
    lines += ["  layers:", *_indent(layers, 4), *sections, "}"]
    return "\n".join(lines) + "\n"


def _sections(model: Mapping[str, Any], values: ValuePrinter) -> list[str]:
    lines = []
    if model.get("loss") is not None:
        lines.append(f"  loss: {values.value(model['loss'])}")
    if model.get("optimizer") is not None:
        optimizer = model["optimizer"]
        lines.append(f"  optimizer: {values.call(optimizer['type'], optimizer.get('params', {}))}")
    for word, key in (("train", "training"), ("execution", "execution")):
        if key in model:
            settings = [f"{name}: {values.value(value)}" for name, value in model[key].items()]
            lines += _indent(_block(word, settings), 2)
    if "constraints" in model:
        limits = [
            f"{c['metric']} {c['op']} {limit_text(c['metric'], c['limit'])}"
            for c in model["constraints"]
        ]
        lines += _indent(_block("constraints", limits), 2)
    return lines


def _indent(lines: Iterable[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _block(head: str, lines: Sequence[str]) -> list[str]:
    """Return ``head { lines }``, on one line if it is a short one."""
    start = f"{head} {{" if head else "{"
    if not lines:
        return [f"{start}}}"]
    if len(lines) == 1 and len(start) + len(lines[0]) < _SHORT:
        return [f"{start} {lines[0]} }}"]
    return [start, *_indent(lines, 2), "}"]


class _LayerPrinter:
    def __init__(self, values: ValuePrinter) -> None:
        self._values = values

    def sequence(self, layers: Sequence[Layer]) -> list[str]:
        """Return layers that follow each other; equal ones are counted."""
        lines: list[str] = []
        i = 0
        while i < len(layers):
            layer, count = layers[i], 1
            if layer["type"] not in ("maybe", "repeat", "sequence"):
                end = min(len(layers), i + _limits.REPETITION)
                while i + count < end and layers[i + count] == layer:
                    count += 1
            printed = self._layer(layer)
            if count > 1:
                printed[-1] += f" * {count}"
            lines += self._placed(printed, layer)
            i += count
        return lines

    def _placed(self, printed: list[str], layer: Layer) -> list[str]:
        device = layer.get("device")
        if device is None:
            return printed
        if layer["type"] == "maybe":  # its own @ would belong to what stands in it
            printed = _block("", printed)
        return [*printed[:-1], f"{printed[-1]} @ {self._values.value(device)}"]

    def _one(self, layer: Layer) -> list[str]:
        return self._placed(self._layer(layer), layer)

    def _layer(self, layer: Layer) -> list[str]:
        kind, params = layer["type"], layer.get("params") or {}
        below: Sequence[Layer] = layer.get("sublayers") or ()
        match kind:
            case "sequence":
                return _block("", self.sequence(below))
            case "choice":
                return self._choice(params, below)
            case "maybe":
                return self._maybe(params, below)
            case "repeat":
                printed = _block("", self.sequence(below))
                return [*printed[:-1], f"{printed[-1]} * {self._values.count(params['count'])}"]
            case "cell":
                return [self._cell(params)]
        return self._plain(kind, params, below)

    def _plain(self, kind: str, params: Mapping[str, Any], below: Sequence[Layer]) -> list[str]:
        word = "residual" if kind == "ResidualConnection" else kind
        table = [p for p in parameters_of(kind) if p.required] if is_layer(kind) else []
        ordered: dict[str, Any] = {}
        for parameter in table:  # required ones come first in every row, and go by position
            if parameter.name not in params:
                break
            ordered[parameter.name] = params[parameter.name]
        positional = len(ordered)
        ordered.update(params)
        braced = is_layer(kind) and takes_block(kind)
        head = self._values.call(word, ordered, positional) if params or not braced else word
        if not braced and not below:
            return [head]
        if braced and row_of(kind).blocks == "branches":
            branches = [line for branch in below for line in _block("", self._branch(branch))]
            return _block(head, branches)
        # Without its braces a group that follows would be taken for the block.
        return _block(head, self.sequence(below))

    def _branch(self, branch: Layer) -> list[str]:
        """Return the lines of a branch or alternative."""
        if branch["type"] == "sequence":
            return self.sequence(branch.get("sublayers") or ())
        return self._one(branch)

    def _choice(self, params: Mapping[str, Any], below: Sequence[Layer]) -> list[str]:
        head = f"choice{self._values.options(params)}"
        alternatives = [self._branch(branch) or ["{}"] for branch in below]
        if all(len(lines) == 1 for lines in alternatives):
            line = f"{head} {{ {' | '.join(lines[0] for lines in alternatives)} }}"
            if len(line) <= _WIDTH:
                return [line]
        printed = [f"{head} {{"]
        for i, lines in enumerate(alternatives):
            printed.append(f"  {'| ' if i else '  '}{lines[0]}")
            printed += _indent(lines[1:], 4)
        return [*printed, "}"]

    def _maybe(self, params: Mapping[str, Any], below: Sequence[Layer]) -> list[str]:
        head = f"maybe{self._values.options(params)}"
        if len(below) == 1 and below[0]["type"] not in ("maybe", "sequence"):
            first, *rest = self._one(below[0])
            return [f"{head} {first}", *rest]
        return _block(head, self.sequence(below))

    def _cell(self, params: Mapping[str, Any]) -> str:
        texts = [
            f"{key}={self._values.operations(value)}"
            if key in ("operations", "edges")
            else f"{key}={self._values.value(value)}"
            for key, value in params.items()
        ]
        return f"cell({', '.join(texts)})"
