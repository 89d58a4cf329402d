"""The table of layer types: what a space may name, and how each lowers to primitives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from neural_automl.exceptions import UnknownLayerError, excerpt
from neural_automl.graph import GraphBuilder
from neural_automl.parameters import Parameter, did_you_mean

Values = Mapping[str, Any]
#: Lowers one child block: from the index of its input to the index of its output.
Block = Callable[[int], int]
Lower = Callable[[GraphBuilder, int, Values, Sequence[Block]], int]


@dataclass(frozen=True, slots=True)
class LayerType:
    """One layer that a space may name.

    Args:
        name: As it is written.
        parameters: In the order of positional arguments.
        lower: ``(builder, input index, values, blocks) -> output index``; the values are
            checked and complete.
        blocks: ``"body"`` where a ``{ }`` right after it is one block, ``"branches"`` where each
            layer or group in it is a block of its own, ``"none"`` where it takes no block.
        block_required: Whether it means nothing without its block.
        structure: Whether it is written in lower case, with a syntax of its own.
    """

    name: str
    parameters: tuple[Parameter, ...]
    lower: Lower
    blocks: Literal["none", "body", "branches"] = "none"
    block_required: bool = False
    structure: bool = False

    @property
    def takes_block(self) -> bool:
        """Whether a ``{ }`` right after it belongs to it."""
        return self.blocks != "none"


LAYERS: Final[dict[str, LayerType]] = {}

#: Other spellings: alias to layer type and the parameter values that the alias stands for.
ALIASES: Final[dict[str, tuple[str, Mapping[str, Any]]]] = {}


def register_rows(
    rows: Sequence[LayerType], aliases: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None
) -> None:
    """Add rows and aliases to the table.

    Raises:
        ValueError: A row or alias of that name is there.
    """
    new = [row.name for row in rows] + list(aliases or ())
    for name in new:
        if name in LAYERS or name in ALIASES:
            raise ValueError(f"a layer named {name!r} is registered already")
    LAYERS.update({row.name: row for row in rows})
    ALIASES.update(aliases or {})


def find_layer(name: str) -> tuple[LayerType, Mapping[str, Any]]:
    """Return the layer type of a name or alias, and the values that the alias stands for.

    Raises:
        UnknownLayerError: There is none; the message names near ones.
    """
    if not isinstance(name, str):
        raise UnknownLayerError(f"a layer's type must be a string but got {excerpt(name)}")
    if name in LAYERS:
        return LAYERS[name], {}
    if name in ALIASES:
        target, preset = ALIASES[name]
        return LAYERS[target], preset
    raise UnknownLayerError(
        f"unknown layer {excerpt(name)}{did_you_mean(name, [*LAYERS, *ALIASES])}"
    )
