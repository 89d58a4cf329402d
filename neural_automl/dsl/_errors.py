"""Errors of one text, collected so that all of them are reported together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.dsl import _limits
from neural_automl.exceptions import DSLError, excerpt
from neural_automl.parameters import near_names

if TYPE_CHECKING:
    from collections.abc import Iterable

Position = tuple[int, int]


class Problems:
    """The errors found so far in one text.

    Args:
        text: The text, for the lines that errors show.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._found: dict[Position, DSLError] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, message: str, at: Position, hint: str = "") -> None:
        """Record an error; a second one at the same place would be a consequence, and is not.

        Raises:
            DSLError: So many were found that looking for more would only cost time.
        """
        self._found.setdefault(at, self.error(message, at, hint))
        if len(self._found) >= _limits.ERRORS_SOUGHT:
            self.raise_any()

    def error(self, message: str, at: Position, hint: str = "") -> DSLError:
        """Return an error with the line of text that it is about."""
        line, column = at
        source = self._lines[line - 1].rstrip("\r") if line <= len(self._lines) else ""
        return DSLError(message, line, column, hint, source_line=source)

    def raise_any(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            DSLError: The first error in text order, with all of them in ``errors``.
        """
        if self._found:
            errors = [self._found[at] for at in sorted(self._found)][: _limits.ERRORS]
            errors[0].errors = tuple(errors)
            raise errors[0]


def quoted(name: str) -> str:
    """Return a word of the text in quotes for a message, cut at 40 characters."""
    return excerpt(str(name))


def place(at: Position) -> str:
    """Return ``line:column``."""
    return f"{at[0]}:{at[1]}"


def near(name: str, known: Iterable[str]) -> str:
    """Return the hint that names near ones, or an empty string."""
    names = near_names(str(name), known)
    return f"did you mean {' or '.join(names)}?" if names else ""
