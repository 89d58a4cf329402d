"""Random networks in the dictionary form, in normal form: as reading a text would give them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from neural_automl.dsl._labels import default_labels
from neural_automl.hyperparameters import (
    CONSTRAINT_METRICS,
    LOSS_ALIASES,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    TRAINING,
)
from neural_automl.layers import ALIASES, LAYERS, LayerType
from neural_automl.parameters import Parameter
from tests.dsl.texts import between, choice, expr, layer

Values = st.SearchStrategy[Any]
Layers = st.SearchStrategy[dict[str, Any]]

#: Ties: all that bears one name offers the same.
TIED_INTEGERS = [
    choice(4, 8, name="k"),
    choice(8, 16, 32, name="let.w"),
    choice(between(2, 6, step=2), 8, name="let.conditional"),
    between(2, 8, step=2, name="let.r"),
    {"hpo": {"type": "log_range", "low": 1, "high": 64, "name": "a name"}},
    choice(1, 2, name="let.not a word"),
    choice(1, 3, name='quo"ted\\\n'),
]
NAMED_CHOICE = layer("choice", layer("ReLU"), layer("Flatten"), name="op")
NAMED_CELL = layer("cell", nodes=3, operations=["none", "conv_3x3"], name="c")
DEVICES = ["cpu", "cuda", "cuda:1", "mps", "tpu", "auto"]
#: Rows that stand in a text in another way, or are made by strategies of their own.
STRUCTURES = ("sequence", "cell")


def _unique(values: list[Any]) -> bool:
    return len({repr(float(v)) if isinstance(v, int | float) else repr(v) for v in values}) == len(
        values
    )


def opened(values: Values) -> Values:
    """Return choices of some of the values."""
    return st.lists(values, min_size=1, max_size=4).filter(_unique).map(lambda v: choice(*v))


@st.composite
def integer_ranges(draw: st.DrawFn, lowest: int) -> dict[str, Any]:
    low = draw(st.integers(lowest, 50))
    step = draw(st.none() | st.integers(1, 5))
    high = low + draw(st.integers(0, 6)) * (step or 1)
    return between(low, high) if step is None else between(low, high, step=step)


@st.composite
def expressions(draw: st.DrawFn, leaves: Values) -> dict[str, Any]:
    """Arithmetic that gives whole numbers from 1 on."""
    left = draw(leaves)
    right = draw(st.integers(1, 9) | leaves)
    return draw(
        st.sampled_from(
            [
                expr("add", left, right),
                expr("mul", left, right),
                expr("mul", expr("add", left, 1), right),
                expr("sub", expr("add", left, right), 1),
                expr("sub", 10_000, expr("neg", left)),
                expr("div", expr("mul", left, 6), 3),
                expr("add", expr("mul", "channels", 2), left),
                expr("div", expr("channels", 1, 1), right),
                expr("channels"),
                expr("channels", 2, 0),
            ]
        )
    )


def integers(lowest: int = 1) -> Values:
    plain = st.integers(lowest, 512)
    leaves = st.one_of(opened(plain), integer_ranges(max(1, lowest)))
    if lowest > 1:
        return st.one_of(plain, opened(plain), integer_ranges(lowest))
    tied = st.sampled_from(TIED_INTEGERS)
    conditional = st.lists(plain | integer_ranges(1), min_size=1, max_size=3)
    return st.one_of(
        plain,
        leaves,
        tied,
        conditional.filter(_unique).map(lambda v: choice(*v)),
        expressions(st.one_of(leaves, tied)),
    )


@st.composite
def _float_range(draw: st.DrawFn, low: float, high: float) -> dict[str, Any]:
    ends = sorted(draw(st.tuples(st.floats(low, high), st.floats(low, high))))
    if ends[0] > 0 and draw(st.booleans()):
        return {"hpo": {"type": "log_range", "low": ends[0], "high": ends[1]}}
    return between(*ends)


def numbers(parameter: Parameter) -> Values:
    low = parameter.minimum if parameter.minimum is not None else parameter.above
    low = -10.0 if low is None else float(low)
    if parameter.above is not None:
        low = max(low, parameter.above + 1e-6)
    high = 10.0 if parameter.below is None else math.nextafter(parameter.below, 0)
    plain = st.floats(low, high)
    return st.one_of(plain, opened(plain), _float_range(low, high))


def sizes() -> Values:
    plain = st.integers(1, 9)
    element = st.one_of(plain, opened(plain), integer_ranges(1))
    tuples = st.lists(element, min_size=1, max_size=3)
    pairs = st.lists(plain, min_size=2, max_size=2)
    return st.one_of(plain, tuples, opened(plain), opened(pairs))


def strings(parameter: Parameter) -> Values:
    plain = (
        st.sampled_from(parameter.options)
        if parameter.options
        else st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
    )
    return st.one_of(plain, opened(plain))


def values(parameter: Parameter) -> Values:
    """Return values that a parameter takes, open or not."""
    lowest = 1 if parameter.minimum is None else int(parameter.minimum)
    kinds: dict[str, Callable[[], Values]] = {
        "integer": lambda: integers(max(1, lowest)),
        "number": lambda: numbers(parameter),
        "boolean": lambda: st.one_of(st.booleans(), st.just(choice(True, False))),
        "string": lambda: strings(parameter),
        "size": sizes,
        "padding": lambda: st.one_of(st.sampled_from(["same", "valid"]), sizes()),
        "shape": lambda: st.lists(st.integers(1, 9), min_size=1, max_size=4),
        "schedule": lambda: st.one_of(numbers(parameter), schedules()),
    }
    make: Callable[[], Values] = kinds[parameter.kind]
    found = make()
    return st.one_of(st.none(), found) if parameter.nullable else found


@st.composite
def arguments(draw: st.DrawFn, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Return the required parameters and some of the others, in any order."""
    chosen = [p for p in parameters if p.required or draw(st.booleans())]
    return {p.name: draw(values(p)) for p in draw(st.permutations(chosen))}


