"""What the alternatives of a layer choice are called in a study."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from neural_automl.dsl import _limits
from neural_automl.dsl._values import UNKNOWN, Items, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neural_automl.dsl._errors import Problems


def number_labels(stems: Iterable[str]) -> list[str]:
    """Return the labels with ``#2``, ``#3``, ... where they are equal."""
    seen: Counter[str] = Counter()
    labels = []
    for stem in stems:
        seen[stem] += 1
        labels.append(stem if seen[stem] == 1 else f"{stem}#{seen[stem]}")
    return labels


def default_labels(alternatives: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the labels of alternatives in the dictionary form: their types, or ``block``."""
    types = (str(alternative["type"]) for alternative in alternatives)
    return number_labels("block" if kind == "sequence" else kind for kind in types)


def read_labels(value: Value, count: int, problems: Problems) -> list[str] | None:
    """Return the labels of ``choice labels=[...]``; None, and an error recorded, if unfit."""
    if value.data is UNKNOWN:
        return None
    items = value.data.items if isinstance(value.data, Items) else ()
    labels = [item.data for item in items if isinstance(item.data, str)]
    fits = len(labels) == len(items) == count and len(set(labels)) == count
    if not fits or not all(0 < len(label) <= _limits.NAME_LENGTH for label in labels):
        strings = "string" if count == 1 else "different strings"
        problems.add(f"'labels' of this choice must be a list of {count} {strings}", value.at)
        return None
    return labels
