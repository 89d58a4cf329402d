"""Where a command writes: with ``--json`` data alone goes to standard output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from math import isfinite
from typing import Any, Final, TextIO

import typer
from rich.console import Console

_STDOUT: Final = 1
# What `print_json` writes to; None is standard output as it is.
_kept: ContextVar[TextIO | None] = ContextVar("kept", default=None)


def console_for(*, as_json: bool) -> Console:
    """Return where texts for people go: the other stream where data goes to standard output."""
    return Console(stderr=as_json)


def print_json(data: Mapping[str, Any]) -> None:
    """Write data as one JSON object; numbers that JSON does not have are null."""
    text = json.dumps(_plain(data), indent=2, allow_nan=False, default=str)
    typer.echo(text, file=_kept.get())


def keep_for_json(context: typer.Context, as_json: bool) -> bool:
    """Keep standard output for `print_json` until the command ends, where it is asked for.

    The callback of ``--json``: whatever else prints, a user's module or a child, prints to standard
    error.
    """
    if as_json and not context.resilient_parsing:
        context.with_resource(_kept_stdout())
    return as_json


@contextlib.contextmanager
def _kept_stdout() -> Iterator[None]:
    """Keep standard output, and put standard error in its place."""
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        kept: TextIO = sys.stdout
        if _is_of_the_process(kept):
            # The descriptor too: children inherit it, and code in C writes to it.
            descriptor = os.dup(_STDOUT)
            stack.callback(os.close, descriptor)
            kept = stack.enter_context(
                open(descriptor, "w", encoding=sys.stdout.encoding, closefd=False)
            )
            os.dup2(sys.stderr.fileno(), _STDOUT)
            stack.callback(os.dup2, descriptor, _STDOUT)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        stack.callback(_kept.reset, _kept.set(kept))
        yield


def _is_of_the_process(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDOUT and sys.stderr.fileno() >= 0
    except io.UnsupportedOperation:  # text in memory
        return False


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(element) for element in value]
    return None if isinstance(value, float) and not isfinite(value) else value
