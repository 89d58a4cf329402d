"""Every error and warning of the package.

The tree::

    NeuralAutoMLError
    ├── DSLError                     text of the space language, with line and column
    ├── SpaceError                   a space or an architecture that breaks a rule
    │   ├── UnknownLayerError        a layer type that nobody registered
    │   └── ShapeError               a layer that cannot follow the one before it
    ├── NoFeasibleArchitectureError  the constraints leave nothing to train
    ├── DataError                    data that cannot be read or does not fit the space
    ├── ExportError                  a network that cannot be written as asked
    │   └── BrokenExportError        files that do not run, or compute something else
    ├── StudyError                   a study or its database that cannot be used
    │   └── TrialsFailedError        trials that failed in a row, so that a search ended
    ├── ExecutorError                workers that died, or a cluster that is gone
    ├── CheckpointError              a training's state that cannot be kept or read
    ├── TrackingError                a tracker of experiments that cannot begin
    └── EvaluationError              a training that cannot give a metric
        ├── DivergenceError          the loss became NaN or infinite
        ├── OutOfMemoryError         the device has no room for the network
        └── ProxyError               a zero-cost proxy says nothing of a network

    FallbackWarning                  something asked for was replaced by something lesser

Wrong arguments raise ``ValueError`` or ``TypeError`` as everywhere in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXCERPT = 40


def excerpt(value: object) -> str:
    """Return the text of a user's value for a message, cut at 40 characters."""
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = f"a value of type {type(value).__name__} too long to write"
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


class NeuralAutoMLError(Exception):
    """Base class of every error that the package raises for a reason of its own."""


class SpaceError(NeuralAutoMLError):
    """A space or an architecture breaks a rule.

    Args:
        message: The rule and the value that breaks it; ``str`` puts the path before it.
        path: Where in the space, in the spelling of study parameters (``layers[2][0]``).
        position: Line and column in the text that the space came from, both from 1.
    """

    def __init__(
        self, message: str, *, path: str = "", position: tuple[int, int] | None = None
    ) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path
        self.position = position

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive Exception's own pickling.
        return (_rebuild_space_error, (type(self), self.message, self.path, self.position))


def _rebuild_space_error(
    kind: type[SpaceError], message: str, path: str, position: tuple[int, int] | None
) -> SpaceError:
    return kind(message, path=path, position=position)


class UnknownLayerError(SpaceError):
    """A layer type is not in the table; the message names near ones."""


class ShapeError(SpaceError):
    """A layer cannot take the shape that reaches it."""


class DSLError(NeuralAutoMLError):
    """Text of the space language that cannot be read.

    Args:
        message: The rule and the value that breaks it.
        line: From 1, of the first character of the offending token.
        column: From 1.
        hint: What to write instead, or an empty string.
        source_line: The line of text, for the caret.
        errors: All errors found in the text, this one included, in text order.

    Attributes:
        errors: Up to 20 errors of the text; the first is this one.
    """

    def __init__(
        self,
        message: str,
        line: int,
        column: int,
        hint: str = "",
        *,
        source_line: str | None = None,
        errors: Iterable[DSLError] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.hint = hint
        self.source_line = source_line
        self.errors: tuple[DSLError, ...] = tuple(errors) or (self,)

    def __str__(self) -> str:
        return "\n".join(error.describe() for error in self.errors)

    def describe(self, file: str = "") -> str:
        """Return ``line:column: message`` with the line, a caret and the hint below it."""
        prefix = f"{file}:" if file else ""
        lines = [f"{prefix}{self.line}:{self.column}: {self.message}"]
        if self.source_line is not None:
            lines.extend(_point_at(self.source_line, self.column))
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        others = tuple(error for error in self.errors if error is not self)
        return (
            _rebuild_dsl_error,
            (self.message, self.line, self.column, self.hint, self.source_line, others),
        )


def _rebuild_dsl_error(
    message: str,
    line: int,
    column: int,
    hint: str,
    source_line: str | None,
    others: tuple[DSLError, ...],
) -> DSLError:
    error = DSLError(message, line, column, hint, source_line=source_line)
    error.errors = (error, *others)
    return error


def _point_at(source_line: str, column: int, width: int = 100) -> list[str]:
    """Return the line (a window of it when it is long) and a caret under the column."""
    start = max(0, column - 1 - width // 2) if len(source_line) > width else 0
    window = "".join(
        character if character.isprintable() else " "
        for character in source_line[start : start + width]
    )
    return [f"    {window}", "    " + " " * (column - 1 - start) + "^"]


class NoFeasibleArchitectureError(NeuralAutoMLError):
    """No architecture of the space meets its constraints."""


class DataError(NeuralAutoMLError):
    """Data cannot be read, or does not fit the space."""


class ExportError(NeuralAutoMLError):
    """A network cannot be written as asked."""


class BrokenExportError(ExportError):
    """Files that were written do not run, or compute something else than the network."""


class StudyError(NeuralAutoMLError):
    """A study, or the database that holds it, cannot be used as asked."""


class TrialsFailedError(StudyError):
    """Trials failed in a row, so that a search ended."""


class ExecutorError(NeuralAutoMLError):
    """A call could not be made: its workers died, or the cluster is gone."""


class CheckpointError(NeuralAutoMLError):
    """A training's state cannot be kept, or what was kept cannot be read."""


class TrackingError(NeuralAutoMLError):
    """A tracker of experiments cannot begin."""


class EvaluationError(NeuralAutoMLError):
    """A training ended without a metric."""


class DivergenceError(EvaluationError):
    """The loss or a metric became NaN or infinite."""


class OutOfMemoryError(EvaluationError):
    """The device, or the machine, has no room for the network."""


class ProxyError(EvaluationError):
    """A zero-cost proxy says nothing of a network."""


class PredictionError(NeuralAutoMLError):
    """A predictor has not learned enough to predict."""


class FallbackWarning(UserWarning):
    """Something that was asked for was replaced by something lesser, and it is recorded."""
