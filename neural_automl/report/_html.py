"""Pieces of a page. Every text that comes in is escaped here."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

from neural_automl._plain import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BREAKS: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: Its anchor.
        title: Its heading.
        body: HTML.
        figures: Plotly's data and layout by anchor.
    """

    name: str
    title: str
    body: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def paragraph(text: str, kind: str = "") -> str:
    """Return a text as a paragraph, of a class or of none."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def code(text: str) -> str:
    """Return a text as it is, in a fixed width."""
    return f"<pre><code>{escape(text)}</code></pre>"


def details(title: str, body: str) -> str:
    """Return HTML that is folded away."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[int] = ()
) -> str:
    """Return a table; it scrolls by itself where the page is narrow.

    Args:
        head: Titles of the columns.
        rows: Cells, of any text.
        numbers: Columns that stand at the right.
    """
    right = set(numbers)

    def cells(row: Sequence[object], kind: str) -> str:
        return "".join(
            f"<{kind}{' class=num' if place in right else ''}>{escape(str(cell))}</{kind}>"
            for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{cells(head, "th")}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cards(items: Iterable[tuple[str, str]]) -> str:
    """Return the few numbers that stand first: what is large, and what it is."""
    made = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(what)}</span></div>" for value, what in items
    )
    return f'<div class="cards">{made}</div>'


def figure(name: str, height: int | None = None) -> str:
    """Return the place of a figure."""
    tall = f' style="min-height:{height}px"' if height else ""
    return f'<div class="figure" id="{escape(name)}"{tall}></div>'


def json_block(name: str, data: Any) -> str:
    """Return data that a script reads; nothing in it can end the block."""
    text = to_json(data).translate(_BREAKS)
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def hashed(script: str) -> str:
    """Return how a content security policy names a script that may run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
