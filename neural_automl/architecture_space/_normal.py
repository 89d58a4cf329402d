"""The tree written out: groups and fixed repetitions spliced, what copies share named."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from neural_automl.architecture_space._counts import largest_count
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
from neural_automl.architecture_space._paths import body_paths
from neural_automl.architecture_space._renaming import Mark, has_branches, renamed
from neural_automl.exceptions import SpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LAYERS: Final = 20_000
_DEEPEST: Final = 64


def normalise(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Write groups and fixed repetitions out, and name what the copies of one share.

    What is shared gets the path that it has in the first copy as its name.

    Raises:
        SpaceError: The network, written out with each repetition at its longest, has more than
            20,000 layers, or 64 levels; or a shared repetition stands in one of open count that
            is not shared.
    """
    given = tuple(nodes)
    _check_extent(given)
    marks = count()
    written = _write_out(given, marks, repeated=False)
    if next(marks) == 0:
        return tuple(written)
    names: dict[str, str] = {}

    def unmark(name: str | None, path: str) -> str | None:
        return names.setdefault(name, path) if isinstance(name, Mark) else name

    return tuple(renamed(body_paths(written, "layers"), unmark))


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, LayerChoice):
        return node.alternatives
    return () if isinstance(node, Cell) else node.body


def _check_extent(nodes: Sequence[Node]) -> None:
    """Check size and depth without recursion; a node that stands in many places is seen once."""
    extents: dict[int, tuple[int, int]] = {}
    stack = [(node, False) for node in nodes]
    while stack:
        node, is_seen = stack.pop()
        if id(node) in extents:
            continue
        parts = _parts(node)
        if not is_seen:
            stack.append((node, True))
            stack.extend((part, False) for part in parts)
            continue
        below = [extents[id(part)] for part in parts]
        size = sum(size for size, _ in below)
        size = size * largest_count(node.count) if isinstance(node, Repeat) else size + 1
        depth = 1 + max((deep for _, deep in below), default=0)
        position = getattr(node, "position", None)
        if depth > _DEEPEST:
            raise SpaceError(
                f"a network may be nested {_DEEPEST} deep but is deeper", position=position
            )
        _check_size(size, position)
        extents[id(node)] = size, depth
    _check_size(sum(extents[id(node)][0] for node in nodes), None)


def _check_size(layers: int, position: tuple[int, int] | None) -> None:
    if layers > _LAYERS:
        raise SpaceError(
            f"a network may have {_LAYERS} layers, written out, but can have {layers}",
            position=position,
        )


def _write_out(nodes: Iterable[Node], marks: count[int], *, repeated: bool) -> list[Node]:
    """Return nodes written out.

    Args:
        repeated: Whether a repetition of open count that is not shared stands above.
    """

    def write(below: Iterable[Node]) -> list[Node]:
        return _write_out(below, marks, repeated=repeated)

    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Group):
            result.extend(write(node.body))
        elif isinstance(node, Repeat):
            result.extend(placed(n, node.device) for n in _write_repeat(node, marks, repeated))
        else:
            rebuilt = _rebuild(node, lambda branch: write([branch]), write)
            result.append(placed(rebuilt, node.device))
    return result


def _write_repeat(node: Repeat, marks: count[int], repeated: bool) -> list[Node]:
    if node.shared and repeated:
        raise SpaceError(
            "a shared repetition can't stand in a repetition of open count that is not: "
            "name its choices instead",
            position=node.position,
        )
    copies = node.count if isinstance(node.count, int) else None
    if copies is not None and not node.shared:
        # Each copy anew: what is shared in a repetition inside is shared in one copy alone.
        return [
            layer
            for _ in range(copies)
            for layer in _write_out(node.body, marks, repeated=repeated)
        ]
    body = _write_out(node.body, marks, repeated=repeated or not node.shared)
    if node.shared:
        body = renamed(
            body_paths(body, ""), lambda name, path: name or Mark(f"shared {next(marks)}")
        )
    if copies is not None:
        return body * copies
    return [Repeat(body, node.count, position=node.position)]


def _rebuild(
    node: Node,
    branch: Callable[[Node], list[Node]],
    body: Callable[[Iterable[Node]], list[Node]],
) -> Node:
    """Return a node with what stands below it rewritten, each branch for itself."""
    if isinstance(node, LayerChoice):
        return LayerChoice(
            [branch(node) for node in node.alternatives],
            name=node.name,
            labels=node.labels,
            position=node.position,
        )
    if isinstance(node, Maybe):
        return Maybe(body(node.body), name=node.name, position=node.position)
    if isinstance(node, Layer) and node.body:
        below = [branch(node) for node in node.body] if has_branches(node) else body(node.body)
        return Layer(node.type, body=below, position=node.position, **node.params)
    return node
