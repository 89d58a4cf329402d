"""How a network is told in blocks: what repeats becomes a block of its own, what is long is cut.

Both backends read one outline, so that layers have the same names in both. A block is a run of
nodes that gives one value to what follows; where nothing repeats, a part may give several.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply
from neural_automl._strides import suggests_channels_last
from neural_automl.backends._orders import feature_orders
from neural_automl.backends._repeats import (
    Item,
    Kinds,
    best_repeat,
    bonds_of,
    grouped,
    is_plain,
    last_reads,
    lines_of,
    make_block,
    numbers_of,
    told,
)
from neural_automl.cost import inputs_of
from neural_automl.graph import layouts
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl._forms import Call, ModuleForm
    from neural_automl.graph import Graph, Node

#: Lines that one function holds; what has more is cut in parts of so many.
_MOST_LINES: Final = 33
_LONGEST_PART: Final = 24
#: What a part costs that takes one value and gives one, and each value more: with these, a
#: residual is cut only where it is too long for a part.
_PRICE: Final = 3.0
_PRICE_OF_MORE: Final = 2.0
#: What a cut in the midst of a layer costs.
_PRICE_OF_BOND: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands.

    Args:
        name: Of its module, with those of its blocks: ``block2.conv1``; empty without a module.
        blocks: That it stands in, outermost first.
    """

    name: str
    blocks: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A network in blocks.

    Args:
        root: All of it.
        places: Of each node but the input.
    """

    root: Item
    places: dict[int, Place] = field(default_factory=dict)


def outline(graph: Graph) -> Outline:
    """Return the blocks of a network."""
    items = _leaves(graph)
    output = graph.logits
    kinds = Kinds(graph)
    bonds = bonds_of(graph)
    while (found := best_repeat(items, output, kinds, bonds)) is not None:
        items = grouped(items, found)
    root = Item("root", (0,), (output,), 0.0, 0, items=_cut(items, (output,), bonds, "root"))
    root = replace(root, items=tuple(_cut_inside(item, bonds) for item in root.items))
    stems = {node: form.name for node, form in kinds.forms.items() if form.module is not None}
    root = _named(root, stems)
    places: dict[int, Place] = {}
    _place(root, "", (), places)
    return Outline(root, places)


# --- nodes ---------------------------------------------------------------------------------------


def _leaves(graph: Graph) -> list[Item]:
    made = layouts(graph)
    orders = feature_orders(graph)
    items = []
    for index, node in enumerate(graph.built_nodes()[1:], start=1):
        shapes = [graph.nodes[source].shape for source in node.inputs]
        values = node.attribute_values()
        row = PRIMITIVES[node.op]
        torch_form = row.pytorch(values, made[index], *shapes)
        turned = tuple(
            len(shape) > 1 and made[source] != made[index]
            for source, shape in zip(node.inputs, shapes, strict=True)
        )
        keras_form = None if row.keras is None else row.keras(values, *shapes)
        token = (
            _skeleton(torch_form),
            turned,
            None if keras_form is None else _skeleton(keras_form),
            _special(graph, index, node, orders),
        )
        # One that makes the module, and a third of one that calls it.
        with_torch = lines_of(torch_form.module) + (0.35 if torch_form.module else 0)
        with_keras = with_torch if keras_form is None else _keras_lines(keras_form)
        lines, longest = (with_torch + with_keras) / 2, int(max(with_torch, with_keras))
        items.append(Item(token, node.inputs, (index,), lines, longest, index))
    return items


def _keras_lines(form: ModuleForm) -> int:
    is_padded = isinstance(form.forward, Apply) and isinstance(form.forward.args[0], Apply)
    return lines_of(form.module) + is_padded


def _special(graph: Graph, index: int, node: Node, orders: Any) -> Any:
    """Return what a backend does to some nodes besides their form."""
    if node.op == "Flatten":
        return index in orders, graph.nodes[node.inputs[0]].shape
    if node.op == "GroupNorm" and suggests_channels_last(*inputs_of(graph, index)):
        return graph.nodes[node.inputs[0]].shape
    return None


def _skeleton(form: ModuleForm) -> Any:
    call = form.module
    return told(form.forward), form.name, None if call is None else _call_skeleton(call)


def _call_skeleton(call: Call) -> Any:
    values = [*call.args, *(value for _, value in call.kwargs)]
    return (
        call.function,
        tuple(told(value) for value in values if not is_plain(value)),
        tuple(name for name, _ in numbers_of(call)),
        tuple(_call_skeleton(more) for more in call.spread),
    )


# --- what is long --------------------------------------------------------------------------------


def _cut_inside(item: Item, bonds: Sequence[int]) -> Item:
    if not item.items:
        return item
    items = _cut(item.items, item.outputs, bonds, item.token)
    return replace(item, items=tuple(_cut_inside(each, bonds) for each in items))


def _cut(
    items: Sequence[Item], outputs: tuple[int, ...], bonds: Sequence[int], kind: Any
) -> tuple[Item, ...]:
    """Return the items, in parts where they are many, cut where few values pass."""
    if sum(item.longest for item in items) <= _MOST_LINES or len(items) < 2:
        return tuple(items)
    last = last_reads(items, outputs)
    before = list(accumulate((item.longest for item in items), initial=0))
    best: list[tuple[float, int]] = [(0.0, 0)]
    for stop in range(1, len(items) + 1):
        options = [(float("inf"), 0)]
        for start in range(stop - 1, -1, -1):
            if before[stop] - before[start] > _LONGEST_PART and start < stop - 1:
                break
            passing = _part(items, start, stop, last, None)
            more = len(passing.inputs) + len(passing.outputs) - 2
            price = _PRICE + _PRICE_OF_MORE * more
            # Neither in the midst of a layer, nor a part of two or three.
            price += _PRICE_OF_BOND * bonds[max(items[stop - 1].nodes()) + 1] + 4 / (stop - start)
            options.append((best[start][0] + price, start))
        best.append(min(options))
    cuts = [len(items)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    cuts.reverse()
    parts = [
        _part(items, start, stop, last, ("part", kind, number))
        for number, (start, stop) in enumerate(pairwise(cuts))
    ]
    return _cut(parts, outputs, bonds, ("parts", kind))


def _part(items: Sequence[Item], start: int, stop: int, last: dict[int, int], kind: Any) -> Item:
    inside = items[start:stop]
    if len(inside) == 1 and kind is not None:
        return inside[0]
    outputs = (v for item in inside for v in item.outputs if last.get(v, -1) >= stop)
    return make_block(inside, tuple(outputs), kind)


# --- names ---------------------------------------------------------------------------------------


def is_chain(one: Item, other: Item) -> bool:
    """Whether a block reads the only value of the one before it, and that alone."""
    return bool(one.items and other.items) and other.inputs == one.outputs


def _named(scope: Item, stems: dict[int, str]) -> Item:
    """Return a block with names for what is in it.

    Blocks of which each reads the last one's value alone are one row: ``blocks1.0``.
    """
    counts: Counter[str] = Counter()
    last = last_reads(scope.items, scope.outputs)
    named: list[Item] = []
    row: list[int] = []

    def next_name(stem: str) -> str:
        counts[stem] += 1
        return f"{stem}{counts[stem]}"

    def close() -> None:
        name = next_name("block" if len(row) == 1 else "blocks")
        for number, index in enumerate(row):
            own = name if len(row) == 1 else f"{name}.{number}"
            named.append(replace(_named(scope.items[index], stems), name=own))
        row.clear()

    for index, item in enumerate(scope.items):
        goes_on = row and is_chain(scope.items[index - 1], item)
        if row and not (goes_on and last[item.inputs[0]] == index and len(row) < _LONGEST_PART):
            close()
        if item.items:
            row.append(index)
            continue
        stem = stems.get(item.node, "")
        named.append(replace(item, name=next_name(stem) if stem else ""))
    if row:
        close()
    return replace(scope, items=tuple(named))


def _place(scope: Item, prefix: str, blocks: tuple[Item, ...], places: dict[int, Place]) -> None:
    for item in scope.items:
        if item.items:
            _place(item, f"{prefix}{item.name}.", (*blocks, item), places)
        else:
            places[item.node] = Place(f"{prefix}{item.name}" if item.name else "", blocks)
