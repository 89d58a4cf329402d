"""Imports of optional packages: fail where the package is needed, and say how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# Top-level module to the extra of pyproject.toml that installs it.
_EXTRA_OF = {
    "PIL": "images",
    "dask": "dask",
    "distributed": "dask",
    "grpc": "grpc",
    "keras": "tensorflow",
    "mlflow": "tracking",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "optuna_dashboard": "dashboard",
    "psycopg": "postgres",
    "ray": "ray",
    "tensorboard": "tracking",
    "tensorflow": "tensorflow",
    "wandb": "tracking",
}


class _OptionalImport:
    """Holds back the ImportError of a ``with`` block until the imported package is needed."""

    def __init__(self) -> None:
        self._error: ImportError | None = None

    def __enter__(self) -> _OptionalImport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, ImportError):
            return False
        self._error = error
        return True

    def is_successful(self) -> bool:
        """Return whether everything in the block was imported."""
        return self._error is None

    def check(self) -> None:
        """Do nothing if everything in the block was imported.

        Raises:
            ImportError: Something was not; the message has the command that installs it.
        """
        if self._error is None:
            return
        name = self._error.name or "a package"
        extra = _EXTRA_OF.get(name.partition(".")[0])
        target = f'"neural-automl[{extra}]"' if extra else name.partition(".")[0]
        advice = f"; install it with `pip install {target}`" if extra or self._error.name else ""
        if extra:
            advice += f', or, in a clone, with `pip install -c constraints.txt ".[{extra}]"`'
        raise ImportError(
            f"{name} could not be imported ({self._error}){advice}", name=self._error.name
        ) from self._error


def try_import() -> _OptionalImport:
    """Wrap the imports of an optional package.

    Example:
        ::

            with try_import() as _imports:
                import tensorflow as tf


            class KerasBuilder:
                def __init__(self) -> None:
                    _imports.check()

    Returns:
        A context manager; its ``check`` raises what the block has held back.
    """
    return _OptionalImport()
