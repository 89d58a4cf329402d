"""How a command ends: its exit code, and what it says where it can't go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import typer

from neural_automl.exceptions import (
    BrokenExportError,
    CheckpointError,
    EvaluationError,
    ExecutorError,
    NeuralAutoMLError,
    PredictionError,
    TrialsFailedError,
)

FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130

#: What the help of each command ends with.
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 failed while it ran; 2 an option, a file, data or a study can't be used "
    "as asked; 130 interrupted by Ctrl-C, a search by SIGTERM too."
)

#: What goes wrong in the middle, with nothing wrong in what was asked for.
_WHILE_RUNNING: Final = (
    BrokenExportError,
    CheckpointError,
    EvaluationError,
    ExecutorError,
    PredictionError,
    TrialsFailedError,
)
#: Of a system's errors, those that are of what a user named.
_OF_A_NAME: Final = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError)


def exit_code(error: Exception) -> int:
    """Return the exit code of what a command raised."""
    if isinstance(error, OSError):
        return WRONG_USE if isinstance(error, (*_OF_A_NAME, PermissionError)) else FAILED
    is_use = isinstance(error, NeuralAutoMLError) and not isinstance(error, _WHILE_RUNNING)
    return WRONG_USE if is_use else FAILED


@contextlib.contextmanager
def wrong_options() -> Iterator[None]:
    """Turn what constructors say of an option into a message; what runs later stays an error."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    except ImportError as error:  # it says what to install
        raise NeuralAutoMLError(str(error)) from error
