"""The tree written out, and the path of everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._nodes import (
    Cell,
    Group,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
)
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Open,
    Range,
    open_values,
    value_label,
)
from neural_automl.exceptions import SpaceError
from neural_automl.layers import cell_edges, find_layer
from neural_automl.values import Call, Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LIMIT: Final = 20_000

Located = tuple[Node, str]


def body_paths(nodes: Iterable[Node], path: str) -> list[Located]:
    """Return layers that follow each other with their paths: ``path[i]``."""
    return [(node, f"{path}[{index}]") for index, node in enumerate(nodes)]


def branch_paths(branch: Node, path: str) -> list[Located]:
    """Return the layers of one branch: ``path`` where it is one layer, else ``path[i]``."""
    return body_paths(branch.body, path) if isinstance(branch, Group) else [(branch, path)]


def children(node: Node, path: str) -> Iterator[Located]:
    """Yield what stands below a node, each copy of a repetition's largest count once."""
    if isinstance(node, Group | Maybe):
        yield from body_paths(node.body, path)
    elif isinstance(node, LayerChoice):
        for index, branch in enumerate(node.alternatives):
            yield from branch_paths(branch, f"{path}[{index}]")
    elif isinstance(node, Layer):
        if find_layer(node.type)[0].blocks == "branches":
            for index, branch in enumerate(node.body):
                yield from branch_paths(branch, f"{path}[{index}]")
        else:
            yield from body_paths(node.body, path)
    elif isinstance(node, Repeat):
        for copy in range(largest_count(node.count)):
            yield from body_paths(node.body, f"{path}[{copy}]")


def largest_count(count: Any) -> int:
    """Return the largest number of copies that a count allows."""
    return max(possible_counts(count), default=0)


def possible_counts(count: Any) -> list[int]:
    """Return every number of copies that a count allows, its ties left free.

    Raises:
        SpaceError: There are more than 10,000, or one is no number of copies.
    """
    values = sorted(set(_possible(count)), key=float)
    for value in values:
        if not isinstance(value, int) or not 0 <= value <= 10_000:
            raise SpaceError(f"a repetition must be 0 to 10000 times but can be {value}")
    return values


def _possible(value: Any) -> list[Any]:
    if isinstance(value, Choice):
        return [number for element in value.values for number in _possible(element)]
    if isinstance(value, Range | LogRange):
        if not value.is_integer or value.size() > 10_001:
            raise SpaceError(f"a repetition must be open over integers to 10000 but got {value}")
        step = (getattr(value, "step", None) or 1) if isinstance(value, Range) else 1
        return list(range(int(value.low), int(value.high) + 1, int(step)))
    if isinstance(value, Expression):
        leaves = [leaf for leaf in value.leaves() if isinstance(leaf, Open)]
        if not leaves:
            return [value.replace(lambda leaf: leaf)]
        first = leaves[0]
        numbers = []
        for option in _possible(first):
            fixed = fix_operand(value, first, option)
            numbers.extend(_possible(fixed) if isinstance(fixed, Expression) else [fixed])
        return numbers
    return [value]


def fix_operand(expression: Expression, operand: Open, number: Any) -> Any:
    """Return an expression with one open operand, and those tied to it, replaced by a number."""

    def resolve(leaf: Any) -> Any:
        tied = operand.name is not None and getattr(leaf, "name", None) == operand.name
        return number if leaf is operand or tied else leaf

    return expression.replace(resolve)


def edge_names(cell: Cell, path: str) -> list[str]:
    """Return the name of the decision on each edge, in stored order."""
    return [f"{cell.name or path}.edge_{i}_{j}" for i, j in cell_edges(cell.nodes)]


# --- writing out ------------------------------------------------------------------------------


