"""Reading ``cell(nodes=..., operations=[...])``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._errors import Position, Problems, near, quoted
from neural_automl.dsl._evaluate import Scope, bind
from neural_automl.dsl._nodes import Node
from neural_automl.dsl._tables import is_layer, layer_names, parameters_of, row_of
from neural_automl.dsl._values import (
    UNKNOWN,
    Bound,
    Called,
    Items,
    Value,
    Word,
    has_open,
    is_number,
    shown,
)
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from neural_automl.dsl._check import Checker

_NODES: Final = Parameter("nodes", "integer", minimum=2)
_NAMES: Final = ("nodes", "operations", "edges", "name")


def read_cell(call: _tree.Call, scope: Scope, checker: Checker, problems: Problems) -> Node:
    """Return the node of a cell, as far as it can be read."""
    bound, correct = bind("cell", _NAMES, call.arguments, problems)
    params: dict[str, Any] = {}
    name = checker.evaluator.study_name(bound.get("name"), scope)
    for key, argument in bound.items():
        if key == "nodes":
            params[key] = _nodes(checker.evaluator.value(argument.value, scope), call, checker)
        elif key != "name":
            reader = _Operations(call, scope, checker, problems, distinct=key == "operations")
            params[key] = reader.read(key, argument.value)
    given = [key for key in ("operations", "edges") if key in params]
    if not given and correct:
        problems.add("cell requires 'operations'", call.at)
    if len(given) == 2:
        message = "a cell has 'operations' to choose from or chosen 'edges', not both"
        problems.add(message, bound["edges"].at)
    if "edges" in params:
        _check_edges(params, bound["edges"].at, problems)
    if name is not None:
        params["name"] = name
    return Node("cell", params, call.at)


def _nodes(value: Value, call: _tree.Call, checker: Checker) -> Value:
    value = checker.value(_NODES, value, call.at)
    if value.data is UNKNOWN:
        return value
    where = call.at if value.via else value.at
    if not is_number(value.data):
        checker.fail("'nodes' of a cell must be a plain number", where)
    elif value.data > _limits.CELL_NODES:
        limit = f"a cell is limited to {_limits.CELL_NODES} nodes"
        checker.fail(f"{limit} but has {value.data}", where)
    else:
        return value
    return replace(value, data=UNKNOWN)


def _check_edges(params: dict[str, Any], at: Position, problems: Problems) -> None:
    edges = params["edges"].data
    nodes = params["nodes"].data if "nodes" in params else None
    if edges is UNKNOWN or nodes is UNKNOWN:
        return
    got = len(edges.items)
    sizes = {n * (n - 1) // 2 for n in range(2, _limits.CELL_NODES + 1)}
    if nodes is None and got not in sizes:
        problems.add(f"a cell has 1, 3, 6, 10, ... edges but 'edges' lists {got}", at)
    elif nodes is not None and got != nodes * (nodes - 1) // 2:
        wanted = nodes * (nodes - 1) // 2
        problems.add(f"a cell of {nodes} nodes has {wanted} edges but 'edges' lists {got}", at)


class _Operations:
    """Reads a list of operations: names, or calls of layers that take no block."""

    def __init__(
        self,
        call: _tree.Call,
        scope: Scope,
        checker: Checker,
        problems: Problems,
        *,
        distinct: bool,
    ) -> None:
        self._call = call
        self._scope = scope
        self._checker = checker
        self._problems = problems
        self._distinct = distinct

    def read(self, key: str, node: _tree.Expression) -> Value:
        if isinstance(node, _tree.Items):
            # Names are looked at here and not evaluated, for an error that names near operations.
            values = [self._element(element) for element in node.items]
            whole = Value(None, node.at)
        else:
            whole = self._checker.evaluator.value(node, self._scope)
            if whole.data is UNKNOWN:
                return whole
            if not isinstance(whole.data, Items):
                got = shown(whole)
                message = f"'{key}' must be a list of operations but got {got}"
                self._problems.add(message, self._where(whole))
                return Value(UNKNOWN, node.at)
            values = [replace(value, via=whole.via) for value in whole.data.items]
        if not 1 <= len(values) <= _limits.CHOICE:
            limit = f"1 to {_limits.CHOICE:,} operations"
            self._problems.add(f"'{key}' must list {limit}", self._where(whole))
            return Value(UNKNOWN, node.at)
        read = [self._operation(value) for value in values]
        if self._distinct:
            self._check_distinct(read, values)
        if any(value.data is UNKNOWN for value in read):
            return Value(UNKNOWN, node.at)
        return Value(Items((*read,)), node.at)

    def _where(self, value: Value) -> Position:
        return self._call.at if value.via else value.at

    def _element(self, node: _tree.Expression) -> Value:
        if isinstance(node, _tree.Name) and node.text not in self._scope.names:
            return Value("none" if node.text == "None" else node.text, node.at)
        return self._checker.evaluator.value(node, self._scope)

    def _operation(self, value: Value) -> Value:
        data = "none" if value.data is None else value.data
        if data is UNKNOWN:
            return value
        if not isinstance(data, str | Word | Called):
            got = shown(value)
            return self._fail(f"an operation must be a layer but got {got}", value)
        name = data if isinstance(data, str) else data.name
        if not is_layer(name):
            hint = near(name, layer_names())
            return self._fail(f"unknown operation {quoted(name)}", value, hint)
        if row_of(name).takes_block or row_of(name).structure:
            return self._fail(f"{name} can't be an operation of a cell", value)
        if isinstance(data, Called):
            params = self._checker.arguments(
                name, parameters_of(name), data.arguments, data.scope, value.at
            )
            if any(map(has_open, params.values())):
                hint = "list it once for each value"
                return self._fail("a cell's operation can't hold an open value", value, hint)
            return Value(Bound(name, params), value.at)
        missing = [p.name for p in parameters_of(name) if p.required]
        if missing:
            return self._fail(f"{name} requires '{missing[0]}'", value)
        return Value(name, value.at)

    def _check_distinct(self, read: list[Value], values: list[Value]) -> None:
        seen: list[Any] = []
        for value, written in zip(read, values, strict=True):
            key = _form(value.data)
            if value.data is not UNKNOWN and key in seen:
                self._fail("a cell can't offer an operation twice", written)
            seen.append(key)

    def _fail(self, message: str, value: Value, hint: str = "") -> Value:
        note = f" ({value.via})" if value.via else ""
        self._problems.add(message + note, self._where(value), hint)
        return Value(UNKNOWN, value.at)


def _form(data: Any) -> Any:
    """Return an operation in a form that equals that of an equal one."""
    if isinstance(data, Bound):
        return (data.type, {name: _form(value.data) for name, value in data.params.items()})
    if isinstance(data, Items):
        return [_form(value.data) for value in data.items]
    return data
