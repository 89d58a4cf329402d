"""A tree with other names: of what copies share, and of one copy among several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from neural_automl.architecture_space._nodes import (
    Cell,
    Group,
    Layer,
    LayerChoice,
    Maybe,
    Node,
    Repeat,
    placed,
)
from neural_automl.architecture_space._paths import Located, body_paths, branch_paths
from neural_automl.architecture_space._values import Open, operand_names, with_name
from neural_automl.layers import find_layer
from neural_automl.values import Call, Expression

#: In a name, the place of the copy that the name stands in: ``layers[2][*][0].Dense.units`` is
#: one decision in each copy of the repetition ``layers[2]``.
ANY_COPY: Final = "[*]"

#: From the name that something bears, and its path, to the name that it shall bear.
Rule = Callable[[str | None, str], str | None]


class Mark(str):
    """Stands for the name of what copies share until its path is known."""

    __slots__ = ()


def copy_paths(repeat: Repeat, path: str, copy: int) -> list[Located]:
    """Return the layers of one copy of a repetition, with the copy's own names.

    Args:
        path: The repetition's path.
        copy: From 0.
    """
    return body_paths(_copy_body(repeat, path, copy), f"{path}[{copy}]")


@lru_cache(maxsize=1024)
def _copy_body(repeat: Repeat, path: str, copy: int) -> tuple[Node, ...]:
    anywhere, here = f"{path}{ANY_COPY}", f"{path}[{copy}]"
    found = False

    def place(name: str | None, _: str) -> str | None:
        nonlocal found
        if name is None or not name.startswith(anywhere):
            return name
        found = True
        return here + name.removeprefix(anywhere)

    body = renamed(body_paths(repeat.body, here), place)
    return tuple(body) if found else repeat.body


def renamed(layers: Iterable[Located], rule: Rule) -> list[Node]:
    return [placed(_rename(node, path, rule), node.device) for node, path in layers]


def _rename(node: Node, path: str, rule: Rule) -> Node:
    """Return a node in which every decision bears the name that a rule gives it."""
    if isinstance(node, Cell):
        name = rule(node.name, path)
        return Cell(node.nodes, node.operations, name=name, position=node.position)
    if isinstance(node, Repeat):
        body = renamed(body_paths(node.body, f"{path}[0]"), rule)
        repeats = _rename_value(node.count, f"{path}.repeat", rule)
        return Repeat(body, repeats, position=node.position)
    if isinstance(node, LayerChoice):
        branches = [
            renamed(branch_paths(branch, f"{path}[{k}]"), rule)
            for k, branch in enumerate(node.alternatives)
        ]
        name = rule(node.name, f"{path}.choice")
        return LayerChoice(branches, name=name, labels=node.labels, position=node.position)
    if isinstance(node, Maybe):
        body = renamed(body_paths(node.body, path), rule)
        return Maybe(body, name=rule(node.name, f"{path}.maybe"), position=node.position)
    if isinstance(node, Group):
        return Group(tuple(renamed(body_paths(node.body, path), rule)))
    return _rename_layer(node, path, rule)


def _rename_layer(node: Layer, path: str, rule: Rule) -> Layer:
    params = {
        key: _rename_value(value, f"{path}.{node.type}.{key}", rule)
        for key, value in node.params.items()
    }
    if has_branches(node):
        body: list[Any] = [
            renamed(branch_paths(branch, f"{path}[{k}]"), rule)
            for k, branch in enumerate(node.body)
        ]
    else:
        body = renamed(body_paths(node.body, path), rule)
    return Layer(node.type, body=body, position=node.position, **params)


def _rename_value(value: Any, name: str, rule: Rule) -> Any:
    if isinstance(value, Open):
        own = rule(value.name, name)
        return value if own is None else with_name(value, own)
    if isinstance(value, Expression):
        names = iter(operand_names(value, name, _lasting_name))
        return value.substitute(
            lambda leaf: _rename_value(leaf, next(names), rule) if isinstance(leaf, Open) else leaf
        )
    if isinstance(value, tuple):
        return tuple(_rename_value(part, f"{name}[{k}]", rule) for k, part in enumerate(value))
    if isinstance(value, Call):
        params = {key: _rename_value(v, f"{name}.{key}", rule) for key, v in value.params.items()}
        return Call(value.type, params)
    return value


def _lasting_name(operand: Open) -> str | None:
    return None if isinstance(operand.name, Mark) else operand.name


def has_branches(node: Layer) -> bool:
    return find_layer(node.type)[0].blocks == "branches"
