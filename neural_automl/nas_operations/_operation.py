"""What an operation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class NASOperation(ABC):
    """A building block between two widths.

    Both methods are required. ``to_layer_config`` is called when a network that names the
    operation is lowered; ``get_parameter_count`` once for each shape that comes in, and what it
    says must be what the layers have.

    Args:
        name: As spaces write it, once it is registered.

    Raises:
        ValueError: The name is no string, or empty.

    Example:
        >>> class Bottleneck(NASOperation):
        ...     def __init__(self):
        ...         super().__init__("bottleneck")
        ...
        ...     def to_layer_config(self, in_ch, out_ch):
        ...         return {"type": "ConvBN", "params": {"filters": out_ch, "kernel_size": 1}}
        ...
        ...     def get_parameter_count(self, in_ch, out_ch):
        ...         return in_ch * out_ch + 2 * out_ch
        >>> Bottleneck().get_parameter_count(8, 16)
        160
    """

    name: str

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"an operation's name must be a string, not empty, but got {name!r}")
        # As a frozen dataclass sets what it holds.
        object.__setattr__(self, "name", name)

    @abstractmethod
    def to_layer_config(self, in_ch: int, out_ch: int) -> Any:
        """Return the layer: ``{"type": ..., "params": {...}}``, or a list of such.

        Args:
            in_ch: Channels that come in.
            out_ch: Channels that go out.

        Raises:
            ValueError: The operation does not lead from one width to the other.
        """

    @abstractmethod
    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return the trainable parameters.

        Args:
            in_ch: Channels that come in.
            out_ch: Channels that go out.

        Raises:
            ValueError: The operation does not lead from one width to the other.
        """
