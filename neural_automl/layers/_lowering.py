"""From one layer, with its parameters and blocks, to nodes of the graph."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from neural_automl.layers._table import Block, find_layer
from neural_automl.parameters import check_parameters
from neural_automl.values import CHANNELS, Expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neural_automl.graph import GraphBuilder


@lru_cache(maxsize=4096)
def _checked(name: str, params: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    row, preset = find_layer(name)
    return check_parameters(name, row.parameters, {**preset, **dict(params)})


def lower_layer(
    builder: GraphBuilder,
    x: int,
    name: str,
    params: Mapping[str, Any],
    blocks: Sequence[Block] = (),
) -> int:
    """Add the nodes of one layer and return the index of its output.

    Args:
        x: Index of the node that feeds the layer.
        params: Concrete values; expressions may hold ``channels``.
        blocks: The layer's blocks, in order.

    Raises:
        UnknownLayerError: No layer has that name.
        ShapeError: The layer cannot take the shape of its input, or a value that depends on the
            width is out of bounds.
    """
    channels = builder.shape(x)[-1]
    items = tuple(
        (key, value.replace(lambda leaf: channels if leaf == CHANNELS else leaf))
        if isinstance(value, Expression)
        else (key, value)
        for key, value in params.items()
    )
    row, _ = find_layer(name)
    try:
        values = _checked(name, items)
    except (TypeError, ValueError) as error:
        raise builder.error(str(error)) from error
    if row.block_required and not blocks:
        raise builder.error(f"{name} requires a block")
    return row.lower(builder, x, values, blocks)
