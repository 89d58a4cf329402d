"""A plan in blocks, as a file tells it: what each block holds, takes and gives, and its numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from neural_automl._forms import Call, Raw
from neural_automl.backends._repeats import is_plain, told

if TYPE_CHECKING:
    from neural_automl.backends._plan import Plan, Step
    from neural_automl.backends._repeats import Item

#: Where an argument stands: the entry, then the way to it.
Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A step in its block, and the value that it gives."""

    step: Step
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """A block of a plan.

    Args:
        item: The block.
        entries: Steps and blocks, in order.
        inputs: Values that it reads, in the order in which it does.
        outputs: Values that it gives.
    """

    item: Item
    entries: tuple[Scope | Leaf, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def blocks(self) -> Iterator[Scope]:
        """Yield all blocks in it, what is inside before what it is inside of."""
        for entry in self.entries:
            if isinstance(entry, Scope):
                yield from entry.blocks()
                yield entry


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Blocks that differ in numbers alone.

    Args:
        name: Of the class.
        scope: One of them.
        parameters: Names and types.
        names: Of the parameter, by where it stands in ``scope``.
        values: Of the parameters, by block.
    """

    name: str
    scope: Scope
    parameters: tuple[tuple[str, str], ...]
    names: Mapping[Key, str]
    values: Mapping[Scope, tuple[Any, ...]]


def scope_of(plan: Plan) -> Scope:
    """Return a plan in its blocks."""
    last = plan.last_uses()
    made = _scope(plan, plan.root, 0, 0, len(plan.steps), last)
    return replace(made, inputs=(0,), outputs=(plan.output,))


def _scope(plan: Plan, item: Item, depth: int, start: int, stop: int, last: list[int]) -> Scope:
    entries: list[Scope | Leaf] = []
    index = start
    while index < stop:
        step = plan.steps[index]
        if len(step.blocks) == depth:
            index += 1
            entries.append(Leaf(step, index))
            continue
        inner, end = step.blocks[depth], index
        while end < stop and inner in plan.steps[end].blocks[depth : depth + 1]:
            end += 1
        entries.append(_scope(plan, inner, depth + 1, index, end, last))
        index = end
    reads = (v for step in plan.steps[start:stop] for v in step.inputs)
    return Scope(
        item,
        tuple(entries),
        tuple(dict.fromkeys(v for v in reads if not start < v <= stop)),
        tuple(v for v in range(start + 1, stop + 1) if last[v] >= stop),
    )


# --- kinds ---------------------------------------------------------------------------------------

#: What the arguments of constructors by position are called.
_POSITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("nn.Conv1d", "nn.Conv2d"), ("in_channels", "out_channels", "kernel_size")),
    "nn.Linear": ("in_features", "out_features"),
    **dict.fromkeys(("nn.BatchNorm1d", "nn.BatchNorm2d"), ("channels",)),
    "nn.LayerNorm": ("width",),
    "nn.GroupNorm": ("groups", "channels"),
    "nn.Embedding": ("size", "width"),
    **dict.fromkeys(("nn.LSTM", "nn.GRU"), ("in_features", "units")),
    "nn.MultiheadAttention": ("width", "heads"),
    "nn.Dropout": ("rate",),
    **dict.fromkeys(("layers.Conv1D", "layers.Conv2D"), ("filters", "kernel_size")),
    **dict.fromkeys(("layers.DepthwiseConv1D", "layers.DepthwiseConv2D"), ("kernel_size",)),
    **dict.fromkeys(("layers.Dense", "layers.LSTM", "layers.GRU"), ("units",)),
    "layers.Embedding": ("size", "width"),
    "layers.MultiHeadAttention": ("heads", "width"),
    "layers.GroupNormalization": ("groups",),
    "uniform": ("fan_in",),
}
#: What a number that comes in and goes out is called, the first that is free.
_BOTH: Final = (
    ({"in_channels", "out_channels"}, "channels"),
    ({"in_channels", "out_channels"}, "hidden_channels"),
    ({"in_features", "out_features"}, "features"),
    ({"in_features", "out_features"}, "hidden_features"),
)

#: What a block is called by what it holds, the first that fits.
_NAMES: Final = (
    ("MultiHeadAttention", "AttentionBlock"),
    ("Add", "ResidualBlock"),
    ("Concatenate", "BranchBlock"),
    ("LSTM", "RecurrentBlock"),
    ("GRU", "RecurrentBlock"),
    ("Conv", "ConvBlock"),
    ("Dense", "DenseBlock"),
)


def kinds_of(root: Scope, plan: Plan, taken: Sequence[str] = ()) -> dict[Any, Kind]:
    """Return the kinds of blocks in a plan by their token, what is inside first.

    Args:
        taken: Names that no class may have.
    """
    found: dict[Any, list[Scope]] = defaultdict(list)
    for scope in root.blocks():
        found[scope.item.token].append(scope)
    counts = Counter(taken)
    kinds: dict[Any, Kind] = {}
    for token, scopes in found.items():
        name = _kind_name(scopes[0], plan, counts)
        kinds[token] = _kind(name, scopes, kinds)
    return kinds


def _kind_name(scope: Scope, plan: Plan, counts: Counter[str]) -> str:
    ops = {plan.graph.nodes[node].op for node in scope.item.nodes()}
    name = next((name for op, name in _NAMES if op in ops), "Block")
    if scope.item.token[0] != "block":
        name = "Stage"
    number = counts[name] + 1
    while number > 1 and counts[f"{name}{number}"]:
        number += 1
    counts[name] = number
    return name if number == 1 else f"{name}{number}"


def _kind(name: str, scopes: Sequence[Scope], kinds: Mapping[Any, Kind]) -> Kind:
    listed = [list(_arguments(scope, kinds)) for scope in scopes]
    # By what it is in all blocks: one parameter for all places that are equal in each.
    columns: dict[tuple[str, ...], list[int]] = {}
    for index, cells in enumerate(zip(*listed, strict=True)):
        shown = tuple(told(value) for _, _, value in cells)
        if len(set(shown)) > 1:
            columns.setdefault(shown, []).append(index)
    parameters: list[tuple[str, str]] = []
    names: dict[Key, str] = {}
    taken = {"self", "name", "x", "layers", "ops", "keras", "nn", "torch"}
    for places in columns.values():
        own = _parameter_name([listed[0][place][1] for place in places], taken)
        taken.add(own)
        values = [cells[places[0]][2] for cells in listed]
        parameters.append((own, _type_text(values)))
        names |= {listed[0][place][0]: own for place in places}
    firsts = [places[0] for places in columns.values()]
    chosen = {
        scope: tuple(cells[place][2] for place in firsts)
        for scope, cells in zip(scopes, listed, strict=True)
    }
    return Kind(name, scopes[0], tuple(parameters), names, chosen)


def _arguments(scope: Scope, kinds: Mapping[Any, Kind]) -> Iterator[tuple[Key, str, Any]]:
    """Yield the place, name and value of each argument in a block that may differ in another."""
    for number, entry in enumerate(scope.entries):
        if isinstance(entry, Scope):
            kind = kinds[entry.item.token]
            pairs = zip(kind.parameters, kind.values[entry], strict=True)
            for index, ((name, _), value) in enumerate(pairs):
                yield (number, index), name, value
        elif entry.step.form.module is not None:
            yield from _of_call(entry.step.form.module, (number,))


def _of_call(call: Call, way: Key) -> Iterator[tuple[Key, str, Any]]:
    known = _POSITIONS.get(call.function, ()) if isinstance(call.function, str) else ()
    for index, value in enumerate(call.args):
        if is_plain(value):
            yield (*way, index), known[index] if index < len(known) else "value", value
    named = dict((*call.kwargs, *call.omitted))
    for name in call.order or tuple(name for name, _ in call.kwargs):
        if is_plain(named[name]):
            yield (*way, name), name, named[name]
    for index, more in enumerate(call.spread):
        yield from _of_call(more, (*way, "**", index))


def with_parameters(call: Call, way: Key, names: Mapping[Key, str]) -> Call:
    """Return a call with names of parameters in the place of what differs between blocks."""
    named = dict((*call.kwargs, *call.omitted))
    given = dict(call.kwargs)
    order = call.order or tuple(given)
    kwargs: list[tuple[str, Any]] = []
    for name in [*order, *(name for name in given if name not in order)]:
        if (*way, name) in names:
            kwargs.append((name, Raw(names[*way, name])))
        elif name in given:
            kwargs.append((name, named[name]))
    return Call(
        call.function,
        tuple(_shown(value, (*way, index), names) for index, value in enumerate(call.args)),
        tuple(kwargs),
        tuple(
            with_parameters(more, (*way, "**", index), names)
            for index, more in enumerate(call.spread)
        ),
    )


def arguments_of(
    kind: Kind, scope: Scope, number: int, names: Mapping[Key, str]
) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """Return what a block is made with: two by position, the others by name.

    Args:
        number: Of the block's entry in its own block.
        names: Of the parameters of the block that it stands in.
    """
    values = [
        _shown(value, (number, index), names) for index, value in enumerate(kind.values[scope])
    ]
    named = [name for name, _ in kind.parameters]
    return tuple(values[:2]), tuple(zip(named[2:], values[2:], strict=True))


def _shown(value: Any, key: Key, names: Mapping[Key, str]) -> Any:
    return Raw(names[key]) if key in names else value


def _parameter_name(names: Sequence[str], taken: Collection[str]) -> str:
    """Return a name that is free for what has these names in several places."""
    both = [name for parts, name in _BOTH if parts <= set(names)]
    free = [name for name in (*both, *dict.fromkeys(names)) if name not in taken]
    if free:
        return free[0]
    number = 2
    while f"{names[0]}{number}" in taken:
        number += 1
    return f"{names[0]}{number}"


def _type_text(values: Sequence[Any]) -> str:
    """Return the annotation of a parameter that has these values."""
    types = sorted({_type_of(value) for value in values})
    if set(types) == {"float", "int"}:
        return "float"
    return " | ".join(types)


def _type_of(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_type_of, value))}]"
    return type(value).__name__
