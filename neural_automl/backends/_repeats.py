"""What repeats in a network: runs of layers that differ in numbers alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Call
from neural_automl.graph import layouts
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from neural_automl._forms import ModuleForm
    from neural_automl.graph import Graph

#: Lines that a block's definition has besides those of its layers.
_DEFINITION: Final = 9
#: Lines of a block's use.
_USE: Final = 1.2
#: From here on a call is broken into three lines.
_LONG_CALL: Final = 88
#: Lines that a block must save.
_WORTHWHILE: Final = 4.0
_SHORTEST_BLOCK: Final = 3
_LONGEST_BLOCK: Final = 14
_MOST_INPUTS: Final = 2
_MOST_PARAMETERS: Final = 5
_MOST_IN_A_LINE: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A node, or a block of items.

    Args:
        token: Equal for items that differ in numbers alone.
        inputs: Nodes whose values it reads, from outside.
        outputs: Nodes whose values are read from outside: one, but for a part.
        lines: That it takes, about, the mean of both backends.
        longest: Lines that it takes in the longest function that it stands in.
        node: Its index; 0 for a block.
        items: What a block is made of, in order.
        name: Of the attribute, in its block; empty where it needs none.
    """

    token: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    lines: float
    longest: int
    node: int = 0
    items: tuple[Item, ...] = ()
    name: str = ""

    def nodes(self) -> Iterator[int]:
        """Yield the nodes in it, in order."""
        if self.node:
            yield self.node
        for item in self.items:
            yield from item.nodes()


@dataclass(frozen=True, slots=True)
class Repeat:
    """A block that stands in several places.

    Args:
        spans: Where, as the first item and the one after the last.
        kind: Its token.
        longest: Lines of one use.
    """

    spans: Sequence[tuple[int, int]]
    kind: Any
    longest: int


class Kinds:
    """What the numbers of blocks of one kind are, and names for kinds."""

    def __init__(self, graph: Graph) -> None:
        made = layouts(graph)
        self.forms: dict[int, ModuleForm] = {}
        for index, node in enumerate(graph.built_nodes()[1:], start=1):
            shapes = [graph.nodes[source].shape for source in node.inputs]
            self.forms[index] = PRIMITIVES[node.op].pytorch(
                node.attribute_values(), made[index], *shapes
            )
        self._count = 0

    def new(self) -> tuple[str, int]:
        self._count += 1
        return "block", self._count

    def parameters(self, occurrences: Sequence[Sequence[Item]]) -> int:
        """Return how many numbers differ between blocks of one kind."""
        columns = zip(*(self._numbers(items) for items in occurrences), strict=True)
        return len({column for column in columns if len(set(column)) > 1})

    def _numbers(self, items: Sequence[Item]) -> list[Any]:
        calls = [self.forms[node].module for item in items for node in item.nodes()]
        return [told(v) for call in calls if call is not None for _, v in numbers_of(call)]


def numbers_of(call: Call) -> list[tuple[str, Any]]:
    """Return the arguments of a call that may differ within a kind, those at their default too.

    Returns:
        Name (empty for one by position) and value.
    """
    found = [("", value) for value in call.args if is_plain(value)]
    named = dict((*call.kwargs, *call.omitted))
    names = call.order or tuple(name for name, _ in call.kwargs)
    found += [(name, named[name]) for name in names if is_plain(named[name])]
    for more in call.spread:
        found += numbers_of(more)
    return found


def told(value: Any) -> str:
    """Return a value as text, whatever it is."""
    try:
        return repr(value)
    except ValueError:  # an integer of more digits than Python writes: no file can hold it
        return type(value).__name__


def lines_of(call: Call | None) -> int:
    """Return the lines that a call takes, about."""
    if call is None:
        return 1
    texts = [str(call.function), *(f"{told(value)}, " for value in call.args)]
    texts += [f"{name}={told(value)}, " for name, value in call.kwargs]
    texts += [f"**{more.function}{told(more.args)}" for more in call.spread]
    # Around it: indent, target, the name of the layer.
    return 1 if 34 + len("".join(texts)) < _LONG_CALL else 3


