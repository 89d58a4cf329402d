"""The path of what stands below a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.architecture_space._nodes import Group, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

Located = tuple[Node, str]


def body_paths(nodes: Iterable[Node], path: str) -> list[Located]:
    """Return layers that follow each other with their paths: ``path[i]``."""
    return [(node, f"{path}[{index}]") for index, node in enumerate(nodes)]


def branch_paths(branch: Node, path: str) -> list[Located]:
    """Return the layers of one branch: ``path`` where it is one layer, else ``path[i]``."""
    return body_paths(branch.body, path) if isinstance(branch, Group) else [(branch, path)]
