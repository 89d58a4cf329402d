"""Texts of the space language for tests, with marks where errors are expected."""

from __future__ import annotations

from typing import Any

from neural_automl.dsl import Network, parse

MARK = "¦"


def network(layers: str = "Dense(3)", *, before: str = "", rest: str = "") -> str:
    """Return a network with these layers; the first one stands at 3:11."""
    return f"{before}network X {{\n  input: (8, 8, 3)\n  layers: {layers}\n{rest}}}\n"


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without marks, and the places of the marks."""
    places = []
    for number, line in enumerate(text.split("\n"), 1):
        parts = line.split(MARK)
        column = 1
        for part in parts[:-1]:
            column += len(part)
            places.append((number, column))
    return text.replace(MARK, ""), places


def layers_of(text: str) -> list[dict[str, Any]]:
    """Return the layers that a text gives."""
    layers: list[dict[str, Any]] = parse(text).model["layers"]
    return layers


def paths_of(parsed: Network) -> list[str]:
    """Return the study paths of what is open."""
    return [entry["path"] for entry in parsed.hpo_params]


def layer(kind: str, *sublayers: dict[str, Any], **params: Any) -> dict[str, Any]:
    """Return a layer in the dictionary form."""
    return {"type": kind, "params": params, "sublayers": list(sublayers)}


def choice(*values: Any, **name: str) -> dict[str, Any]:
    """Return a choice of values in the dictionary form."""
    return {"hpo": {"type": "categorical", "values": list(values), **name}}


def between(start: float, end: float, **rest: Any) -> dict[str, Any]:
    """Return a range in the dictionary form."""
    return {"hpo": {"type": "range", "start": start, "end": end, **rest}}


def expr(operator: str, *operands: Any) -> dict[str, Any]:
    """Return arithmetic in the dictionary form."""
    return {"expr": [operator, *operands]}