def is_plain(value: Any) -> bool:
    """Whether a value can be an argument of a block: a number, a word, or several of them."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return isinstance(value, bool | int | float | str)


def last_reads(items: Sequence[Item], outputs: Sequence[int]) -> dict[int, int]:
    """Return the last item that reads each value; past the end for what is put out."""
    last: dict[int, int] = {}
    for index, item in enumerate(items):
        last |= dict.fromkeys(item.inputs, index)
    return last | dict.fromkeys(outputs, len(items))


def bonds_of(graph: Graph) -> list[int]:
    """Return, for each node, how many structures it and the node before it stand in together."""
    paths = [re.findall(r"[^\[\].]+", node.path) for node in graph.built_nodes()]
    same = [
        list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
        for one, other in pairwise(paths)
    ]
    return [0, *map(len, same), 0]


def _level(items: Sequence[Item], bonds: Sequence[int]) -> float:
    """Return how deep in the text a run of items begins and ends; infinite: amidst a layer."""
    starts = [next(item.nodes()) for item in items]
    level = max(bonds[starts[0]], bonds[max(items[-1].nodes()) + 1])
    return level if min(bonds[node] for node in starts[1:]) >= level else float("inf")


def best_repeat(
    items: Sequence[Item], output: int, kinds: Kinds, bonds: Sequence[int]
) -> Repeat | None:
    """Return a block that saves lines, or None.

    The one that saves the most among those that begin and end highest in the text, so that blocks
    are those of whoever wrote it; then those that are cut elsewhere.
    """
    found = _candidates(items, output)
    levels: dict[float, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for key, spans in found.items():
        if len(spans) > 1:
            for span in spans:
                levels[_level(items[slice(*span)], bonds)][key].append(span)
    for level in sorted(levels):
        if (best := _most_saving(items, levels[level], kinds)) is not None:
            return best
    return _most_saving(items, found, kinds)


def _most_saving(
    items: Sequence[Item], found: Mapping[int, Sequence[tuple[int, int]]], kinds: Kinds
) -> Repeat | None:
    ranked = []
    for spans in found.values():
        chosen = _apart(spans)
        if len(chosen) > 1:
            start, stop = chosen[0]
            lines = sum(item.lines for item in items[start:stop])
            saved = (len(chosen) - 1) * lines - _DEFINITION - _USE * len(chosen)
            if saved >= _WORTHWHILE:
                ranked.append((saved, stop - start, -start, chosen))
    ranked.sort(reverse=True, key=lambda each: each[:3])
    for *_, chosen in ranked:
        parameters = kinds.parameters([items[start:stop] for start, stop in chosen])
        if parameters <= _MOST_PARAMETERS:
            return Repeat(chosen, kinds.new(), 1 if parameters < _MOST_IN_A_LINE else 3)
    return None


def _candidates(items: Sequence[Item], output: int) -> dict[int, list[tuple[int, int]]]:
    """Return runs of items with one value put out, those that differ in numbers alone together."""
    last = last_reads(items, (output,))
    made_by = {value: index for index, item in enumerate(items) for value in item.outputs}
    tokens: dict[Any, int] = {}
    ids = [tokens.setdefault(item.token, len(tokens)) for item in items]
    known: dict[tuple[int, int, tuple[int, ...]], int] = {}
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for start in range(len(items)):
        outside: list[int] = []
        key, latest = -1, -1
        for index in range(start, min(start + _LONGEST_BLOCK, len(items))):
            reads = []
            for value in items[index].inputs:
                maker = made_by.get(value, -1)
                if maker >= start:
                    reads.append(index - maker)
                    continue
                if value not in outside:
                    outside.append(value)
                reads.append(-1 - outside.index(value))
            if len(outside) > _MOST_INPUTS:
                break
            key = known.setdefault((key, ids[index], tuple(reads)), len(known))
            ending = last.get(items[index].outputs[-1], -1)
            if index - start + 1 >= _SHORTEST_BLOCK and latest <= index < ending:
                found[key].append((start, index + 1))
            latest = max(latest, ending)
    return found


def _apart(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    chosen: list[tuple[int, int]] = []
    for start, stop in spans:
        if not chosen or start >= chosen[-1][1]:
            chosen.append((start, stop))
    return chosen


def grouped(items: Sequence[Item], repeat: Repeat) -> list[Item]:
    """Return the items with some runs made blocks."""
    made: list[Item] = []
    before = 0
    for start, stop in repeat.spans:
        block = make_block(items[start:stop], items[stop - 1].outputs, repeat.kind, repeat.longest)
        made += [*items[before:start], block]
        before = stop
    return [*made, *items[before:]]


def make_block(
    items: Sequence[Item], outputs: tuple[int, ...], kind: Any, longest: int = 2
) -> Item:
    """Return some items as one."""
    inside = {value for item in items for value in item.outputs}
    reads = dict.fromkeys(v for item in items for v in item.inputs if v not in inside)
    return Item(kind, tuple(reads), outputs, _USE, longest, items=tuple(items))
