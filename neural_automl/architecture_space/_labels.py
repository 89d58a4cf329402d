"""What a study calls the alternatives of a choice of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from neural_automl.exceptions import SpaceError, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from neural_automl.architecture_space._conform import Position


class Labelled(Protocol):
    """A node."""

    @property
    def label(self) -> str:
        """What a choice calls it."""
        ...


def default_labels(alternatives: Iterable[Labelled]) -> tuple[str, ...]:
    """Return the type of each alternative, or ``block``; ``#2`` is added where two are equal."""
    labels: list[str] = []
    for node in alternatives:
        stem = node.label
        count = 1 + sum(label.split("#")[0] == stem for label in labels)
        labels.append(stem if count == 1 else f"{stem}#{count}")
    return tuple(labels)


def choice_labels(labels: Any, nodes: Sequence[Labelled], position: Position) -> tuple[str, ...]:
    """Return the labels of a choice, or the default ones where none are given.

    Raises:
        SpaceError: They are not as many different strings as there are alternatives.
    """
    if labels is None:
        return default_labels(nodes)
    given = tuple(labels) if isinstance(labels, list | tuple) else ()
    if (
        len(given) != len(nodes)
        or not all(isinstance(label, str) for label in given)
        or len(set(given)) != len(nodes)
    ):
        raise SpaceError(
            f"a choice of {len(nodes)} needs as many different labels, strings, but got "
            f"{excerpt(labels)}",
            position=position,
        )
    return given