def normalise(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Write groups and fixed repetitions out, and name what the copies of one share.

    Raises:
        SpaceError: The network, written out, has more than 20,000 layers.
    """
    written = _write_out(nodes)
    return tuple(_name_shared(node, path) for node, path in body_paths(written, "layers"))


def _write_out(nodes: Iterable[Node]) -> list[Node]:
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Group):
            result.extend(_write_out(node.body))
        elif isinstance(node, Repeat) and isinstance(node.count, int):
            body = _write_out(node.body)
            _check_limit(node.count * len(body))
            result.extend(body * node.count)
        else:
            result.append(_rebuild(node, _write_out))
        _check_limit(len(result))
    return result


def _check_limit(layers: int) -> None:
    if layers > _LIMIT:
        raise SpaceError(f"a network may have {_LIMIT} layers, written out, but has {layers}")


def _rebuild(node: Node, rewrite: Any, params: Mapping[str, Any] | None = None) -> Node:
    """Return a node with its body rewritten; branches are rewritten each for itself."""

    def branches(nodes: Iterable[Node]) -> list[list[Node]]:
        return [rewrite([branch]) for branch in nodes]

    if isinstance(node, Layer):
        is_branches = find_layer(node.type)[0].blocks == "branches"
        body = branches(node.body) if is_branches else rewrite(node.body)
        values = node.params if params is None else params
        return Layer(node.type, body=body, position=node.position, **values)
    if isinstance(node, LayerChoice):
        return LayerChoice(
            branches(node.alternatives),
            name=node.name,
            labels=node.labels,
            position=node.position,
        )
    if isinstance(node, Maybe):
        return Maybe(rewrite(node.body), name=node.name, position=node.position)
    if isinstance(node, Repeat):
        return Repeat(rewrite(node.body), node.count, shared=node.shared, position=node.position)
    return node


# --- naming what copies share -------------------------------------------------------------------


def _name_shared(node: Node, path: str, naming: bool = False, repeated: bool = False) -> Node:
    """Turn ``shared`` into names: a decision of the first copy gives its name to all.

    Args:
        naming: Whether a shared repetition stands above.
        repeated: Whether a repetition of open count stands above.
    """

    def below(located: Iterable[Located]) -> list[Node]:
        return [_name_shared(child, at, naming, repeated) for child, at in located]

    def branches(nodes: Iterable[Node]) -> list[list[Node]]:
        return [below(branch_paths(node, f"{path}[{k}]")) for k, node in enumerate(nodes)]

    position = getattr(node, "position", None)
    if isinstance(node, Layer):
        params = dict(node.params)
        if naming:
            stem = f"{path}.{node.type}"
            params = {key: _name_value(value, f"{stem}.{key}") for key, value in params.items()}
        is_branches = find_layer(node.type)[0].blocks == "branches"
        body = branches(node.body) if is_branches else below(body_paths(node.body, path))
        return Layer(node.type, body=body, position=position, **params)
    if isinstance(node, LayerChoice):
        name = node.name or (f"{path}.choice" if naming else None)
        options = branches(node.alternatives)
        return LayerChoice(options, name=name, labels=node.labels, position=position)
    if isinstance(node, Maybe):
        name = node.name or (f"{path}.maybe" if naming else None)
        return Maybe(below(body_paths(node.body, path)), name=name, position=position)
    if isinstance(node, Repeat):
        if node.shared and repeated and not naming:
            raise SpaceError(
                "a shared repetition can't stand in a repetition of open count that is not: "
                "name its choices instead",
                path=path,
                position=position,
            )
        count = _name_value(node.count, f"{path}.repeat") if naming else node.count
        naming, repeated = naming or node.shared, True
        return Repeat(below(body_paths(node.body, f"{path}[0]")), count, position=position)
    if isinstance(node, Cell) and naming:
        return Cell(node.nodes, node.operations, name=node.name or path, position=position)
    return node


def _name_value(value: Any, name: str) -> Any:
    """Return a value whose open parts bear the names that an unshared first copy would give."""
    if isinstance(value, Open):
        return value if value.name else _with_name(value, name)
    if isinstance(value, Expression):
        names = expression_names(value, name)
        return Expression(
            value.operator,
            tuple(_name_operand(operand, names) for operand in value.operands),
        )
    if isinstance(value, tuple):
        return tuple(_name_value(element, f"{name}[{k}]") for k, element in enumerate(value))
    if isinstance(value, Call):
        params = {key: _name_value(v, f"{name}.{key}") for key, v in value.params.items()}
        return Call(value.type, params)
    return value


def _name_operand(operand: Any, names: Mapping[int, str]) -> Any:
    if isinstance(operand, Expression):
        return Expression(
            operand.operator, tuple(_name_operand(below, names) for below in operand.operands)
        )
    return _with_name(operand, names[id(operand)]) if isinstance(operand, Open) else operand


def _with_name(value: Open, name: str) -> Open:
    if isinstance(value, Choice):
        return Choice(*value.values, name=name)
    if isinstance(value, Range):
        return Range(value.low, value.high, value.step, name)
    return LogRange(value.low, value.high, name)


def expression_names(value: Expression, name: str) -> dict[int, str]:
    """Return the study's name of each open operand of an expression, by its identity.

    A single open operand bears the parameter's own name; several are numbered.
    """
    operands = list(open_values(value))
    unnamed = [operand for operand in operands if operand.name is None]
    names = {}
    for operand in operands:
        if operand.name is not None:
            names[id(operand)] = operand.name
        elif len(unnamed) == 1:
            names[id(operand)] = name
        else:
            index = next(k for k, other in enumerate(unnamed) if other is operand)
            names[id(operand)] = f"{name}[{index}]"
    return names


# --- every decision -----------------------------------------------------------------------------


def decisions(
    layers: Iterable[Located], values: Iterable[tuple[Any, str]] = ()
) -> dict[str, Open | tuple[Any, ...]]:
    """Return everything that can be decided, by name, in the order of the tree.

    Raises:
        SpaceError: Decisions of one name offer different things.
    """
    found: dict[str, Open | tuple[Any, ...]] = {}
    for name, offer in _offers(layers, values):
        if found.setdefault(name, offer) != offer:
            raise SpaceError(
                f"all that bears the name {name!r} must offer the same but one offers "
                f"{found[name]} and another {offer}"
            )
    return found


def _offers(
    layers: Iterable[Located], values: Iterable[tuple[Any, str]]
) -> Iterator[tuple[str, Any]]:
    for node, path in layers:
        if isinstance(node, Layer):
            stem = f"{path}.{node.type}"
            yield from _offers([], [(v, f"{stem}.{key}") for key, v in node.params.items()])
        elif isinstance(node, LayerChoice):
            yield node.name or f"{path}.choice", node.labels
        elif isinstance(node, Maybe):
            yield node.name or f"{path}.maybe", (False, True)
        elif isinstance(node, Repeat):
            yield from _offers([], [(node.count, f"{path}.repeat")])
        elif isinstance(node, Cell):
            labels = tuple(value_label(operation) for operation in node.operations)
            yield from ((name, labels) for name in edge_names(node, path))
        yield from _offers(children(node, path), [])
    for value, name in values:
        yield from _value_offers(value, name)


def _value_offers(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Open):
        name = value.name or name
        yield name, value
        if isinstance(value, Choice):
            for place, element in enumerate(value.values):
                yield from _value_offers(element, f"{name}[{place}]")
    elif isinstance(value, Expression):
        names = expression_names(value, name)
        for operand in open_values(value):
            yield from _value_offers(operand, names[id(operand)])
    elif isinstance(value, tuple):
        for place, element in enumerate(value):
            yield from _value_offers(element, f"{name}[{place}]")
    elif isinstance(value, Call):
        for key, element in value.params.items():
            yield from _value_offers(element, f"{name}.{key}")
