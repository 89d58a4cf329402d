"""Time our training loop against a plain PyTorch loop over the same network, data and batches.

Run ``python benchmarks/training_loop.py``. Pairs of runs alternate, so that a change of the
machine's speed meets both; the ratio of each pair is taken, and their median printed. Two plain
loops are timed: the usual one, and one that is tuned as ours is, with the fused form of the
optimizer and images that lie in memory with their channels last. The bar is the ratio to the
tuned one.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.data import DataSplits, load_data
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.values import Call

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_SIZE = 32
VALIDATION_BATCH = 256
LEARNING_RATE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--bar", type=float, default=1.1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name, splits in (("digits 8x8", load_data("digits")), ("images 14x14", _images())):
        for form, tuned in (("tuned", True), ("usual", False)):
            ratio, ours, plain = compare(splits, options.epochs, options.pairs, tuned=tuned)
            print(
                f"{name}: {ratio:.3f} times the {form} plain loop "
                f"({ours:.3f} s to {plain:.3f} s for {options.epochs} epochs)"
            )
            failed |= tuned and ratio > options.bar
    if failed:
        raise SystemExit(f"the ratio is above {options.bar}")


def compare(
    splits: DataSplits, epochs: int, pairs: int, *, tuned: bool
) -> tuple[float, float, float]:
    """Return the median ratio, and the median seconds of our loop and of the plain one."""
    architecture = _network(splits.sample_shape)
    evaluator = ArchitectureEvaluator(splits, device="cpu")
    context = EvaluationContext(epochs=epochs, seed=0)
    tensors = [_tensors(pair) for pair in (splits.train, splits.validation)]

    def ours() -> float:
        return evaluator.evaluate(architecture, context)["val_accuracy"]

    def plain() -> float:
        return plain_loop(architecture, *tensors, epochs=epochs, tuned=tuned)

    ours(), plain()  # imports, and the first use of each kernel
    times = [(_seconds(ours), _seconds(plain)) for _ in range(pairs)]
    ratio = statistics.median(first / second for first, second in times)
    return ratio, *(statistics.median(column) for column in zip(*times, strict=True))


def plain_loop(
    architecture: Architecture,
    training: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor],
    *,
    epochs: int,
    tuned: bool,
) -> float:
    """Train as one writes it by hand; return the accuracy of the last epoch."""
    (x, y), (val_x, val_y) = (
        _in_order(pair, channels_last=tuned) for pair in (training, validation)
    )
    torch.manual_seed(0)
    shuffle = torch.Generator().manual_seed(0)
    model: nn.Module = architecture.build("pytorch")
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=tuned or None)
    accuracy = 0.0
    for _ in range(epochs):
        model.train()
        for index in torch.split(torch.randperm(len(x), generator=shuffle), BATCH_SIZE):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x[index]), y[index])
            torch.autograd.backward(loss)
            optimizer.step()
        model.eval()
        correct, total_loss = 0, 0.0
        with torch.no_grad():
            for xs, ys in zip(
                torch.split(val_x, VALIDATION_BATCH),
                torch.split(val_y, VALIDATION_BATCH),
                strict=True,
            ):
                logits = model(xs)
                total_loss += functional.cross_entropy(logits, ys, reduction="sum").item()
                correct += int((logits.argmax(1) == ys).sum())
        accuracy = correct / len(val_y)
    return accuracy


def _seconds(run: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _network(input_shape: tuple[int, ...]) -> Architecture:
    def block(filters: int) -> tuple[LayerConfig, ...]:
        convolution = {"filters": filters, "kernel_size": 3, "padding": "same"}
        return (
            LayerConfig("Conv2D", convolution),
            LayerConfig("BatchNormalization"),
            LayerConfig("ReLU"),
        )

    shape = input_shape if len(input_shape) == 3 else (*input_shape, 1)
    return Architecture(
        shape,
        (
            *block(16),
            LayerConfig("MaxPooling2D"),
            *block(32),
            LayerConfig("GlobalAveragePooling2D"),
            LayerConfig("Dense", {"units": 10}),
        ),
        loss="cross_entropy",
        optimizer=Call("Adam", {"learning_rate": LEARNING_RATE}),
        training={"batch_size": BATCH_SIZE},
    )


def _images() -> DataSplits:
    """Return 1,500 random 14x14 images of ten classes: their content does not change the time."""
    generator = np.random.default_rng(0)
    x = generator.random((1500, 14, 14), dtype=np.float32)
    y = generator.integers(0, 10, 1500)
    return DataSplits((x[:1200], y[:1200]), (x[1200:], y[1200:]), None, "classification", 10, "")


def _tensors(pair: tuple[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = torch.from_numpy(pair[0]), torch.from_numpy(pair[1])
    return (x.unsqueeze(-1) if x.ndim == 3 else x), y


def _in_order(
    pair: tuple[torch.Tensor, torch.Tensor], *, channels_last: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (N, C, H, W) that lie in memory one way or the other."""
    images = pair[0].permute(0, 3, 1, 2)
    # Not contiguous(), for which images of one channel lie both ways.
    return (images if channels_last else torch.empty(images.shape).copy_(images)), pair[1]


if __name__ == "__main__":
    main()
