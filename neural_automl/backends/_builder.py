from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from neural_automl.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

BACKENDS: Final = ("pytorch",)


class Suggests(Protocol):
    """What suggests an architecture on a trial: a space."""

    def suggest(self, trial: Any) -> Architecture:
        """Return one architecture."""
        ...


class ArchitectureBuilder:
    """Builds models of one framework, and writes their source.

    Args:
        backend: ``"pytorch"``.

    Raises:
        ValueError: There is no such backend.

    Example:
        >>> from neural_automl.architecture import LayerConfig
        >>> architecture = Architecture((4,), (LayerConfig("Dense", {"units": 2}),))
        >>> ArchitectureBuilder("pytorch").build(architecture)
        Network(
          (dense1): Linear(in_features=4, out_features=2, bias=True)
        )
    """

    def __init__(self, backend: str = "pytorch") -> None:
        if backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)} but got {backend!r}")
        self.backend = backend

    def build(self, architecture: Architecture | Suggests, trial: Any = None) -> nn.Module:
        """Return the model, with fresh weights and logits as its output.

        Args:
            architecture: An architecture; or, with a trial, a space to suggest one from.
            trial: An Optuna trial.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it.
            TypeError: It is neither an architecture nor, with a trial, a space.
        """
        from neural_automl.backends.pytorch import build

        return build(_resolve(architecture, trial))

    def source(self, architecture: Architecture) -> str:
        """Return a Python file with the model's class; it needs the framework alone.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it.
        """
        from neural_automl.backends.pytorch import source

        return source(architecture)


def _resolve(architecture: Architecture | Suggests, trial: Any) -> Architecture:
    if isinstance(architecture, Architecture):
        return architecture
    if trial is None or not hasattr(architecture, "suggest"):
        raise TypeError(
            "build needs an Architecture, or a space and a trial, but got "
            f"{type(architecture).__name__}{' alone' if trial is None else ' and a trial'}"
        )
    return architecture.suggest(trial)
