"""Checks of the numbers that samplers are given."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def check_at_least(least: int, **numbers: Any) -> None:
    """Check whole numbers, given by the names of the options.

    Raises:
        TypeError: One is no integer.
        ValueError: One is below the least.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise TypeError(f"`{name}` must be an integer but got {number!r}.")
        if number < least:
            raise ValueError(f"`{name}` must be at least {least} but got {number}.")
