"""Everything that is left open in the dictionary form, with its name in a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from neural_automl.dsl import _limits
from neural_automl.dsl._arithmetic import Combinations
from neural_automl.dsl._labels import default_labels
from neural_automl.dsl._values import Open, Operation, Value
from neural_automl.layers import cell_edges

_DEFAULT_NODES = 4


class Decision(NamedTuple):
    """One open value or decision.

    Args:
        path: Its name in a study.
        form: What it offers, in the dictionary form.
        tied: Whether the name was given to it, and is not its place.
    """

    path: str
    form: Mapping[str, Any]
    tied: bool


#: For each repetition of open count above: the start of a name that holds ``[*]`` for the index
#: of its copies, and what the copy at hand puts there.
_Copies = tuple[tuple[str, str], ...]


def decisions(model: Mapping[str, Any]) -> Iterator[Decision]:
    """Yield every decision in text order; a tied one as often as it stands."""
    yield from _layers(model.get("layers", ()), "layers", ())
    yield from _value(model.get("loss"), "loss", ())
    optimizer = model.get("optimizer", {})
    for name, value in optimizer.get("params", {}).items():
        yield from _value(value, f"optimizer.{name}", ())
    for name, value in model.get("training", {}).items():
        yield from _value(value, f"training.{name}", ())


def _layers(layers: Iterable[Mapping[str, Any]], path: str, copies: _Copies) -> Iterator[Decision]:
    for i, layer in enumerate(layers):
        yield from _layer(layer, f"{path}[{i}]", copies)


def _layer(layer: Mapping[str, Any], path: str, copies: _Copies) -> Iterator[Decision]:
    kind, params, below = layer["type"], layer["params"], layer["sublayers"]
    if kind == "choice":
        labels = params.get("labels") or default_labels(below)
        yield _decision(f"{path}.choice", _categorical(labels), params.get("name"), copies)
    elif kind == "maybe":
        yield _decision(f"{path}.maybe", _categorical([False, True]), params.get("name"), copies)
    elif kind == "cell":
        yield from _cell(params, path, copies)
    elif kind == "repeat":
        yield from _repeat(layer, path, copies)
        return
    else:
        for name, value in params.items():
            yield from _value(value, f"{path}.{kind}.{name}", copies)
    yield from _layers(below, path, copies)


def _repeat(layer: Mapping[str, Any], path: str, copies: _Copies) -> Iterator[Decision]:
    count = layer["params"]["count"]
    yield from _value(count, f"{path}.repeat", copies)
    for copy in range(largest_count(count)):
        inner = f"{path}[{copy}]"
        yield from _layers(layer["sublayers"], inner, (*copies, (f"{path}[*]", inner)))


def _cell(params: Mapping[str, Any], path: str, copies: _Copies) -> Iterator[Decision]:
    operations = params.get("operations")
    if operations is None:
        return
    name = params.get("name")
    for i, j in cell_edges(params.get("nodes", _DEFAULT_NODES)):
        edge = None if name is None else f"{name}.edge_{i}_{j}"
        form = _categorical(list(operations))
        yield _decision(f"{path}.edge_{i}_{j}", form, edge, copies)


def _categorical(values: Sequence[Any]) -> dict[str, Any]:
    return {"type": "categorical", "values": values}


def _decision(path: str, form: Mapping[str, Any], name: Any, copies: _Copies) -> Decision:
    if name is None:
        return Decision(path, form, False)
    for pattern, copy in copies:
        if name.startswith(pattern):
            name = copy + name[len(pattern) :]
    return Decision(name, form, True)


def _value(value: Any, path: str, copies: _Copies) -> Iterator[Decision]:
    if isinstance(value, list):
        for i, element in enumerate(value):
            yield from _value(element, f"{path}[{i}]", copies)
    elif isinstance(value, Mapping) and "hpo" in value:
        decision = _decision(path, value["hpo"], value["hpo"].get("name"), copies)
        yield decision
        yield from _value(value["hpo"].get("values", []), decision.path, copies)
    elif isinstance(value, Mapping) and "expr" in value:
        yield from _leaves(value, path, copies)
    elif isinstance(value, Mapping):
        for name, element in value["params"].items():
            yield from _value(element, f"{path}.{name}", copies)


def _leaves(value: Any, path: str, copies: _Copies) -> Iterator[Decision]:
    """Yield the open values of arithmetic: several without a name are numbered."""
    leaves = [*_open_leaves(value)]
    unnamed = sum("name" not in leaf["hpo"] for leaf in leaves)
    number = 0
    for leaf in leaves:
        place = path if unnamed == 1 else f"{path}[{number}]"
        number += "name" not in leaf["hpo"]
        yield from _value(leaf, place, copies)


def _open_leaves(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping) and "hpo" in value:
        yield value
    elif isinstance(value, Mapping):
        for operand in value["expr"][1:]:
            yield from _open_leaves(operand)


def largest_count(count: Any) -> int:
    """Return how many copies a count in the dictionary form may ask for."""
    numbers = Combinations().values(_as_value(count)) or [0]
    return max(0, min(int(max(numbers)), _limits.REPETITION))


def _as_value(plain: Any) -> Value:
    nowhere = (1, 1)
    if not isinstance(plain, Mapping):
        return Value(plain, nowhere)
    if "expr" in plain:
        operator, *operands = plain["expr"]
        return Value(Operation(operator, (*map(_as_value, operands),)), nowhere)
    hpo = plain["hpo"]
    kind = hpo["type"]
    ends = {"range": ("start", "end"), "log_range": ("low", "high")}
    members = hpo["values"] if kind == "categorical" else [hpo[end] for end in ends[kind]]
    data = Open(kind, (*map(_as_value, members),), hpo.get("step"), hpo.get("name"))
    return Value(data, nowhere)
