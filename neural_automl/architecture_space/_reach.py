"""What a space can reach, whatever is chosen: shapes that cannot follow, and least costs.

Every layer is taken over every shape that can reach it, ties left free, so that what is
excluded here is excluded for every architecture. Where too much is open to look at everything,
nothing is claimed.
"""

from __future__ import annotations

from itertools import islice, product
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from neural_automl.architecture_space._nodes import (
    Cell,
    Group,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
)
from neural_automl.architecture_space._tree import (
    Located,
    body_paths,
    branch_paths,
    fix_operand,
    possible_counts,
)
from neural_automl.architecture_space._values import Choice, LogRange, Range, open_values
from neural_automl.exceptions import ShapeError
from neural_automl.graph import GraphBuilder
from neural_automl.layers import find_layer, lower_layer, operation_call
from neural_automl.primitives import Shape
from neural_automl.values import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_CAP: Final = 256


class Least(NamedTuple):
    """Least costs of everything up to a place."""

    params: float
    macs: float

    def plus(self, other: Least) -> Least:
        """Return the sum."""
        return Least(self.params + other.params, self.macs + other.macs)

    def either(self, other: Least) -> Least:
        """Return the smaller of each."""
        return Least(min(self.params, other.params), min(self.macs, other.macs))


#: Shapes that can come out of a place, each with the least cost of getting there.
Reach = dict[Shape, Least]


class TooMuchOpen(Exception):
    """More is open than is looked at; nothing is known."""


def least_costs(input_shape: Shape, layers: Iterable[Located]) -> Least | None:
    """Return costs that no architecture of a tree is below; None where too much is open.

    Raises:
        ShapeError: A layer cannot follow, whatever is chosen.
    """
    try:
        reach = _body({tuple(input_shape): Least(0, 0)}, layers)
    except TooMuchOpen:
        return None
    least = Least(inf, inf)
    for cost in reach.values():
        least = least.either(cost)
    return least


def _add(reach: Reach, shape: Shape, cost: Least) -> None:
    reach[shape] = reach[shape].either(cost) if shape in reach else cost
    if len(reach) > _CAP:
        raise TooMuchOpen


def _body(reach: Reach, layers: Iterable[Located]) -> Reach:
    for node, path in layers:
        reach = _node(reach, node, path)
    return reach


def _node(reach: Reach, node: Node, path: str) -> Reach:
    result: Reach = {}
    errors: list[ShapeError] = []

    def attempt(parts: Iterable[tuple[Reach, Iterable[Located]]]) -> None:
        for before, located in parts:
            try:
                for shape, cost in _body(before, located).items():
                    _add(result, shape, cost)
            except ShapeError as error:
                errors.append(error)

    if isinstance(node, LayerChoice):
        attempt(
            (reach, branch_paths(branch, f"{path}[{k}]"))
            for k, branch in enumerate(node.alternatives)
        )
    elif isinstance(node, Maybe):
        attempt([(reach, []), (reach, body_paths(node.body, path))])
    elif isinstance(node, Repeat):
        return _repeat(reach, node, path)
    elif isinstance(node, Group):
        return _body(reach, body_paths(node.body, path))
    else:
        for shape, cost in reach.items():
            steps = (
                _cell(node, shape, path) if isinstance(node, Cell) else _layer(node, shape, path)
            )
            for step in steps:
                if isinstance(step, ShapeError):
                    errors.append(step)
                else:
                    _add(result, step[0], cost.plus(step[1]))
    if not result:
        raise errors[0]
    return result


def _repeat(reach: Reach, node: Repeat, path: str) -> Reach:
    if any(leaf == "channels" for leaf in _leaves(node.count)):
        raise TooMuchOpen
    counts = set(possible_counts(node.count))
    result: Reach = {}
    failure: ShapeError | None = None
    for copy in range(max(counts, default=0) + 1):
        if copy in counts:
            for shape, cost in reach.items():
                _add(result, shape, cost)
        try:
            reach = _body(reach, body_paths(node.body, f"{path}[{copy}]"))
        except ShapeError as error:
            failure = error
            break
    if not result and failure is not None:
        raise failure
    return result


