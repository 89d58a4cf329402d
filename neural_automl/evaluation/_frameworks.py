"""What differs between the backends of the evaluator: the device, the model, the session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural_automl.evaluation import _device

if TYPE_CHECKING:
    import torch

    from neural_automl.architecture import Architecture, Backend


def module_of(backend: Backend) -> Any:
    """Return the module that has ``begin``, ``validate`` and ``load_weights`` for a backend."""
    name = "_training" if backend == "pytorch" else "_keras"
    return import_module(f"neural_automl.evaluation.{name}")


def device_name(backend: Backend, device: str) -> str:
    """Return what a backend trains on: ``cpu``, ``cuda``, ``cuda:0`` or ``mps``.

    Raises:
        ValueError: The backend has no such device here.
    """
    if backend == "pytorch":
        return str(_device.choose_device(device))
    name: str = module_of(backend).choose_device(device)
    return name


def place(backend: Backend, device: str) -> torch.device:
    """Return where batches lie: TensorFlow takes them from the memory of the machine.

    Raises:
        ValueError: The backend has no such device here.
    """
    name = device_name(backend, device)
    return _device.choose_device(name if backend == "pytorch" else "cpu")


def build(architecture: Architecture, backend: Backend, device: torch.device) -> Any:
    """Return a model with fresh weights, where it is trained."""
    model = architecture.build(backend)
    return model.to(device) if backend == "pytorch" else model


@contextlib.contextmanager
def session(backend: Backend, device: str, seed: int, threads: int | None) -> Iterator[None]:
    """Seed every generator that a training draws from, and limit its threads; then undo both."""
    with (
        _device.limited_threads(threads),
        _device.seeded(seed, place(backend, device)),
        contextlib.ExitStack() as stack,
    ):
        if backend == "tensorflow":
            stack.enter_context(module_of(backend).session(seed, threads, device))
        yield
