"""Peak activation memory against storages that are alive while torch runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from neural_automl.architecture import Architecture
from tests.spaces import SPACES, feasible, many
from tests.test_models import random_inputs


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
        for name, function, sources, finished in model._program:
            module = model._modules.get(name)
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


CASES = dict(architectures())


@pytest.mark.parametrize("architecture", list(CASES.values()), ids=list(CASES))
def test_peak_memory_is_that_of_live_storages(architecture: Architecture) -> None:
    assert architecture.cost.peak_memory_bytes == measured_peak(architecture)
