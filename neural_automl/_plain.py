"""Numbers and data as a page shows them."""

from __future__ import annotations

import json
import math
from typing import Any

#: Digits of a number in a figure: more are not to be seen.
_DIGITS = 5


def number_text(value: float) -> str:
    """Return a number for a reader: a count in full, anything else to four significant digits.

    Example:
        >>> number_text(12345), number_text(0.97135), number_text(2.5e-5)
        ('12,345', '0.9714', '2.5e-05')
    """
    if isinstance(value, bool) or not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def rounded(value: Any) -> Any:
    """Return data with its numbers to five significant digits; what is not finite becomes None."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def to_json(data: Any) -> str:
    """Return data as short JSON, with numbers as a figure needs them."""
    return json.dumps(rounded(data), separators=(",", ":"), allow_nan=False)
