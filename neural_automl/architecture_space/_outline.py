"""The tree of a space in words, for a reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neural_automl.architecture_space._nodes import Cell, Layer, LayerChoice, Maybe, Node, Repeat
from neural_automl.architecture_space._values import Open, value_text
from neural_automl.values import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Outline:
    """One line of a tree, and the lines below it.

    Attributes:
        label: The node in words; what is tied shows its name alone.
        below: What stands in it.
    """

    label: str
    below: tuple[Outline, ...] = ()


def outline(nodes: Iterable[Node]) -> tuple[Outline, ...]:
    """Return the lines of nodes that follow each other."""
    lines = ((node, _line(node)) for node in nodes)
    return tuple(
        line if node.device is None else replace(line, label=f'{line.label} @ "{node.device}"')
        for node, line in lines
    )


def _line(node: Node) -> Outline:
    if isinstance(node, Layer):
        return Outline(_call(node.type, node.params.items()), outline(node.body))
    if isinstance(node, LayerChoice):
        return Outline(_named("choice", node.name), outline(node.alternatives))
    if isinstance(node, Maybe):
        return Outline(_named("maybe", node.name), outline(node.body))
    if isinstance(node, Repeat):
        return Outline(f"repeat {_text(node.count)} times", outline(node.body))
    if isinstance(node, Cell):
        operations = [("nodes", node.nodes), ("operations", list(node.operations))]
        return Outline(_named(_call("cell", operations), node.name))
    return Outline("identity" if not node.body else "sequence", outline(node.body))


def _named(label: str, name: str | None) -> str:
    return label if name is None else f"{label} {name!r}"


def _call(kind: str, params: Iterable[tuple[str, Any]]) -> str:
    text = ", ".join(f"{name}={_text(value)}" for name, value in params)
    return f"{kind}({text})" if text else kind


def _text(value: Any) -> str:
    if isinstance(value, Open) and value.name is not None:
        return value.name
    if isinstance(value, Expression):
        return value.text(_text)
    if isinstance(value, list):
        texts = (e if isinstance(e, str) else value_text(e) for e in value)
        return f"[{', '.join(texts)}]"
    return value_text(value)
