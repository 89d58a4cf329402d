"""What a space can reach, whatever is chosen: shapes that cannot follow, and least costs.

Every layer is taken over every shape that can reach it, ties left free, so that what is
excluded here is excluded for every architecture. Where too much is open to look at everything,
nothing is claimed.
"""

from __future__ import annotations

from itertools import islice, product
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from neural_automl.architecture_space._counts import (
    TooManyOptionsError,
    number_options,
    possible_counts,
)
from neural_automl.architecture_space._nodes import (
    Cell,
    Group,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
)
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._values import Choice, Open, open_values
from neural_automl.exceptions import ShapeError
from neural_automl.graph import GraphBuilder
from neural_automl.layers import find_layer, lower_layer, operation_call
from neural_automl.primitives import Shape
from neural_automl.values import Call, Expression, uses_channels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_CAP: Final = 256
_WORK: Final = 20_000


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
        reach = _Reaching().body({tuple(input_shape): Least(0, 0)}, layers)
    except (TooMuchOpen, TooManyOptionsError):
        return None
    least = Least(inf, inf)
    for cost in reach.values():
        least = least.either(cost)
    return least


def _add(reach: Reach, shape: Shape, cost: Least) -> None:
    reach[shape] = reach[shape].either(cost) if shape in reach else cost
    if len(reach) > _CAP:
        raise TooMuchOpen


Step = tuple[Shape, Least] | ShapeError
Steps = list[Step]