def calls(table: dict[str, tuple[Parameter, ...]]) -> Values:
    return st.sampled_from(sorted(table)).flatmap(
        lambda name: st.builds(
            lambda params: {"type": name, "params": params}, arguments(table[name])
        )
    )


def schedules() -> Values:
    return calls(dict(SCHEDULES))


def _row(name: str) -> tuple[LayerType, tuple[Parameter, ...]]:
    if name in LAYERS:
        return LAYERS[name], LAYERS[name].parameters
    target, preset = ALIASES[name]
    row = LAYERS[target]
    return row, tuple(p for p in row.parameters if p.name not in preset)


def _names(*blocks: str) -> list[str]:
    known = [name for name in (*LAYERS, *ALIASES) if name not in STRUCTURES and name != "residual"]
    return sorted(name for name in known if _row(name)[0].blocks in blocks)


@st.composite
def plain_layers(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(_names("none")))
    return layer(name, **draw(arguments(_row(name)[1])))


@st.composite
def cells(draw: st.DrawFn) -> dict[str, Any]:
    names = ["none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3", "ReLU"]
    called = [{"type": "SepConv", "params": {"kernel_size": 5, "filters": 8}}]
    operations: list[Any] = draw(st.permutations([*names, *called]))
    if draw(st.booleans()):
        return layer("cell", nodes=3, edges=[draw(st.sampled_from(operations)) for _ in range(3)])
    some = operations[: draw(st.integers(1, len(operations)))]
    return layer("cell", nodes=draw(st.integers(2, 5)), operations=some)


def _alternative(layers: list[dict[str, Any]]) -> dict[str, Any]:
    return layers[0] if len(layers) == 1 else layer("sequence", *layers)


