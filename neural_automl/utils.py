"""Helpers that look at architectures: hash, similarity, check, table, text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl._layer_rows import layer_rows
from neural_automl._similarity import label_similarity
from neural_automl.architecture import Architecture
from neural_automl.exceptions import ExportError, SpaceError
from neural_automl.layers import find_layer
from neural_automl.parameters import check_parameters
from neural_automl.values import uses_channels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neural_automl.architecture import LayerConfig

_HEADER: Final = ("layer", "type", "output", "params", "MACs")


def hash_architecture(architecture: Architecture) -> str:
    """Return the architecture's key; training and names do not count."""
    return architecture.key


def compare_architectures(a: Architecture, b: Architecture) -> float:
    """Return how alike two networks are: from 0 to 1, and 1 where their keys are equal alone.

    The Weisfeiler-Lehman labels of both graphs are compared: each node's primitive with its
    parameters, then with its neighbours', then with theirs. The result is the number of labels in
    common over the number of all. Training does not count.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.

    Source: Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 12, 2011, section 3.2;
    as a ratio of minimum to maximum (Ruzicka).
    """
    if a.key == b.key:
        return 1.0
    return label_similarity(a.graph, b.graph)


def validate_architecture(architecture: Architecture | Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an architecture, each with its path; empty if nothing is.

    All layers and values that break a rule are listed; only if none does, the first layer that
    cannot take the shape that reaches it.

    Args:
        architecture: An architecture, or its dictionary form.
    """
    try:
        if not isinstance(architecture, Architecture):
            architecture = Architecture.from_dict(architecture)
        problems = [*_layer_problems(architecture.layers, "layers")]
        if not problems:
            _ = architecture.graph
    except SpaceError as error:
        return [str(error)]
    return problems


def _layer_problems(layers: Iterable[LayerConfig], path: str) -> Iterable[str]:
    for index, layer in enumerate(layers):
        place = layer.path or f"{path}[{index}]"
        try:
            row, preset = find_layer(layer.type)
            if not any(uses_channels(value) for value in layer.params.values()):
                check_parameters(layer.type, row.parameters, {**preset, **layer.params})
        except SpaceError as error:
            yield f"{place}: {error.message}"
        except (TypeError, ValueError) as error:
            yield f"{place}: {error}"
        yield from _layer_problems(layer.sublayers, place)


def create_architecture_summary(architecture: Architecture) -> str:
    """Return a table: for each layer its path, type, output shape, parameters and MACs.

    What stands in a block is indented below its structure, whose own row counts what it adds
    itself, as a projection. The last row has the totals, which are those of ``cost``.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    layers, graph, _ = layer_rows(architecture)
    rows = [_HEADER, ("input", "", str(graph.input_shape), "", "")]
    for row in layers:
        place = "  " * row.depth + row.path
        rows.append((place, row.type, str(row.shape), f"{row.params:,}", f"{row.macs:,}"))
    cost = architecture.cost
    rows.append(("total", "", str(graph.output_shape), f"{cost.params:,}", f"{cost.macs:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _aligned(row: Iterable[str], widths: Iterable[int]) -> Iterable[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if place >= 3 else cell.ljust(width)


def export_architecture_to_dsl(architecture: Architecture, path: str | Path | None = None) -> str:
    """Return the architecture as text of the space language, and write it to a new file.

    Args:
        path: None writes no file.

    Raises:
        ExportError: The file is there already, or cannot be written.
    """
    text = architecture.to_dsl()
    if path is not None:
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise ExportError(f"{path} is there already; choose a new file") from error
        except OSError as error:
            raise ExportError(f"{path} can't be written: {error.strerror}") from error
    return text
