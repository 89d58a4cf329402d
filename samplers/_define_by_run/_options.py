"""Checks of the numbers that samplers are given."""

from __future__ import annotations


def check_at_least(least: int, **numbers: int) -> None:
    """Raise ValueError if one of the numbers, given by the names of the options, is below it."""
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"`{name}` must be at least {least} but got {number}.")
