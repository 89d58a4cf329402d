"""The classes of NAS-Bench-201's 15,625 cells, beside an enumeration that shares no code.

A cell is a value: a multiset of terms, nested. ``x`` is the input; ``("pool", value)``;
``("conv", kernel, edge, value)`` for the convolution on an edge, which is an instance with weights
of its own. "none" adds nothing, "skip_connect" adds the source's terms. A convolution of nothing is
a learnable constant, whose kernel is dead, where it ends in a norm, and nothing where it does not.
Pooling is not distributed over sums. Two cells are one where their values are equal up to the
numbers of the instances: the smallest text over all permutations of them stands for the class.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.canonical import canonical_form
from neural_automl.layers import unregister_layer
from neural_automl.nas_operations import NASOperation, register_operation

Cell = tuple[str, ...]
Value = tuple[Any, ...]  # of terms

#: Operation: kind and kernel.
NORMED = {
    "none": ("none", 0),
    "skip_connect": ("skip", 0),
    "nor_conv_1x1": ("conv", 1),
    "nor_conv_3x3": ("conv", 3),
    "avg_pool_3x3": ("pool", 3),
}
BARE = {
    "none": ("none", 0),
    "skip_connect": ("skip", 0),
    "bare_conv_1x1": ("conv", 1),
    "bare_conv_3x3": ("conv", 3),
    "avg_pool_3x3": ("pool", 3),
}
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
WIDTH = 4
ZOO = Path(__file__).parents[2] / "examples" / "zoo" / "nasbench201.neural"


# --- the enumeration -----------------------------------------------------------------------------


def value_of(cell: Cell, kinds: dict[str, tuple[str, int]], *, constants: bool) -> Value:
    values: list[list[Any]] = [["x"], [], [], []]
    for edge, ((source, target), operation) in enumerate(zip(EDGES, cell, strict=True)):
        kind, kernel = kinds[operation]
        before = tuple(values[source])
        if kind == "skip":
            values[target] += before
        elif kind == "pool" and before:
            values[target].append(("pool", before))
        elif kind == "conv" and before:
            values[target].append(("conv", kernel, edge, before))
        elif kind == "conv" and constants:
            values[target].append(("const", edge))
    return tuple(values[3])


def instances(value: Value) -> dict[int, int]:
    """Return the edge of each live instance, with its kernel: 0 where that is dead."""
    found = {}
    for term in value:
        if term[0] == "const":
            found[term[1]] = 0
        elif term[0] == "conv":
            found[term[2]] = term[1]
        if isinstance(term[-1], tuple):
            found |= instances(term[-1])
    return found


def text_of(value: Value, number: dict[int, int]) -> str:
    terms = []
    for term in value:
        if term == "x":
            terms.append("x")
        elif term[0] == "pool":
            terms.append(f"p({text_of(term[1], number)})")
        elif term[0] == "const":
            terms.append(f"k{number[term[1]]}")
        else:
            terms.append(f"c{term[1]}_{number[term[2]]}({text_of(term[3], number)})")
    return "+".join(sorted(terms))


def class_of(value: Value) -> str:
    edges = sorted(instances(value))
    numbered = (dict(zip(edges, order, strict=True)) for order in permutations(range(len(edges))))
    return min(text_of(value, number) for number in numbered)


# --- our keys ------------------------------------------------------------------------------------


class BareConvolution(NASOperation):
    """ReLU and a convolution without bias or norm: it gives zeros for zeros."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__(f"bare_conv_{kernel_size}x{kernel_size}")
        self.kernel_size = kernel_size

    def to_layer_config(self, in_ch: int, out_ch: int) -> Any:
        values = {"filters": out_ch, "kernel_size": self.kernel_size, "padding": "same"}
        return [
            {"type": "ReLU", "params": {}},
            {"type": "Conv2D", "params": {**values, "use_bias": False}},
        ]

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        return self.kernel_size**2 * in_ch * out_ch


@pytest.fixture
def bare_operations() -> Iterator[None]:
    operations = [register_operation(BareConvolution(kernel)) for kernel in (1, 3)]
    yield
    for operation in operations:
        unregister_layer(operation.name)


def network(cell: Cell) -> Architecture:
    layers = (
        LayerConfig("cell", {"edges": cell}),
        LayerConfig("GlobalAveragePooling2D"),
        LayerConfig("Dense", {"units": 3}),
    )
    return Architecture((8, 8, WIDTH), layers)


HEAD = WIDTH * 3 + 3
FULL = ArchitectureSpace.from_dsl(ZOO).sample_architecture(seed=0).to_dict()


def full_network(cell: Cell) -> Architecture:
    """Return the network of the zoo, of three stages of five cells, with this cell."""
    data = {key: value for key, value in FULL.items() if key != "choices"}
    data["layers"] = [
        {**layer, "params": {"edges": list(cell)}} if layer["type"] == "cell" else layer
        for layer in FULL["layers"]
    ]
    return Architecture.from_dict(data)


def compared(kinds: dict[str, tuple[str, int]], *, constants: bool) -> int:
    """Compare all cells with the enumeration; return the number of classes."""
    key_of: dict[str, str] = {}
    class_at: dict[str, str] = {}
    for cell in product(kinds, repeat=6):
        value = value_of(cell, kinds, constants=constants)
        form = canonical_form(network(cell).graph)
        name = class_of(value)
        assert key_of.setdefault(name, form.key) == form.key, f"split: {cell}"
        assert class_at.setdefault(form.key, name) == name, f"merged: {cell}"
        norm = 2 * WIDTH if constants else 0
        live = sum(kernel**2 * WIDTH**2 + norm for kernel in instances(value).values())
        # So it is equal within a class; dead kernels do not count.
        assert form.params == live + HEAD, cell
    return len(key_of)


@pytest.mark.slow
def test_the_full_network_has_the_same_classes(verify: bool) -> None:
    classes: dict[str, list[Cell]] = defaultdict(list)
    for cell in product(NORMED, repeat=6):
        classes[class_of(value_of(cell, NORMED, constants=True))].append(cell)
    several = [name for name, cells in sorted(classes.items()) if len(cells) > 1]
    sample = random.Random(0).sample(several, 40)
    sample += [name for name in random.Random(1).sample(sorted(classes), 60) if name not in sample]
    pick = classes if verify else {name: classes[name][:3] for name in sample}

    keys = {name: {full_network(cell).key for cell in cells} for name, cells in pick.items()}

    assert {len(found) for found in keys.values()} == {1}
    assert len(set().union(*keys.values())) == len(pick)


@pytest.mark.slow
def test_classes_where_a_norm_makes_zeros_a_constant() -> None:
    assert compared(NORMED, constants=True) == 5485


@pytest.mark.slow
@pytest.mark.usefixtures("bare_operations")
def test_classes_where_convolutions_pass_zeros() -> None:
    assert compared(BARE, constants=False) == 5260
