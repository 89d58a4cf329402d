"""Peak activation memory against storages that are alive while torch runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import prod
from random import Random
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from neural_automl.architecture import Architecture, LayerConfig
from tests.spaces import SPACES, feasible, many
from tests.test_models import random_inputs


def config(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's is untyped
    """Sees every tensor that torch makes, and forgets it when its memory is given back."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bytes: Any = WeakIdKeyDictionary()

    def see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        self._bytes[storage] = storage.nbytes()

    def total(self, but: set[int]) -> int:
        """Return the bytes alive, without the storages of these addresses."""
        return sum(n for storage, n in self._bytes.items() if storage.data_ptr() not in but)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.see(leaf)
        return result


def measured_peak(architecture: Architecture) -> int:
    """Run a model step by step, keeping nothing longer than it does; return the peak in bytes."""
    model: Any = architecture.build("pytorch").eval()
    weights = _addresses(model)
    inputs = random_inputs(architecture, 1)
    # Activations count as float32: an embedding's input is given as wide.
    values: list[Any] = [inputs.to(torch.int32) if inputs.dtype == torch.int64 else inputs]
    del inputs
    live = LiveStorages()
    live.see(values[0])
    peak = live.total(weights)
    with torch.no_grad(), live:
        for modules, name, function, sources, finished in model._program:
            module = modules.get(name)
            values.append(
                module(values[sources[0]])
                if function is None
                else function(module, *(values[source] for source in sources))
            )
            peak = max(peak, live.total(weights))
            for source in finished:
                values[source] = None
    return peak


def _addresses(model: nn.Module) -> set[int]:
    tensors = [*model.parameters(), *model.buffers()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def architectures() -> Iterator[tuple[str, Architecture]]:
    for seed, (name, space) in enumerate(SPACES.items()):
        count = many({"image": 120, "sequence": 50, "text": 30}[name])
        for index, architecture in enumerate(islice(feasible(space(), seed + 10), count)):
            yield f"{name}{index}", architecture


def reshaped(architecture: Architecture, seed: int) -> Architecture:
    """Cut a network somewhere and reshape what it has there: flat, or two axes joined."""
    random = Random(seed)
    layers = architecture.layers[: random.randrange(1, len(architecture.layers))]
    first, *rest = Architecture(architecture.input_shape, layers).graph.output_shape
    shapes = [(first * prod(rest),), (first, prod(rest)), (first * prod(rest[:-1]), *rest[-1:])]
    return Architecture(
        architecture.input_shape, (*layers, config("Reshape", shape=random.choice(shapes)))
    )


CASES = dict(architectures())


@pytest.mark.parametrize("architecture", list(CASES.values()), ids=list(CASES))
def test_peak_memory_is_that_of_live_storages(architecture: Architecture) -> None:
    assert architecture.cost.peak_memory_bytes == measured_peak(architecture)


@pytest.mark.parametrize("seed", range(len(CASES)), ids=list(CASES))
def test_a_reshape_anywhere_is_a_view_or_a_copy_as_in_torch(seed: int) -> None:
    architecture = reshaped(list(CASES.values())[seed], seed)
    assert architecture.cost.peak_memory_bytes == measured_peak(architecture)


FLAT, DENSE = config("Flatten"), config("Dense", units=8)
CONV = config("Conv2D", filters=8, kernel_size=1)
ORDERS = {
    "pad": ((28, 28, 4), DENSE, config("ZeroPadding2D", padding=3), FLAT),
    "no-pad": ((4, 6, 4), DENSE, config("ZeroPadding2D", padding=0), FLAT),
    "uneven-conv": (
        (28, 28, 4),
        config("LayerNormalization"),
        config("Conv2D", filters=8, kernel_size=2, padding="same"),
        FLAT,
    ),
    "one-row": (
        (28, 28, 1),
        config("Conv2D", filters=64, kernel_size=1),
        config("Reshape", shape=(784, 64)),
        config("GlobalAveragePooling1D"),
    ),
    "merged-rows": ((8, 8, 8), config("Reshape", shape=(64, 8))),
    "one-channel": ((4, 6, 4), config("Dense", units=1), CONV, FLAT),
    "one-channel-normed": (
        (4, 6, 4),
        config("Dense", units=1),
        config("BatchNormalization"),
        CONV,
        FLAT,
    ),
    "mixed-cat": ((4, 6, 4), config("parallel", DENSE, CONV), FLAT),
    "mixed-add-last": ((4, 6, 4), config("parallel", DENSE, CONV, merge="add"), FLAT),
    "mixed-add-first": ((4, 6, 4), config("parallel", CONV, DENSE, merge="add"), FLAT),
    "squeeze": ((4, 6, 4), DENSE, config("SqueezeExcitation", ratio=2), FLAT),
    "softmax": ((4, 6, 4), DENSE, config("Activation", name="softmax"), CONV, FLAT),
    "strided-zeros": ((5, 6, 4), DENSE, config("Zero", strides=2), FLAT),
    "pooled-sequence": ((12, 4), DENSE, config("MaxPooling1D"), FLAT),
    "normed-sequence": ((12, 4), DENSE, config("BatchNormalization"), FLAT),
    "recurrent": ((12, 4), config("GRU", units=4, return_sequences=True), config("ReLU"), FLAT),
}


@pytest.mark.parametrize("case", ORDERS.values(), ids=ORDERS)
def test_flattening_copies_where_torch_copies(case: tuple[Any, ...]) -> None:
    shape, *layers = case
    architecture = Architecture(shape, tuple(layers))
    assert architecture.cost.peak_memory_bytes == measured_peak(architecture)
