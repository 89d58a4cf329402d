"""A training's state as bytes and back, without pickle: whoever can write a store runs no code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from neural_automl.exceptions import CheckpointError

_STATE: Final = "state"
_SCALARS: Final = (bool, int, float, str, type(None))


def pack(state: Mapping[str, Any]) -> bytes:
    """Return a state as bytes; nothing of it is kept or changed.

    Args:
        state: Dictionaries (keys: text or integers), lists and tuples of tensors, numbers, text
            and None. Tensors may lie on any device.

    Returns:
        A safetensors file: the tensors, and the rest as JSON in its metadata.

    Raises:
        CheckpointError: There is something else in it.
    """
    from safetensors.torch import save

    tensors: dict[str, Any] = {}
    tree = _fold(state, tensors, "state")
    return bytes(save(tensors, metadata={_STATE: json.dumps(tree)}))


def unpack(content: bytes) -> dict[str, Any]:
    """Return the state that ``pack`` was given; tensors lie on the CPU.

    Raises:
        CheckpointError: These are no bytes of ``pack``.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        tree = json.loads(header["__metadata__"][_STATE])
        state = _unfold(tree, load(content))
    except (SafetensorError, ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"a checkpoint can't be read: {error}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"a checkpoint must hold a dictionary but holds a {type(state)}")
    return state


def compress(content: bytes) -> bytes:
    """Make bytes smaller at little cost: weights hardly shrink, what is still zero does."""
    return zlib.compress(content, 1)


def decompress(content: bytes) -> bytes:
    """Undo ``compress``.

    Raises:
        CheckpointError: The bytes are cut off or changed.
    """
    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise CheckpointError(f"a checkpoint can't be read: {error}") from error


def _fold(value: Any, tensors: dict[str, Any], path: str) -> Any:
    """Return a value as JSON has it: containers tagged, tensors by their number."""
    import torch

    if isinstance(value, torch.Tensor):
        number = str(len(tensors))
        # A copy in any case: tensors that share memory can't be written.
        tensors[number] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": number}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise CheckpointError(f"a key in {path} must be text or an integer but is {key!r}")
        pairs = [[key, _fold(item, tensors, f"{path}[{key!r}]")] for key, item in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        items = [_fold(item, tensors, f"{path}[{k}]") for k, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if type(value) in _SCALARS:
        return value
    raise CheckpointError(
        f"{path} must be made of tensors, numbers, text, None, dictionaries, lists and tuples but "
        f"is a {type(value).__name__}"
    )


def _unfold(tree: Any, tensors: Mapping[str, Any]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unfold(value, tensors) for key, value in content}
    items = [_unfold(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
