"""Edits of an architecture: pairs of blocks that compute the same, put in at one place."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from neural_automl.architecture import Architecture, LayerConfig
from tests.spaces import SPACES, feasible

Layers = list[LayerConfig]
Pair = tuple[Layers, Layers]
Shape = tuple[int, ...]


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


def chain(*layers: LayerConfig) -> LayerConfig:
    return LayerConfig("sequence", {}, layers)


def add(*branches: LayerConfig) -> LayerConfig:
    return layer("parallel", *branches, merge="add")


def join(*branches: LayerConfig) -> LayerConfig:
    return layer("parallel", *branches, merge="concat")


RELU, ZERO, NORM = layer("ReLU"), layer("Zero"), layer("BatchNormalization")
SIGMOID, TANH = layer("Activation", name="sigmoid"), layer("Activation", name="tanh")


def weighted(shape: Shape, units: int | None = None) -> LayerConfig:
    """Return a layer with weights that keeps the sizes of a shape."""
    if len(shape) == 3:
        return layer("Conv2D", filters=units or shape[-1], kernel_size=3, padding="same")
    return layer("Dense", units=units or shape[-1])


def window(kind: str, shape: Shape, *args: Any, **params: Any) -> LayerConfig:
    return layer(f"{kind}{len(shape) - 1}D", *args, **params)


def _images(shape: Shape) -> dict[str, Pair]:
    wide = {"filters": shape[-1], "kernel_size": 3}
    pool = {"pool_size": 3, "strides": 1, "padding": "same"}
    return {
        "split padding": (
            [layer("Conv2D", **wide, padding=1)],
            [layer("ZeroPadding2D", padding=1), layer("Conv2D", **wide)],
        ),
        "split padding twice": (
            [layer("ZeroPadding2D", padding=2), layer("Conv2D", **{**wide, "kernel_size": 5})],
            [
                layer("ZeroPadding2D", padding=1),
                layer("Conv2D", **{**wide, "kernel_size": 5}, padding=1),
            ],
        ),
        "zero through pooling": (
            [weighted(shape)],
            [add(weighted(shape), chain(ZERO, layer("AveragePooling2D", **pool), RELU))],
        ),
        "zero through a convolution": (
            [NORM],
            [add(NORM, chain(ZERO, layer("Conv2D", **wide, padding="same", use_bias=False)))],
        ),
        "constant": (
            [add(NORM, chain(ZERO, layer("ConvBN", kernel_size=3)))],
            [add(chain(ZERO, layer("ConvBN", kernel_size=1)), NORM)],
        ),
    }


def _spatial(shape: Shape) -> dict[str, Pair]:
    one = window("MaxPooling", shape, pool_size=1, strides=1)
    return {"pool of one pixel": ([weighted(shape)], [one, weighted(shape), one])}


def blocks(shape: Shape) -> dict[str, Pair]:
    """Return pairs of blocks that take a shape, keep it, and compute the same."""
    w, half = weighted(shape), weighted(shape, 2)
    plain: dict[str, Pair] = {
        "identity": ([w], [layer("SkipConnection"), w, chain()]),
        "no dropout": ([w], [layer("Dropout", rate=0.0), w]),
        "sum of one": ([w], [add(w)]),
        "zero branch": ([w], [add(chain(w, ZERO), w)]),
        "zero branch of a join": ([join(w, half), w], [join(half, w), w]),
        "order of a sum": ([add(w, chain(w, TANH), chain())], [add(chain(), w, chain(w, TANH))]),
        "order of a join": (
            [join(chain(half, NORM), chain(), chain(w, RELU)), NORM, SIGMOID, w],
            [join(chain(w, RELU), chain(half, NORM), chain()), NORM, SIGMOID, w],
        ),
        "order of a join in a join": (
            [join(chain(join(half, w), NORM), chain()), w],
            [join(chain(), chain(join(w, half), NORM)), w],
        ),
        "nested sums": ([add(w, chain(add(w, chain(w, RELU))))], [add(w, chain(w, RELU), w)]),
        "equal branches": ([add(w, w, chain(w, RELU, w))], [add(w, chain(w, RELU, w), w)]),
        "twice a ReLU": ([RELU], [RELU, layer("Dropout", rate=0.0), RELU]),
        "ReLU of what is positive": ([w, SIGMOID], [w, SIGMOID, RELU]),
        "one ReLU for two": (
            [add(chain(RELU, w), chain(RELU, w, TANH))],
            [RELU, add(chain(w, TANH), w)],
        ),
        "dead layers": ([w], [add(w, chain(w, NORM, RELU, w, ZERO, TANH))]),
    }
    if len(shape) > 1:
        plain |= _spatial(shape)
    return plain | (_images(shape) if len(shape) == 3 else {})


def with_layers(architecture: Architecture, at: int, put: Layers) -> Architecture:
    layers = (*architecture.layers[:at], *put, *architecture.layers[at:])
    return replace(architecture, layers=layers, choices={})


def places(architecture: Architecture) -> Iterator[tuple[int, Shape]]:
    """Yield places between layers where numbers, not ids, pass, and their shapes."""
    ids = any(node.op == "Embedding" for node in architecture.graph.nodes)
    for at in range(1 if ids else 0, len(architecture.layers) + 1):
        yield (
            at,
            Architecture(architecture.input_shape, architecture.layers[:at]).graph.output_shape,
        )


def random_architectures(seed: int) -> Iterator[Architecture]:
    """Yield architectures of every space in turn."""
    streams = [feasible(make(), seed) for make in SPACES.values()]
    while True:
        for stream in streams:
            yield next(stream)


def edited(seed: int) -> Iterator[tuple[str, Architecture, Architecture]]:
    """Yield random architectures with a block, and with one that computes the same; renamed."""
    draw = random.Random(seed)
    for architecture in random_architectures(seed):
        at, shape = draw.choice(list(places(architecture)))
        name = draw.choice(list(blocks(shape)))
        one, other = blocks(shape)[name]
        if draw.random() < 0.5:
            one, other = other, one
        second = with_layers(architecture, at, other)
        yield name, with_layers(architecture, at, one), replace(second, name="Another")


#: Operations without weights; the last two pool.
_CHANGES: list[Callable[[Shape], LayerConfig]] = [
    lambda shape: RELU,
    lambda shape: TANH,
    lambda shape: SIGMOID,
    lambda shape: ZERO,
    lambda shape: add(chain(), chain()),
    lambda shape: add(chain(), SIGMOID),
    lambda shape: layer("Activation", name="softmax"),
    lambda shape: layer("Activation", name="leaky_relu"),
    lambda shape: window("MaxPooling", shape, pool_size=3, strides=1, padding="same"),
    lambda shape: window("AveragePooling", shape, pool_size=3, strides=1, padding="same"),
]


def changed(seed: int) -> Iterator[tuple[Architecture, Architecture]]:
    """Yield random architectures, and the same with one operation without weights more."""
    draw = random.Random(seed)
    for architecture in random_architectures(seed):
        at, shape = draw.choice(list(places(architecture)))
        changes = _CHANGES if len(shape) > 1 else _CHANGES[:-2]
        yield architecture, with_layers(architecture, at, [draw.choice(changes)(shape)])


def first(stream: Iterator[Any], count: int) -> list[Any]:
    return list(islice(stream, count))
