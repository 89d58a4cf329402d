"""How many configurations a space has, exactly, with conditions and ties.

A part of the tree is counted as a table: from what is decided about ties to the number of
configurations under it. Parts that follow each other are multiplied, but only where they share a
tie; alternatives are summed; and a tie is summed out as soon as everything that bears its name has
been seen.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import reduce
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from neural_automl.architecture_space._counts import Ties, count_options
from neural_automl.architecture_space._nodes import Cell, Layer, LayerChoice, Maybe, Node, Repeat
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._renaming import copy_paths
from neural_automl.architecture_space._tree import edge_names
from neural_automl.architecture_space._values import (
    Choice,
    LogRange,
    Range,
    open_values,
    operand_names,
)
from neural_automl.layers import find_layer
from neural_automl.values import Call, Expression

if TYPE_CHECKING:
    from collections.abc import Iterable

Count = int | float
#: From what is decided about ties to the number of configurations.
Rows = dict[Ties, Count]

#: The place of a tie on whose value nothing else depends: only whether it exists matters.
_ACTIVE: Final = "active"
_NOTHING: Final[Ties] = frozenset()


class _Table(NamedTuple):
    """The configurations of a part: a product of factors that share no tie."""

    factors: tuple[Rows, ...]
    seen: Counter[str]


_ONE: Final = _Table((), Counter())


def count_configurations(layers: list[Located], values: list[tuple[Any, str]]) -> Count:
    """Return the number of configurations; ``inf`` where one is continuous.

    Args:
        layers: A normalised tree, with paths.
        values: Further values that may be open, with their names.
    """
    census = _Counting(None, set())
    total = census.everything(layers, values).seen
    table = _Counting(total, census.enumerated).everything(layers, values)
    result: Count = 0
    for many in _multiplied(table).values():
        result = _plus(result, many)
    return result


def _plus(one: Count, other: Count) -> Count:
    # An integer beyond the floats can't be added to one, not even to infinity.
    return inf if inf in (one, other) else one + other


def _times(one: Count, other: Count) -> Count:
    return inf if inf in (one, other) else one * other


def _product(one: Rows, other: Rows) -> Rows:
    """Join the rows that agree about what both decide."""
    rows: Rows = {}
    for left, many in one.items():
        decided = dict(left)
        for right, more in other.items():
            if all(decided.get(name, place) == place for name, place in right):
                key = left | right
                rows[key] = _plus(rows.get(key, 0), _times(many, more))
    return rows


def _multiplied(table: _Table) -> Rows:
    """Return a table as one factor."""
    return reduce(_product, table.factors, {_NOTHING: 1})


def _names(rows: Rows) -> set[str]:
    return {name for ties in rows for name, _ in ties}


class _Counting:
    """Counts parts of a tree.

    Args:
        total: How often each tie stands in the whole tree, as this class counts it; None only
            takes that census.
        enumerated: Ties on whose value something else depends; the census finds them.
    """

    def __init__(self, total: Counter[str] | None, enumerated: set[str]) -> None:
        self._total = total
        self.enumerated = enumerated
        self._sizes: dict[str, Count] = {}

    def everything(self, layers: list[Located], values: list[tuple[Any, str]]) -> _Table:
        """Count a tree with further values."""
        tables = [self._node(node, path) for node, path in layers]
        return self._join([*tables, *(self._value(value, name) for value, name in values)])

    def _join(self, tables: Iterable[_Table]) -> _Table:
        """Count parts that all exist: factors are multiplied only where they share a tie."""
        seen: Counter[str] = Counter()
        factors: dict[int, Rows] = {}
        homes: dict[str, int] = {}
        numbers = itertools.count()
        constant: Count = 1
        for table in tables:
            seen.update(table.seen)
            touched: list[int] = []
            for rows in table.factors:
                for home in {homes[name] for name in _names(rows) if name in homes}:
                    rows = _product(factors.pop(home), rows)
                touched.append(next(numbers))
                factors[touched[-1]] = rows
                homes.update(dict.fromkeys(_names(rows), touched[-1]))
            # Not before all factors of the table are there: several of them may share a tie with
            # one that came earlier.
            for home in touched:
                if home in factors:
                    factors[home] = rows = self._sum_out(factors[home], seen)
                    if not _names(rows):
                        constant = _times(constant, factors.pop(home)[_NOTHING])
            homes = {name: home for name, home in homes.items() if home in factors}
        scalar = () if constant == 1 else ({_NOTHING: constant},)
        return _Table((*scalar, *factors.values()), seen)

    def _either(self, tables: Iterable[_Table]) -> _Table:
        """Count parts of which one exists."""
        rows: Rows = {}
        seen: Counter[str] = Counter()
        for table in tables:
            seen.update(table.seen)
            if self._total is not None:
                for ties, many in _multiplied(table).items():
                    rows[ties] = _plus(rows.get(ties, 0), many)
        return self._finished(rows, seen)

    def _finished(self, rows: Rows, seen: Counter[str]) -> _Table:
        # The census takes anything that is decided for endlessly much: what matters is where.
        rows = {_NOTHING: inf} if self._total is None else self._sum_out(rows, seen)
        return _Table((rows,), seen)

    def _sum_out(self, rows: Rows, seen: Counter[str]) -> Rows:
        """Forget the ties of which nothing more will be seen."""
        done = {name for name in _names(rows) if self._total and seen[name] == self._total[name]}
        if not done:
            return rows
        left: Rows = {}
        for ties, many in rows.items():
            for name, place in ties:
                if name in done and place == _ACTIVE:
                    many = _times(many, self._sizes[name])
            key = frozenset(tie for tie in ties if tie[0] not in done)
            left[key] = _plus(left.get(key, 0), many)
        return left

    # --- decisions ----------------------------------------------------------------------------

    def _decide(self, name: str | None, options: list[_Table]) -> _Table:
        """Count one decision whose options are tables; ``name`` where it is tied."""
        if all(table == _ONE for table in options):
            return self._plain(name, len(options))
        if name is None:
            return self._either(options)
        self.enumerated.add(name)
        marked = [
            self._join([_Table(({frozenset({(name, place)}): 1},), Counter()), option])
            for place, option in enumerate(options)
        ]
        return self._seen_too(self._either(marked), name)

    def _seen_too(self, table: _Table, *names: str) -> _Table:
        """Return a table that has seen these names once more."""
        return self._finished(_multiplied(table), table.seen + Counter(names))

    def _plain(self, name: str | None, size: Count) -> _Table:
        """Count one decision on whose value nothing else here depends."""
        if name is None:
            return self._finished({_NOTHING: size}, Counter())
        self._sizes[name] = size
        places = range(int(size)) if name in self.enumerated else (_ACTIVE,)
        return self._finished({frozenset({(name, p)}): 1 for p in places}, Counter({name: 1}))

    def _value(self, value: Any, name: str, tied: bool = False) -> _Table:
        """Count a value; ``tied`` where it stands in a tied choice, and so is tied with it."""
        if isinstance(value, Choice | Range | LogRange):
            tie = value.name or (name if tied else None)
            if not isinstance(value, Choice):
                return self._plain(tie, value.size())
            name = value.name or name
            return self._decide(
                tie,
                [
                    self._value(v, f"{name}[{k}]", tie is not None)
                    for k, v in enumerate(value.values)
                ],
            )
        if isinstance(value, Expression):
            operands = zip(open_values(value), operand_names(value, name), strict=True)
            return self._join([self._value(operand, own, tied) for operand, own in operands])
        if isinstance(value, tuple):
            return self._join([self._value(v, f"{name}[{k}]", tied) for k, v in enumerate(value)])
        if isinstance(value, Call):
            return self._join(
                [self._value(v, f"{name}.{key}", tied) for key, v in value.params.items()]
            )
        return _ONE

    # --- the tree -----------------------------------------------------------------------------

    def _body(self, located: Iterable[Located]) -> _Table:
        return self._join(self._node(node, path) for node, path in located)

    def _node(self, node: Node, path: str) -> _Table:
        if isinstance(node, Layer):
            values = [self._value(v, f"{path}.{node.type}.{k}") for k, v in node.params.items()]
            if find_layer(node.type)[0].blocks == "branches":
                below = [
                    self._body(branch_paths(branch, f"{path}[{k}]"))
                    for k, branch in enumerate(node.body)
                ]
            else:
                below = [self._body(body_paths(node.body, path))] if node.body else []
            return self._join([*values, *below])
        if isinstance(node, LayerChoice):
            options = [
                self._body(branch_paths(branch, f"{path}[{k}]"))
                for k, branch in enumerate(node.alternatives)
            ]
            return self._decide(node.name, options)
        if isinstance(node, Maybe):
            return self._decide(node.name, [_ONE, self._body(body_paths(node.body, path))])
        if isinstance(node, Repeat):
            return self._repeat(node, path)
        if isinstance(node, Cell):
            edges = edge_names(node, path)
            tied = node.name is not None
            return self._join(
                self._plain(edge if tied else None, len(node.operations)) for edge in edges
            )
        return self._body(body_paths(node.body, path))

    def _repeat(self, node: Repeat, path: str) -> _Table:
        options = count_options(node.count, f"{path}.repeat")
        copies = [_ONE]
        for copy in range(max(count for _, count in options)):
            body = self._body(copy_paths(node, path, copy))
            copies.append(self._join([copies[-1], body]))
        names = {name for ties, _ in options for name, _ in ties}
        self.enumerated |= names
        table = self._either(
            self._join([_Table(({ties: 1},), Counter()), copies[count]]) for ties, count in options
        )
        return self._seen_too(table, *names)
