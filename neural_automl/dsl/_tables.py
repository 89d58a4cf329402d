"""What stands at a layer's place: the layer table, read whenever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.layers import ALIASES, LAYERS, LayerType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from neural_automl.parameters import Parameter

#: The type that the dictionary form gives a layer written in another way.
TYPES: Final[Mapping[str, str]] = {"residual": "ResidualConnection"}
#: Rows that the language writes in another way: ``{ ... }`` is a sequence.
_UNWRITTEN: Final = ("sequence",)


def layer_names() -> Iterator[str]:
    """Yield every name that may stand at a layer's place, macros apart."""
    return (name for name in (*LAYERS, *ALIASES) if name not in _UNWRITTEN)


def is_layer(name: str) -> bool:
    """Return whether a layer, operation, alias or structure bears the name."""
    return (name in LAYERS or name in ALIASES) and name not in _UNWRITTEN


def row_of(name: str) -> LayerType:
    """Return the row of a layer's name or alias."""
    return LAYERS[name] if name in LAYERS else LAYERS[ALIASES[name][0]]


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """Return a layer's parameters in order; those that an alias sets are not among them."""
    preset = ALIASES[name][1] if name not in LAYERS else {}
    return tuple(p for p in row_of(name).parameters if p.name not in preset)


def takes_block(name: str) -> bool:
    """Return whether a ``{ }`` right after the name is its block."""
    return is_layer(name) and row_of(name).takes_block
