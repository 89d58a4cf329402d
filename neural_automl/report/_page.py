"""A report as one file of HTML that needs nothing beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from neural_automl._version import __version__
from neural_automl.report._facts import Facts
from neural_automl.report._html import hashed, json_block
from neural_automl.report._sections import lead, sections_of
from neural_automl.report._style import DRAW, STYLE

if TYPE_CHECKING:
    import optuna

    from neural_automl.report._html import Section


def make_report(study: optuna.Study) -> str:
    """Return a report of a study as HTML.

    It holds Plotly's script and everything else that it shows, and its content security policy
    lets it load nothing and run no script but its own two: a text of the study that slipped
    through as HTML could do nothing.

    Args:
        study: One that was begun by ``ArchitectureObjective`` or ``AutoMLEngine``.

    Raises:
        StudyError: The study holds no space of architectures.
    """
    from plotly.offline import get_plotlyjs

    facts = Facts.of(study)
    sections = sections_of(facts)
    plotly = get_plotlyjs() if any(section.figures for section in sections) else ""
    draw = DRAW if plotly else ""
    links = "".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections)
    policy = (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {hashed(plotly)} {hashed(draw)}"
    )
    title = f"Search {study.study_name}"
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead(facts))}</p></header>',
        f"<nav>{links}</nav>",
        *map(_section, sections),
        f'<p class="soft">Made on {made} by neural_automl {escape(__version__)}.</p></main>',
        *(json_block(f"{name}-data", plot) for s in sections for name, plot in s.figures.items()),
        f"<script>{plotly}</script><script>{draw}</script>" if plotly else "",
        "</body></html>",
    ]
    return "\n".join(parts)


def _section(section: Section) -> str:
    return f'<section id="{section.name}"><h2>{escape(section.title)}</h2>{section.body}</section>'


def write_report(study: optuna.Study, path: str | Path) -> Path:
    """Write a report of a study into a file, and return its path.

    A file that is there is replaced; missing folders are made.

    Raises:
        StudyError: The study holds no space of architectures.
        OSError: The file can't be written.
    """
    target = Path(path)
    text = make_report(study)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target
