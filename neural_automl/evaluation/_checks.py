"""Checks of an evaluator's options."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from neural_automl._imports import try_import

_BACKENDS: Final = ("pytorch", "tensorflow")


def no_mixed_precision(device: object) -> str:
    """Return what to say where mixed precision is asked for and cannot be had."""
    return (
        f"`mixed_precision=True` needs a CUDA device but this is {device}; "
        "'auto' uses it where it can."
    )


def check_at_least_one(name: str, number: int | None) -> None:
    """Check a number.

    Raises:
        ValueError: It is below 1.
    """
    if number is not None and number < 1:
        raise ValueError(f"`{name}` must be at least 1 but got {number}.")


def check_choice(name: str, value: object, options: tuple[object, ...]) -> None:
    """Check an option.

    Raises:
        ValueError: It is none of those that are allowed.
    """
    if value not in options:
        listed = ", ".join(repr(option) for option in options)
        raise ValueError(f"`{name}` must be one of {listed} but got {value!r}.")


def check_backend(backend: str) -> None:
    """Check that a backend exists and, without loading it, that it is installed.

    Raises:
        ImportError: It is not installed.
        ValueError: There is no such backend.
    """
    check_choice("backend", backend, _BACKENDS)
    with try_import() as imports:
        if backend == "tensorflow" and find_spec("tensorflow") is None:
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    imports.check()
