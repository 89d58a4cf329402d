"""What a study shows in optuna-dashboard beside its trials: a note and figures."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from neural_automl._plain import number_text
from neural_automl.exceptions import StudyError
from neural_automl.registry import architecture_of
from neural_automl.report import _figures as figures
from neural_automl.report._chance import random_text, spread_text
from neural_automl.report._drawing import draw_alone
from neural_automl.report._facts import Facts
from neural_automl.report._notes import (
    escaped,
    is_shown,
    write_figure,
    write_study_note,
    write_trial_notes,
)
from neural_automl.report._sections import lead

if TYPE_CHECKING:
    import optuna

#: The first line of our note; a note that begins otherwise is its user's, and stays.
_HEAD: Final = "## What neural_automl found"

#: What a dashboard calls the objectives.
_NAMES: Final = "dashboard:objective_names"


def publish(study: optuna.Study) -> None:
    """Write into a study what a dashboard shows of it: notes, its own and its trials', and figures.

    ``AutoMLEngine.search`` does so at its end. A note of the user's own stays. Nothing is written
    where no dashboard can look.

    Raises:
        StudyError: The study holds no space of architectures.
    """
    if not is_shown(study._storage):
        return
    facts = Facts.of(study)
    held = study._storage.get_study_system_attrs(study._study_id)
    if str(held.get("dashboard:note_str:0", _HEAD)).startswith(_HEAD):
        write_study_note(study, study_note(facts))
    write_trial_notes(facts)
    if held.get(_NAMES) != list(facts.metrics):
        # Not Optuna's own names of metrics: those would rename columns of its data frames.
        study._storage.set_study_system_attr(study._study_id, _NAMES, list(facts.metrics))
    for name, figure in dashboard_figures(facts).items():
        write_figure(study, name, figure)


def study_note(facts: Facts) -> str:
    """Return a study in Markdown: the best so far, the ledger, the space."""
    summary = facts.summary
    total = summary.epochs_trained + summary.epochs_saved
    lines = [_HEAD, f"{escaped(lead(facts))}"]
    lines += [escaped(text) for text in (spread_text(facts), random_text(facts)) if text]
    rows = [
        ("networks trained", f"{summary.trained:,}"),
        ("of them stopped early", f"{summary.stopped:,}"),
        ("repeats, answered without training", f"{summary.repeats:,}"),
        ("infeasible", f"{summary.infeasible:,}"),
        ("failed", f"{summary.trials.get('fail', 0) - summary.interrupted:,}"),
        ("epochs trained", f"{summary.epochs_trained:,}"),
        ("epochs saved", f"{summary.epochs_saved:,} of {total:,}"),
        ("seconds of training", number_text(round(summary.train_seconds, 1))),
    ]
    lines.append("\n".join(["| | |", "|---|---:|", *(f"| {name} | {n} |" for name, n in rows)]))
    lines += [f"**Fallback:** {escaped(fallback)}" for fallback in summary.fallbacks]
    space = str(facts.attributes.get("space", ""))
    fence = "`" * (1 + max(3, _longest_run(space)))
    lines.append(f"The space:\n\n{fence}\n{space}\n{fence}")
    return "\n\n".join(lines)


def _longest_run(text: str) -> int:
    """Return the most backticks in a row: a fence must be longer."""
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest


def dashboard_figures(facts: Facts) -> dict[str, figures.Figure]:
    """Return the figures of a study by name; one that has nothing to show is left out."""
    made = {
        "pareto-front": ("Pareto front", figures.plot_front(facts)),
        "results-and-sizes": ("Results and sizes", figures.plot_size(facts)),
        "operations": ("Operations over the search", figures.plot_operations(facts)),
        "best-network": ("The best network", plot_network(facts)),
    }
    for place, (name, figure) in enumerate(figures.plot_proxies(facts).items()):
        title = f"{figures.label(name)} against the result"
        made[f"proxy-{place}"] = (title, figure)
    return {
        name: _titled(figure, title) for name, (title, figure) in made.items() if figure is not None
    }


def _titled(figure: figures.Figure, title: str) -> figures.Figure:
    layout = {**figure["layout"], "title": {"text": title}}
    layout["margin"] = {**layout.get("margin", {}), "t": 60}
    # Below the axis: above the plot stands the title.
    layout["legend"] = {"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0}
    return {**figure, "layout": layout}


def plot_network(facts: Facts) -> figures.Figure | None:
    """Return the winner's drawing as a figure; None without one, or where it can't be drawn."""
    if facts.winner is None:
        return None
    try:
        svg = draw_alone(architecture_of(facts.space, facts.winner))
    except (StudyError, ValueError):
        return None  # the note says what the best is; the report says why it can't be drawn
    width, height = _size_of(svg)
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    image: dict[str, Any] = {
        "source": source,
        "xref": "x",
        "yref": "y",
        "x": 0,
        "y": 0,
        "sizex": width,
        "sizey": height,
        "sizing": "contain",
    }
    hidden = {"visible": False, "fixedrange": False}
    layout = {
        "images": [image],
        "xaxis": {**hidden, "range": [0, width]},
        "yaxis": {**hidden, "range": [height, 0], "scaleanchor": "x"},
        "height": min(2000, height + 130),
        "dragmode": "pan",
    }
    return {"data": [{"type": "scatter", "x": [0], "y": [0], "opacity": 0}], "layout": layout}


def _size_of(svg: str) -> tuple[int, int]:
    box = svg.partition('viewBox="')[2].partition('"')[0].split()
    return int(box[2]), int(box[3])