@st.composite
def _choices(draw: st.DrawFn, inner: Layers) -> dict[str, Any]:
    drawn = draw(st.lists(st.lists(inner, max_size=3), min_size=1, max_size=3))
    alternatives = [_alternative(layers) for layers in drawn]
    made = layer("choice", *alternatives)
    labels = draw(st.sampled_from([None, ["A", "B", "C"], ["block", "block#2", 'x"y']]))
    if labels is not None and labels[: len(alternatives)] != default_labels(alternatives):
        made["params"]["labels"] = labels[: len(alternatives)]
    return made


@st.composite
def _blocks(draw: st.DrawFn, inner: Layers) -> dict[str, Any]:
    name = draw(st.sampled_from([n for n in _names("body", "branches") if n != "sequence"]))
    row, parameters = _row(name)
    if row.blocks == "branches":
        drawn = draw(st.lists(st.lists(inner, max_size=3), min_size=1, max_size=3))
        below = [_alternative(layers) for layers in drawn]
    else:
        below = draw(st.lists(inner, min_size=int(row.block_required), max_size=3))
    return layer(name, *below, **draw(arguments(parameters)))


@st.composite
def _repeats(draw: st.DrawFn, inner: Layers) -> dict[str, Any]:
    counts = [
        between(1, 3),
        choice(0, 2),
        between(1, 2, name="n"),
        choice(1, 3, name="let.depth"),
        expr("mul", between(1, 2), 2),
        expr("add", choice(1, 3, name="let.depth"), 1),
        choice(between(1, 2), 4),
    ]
    body = draw(st.lists(inner, min_size=1, max_size=3))
    return layer("repeat", *body, count=draw(st.sampled_from(counts)))


@st.composite
def _maybes(draw: st.DrawFn, inner: Layers) -> dict[str, Any]:
    made = layer("maybe", *draw(st.lists(inner, min_size=1, max_size=2)))
    if draw(st.booleans()):
        made["params"]["name"] = "d"
    return made


@st.composite
def _placed(draw: st.DrawFn, inner: Layers) -> dict[str, Any]:
    return {**draw(inner), "device": draw(st.sampled_from(DEVICES))}


def all_layers() -> Layers:
    """Return layers and structures, nested a few levels deep."""
    named = st.sampled_from([NAMED_CHOICE, NAMED_CELL])
    return st.recursive(
        st.one_of(plain_layers(), cells(), named),
        lambda inner: st.one_of(
            inner, _choices(inner), _blocks(inner), _repeats(inner), _maybes(inner), _placed(inner)
        ),
        max_leaves=8,
    )


@st.composite
def _constraints(draw: st.DrawFn) -> list[dict[str, Any]]:
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(CONSTRAINT_METRICS), st.sampled_from(["<=", "<", ">=", ">"])),
            unique=True,
            max_size=4,
        )
    )
    limits = st.one_of(
        st.integers(0, 10**12),
        st.sampled_from([1000, 1024, 5_000_000, 16 * 2**20, 2 * 10**9]),
        st.floats(0.1, 0.9),
    )
    return [{"metric": metric, "op": op, "limit": draw(limits)} for metric, op in pairs]


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """Return whole networks in normal form."""
    batch = draw(st.sampled_from([[], [None]]))
    shape = draw(st.lists(st.integers(1, 300), min_size=1, max_size=4))
    body = draw(st.lists(all_layers(), min_size=1, max_size=5))
    if draw(st.booleans()):
        body += [body[-1]] * draw(st.integers(1, 3))
    model: dict[str, Any] = {
        "name": draw(st.from_regex(r"\A[A-Z_][A-Za-z0-9_]{0,20}\Z")),
        "input": {"shape": [*batch, *shape]},
        "layers": body,
    }
    sections: dict[str, Values] = {
        "loss": st.sampled_from([*LOSSES, *LOSS_ALIASES]),
        "optimizer": calls(dict(OPTIMIZERS)),
        "training": arguments(TRAINING),
        "execution": st.sampled_from([{}, {"device": "cuda:0"}]),
        "constraints": _constraints(),
    }
    for name, section in sections.items():
        if draw(st.booleans()):
            model[name] = draw(section)
    return model
