"""Spaces that between them use every layer and structure, for exactness tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Cell,
    Choice,
    Expression,
    Layer,
    LayerChoice,
    Maybe,
    Parallel,
    RandomTrial,
    Range,
    Repeat,
    Residual,
)
from neural_automl.layers import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neural_automl.architecture import Architecture

ACTIVATION = Choice(None, "relu", "gelu", "softmax", "exponential")
KERNEL = Choice(1, 2, 3)
KERNELS = Choice((3, 2), (1, 4))
STRIDES = Choice(1, 2, 3)
PADDING = Choice("same", "valid")
PIXELS = Choice((1, 1), (1, 0))
FILTERS = Choice(1, 4, 6)


def many(full: int) -> int:
    """Return a count in full where asked to verify, else a tenth of it."""
    return full if os.environ.get("NEURAL_AUTOML_VERIFY") == "1" else full // 10


def _images() -> list[object]:
    conv: dict[str, Any] = {
        "activation": ACTIVATION,
        "padding": PADDING,
        "use_bias": Choice(True, False),
    }
    return [
        Layer("Conv2D", FILTERS, KERNEL, strides=STRIDES, **conv),
        Layer("Conv2D", FILTERS, KERNELS, strides=Choice((2, 1), (1, 3)), padding=PIXELS),
        Layer("Conv2D", 6, 3, dilation_rate=Choice((1, 1), (2, 2), (1, 3)), padding=PADDING),
        Layer("Conv2D", 6, 1, groups=Choice(1, 2, 3)),
        Layer("DepthwiseConv2D", KERNELS, strides=STRIDES, **conv),
        Layer("SeparableConv2D", FILTERS, KERNEL, strides=STRIDES, **conv),
        Layer("MaxPooling2D", KERNEL, Choice(None, 1, 2), PADDING),
        Layer("AveragePooling2D", KERNEL, Choice(None, 1, 2), PADDING),
        Layer("AveragePooling2D", KERNELS, Choice((2, 1), (1, 2)), PADDING),
        Layer("MaxPooling2D", 3, 1, PIXELS),
        Layer("AveragePooling2D", 3, 2, PIXELS),
        Layer("BatchNormalization", affine=Choice(True, False), momentum=Choice(0.9, 0.99)),
        Layer("LayerNormalization", Choice(1e-5, 1e-3)),
        Layer("Activation", Choice(*ACTIVATIONS)),
        Layer("Dense", FILTERS, activation=ACTIVATION),
        Layer("Conv2D", Expression("mul", ("channels", 2)), 1),
        Residual(
            [Layer("Conv2D", FILTERS, 3, strides=Choice(1, 2), padding="same"), "ReLU"],
            projection=Choice("conv", "none"),
        ),
        Residual("BatchNormalization"),
        Parallel(
            [
                [],
                Layer("Conv2D", FILTERS, 1),
                [Layer("MaxPooling2D", 3, 1, "same"), Layer("Dropout", 0.1)],
            ],
        ),
        Parallel([Layer("Conv2D", 4, 1), Layer("Conv2D", 4, 3, padding="same")], merge="add"),
        Cell(
            3,
            ["none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3", "max_pool_3x3"],
        ),
        Cell(3, ["sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]),
        *_operations(),
    ]


def _operations() -> list[object]:
    strided: dict[str, Any] = {"filters": Choice(None, 5), "strides": Choice(1, 2)}
    return [
        Layer("GroupNormalization", Choice(1, 2, 3)),
        Layer("ZeroPadding2D", Choice(1, 2)),
        Layer("ZeroPadding2D", (0, 2)),
        Layer("SqueezeExcitation", Choice(1, 2, 16)),
        "SkipConnection",
        Layer("Zero", Choice(1, 2)),
        Layer("SepConv", kernel_size=Choice(3, 5), **strided),
        Layer("DilatedConv", Choice(None, 5), Choice(3, 5)),
        Layer("ConvBN", kernel_size=Choice(1, 3), **strided),
        Layer("PoolBN", Choice("avg", "max"), strides=Choice(1, 2)),
        Layer("InvertedResidual", expand=Choice(1, 3), kernel_size=Choice(3, 5), **strided),
        Layer("FactorizedReduce", Choice(None, 1, 5)),
    ]


def _turned() -> list[object]:
    """Return layers that leave an image channels last in memory, and such as may keep it so."""
    padded = Layer("Conv2D", FILTERS, 2, padding="same")
    return [
        LayerChoice([Layer("Dense", FILTERS), "LayerNormalization"]),
        LayerChoice(
            [
                Layer("ZeroPadding2D", Choice((1, 1), (0, 1))),
                padded,
                [Layer("SamePool", kernel_size=Choice(2, 3)), "BatchNormalization"],
                [Layer("GroupNormalization", 1), "ReLU"],
                Parallel([padded, Layer("Dense", 4)], merge="concat"),
                Residual([padded, Layer("Activation", Choice("tanh", "softmax"))]),
                Layer("Zero", Choice(1, 2)),
            ]
        ),
        Maybe("ReLU"),
    ]


def _reshaped() -> list[object]:
    """Return layers that take features to an image and back, the axes joined in other ways."""
    return [
        Layer("Dense", 48),
        LayerChoice([Layer("Reshape", (4, 3, 4)), Layer("Reshape", (2, 6, 4))]),
        LayerChoice(
            [
                [],
                Layer("ConvBN", kernel_size=Choice(1, 3)),
                Layer("LayerNormalization"),
                [Layer("Dense", 4), Layer("Conv2D", 4, 2, padding="same"), "ReLU"],
            ]
        ),
        LayerChoice(
            [
                Layer("Reshape", (12, 4)),
                Layer("Reshape", (4, 12)),
                Layer("Reshape", (48,)),
                Layer("Reshape", (6, 4, 2)),
            ]
        ),
        "Flatten",
    ]


def image_space() -> ArchitectureSpace:
    """Return a space over (9, 8, 3) images with every layer for them, in any order."""
    return ArchitectureSpace(
        (9, 8, 3),
        [
            Maybe(LayerChoice([Layer("Reshape", (8, 9, 3)), Layer("Reshape", (6, 6, 6))])),
            Repeat([LayerChoice(_images()), Maybe(Layer("Dropout", 0.2))], Range(1, 5)),
            Maybe(_turned()),
            LayerChoice(["GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten"]),
            Repeat(
                [
                    Layer("Dense", Choice(3, 8), activation=Choice(None, "tanh")),
                    Maybe("BatchNormalization"),
                    Maybe("LayerNormalization"),
                ],
                Choice(0, 1, 2),
            ),
            Maybe(Residual([Layer("Dense", Choice(4, 8))])),
            Maybe(
                [
                    Layer("Dense", 12),
                    LayerChoice([Layer("Reshape", (3, 4)), Layer("Reshape", (4, 3))]),
                    Layer("Conv1D", 4, 2),
                    "Flatten",
                ]
            ),
            Maybe(_reshaped()),
            Layer("Output", 5, activation=Choice(None, "softmax", "sigmoid")),
        ],
        {"loss": Choice("cross_entropy", "mse")},
    )


def sequence_space() -> ArchitectureSpace:
    """Return a space over (13, 4) sequences with every layer for them, in any order."""
    conv: dict[str, Any] = {"activation": ACTIVATION, "padding": PADDING}
    layers = [
        Layer("Conv1D", FILTERS, Choice(1, 2, 3, 4), strides=Choice(1, 2, 3), **conv),
        Layer("Conv1D", 6, 3, dilation_rate=Choice(1, 2), padding="same"),
        Layer("MaxPooling1D", Choice(1, 2, 3), Choice(None, 1, 2), PADDING),
        Layer("AveragePooling1D", Choice(1, 2, 3), Choice(None, 1, 2), PADDING),
        Layer("AveragePooling1D", 3, padding=1),
        Layer("Conv1D", 4, 3, padding=1, groups=Choice(1, 2)),
        "BatchNormalization",
        "LayerNormalization",
        Layer("Dense", FILTERS, activation=ACTIVATION),
        Layer("Activation", Choice(*ACTIVATIONS)),
        Residual(Layer("Conv1D", FILTERS, 3, strides=Choice(1, 2), padding="same")),
        Parallel([[], Layer("Conv1D", 4, 1)]),
        Parallel([Layer("MaxPooling1D", 3, 1, "same"), Layer("Conv1D", 4, 1)]),
        *_recurrent(),
    ]
    return ArchitectureSpace(
        (13, 4),
        [
            Repeat(LayerChoice(layers), Range(1, 5)),
            LayerChoice(["GlobalAveragePooling1D", "Flatten", Layer("GRU", 3)]),
            Layer("Dense", 3),
        ],
    )


def _recurrent() -> list[object]:
    dropout = Choice(0.0, 0.2)
    return [
        Layer("LSTM", Choice(4, 6), return_sequences=True, dropout=dropout),
        Layer("GRU", Choice(4, 6), return_sequences=True, dropout=dropout),
        Layer("MultiHeadAttention", Choice(1, 2), dropout),
        Layer("TransformerEncoder", Choice(1, 2), Choice(3, 8), dropout),
        Layer("TransformerEncoder", 2, 8, body=[Layer("Dense", 5), "ReLU", Layer("Dense", 4)]),
    ]


def text_space() -> ArchitectureSpace:
    """Return a space over (11,) integers that starts with an embedding."""
    return ArchitectureSpace(
        (11,),
        [
            Layer("Embedding", 20, Choice(4, 8)),
            Repeat(LayerChoice(_recurrent()), Range(0, 2)),
            LayerChoice([Layer("LSTM", Choice(3, 5)), "GlobalAveragePooling1D", "Flatten"]),
            Layer("Dense", 2),
        ],
    )


SPACES = {"image": image_space, "sequence": sequence_space, "text": text_space}

#: How many architectures of each are built where everything is verified.
COUNTS = {"image": 320, "sequence": 120, "text": 60}


def feasible(space: ArchitectureSpace, seed: int) -> Iterator[Architecture]:
    """Yield architectures whose shapes follow, drawn at random, without end."""
    trial = RandomTrial(seed)
    while True:
        architecture = space.suggest(trial)
        if not space.violations(architecture):
            yield architecture
