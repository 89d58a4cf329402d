"""What a network is trained with: losses, optimizers, schedules, training settings, limits.

PyTorch's defaults are the reference in every backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

LOSSES: Final = ("cross_entropy", "binary_crossentropy", "mse", "mae", "huber")

#: Other spellings that are read; the key is what is written, the value what it means.
LOSS_ALIASES: Final[Mapping[str, str]] = {
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
}


def canonical_loss(name: str) -> str:
    """Return the loss that a spelling means.

    Raises:
        ValueError: There is no such loss.
    """
    loss = LOSS_ALIASES.get(name, name)
    if loss not in LOSSES:
        raise ValueError(
            f"loss must be one of {', '.join([*LOSSES, *LOSS_ALIASES])} but got {name!r}"
        )
    return loss


def _learning_rate(default: float) -> Parameter:
    return Parameter("learning_rate", "schedule", default, above=0)


_WEIGHT_DECAY: Final = Parameter("weight_decay", "number", 0.0, minimum=0)
_BETAS: Final = (
    Parameter("beta_1", "number", 0.9, minimum=0, below=1),
    Parameter("beta_2", "number", 0.999, minimum=0, below=1),
    Parameter("epsilon", "number", 1e-8, above=0),
)
_MOMENTUM: Final = Parameter("momentum", "number", 0.0, minimum=0)

OPTIMIZERS: Final[Mapping[str, tuple[Parameter, ...]]] = {
    "Adam": (_learning_rate(0.001), *_BETAS, _WEIGHT_DECAY),
    "AdamW": (
        _learning_rate(0.001),
        *_BETAS,
        Parameter("weight_decay", "number", 0.01, minimum=0),
    ),
    "SGD": (
        _learning_rate(0.001),
        _MOMENTUM,
        Parameter("nesterov", "boolean", False),
        _WEIGHT_DECAY,
    ),
    "RMSprop": (
        _learning_rate(0.01),
        Parameter("rho", "number", 0.99, minimum=0, below=1),
        _MOMENTUM,
        Parameter("epsilon", "number", 1e-8, above=0),
        _WEIGHT_DECAY,
    ),
    "Adagrad": (
        _learning_rate(0.01),
        Parameter("epsilon", "number", 1e-10, above=0),
        _WEIGHT_DECAY,
    ),
    "Adadelta": (
        _learning_rate(1.0),
        Parameter("rho", "number", 0.9, minimum=0, below=1),
        Parameter("epsilon", "number", 1e-6, above=0),
        _WEIGHT_DECAY,
    ),
    "Adamax": (_learning_rate(0.002), *_BETAS, _WEIGHT_DECAY),
    "Nadam": (_learning_rate(0.002), *_BETAS, _WEIGHT_DECAY),
}

SCHEDULES: Final[Mapping[str, tuple[Parameter, ...]]] = {
    # Keras's spelling; a step is one update of the weights. Without decay_steps a cosine
    # falls over the whole training.
    "ExponentialDecay": (
        Parameter("initial_learning_rate", "number", above=0),
        Parameter("decay_steps", "integer", minimum=1),
        Parameter("decay_rate", "number", above=0),
    ),
    "CosineDecay": (
        Parameter("initial_learning_rate", "number", above=0),
        Parameter("decay_steps", "integer", None, minimum=1, nullable=True),
        Parameter("alpha", "number", 0.0, minimum=0),
    ),
}

TRAINING: Final[tuple[Parameter, ...]] = (
    Parameter("epochs", "integer", 10, minimum=1),
    Parameter("batch_size", "integer", 32, minimum=1),
    Parameter("validation_split", "number", 0.2, minimum=0, below=1),
    Parameter("patience", "integer", None, minimum=1, nullable=True),
    Parameter("gradient_clip", "number", None, above=0, nullable=True),
    Parameter("search_method", "string", None, nullable=True),
)

DEVICES: Final = ("auto", "cpu", "cuda", "mps", "tpu")


def is_device(device: str) -> bool:
    """Return whether a device exists by that name: one of ``DEVICES`` or ``cuda:N``."""
    kind, _, index = device.partition(":")
    numbered = kind == "cuda" and index.isdecimal() and index.isascii() and len(index) < 4
    return kind in DEVICES and (device == kind or numbered)


#: Costs that a constraint may limit. ``flops`` is 2 * macs; ``peak_memory`` is in bytes.
CONSTRAINT_METRICS: Final = ("params", "macs", "flops", "peak_memory", "depth")

#: Other spellings of these, as an architecture's cost names them.
CONSTRAINT_ALIASES: Final[Mapping[str, str]] = {"peak_memory_bytes": "peak_memory"}
