"""Checks of definitions before anything is expanded.

Sizes are counted bottom-up over the graph of calls, so that macros that double each other, or
call themselves, are found in the time that it takes to read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._errors import Position, Problems, place, quoted
from neural_automl.dsl._evaluate import CONSTANTS, OPEN_VALUES
from neural_automl.dsl._tables import is_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

_RESERVED: Final = (*CONSTANTS, *OPEN_VALUES, "channels")


@dataclass(slots=True)
class _Body:
    """What a macro's body, or the network, holds.

    Args:
        nodes: Nodes of its syntax.
        layers: Layers and structures, macro calls apart.
        calls: Calls of macros.
        names: Names that it uses.
    """

    nodes: int
    layers: int
    calls: list[_tree.Call]
    names: set[str]


def check_macros(
    macros: list[_tree.Macro], roots: list[Any], problems: Problems
) -> tuple[dict[str, _tree.Macro], list[str]]:
    """Return the macros by name, and the names of those that nothing calls.

    What is wrong with them is recorded.

    Args:
        macros: All definitions.
        roots: What expansion starts from: the layers of the network.
    """
    known: dict[str, _tree.Macro] = {}
    for macro in macros:
        _check_name("a macro", macro.name, macro.at, problems)
        if macro.name in known:
            first = place(known[macro.name].at)
            problems.add(
                f"macro {quoted(macro.name)} is defined twice (first at {first})", macro.at
            )
        known.setdefault(macro.name, macro)
    bodies = {
        name: _look(macro.body, known, {parameter.name for parameter in macro.parameters})
        for name, macro in known.items()
    }
    for name, macro in known.items():
        _check_parameters(macro, bodies[name], problems)
    order = _callees_first(known, bodies, problems)
    calls = [call for root in roots for call in _look(root, known).calls]
    called = {call.name for body in bodies.values() for call in body.calls}
    called.update(call.name for call in calls)
    idle = [name for name in known if name not in called]
    if order is not None:
        # What nobody calls is expanded too, to check it, but is no part of the network.
        unused = [_tree.Call(name, (), known[name].at) for name in idle]
        calls = [*sorted(calls, key=lambda call: call.at), *unused]
        _check_sizes(order, bodies, calls, called, problems)
    return known, idle


def _check_name(what: str, name: str, at: Position, problems: Problems) -> None:
    if name in _RESERVED or is_layer(name):
        problems.add(f"{quoted(name)} can't be the name of {what}, it has a meaning of its own", at)


def check_let_names(lets: list[_tree.Let], problems: Problems) -> None:
    """Record lets that bear a name they may not, or the name of an earlier one."""
    seen: dict[str, Position] = {}
    for let in lets:
        _check_name("a let", let.name, let.at, problems)
        if let.name in seen:
            first = place(seen[let.name])
            problems.add(f"let {quoted(let.name)} is given twice (first at {first})", let.at)
        seen.setdefault(let.name, let.at)


def _check_parameters(macro: _tree.Macro, body: _Body, problems: Problems) -> None:
    seen: set[str] = set()
    for parameter in macro.parameters:
        _check_name("a parameter", parameter.name, parameter.at, problems)
        if parameter.name in seen:
            problems.add(f"parameter {quoted(parameter.name)} is given twice", parameter.at)
        elif parameter.name not in body.names:
            unused = f"macro {quoted(macro.name)} never uses {quoted(parameter.name)}"
            problems.add(unused, parameter.at)
        seen.add(parameter.name)


def walk(root: Any) -> Iterator[Any]:
    """Yield every node of a syntax tree, in no order; no recursion."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple | list):
            stack.extend(node)
        elif hasattr(node, "__dataclass_fields__"):
            yield node
            stack.extend(getattr(node, name) for name in node.__dataclass_fields__)


def _look(root: Any, macros: dict[str, _tree.Macro], parameters: Set[str] = frozenset()) -> _Body:
    body = _Body(0, 0, [], set())
    for node in walk(root):
        body.nodes += 1
        if isinstance(node, _tree.Name):
            body.names.add(node.text)
        if isinstance(node, _tree.Call | _tree.Name):
            name = node.name if isinstance(node, _tree.Call) else node.text
            if name in macros and name not in parameters:
                body.calls.append(_tree.Call(name, (), node.at))
        elif isinstance(node, _tree.Item):
            body.layers += isinstance(node.core, _tree.Choice) or _is_plain_layer(node, macros)
    return body


def _is_plain_layer(item: _tree.Item, macros: dict[str, _tree.Macro]) -> bool:
    return isinstance(item.core, _tree.Call) and item.core.name not in macros


def _callees_first(
    macros: dict[str, _tree.Macro], bodies: dict[str, _Body], problems: Problems
) -> list[str] | None:
    """Return the macros in an order where callees come first; None if one calls itself."""
    done: dict[str, None] = {}
    for start in macros:
        path: dict[str, Iterator[_tree.Call]] = {}
        if start not in done:
            path[start] = iter(bodies[start].calls)
        while path:
            name = next(reversed(path))
            call = next(path[name], None)
            if call is None:
                del path[name]
                done[name] = None
            elif call.name in path:
                chain = [*path][[*path].index(call.name) :]
                through = "" if len(chain) == 1 else f" through {quoted(chain[-1])}"
                problems.add(f"macro {quoted(call.name)} calls itself{through}", call.at)
                return None
            elif call.name not in done:
                path[call.name] = iter(bodies[call.name].calls)
    return [*done]


def _check_sizes(
    order: list[str],
    bodies: dict[str, _Body],
    calls: list[_tree.Call],
    called: set[str],
    problems: Problems,
) -> None:
    ceiling = 10**12  # counts double with each macro: beyond this they only cost memory
    layers: dict[str, int] = {}
    nodes: dict[str, int] = {}
    for name in order:
        body = bodies[name]
        layers[name] = min(ceiling, body.layers + sum(layers[call.name] for call in body.calls))
        nodes[name] = min(ceiling, body.nodes + sum(nodes[call.name] for call in body.calls))
    total_layers = total_nodes = 0
    for call in calls:
        total_layers = layers[call.name] + (total_layers if call.name in called else 0)
        total_nodes += nodes[call.name]
        if total_layers > _limits.LAYERS:
            problems.add(TOO_MANY_LAYERS, call.at)
            return
        if total_nodes > _limits.NODES:
            limit = f"{_limits.NODES:,} words and signs"
            problems.add(f"the macro calls of a text are limited to {limit}, written out", call.at)
            return


TOO_MANY_LAYERS: Final = f"the expanded network is limited to {_limits.LAYERS:,} layers"
