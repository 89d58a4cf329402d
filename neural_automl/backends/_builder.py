from __future__ import annotations

from typing import Any, Final, Protocol

from neural_automl.architecture import Architecture

BACKENDS: Final = ("pytorch", "tensorflow")


class Suggests(Protocol):
    """What suggests an architecture on a trial: a space."""

    def suggest(self, trial: Any) -> Architecture:
        """Return one architecture."""
        ...


class ArchitectureBuilder:
    """Builds models of one framework, and writes their source.

    Args:
        backend: ``"pytorch"`` or ``"tensorflow"``.

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

    def build(self, architecture: Architecture | Suggests, trial: Any = None) -> Any:
        """Return the model, with fresh weights and logits as its output.

        Args:
            architecture: An architecture; or, with a trial, a space to suggest one from.
            trial: An Optuna trial.

        Returns:
            A ``torch.nn.Module``, which takes images channels first, or a ``keras.Model``, which
            takes them channels last.

        Raises:
            ExportError: A user's layer has no form for the backend.
            ImportError: The backend is not installed.
            ShapeError: A layer cannot take the shape that reaches it.
            TypeError: It is neither an architecture nor, with a trial, a space.
        """
        resolved = _resolve(architecture, trial)
        if self.backend == "tensorflow":
            from neural_automl.backends import tensorflow

            return tensorflow.build(resolved)
        from neural_automl.backends import pytorch

        return pytorch.build(resolved)

    def source(self, architecture: Architecture) -> str:
        """Return a Python file that makes the model; it needs the framework alone.

        Raises:
            ExportError: A user's layer has no form for the backend, or cannot be imported.
            ShapeError: A layer cannot take the shape that reaches it.
        """
        if self.backend == "tensorflow":
            from neural_automl.backends import tensorflow

            return tensorflow.source(architecture)
        from neural_automl.backends import pytorch

        return pytorch.source(architecture)


def _resolve(architecture: Architecture | Suggests, trial: Any) -> Architecture:
    if isinstance(architecture, Architecture):
        return architecture
    if trial is None or not hasattr(architecture, "suggest"):
        raise TypeError(
            "build needs an Architecture, or a space and a trial, but got "
            f"{type(architecture).__name__}{' alone' if trial is None else ' and a trial'}"
        )
    return architecture.suggest(trial)
