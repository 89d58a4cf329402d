"""Which blocks belong to which layers, and what the alternatives of a choice are called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from neural_automl.dsl import _tree
from neural_automl.dsl._nodes import Node, Spliced
from neural_automl.dsl._tables import takes_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.dsl._errors import Problems

Entries = tuple[_tree.Entry, ...]
_MERGES = {"Add": "add", "Concatenate": "concat"}


def tie_blocks(entries: Entries, macros: Mapping[str, _tree.Macro]) -> list[_tree.Entry]:
    """Return the entries with each block joined to the layer before it that takes one."""
    joined: list[_tree.Entry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        if (
            isinstance(entry, _tree.Item)
            and isinstance(entry.core, _tree.Block)
            and entry.maybe is None
            and isinstance(last, _tree.Item)
            and not last.suffixes
            and last.block is None
            and _wants_block(last.core, macros)
        ):
            joined[-1] = replace(last, block=entry.core, suffixes=entry.suffixes)
        else:
            joined.append(entry)
    return joined


def _wants_block(
    core: _tree.Call | _tree.Choice | _tree.Block, macros: Mapping[str, _tree.Macro]
) -> bool:
    if isinstance(core, _tree.Choice):
        return core.block is None and all(option.name is not None for option in core.options)
    return isinstance(core, _tree.Call) and core.name not in macros and takes_block(core.name)


def split_merge(call: _tree.Call, block: _tree.Block) -> tuple[_tree.Block, str | None]:
    """Return a block of branches without a last ``Add`` or ``Concatenate``, and what it means."""
    entries = block.alternatives[0]
    last = entries[-1] if entries else None
    if not isinstance(last, _tree.Item) or not isinstance(last.core, _tree.Call):
        return block, None
    if last.core.name not in _MERGES or call.name in _MERGES or last.suffixes:
        return block, None
    rest = replace(block, alternatives=(entries[:-1], *block.alternatives[1:]))
    return rest, _MERGES[last.core.name]


def as_entries(argument: _tree.Argument, problems: Problems) -> Entries:
    """Return an alternative that is written as a value, as in ``HPO(choice(Dense(8), ReLU))``."""
    value = argument.value
    core: _tree.Call | _tree.Choice | _tree.Block
    if isinstance(value, _tree.Name):
        core = _tree.Call(value.text, (), value.at)
    elif isinstance(value, _tree.Call) and value.name == "choice":
        core = _tree.Choice(value.arguments, None, value.at)
    elif isinstance(value, _tree.Call):
        core = value
    else:
        problems.add("an alternative of a choice of layers must be a layer", value.at)
        core = _tree.Block(((),), (), value.at)
    return (_tree.Item(core, (), value.at),)


def stem_of(entries: Entries, layers: Spliced, macros: Mapping[str, _tree.Macro]) -> str:
    """Return what an alternative is called: its macro, its layer's type, or ``block``."""
    item = _only_item(entries)
    while item is not None and isinstance(item.core, _tree.Block):
        item = _only_item(item.core.alternatives[0])
    if item is not None and isinstance(item.core, _tree.Call) and item.core.name in macros:
        return item.core.name
    return type_stem(layers)


def _only_item(entries: Entries) -> _tree.Item | None:
    """Return the item that makes up an alternative, unless it is repeated or may be left out."""
    items = [entry for entry in entries if isinstance(entry, _tree.Item)]
    if len(items) != 1 or items[0].maybe is not None:
        return None
    return None if any(suffix.sign == "*" for suffix in items[0].suffixes) else items[0]


def type_stem(layers: Spliced) -> str:
    """Return what an alternative is called after what it holds."""
    while layers.width == 1:
        element = next(e for e in layers.elements if isinstance(e, Node) or e.body.width)
        if isinstance(element, Node):
            return element.type
        layers = element.body
    return "block"