def _leaves(value: Any) -> list[Any]:
    return list(value.leaves()) if isinstance(value, Expression) else []


Step = tuple[Shape, Least] | ShapeError


def _layer(node: Layer, shape: Shape, path: str) -> Iterator[Step]:
    """Yield what a layer makes of a shape, for every way to fill its values and its body."""
    is_branches = find_layer(node.type)[0].blocks == "branches"
    try:
        bodies = _bodies(node, shape, path, is_branches)
    except ShapeError as error:
        yield error
        return
    for params in _fillings(node.params):
        for body in bodies:
            yield _try_layer(node, shape, path, params, body)


def _bodies(
    node: Layer, shape: Shape, path: str, is_branches: bool
) -> list[list[tuple[Shape, Least]]]:
    start: Reach = {shape: Least(0, 0)}
    if not node.body:
        return [[]]
    if is_branches:
        parts = [branch_paths(branch, f"{path}[{k}]") for k, branch in enumerate(node.body)]
    else:
        parts = [body_paths(node.body, path)]
    # TransformerEncoder normalises before its block, which changes no shape.
    options = [list(_body(start, part).items()) for part in parts]
    combinations = [list(option) for option in islice(product(*options), _CAP + 1)]
    if len(combinations) > _CAP:
        raise TooMuchOpen
    return combinations


def _try_layer(
    node: Layer,
    shape: Shape,
    path: str,
    params: Mapping[str, Any],
    body: list[tuple[Shape, Least]],
) -> Step:
    builder = GraphBuilder(shape)
    builder.path, builder.position = path, node.position
    blocks = [lambda x, s=inner: builder.add("Input", shape=s) for inner, _ in body]
    try:
        output = lower_layer(builder, 0, node.type, params, blocks)
    except ShapeError as error:
        return error
    graph = builder.finish(output, "none")
    cost = Least(sum(n.facts.params for n in graph.nodes), sum(n.facts.macs for n in graph.nodes))
    for _, inner in body:
        cost = cost.plus(inner)
    return graph.output_shape, cost


def _cell(node: Cell, shape: Shape, path: str) -> Iterator[Step]:
    """Yield the shape again, at the least cost that any operation has on every edge."""
    least: Least | None = None
    for operation in node.operations:
        name, params = operation_call(operation)
        layer = Layer(name, position=node.position, **params)
        step = _try_layer(layer, shape, path, params, [])
        if isinstance(step, ShapeError):
            yield step
        elif step[0] == shape:
            least = step[1] if least is None else least.either(step[1])
    if least is not None:
        edges = node.nodes * (node.nodes - 1) // 2
        yield shape, Least(least.params * edges, least.macs * edges)
    else:
        yield ShapeError(
            f"no operation of the cell keeps the shape {shape}", path=path, position=node.position
        )


def _fillings(params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every way to fill the values of a layer."""
    options = [_options(value) for value in params.values()]
    many = 1
    for option in options:
        many *= len(option)
        if many > _CAP:
            raise TooMuchOpen
    for values in product(*options):
        yield dict(zip(params, values, strict=True))


def _options(value: Any) -> list[Any]:
    if isinstance(value, Choice):
        return [option for element in value.values for option in _options(element)]
    if isinstance(value, Range | LogRange):
        if value.size() > _CAP:
            # The shape depends on no continuous value, and cost grows with integer ones.
            return [value.low] if not value.is_integer else _too_much()
        step = int((value.step if isinstance(value, Range) else None) or 1)
        if value.is_integer:
            return list(range(int(value.low), int(value.high) + 1, step))
        return [value.low]
    if isinstance(value, Expression):
        leaves = list(open_values(value))
        if not leaves:
            return [value]
        return [
            option
            for number in _options(leaves[0])
            for option in _options(fix_operand(value, leaves[0], number))
        ]
    if isinstance(value, tuple) and any(True for _ in open_values(value)):
        return list(product(*(_options(element) for element in value)))
    return [value]


def _too_much() -> list[Any]:
    raise TooMuchOpen
