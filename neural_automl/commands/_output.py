"""Where a command writes: with ``--json`` data alone goes to standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import typer
from rich.console import Console


def console_for(*, as_json: bool) -> Console:
    """Return where texts for people go: the other stream where data goes to standard output."""
    return Console(stderr=as_json)


def print_json(data: Mapping[str, Any]) -> None:
    """Write data as one JSON object; numbers that JSON does not have are null."""
    typer.echo(json.dumps(_plain(data), indent=2, allow_nan=False, default=str))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(element) for element in value]
    return None if isinstance(value, float) and not isfinite(value) else value
