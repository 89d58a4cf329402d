"""From one layer, with its parameters and blocks, to nodes of the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from neural_automl.exceptions import UnknownLayerError
from neural_automl.layers._table import Block, find_layer
from neural_automl.parameters import check_parameters
from neural_automl.values import resolve_channels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neural_automl.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class _Given:
    """Parameters that are told apart by their text: ``1``, ``1.0`` and ``True`` are equal."""

    text: str
    params: Mapping[str, Any] = field(compare=False)


@lru_cache(maxsize=4096)
def _checked(name: str, given: _Given) -> Mapping[str, Any]:
    row, preset = find_layer(name)
    return check_parameters(name, row.parameters, {**preset, **given.params})


def forget_checked() -> None:
    """Forget what was checked: a name may come to mean another layer."""
    _checked.cache_clear()


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
        ShapeError: The layer cannot take the shape of its input, a value is of another kind or
            out of bounds, or a block is missing or one too many.
    """

    def width(back: int, up: int) -> int:
        return builder.width(back, up) if back or up else builder.shape(x)[-1]

    try:
        row, _ = find_layer(name)
        concrete = {key: resolve_channels(value, width) for key, value in params.items()}
        values = _checked(name, _Given(repr(concrete), concrete))
    except UnknownLayerError as error:
        raise UnknownLayerError(
            error.message, path=builder.path, position=builder.position
        ) from error
    except (TypeError, ValueError) as error:
        raise builder.error(str(error)) from error
    if row.block_required and not blocks:
        raise builder.error(f"{name} requires a block")
    if blocks and not row.takes_block:
        raise builder.error(f"{name} takes no block")
    return row.lower(builder, x, values, blocks)
