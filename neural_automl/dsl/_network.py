"""What reading a text gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neural_automl.dsl._errors import Position, Problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.exceptions import DSLError


@dataclass(frozen=True)
class Network:
    """A text of the space language, read and checked.

    Args:
        model: The dictionary form; sections that were not given are absent.
        hpo_params: Every open value and decision once, in text order: its study ``path`` and
            what it offers.
        positions: Line and column of the first character of each layer, by its place in the
            dictionary form: ``(2, 0, 1)`` is ``layers[2].sublayers[0].sublayers[1]``.
        sections: Line and column of each section's word, of the network's name (``network``) and
            of each limit (``constraints.params``).
        warnings: What was read but has no effect, with line and column.
        text: The text.

    Example:
        >>> from neural_automl.dsl import parse
        >>> network = parse("network N { input: (8,) layers: Dense(choice(16, 32)) }")
        >>> network.hpo_params
        [{'path': 'layers[0].Dense.units', 'type': 'categorical', 'values': [16, 32]}]
    """

    model: dict[str, Any]
    hpo_params: list[dict[str, Any]]
    positions: Mapping[tuple[int, ...], Position]
    sections: Mapping[str, Position]
    warnings: tuple[str, ...]
    text: str

    def error(self, message: str, position: Position | None, hint: str = "") -> DSLError:
        """Return an error that was found after reading.

        Args:
            message: The rule and the value that breaks it.
            position: Where; the network's name if None.
            hint: What to write instead.
        """
        at = self.sections["network"] if position is None else position
        return Problems(self.text).error(message, at, hint)
