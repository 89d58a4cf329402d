"""Layers after expansion, before they are written out as dictionaries.

Equal copies share their nodes: a repetition and a macro call stand in a list of layers as one
element that is spliced when it is written out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.dsl._errors import Position


@dataclass(frozen=True, slots=True)
class Node:
    """One layer or structure.

    Args:
        type: Of the dictionary form.
        params: Values, or plain data that is none of the user's.
        at: Its first character.
        blocks: What stands in it: one block, or one for each alternative or branch.
        branching: Whether the blocks are alternatives or branches.
        device: Where the text places it.
        size: Layers, written out.
    """

    type: str
    params: Mapping[str, Any]
    at: Position
    blocks: tuple[Spliced, ...] = ()
    branching: bool = False
    device: str | None = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class Copies:
    """The same layers several times.

    Args:
        body: One copy.
        count: How many.
        ties: The numbers of the ties made in the body; each copy has its own.
    """

    body: Spliced
    count: int
    ties: range


@dataclass(frozen=True, slots=True)
class Expanded:
    """The layers of a macro call.

    Args:
        body: The layers.
        mark: What ``channels`` in its arguments refers to.
    """

    body: Spliced
    mark: int


Element = Node | Copies | Expanded


@dataclass(frozen=True, slots=True)
class Spliced:
    """Layers that follow each other.

    Args:
        elements: The layers.
        width: How many there are at the top, spliced.
        size: How many there are with all that is in them, written out.
    """

    elements: tuple[Element, ...] = ()
    width: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)


def splice(elements: list[Element]) -> Spliced:
    """Return layers that follow each other, counted."""
    width = size = 0
    for element in elements:
        if isinstance(element, Node):
            width, size = width + 1, size + element.size
        else:
            count = element.count if isinstance(element, Copies) else 1
            width, size = width + element.body.width * count, size + element.body.size * count
    return Spliced((*elements,), width, size)


def placed(layers: Spliced, device: str) -> Spliced:
    """Return the layers with a device where none is given yet."""
    elements: list[Element] = []
    for element in layers.elements:
        if isinstance(element, Node):
            elements.append(replace(element, device=element.device or device))
        else:
            elements.append(replace(element, body=placed(element.body, device)))
    return replace(layers, elements=(*elements,))
