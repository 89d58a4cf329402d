"""The dictionary form of one node: ``{"type", "params", "sublayers"}``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from neural_automl.architecture_space._values import value_from_plain
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.hyperparameters import DEVICES, is_device
from neural_automl.parameters import did_you_mean

#: Keys of a layer's dictionary form.
_KEYS: Final = ("type", "params", "sublayers", "device")

#: Parameters of the nodes that are no layers.
STRUCTURES: Final[Mapping[str, tuple[str, ...]]] = {
    "sequence": (),
    "choice": ("name", "labels"),
    "maybe": ("name",),
    "repeat": ("count", "shared"),
    "cell": ("nodes", "operations", "edges", "name"),
}


class Plain(Protocol):
    """A node."""

    @property
    def device(self) -> str | None:
        """Where the text places it."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the dictionary form."""
        ...


def read_parts(data: Any) -> tuple[str, dict[str, Any], Sequence[Any]]:
    """Return type, parameters and sublayers of a node's dictionary form.

    Raises:
        SpaceError: The form is unknown, or an open value breaks a rule.
        ValueError: Another value has an unknown form.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise SpaceError(f"a layer must be a dictionary with a 'type' but got {excerpt(data)}")
    for key in data:
        if key not in _KEYS:
            raise SpaceError(f"a layer's dictionary has no '{key}'{did_you_mean(key, _KEYS)}")
    params, sublayers = data.get("params") or {}, data.get("sublayers") or ()
    if not isinstance(params, Mapping) or not isinstance(sublayers, list | tuple):
        raise SpaceError("'params' of a layer must be a dictionary and 'sublayers' a list")
    kind = data["type"]
    values = {str(key): value_from_plain(value) for key, value in params.items()}
    known = STRUCTURES.get(kind)
    for name in values:
        if known is None and name in ("body", "device", "position", "type"):  # words of Layer's own
            raise SpaceError(f"{kind} has no parameter '{name}'")
        if known is not None and name not in known:
            raise SpaceError(f"{kind} has no parameter '{name}'{did_you_mean(name, known)}")
    return kind, values, sublayers


def node_dict(
    node: Plain, kind: str, params: dict[str, Any], body: Iterable[Plain]
) -> dict[str, Any]:
    """Return the dictionary form of a node."""
    data = {"type": kind, "params": params, "sublayers": [below.to_dict() for below in body]}
    return data if node.device is None else {**data, "device": node.device}


def check_device(device: Any, position: tuple[int, int] | None) -> str | None:
    """Return what a layer is placed on, or None.

    Raises:
        SpaceError: No device bears the name.
    """
    if device is None or (isinstance(device, str) and is_device(device)):
        return device
    raise SpaceError(
        f"a device must be one of {', '.join(DEVICES)}, cuda:N but got {excerpt(device)}",
        position=position,
    )
