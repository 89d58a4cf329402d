"""Names for objects: one lookup whose errors list what is right."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from neural_automl.parameters import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


def lookup(what: str, name: str, table: Mapping[str, T]) -> T:
    """Return the entry of a name.

    Raises:
        ValueError: There is none; the message lists all.
    """
    if not isinstance(name, str) or name not in table:
        near = did_you_mean(name, table) if isinstance(name, str) else ""
        raise ValueError(f"{what} must be one of {', '.join(table)} but got {name!r}{near}")
    return table[name]


def check_options(
    owner: str,
    options: Mapping[str, Any],
    constructor: Callable[..., Any],
    *,
    hidden: Iterable[str] = (),
) -> None:
    """Check that a constructor knows every option.

    Args:
        hidden: Parameters of the constructor that are not options.

    Raises:
        TypeError: It does not know one; the message lists those that it knows.
    """
    parameters = inspect.signature(constructor).parameters
    known = [name for name in parameters if name not in {"self", *hidden}]
    for name in options:
        if name not in known:
            raise TypeError(
                f"{owner} has no option '{name}'{did_you_mean(name, known)}; "
                f"it has {', '.join(known) or 'none'}"
            )