class _Reaching:
    """Takes layers over shapes, as long as that is no more work than anyone would wait for."""

    def __init__(self) -> None:
        self._work = 0

    def body(self, reach: Reach, layers: Iterable[Located]) -> Reach:
        """Return what comes out of layers that follow each other.

        Raises:
            ShapeError: One of them takes no shape that can reach it.
        """
        for node, path in layers:
            reach = self._node(reach, node, path)
        return reach

    def _node(self, reach: Reach, node: Node, path: str) -> Reach:
        if isinstance(node, Repeat):
            return self._repeat(reach, node, path)
        if isinstance(node, Group):
            return self.body(reach, body_paths(node.body, path))
        if isinstance(node, LayerChoice):
            branches = [branch_paths(b, f"{path}[{k}]") for k, b in enumerate(node.alternatives)]
            return self._any(reach, branches)
        if isinstance(node, Maybe):
            return self._any(reach, [[], body_paths(node.body, path)])
        result: Reach = {}
        errors: list[ShapeError] = []
        for shape, cost in reach.items():
            take = self._cell if isinstance(node, Cell) else self._layer
            for step in take(node, shape, path):  # type: ignore[arg-type]
                if isinstance(step, ShapeError):
                    errors.append(step)
                else:
                    _add(result, step[0], cost.plus(step[1]))
        if not result:
            raise errors[0]
        return result

    def _any(self, reach: Reach, branches: Iterable[Iterable[Located]]) -> Reach:
        """Return what comes out of any of several branches."""
        result: Reach = {}
        errors: list[ShapeError] = []
        for branch in branches:
            try:
                for shape, cost in self.body(reach, branch).items():
                    _add(result, shape, cost)
            except ShapeError as error:
                errors.append(error)
        if not result:
            raise errors[0]
        return result

    def _repeat(self, reach: Reach, node: Repeat, path: str) -> Reach:
        counts = possible_counts(node.count)
        result: Reach = {}
        for copy in range(counts[-1] + 1):
            if copy in counts:
                for shape, cost in reach.items():
                    _add(result, shape, cost)
            if copy == counts[-1]:
                break
            try:
                reach = self.body(reach, body_paths(node.body, f"{path}[{copy}]"))
            except ShapeError:
                if not result:
                    raise
                break
        return result

    def _layer(self, node: Layer, shape: Shape, path: str) -> Iterator[Step]:
        """Yield what a layer makes of a shape, for every way to fill its values and its body."""
        try:
            bodies = self._bodies(node, shape, path)
        except ShapeError as error:
            yield error
            return
        for params in _fillings(node.params):
            for body in bodies:
                yield self._try(node, shape, path, params, body)

    def _bodies(self, node: Layer, shape: Shape, path: str) -> list[list[tuple[Shape, Least]]]:
        if not node.body:
            return [[]]
        if find_layer(node.type)[0].blocks == "branches":
            parts = [branch_paths(branch, f"{path}[{k}]") for k, branch in enumerate(node.body)]
        else:
            # TransformerEncoder normalises before its block, which changes no shape.
            parts = [body_paths(node.body, path)]
        options = [list(self.body({shape: Least(0, 0)}, part).items()) for part in parts]
        combinations = [list(option) for option in islice(product(*options), _CAP + 1)]
        if len(combinations) > _CAP:
            raise TooMuchOpen
        return combinations

    def _cell(self, node: Cell, shape: Shape, path: str) -> Iterator[Step]:
        """Yield what comes out of a cell; each node's inputs must be able to agree on a shape."""
        states: list[Reach] = [{shape: Least(0, 0)}]
        for target in range(1, node.nodes):
            state: Reach | None = None
            errors: list[ShapeError] = []
            for source in range(target):
                edge: Reach = {}
                for before in states[source]:
                    for step in self._operations(node, before, f"{path}.edge_{source}_{target}"):
                        if isinstance(step, ShapeError):
                            errors.append(step)
                        else:
                            _add(edge, *step)
                if state is None:
                    state = edge
                else:
                    state = {s: state[s].plus(cost) for s, cost in edge.items() if s in state}
            if not state:
                yield (
                    errors[0]
                    if errors
                    else ShapeError(
                        f"no operations on the way to node {target} of the cell give equal shapes",
                        path=path,
                        position=node.position,
                    )
                )
                return
            states.append(state)
        yield from _with_cost(states)

    def _operations(self, node: Cell, shape: Shape, path: str) -> Steps:
        steps = []
        for operation in node.operations:
            name, params = operation_call(operation)
            layer = Layer(name, position=node.position, **params)
            steps.append(self._try(layer, shape, path, params, []))
        return steps

    def _try(
        self,
        node: Layer,
        shape: Shape,
        path: str,
        params: Mapping[str, Any],
        body: list[tuple[Shape, Least]],
    ) -> Step:
        self._work += 1
        if self._work > _WORK or any(uses_channels(value, far=True) for value in params.values()):
            raise TooMuchOpen
        builder = GraphBuilder(shape)
        builder.path, builder.position = path, node.position
        blocks = [lambda x, s=inner: builder.add("Input", shape=s) for inner, _ in body]
        try:
            output = lower_layer(builder, 0, node.type, params, blocks)
        except ShapeError as error:
            return error
        nodes = builder.finish(output, "none").nodes
        cost = Least(sum(n.facts.params for n in nodes), sum(n.facts.macs for n in nodes))
        for _, inner in body:
            cost = cost.plus(inner)
        return builder.shape(output), cost


def _with_cost(states: list[Reach]) -> Iterator[tuple[Shape, Least]]:
    """Yield the shapes of a cell's output; every node costs at least its cheapest shape."""
    before = Least(0, 0)
    for state in states[1:-1]:
        costs = list(state.values())
        least = costs[0]
        for cost in costs:
            least = least.either(cost)
        before = before.plus(least)
    for shape, cost in states[-1].items():
        yield shape, cost.plus(before)


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
    """Return every value that an open one may come to, its ties left free."""
    if isinstance(value, Choice):
        return [option for element in value.values for option in _options(element)]
    if isinstance(value, Open | Expression):
        # No shape depends on a continuous value, and arithmetic is not over one.
        try:
            return [n for _, n in number_options(value, _CAP, continuous=True)]
        except ValueError:
            raise TooMuchOpen from None
    if isinstance(value, tuple) and any(True for _ in open_values(value)):
        return list(product(*(_options(element) for element in value)))
    if isinstance(value, Call) and any(True for _ in open_values(value)):
        raise TooMuchOpen
    return [value]
