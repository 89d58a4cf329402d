"""Small data, small networks and a context that remembers, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import TensorDataset

from neural_automl.architecture import Architecture, Backend, LayerConfig
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.values import Call
from neural_automl.workers._packing import pack, unpack

Array = npt.NDArray[Any]

FAST = Call("Adam", {"learning_rate": 0.05})


def blobs(count: int = 60, classes: int = 3, features: int = 4, seed: int = 0) -> Any:
    """Return well separated clusters, one a class: any network can learn them."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centers = np.random.default_rng(99).normal(size=(classes, features)) * 3
    points = centers[labels] + generator.normal(size=(count, features)) * 0.3
    return points.astype(np.float32), labels


def plane(count: int = 60, columns: int = 1, seed: int = 0) -> Any:
    """Return targets that are linear in the inputs."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(count, 4)).astype(np.float32)
    slopes = np.random.default_rng(99).normal(size=(4, columns)).astype(np.float32)
    targets = points @ slopes
    return points, (targets[:, 0] if columns == 1 else targets)


def images(count: int = 40, shape: tuple[int, ...] = (6, 6, 1), classes: int = 3) -> Any:
    """Return random images with labels."""
    generator = np.random.default_rng(5)
    return generator.random((count, *shape), dtype=np.float32), np.arange(count) % classes


def dense(units: int = 3, hidden: int = 8, features: int = 4, **options: Any) -> Architecture:
    """Return a network of two dense layers."""
    layers = (
        LayerConfig("Dense", {"units": hidden, "activation": "relu"}),
        LayerConfig("Dense", {"units": units}),
    )
    return Architecture((features,), layers, **options)


def convolutional(
    shape: tuple[int, ...] = (6, 6, 1), units: int = 3, *extra: LayerConfig, **options: Any
) -> Architecture:
    """Return a network with a convolution and batch normalization."""
    layers = (
        LayerConfig("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same"}),
        LayerConfig("BatchNormalization"),
        LayerConfig("ReLU"),
        *extra,
        LayerConfig("GlobalAveragePooling2D"),
        LayerConfig("Dense", {"units": units}),
    )
    return Architecture(shape, layers, **options)


@dataclass(frozen=True)
class Fake(Architecture):
    """An architecture that builds a module of the test's own."""

    make: Callable[[], nn.Module] = field(default=nn.Identity, compare=False)

    def build(self, backend: Backend = "pytorch") -> nn.Module:
        return self.make()


def fake(make: Callable[[], nn.Module], like: Architecture | None = None) -> Fake:
    """Return an architecture with the shapes and settings of another and a module of its own."""
    real = like or dense()
    return Fake(
        real.input_shape,
        real.layers,
        loss=real.loss,
        optimizer=real.optimizer,
        training=real.training,
        make=make,
    )


class Recorder:
    """Remembers what an evaluation reported and saved."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.reports: list[tuple[int, dict[str, float]]] = []
        self.states: list[dict[str, Any]] = []
        self.weights: dict[str, Any] = {}
        self.calls: list[str] = []
        self._stop_after = stop_after

    def context(
        self,
        epochs: int = 2,
        seed: int = 0,
        device: str = "auto",
        earlier: dict[str, Any] | None = None,
    ) -> EvaluationContext:
        return EvaluationContext(
            epochs,
            seed,
            device,
            report=self._report,
            should_stop=self._should_stop,
            load_checkpoint=lambda: earlier,
            save_checkpoint=self._save,
            keep_weights=self._keep,
        )

    def _report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(f"report {step}")
        self.reports.append((step, dict(metrics)))

    def _should_stop(self) -> bool:
        self.calls.append("should_stop")
        return self._stop_after is not None and len(self.reports) >= self._stop_after

    def _save(self, state: Mapping[str, Any]) -> None:
        self.calls.append("save")
        self.states.append(unpack(pack(state)))  # as it comes back from a store

    def _keep(self, weights: Mapping[str, Any]) -> None:
        self.calls.append("keep")
        self.weights = dict(weights)


def without_time(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics without the seconds, which no seed repeats."""
    return {name: value for name, value in metrics.items() if name != "train_seconds"}


def run(
    evaluator: ArchitectureEvaluator, architecture: Architecture, epochs: int = 2, seed: int = 0
) -> dict[str, float]:
    return without_time(evaluator.evaluate(architecture, Recorder().context(epochs, seed)))


def tensors(count: int, seed: int = 0) -> TensorDataset:
    x, y = blobs(count, seed=seed)
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
