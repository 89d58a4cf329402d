"""The parts of a report: what each says of a study."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import TrialState

from neural_automl._layer_rows import layer_rows
from neural_automl._plain import number_text
from neural_automl.exceptions import ExportError, StudyError
from neural_automl.registry import architecture_of
from neural_automl.report import _figures as figures
from neural_automl.report._chance import random_text, spread_text
from neural_automl.report._drawing import draw
from neural_automl.report._facts import choices_of
from neural_automl.report._html import Section, cards, code, details, figure, paragraph, table
from neural_automl.report._importance import importances_of
from neural_automl.report._notes import describe_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.report._facts import Facts

_MOST_ROWS: Final = 50
_NOTHING: Final = "No trial has a result yet."


def _told(facts: Facts, trial: FrozenTrial) -> str:
    pairs = zip(facts.metrics, trial.values, strict=True)
    return ", ".join(f"{name} {number_text(value)}" for name, value in pairs)


def lead(facts: Facts) -> str:
    """Return the report's first sentence."""
    summary, winner = facts.summary, facts.winner
    searched = f"{summary.trained} networks of the space {facts.space.name} were trained"
    if winner is None:
        return f"{searched}; none has a result yet."
    if facts.several:
        return f"{searched}; {len(facts.front)} of them are on the Pareto front."
    return f"{searched}; the best, trial {winner.number}, has {_told(facts, winner)}."


def found(facts: Facts) -> Section:
    """What was found, and how sure that is."""
    summary, winner = facts.summary, facts.winner
    total = summary.epochs_trained + summary.epochs_saved
    saved = f"{summary.epochs_saved / total:.0%}" if total else "0 %"
    items = [] if winner is None else [(number_text(winner.values[0]), facts.metrics[0])]
    params = None if winner is None else winner.user_attrs.get("params")
    if isinstance(params, int | float):
        items.append((number_text(params), "parameters of the best"))
    items += [
        (f"{summary.trained:,}", "networks trained"),
        (f"{summary.repeats:,}", "repeats answered without training"),
        (saved, "of the epochs saved"),
        (f"{number_text(round(summary.train_seconds, 1))} s", "of training"),
    ]
    texts = [cards(items)]
    if winner is None:
        texts.append(paragraph(_NOTHING))
    texts += [paragraph(text) for text in (spread_text(facts), random_text(facts)) if text]
    if winner is not None and not facts.several:
        texts.append(
            paragraph(
                f"It is the best of {len(facts.complete)} results on the validation data, and so "
                "somewhat too good: what it is worth, only test data can tell that the search "
                "never saw."
            )
        )
    return Section("found", "What was found, and how sure it is", "".join(texts))


def best_network(facts: Facts) -> Section:
    """The winner drawn, its layers with their cost, its choices, its source."""
    winner = facts.winner
    if winner is None:
        return Section("network", "The best network", paragraph(_NOTHING))
    try:
        architecture = architecture_of(facts.space, winner)
        rows, graph, _ = layer_rows(architecture)
        drawing = draw(architecture)
    except (StudyError, ValueError) as error:
        return Section("network", "The best network", paragraph(f"It can't be drawn: {error}"))
    cost = architecture.cost
    cells: list[tuple[object, ...]] = [("input", _size(graph.input_shape), "", "")]
    cells += [
        ("\u2003" * row.depth + row.type, _size(row.shape), f"{row.params:,}", f"{row.macs:,}")
        for row in rows
    ]
    cells.append(("total", _size(graph.output_shape), f"{cost.params:,}", f"{cost.macs:,}"))
    sentence = (
        f"Trial {winner.number}: {_told(facts, winner)}; {cost.params:,} parameters, "
        f"{cost.macs:,} multiply-adds and at most {cost.peak_memory_bytes:,} bytes of activations "
        f"for one sample, depth {cost.depth}."
    )
    parts = [paragraph(sentence)]
    if facts.several:
        parts.append(
            paragraph("Of the Pareto front it is the best in the first objective.", "soft")
        )
    elif winner.intermediate_values:
        text = describe_curve(
            winner.intermediate_values, facts.metrics[0], maximize=facts.maximize[0]
        )
        parts.append(paragraph(f"{text}."))
    listed = table(("layer", "output", "params", "MACs"), cells, (2, 3))
    parts.append(f'<div class="both"><div class="drawing">{drawing}</div>{listed}</div>')
    chosen = [(name, value) for name, value in winner.params.items()]
    parts.append(details("Its choices", table(("choice", "value"), chosen)))
    parts.append(_source(architecture, facts))
    parts.append(details("The same as text of a space", code(architecture.to_dsl())))
    return Section("network", "The best network", "".join(parts))


def _count(value: object) -> str:
    return number_text(value) if isinstance(value, int | float) else ""


def _size(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _source(architecture: Architecture, facts: Facts) -> str:
    settings = facts.attributes.get("settings")
    engine = settings.get("engine") if isinstance(settings, dict) else None
    used = engine.get("backend") if isinstance(engine, dict) else None
    name = "Keras" if used == "tensorflow" else "PyTorch"
    try:
        source = architecture.to_source("tensorflow" if used == "tensorflow" else "pytorch")
    except (ExportError, ImportError) as error:
        return paragraph(f"It has no source: {error}", "soft")
    return details(f"Its source in {name}", code(source))


def front(facts: Facts) -> Section | None:
    """The Pareto front of several objectives; of one, results against sizes."""
    if not facts.several:
        sized = figures.plot_size(facts)
        if sized is None:
            return None
        body = paragraph("Each point is a network that trained to its end.", "soft")
        return Section(
            "size", "Results and sizes", body + figure("size-figure"), {"size-figure": sized}
        )
    plot = figures.plot_front(facts)
    if plot is None:
        return None
    rows = [
        (trial.number, *map(number_text, trial.values), _count(trial.user_attrs.get("params")))
        for trial in facts.front[:_MOST_ROWS]
    ]
    listed = table(("trial", *facts.metrics, "params"), rows, range(1, len(facts.metrics) + 2))
    more = len(facts.front) - _MOST_ROWS
    note = paragraph(f"and {more} more", "soft") if more > 0 else ""
    return Section(
        "front", "Pareto front", figure("front-figure") + listed + note, {"front-figure": plot}
    )


def history(facts: Facts) -> Section:
    """The results in the order in which they came."""
    plots: dict[str, Any] = {}
    for place, _ in enumerate(facts.metrics):
        plot = figures.plot_history(facts, place)
        if plot is not None:
            plots[f"history-{place}"] = plot
    body = "".join(map(figure, plots)) or paragraph(_NOTHING)
    if any("range" in plot["layout"]["yaxis"] for plot in plots.values()):
        body += paragraph("A double click shows the trials that were stopped far off, too.", "soft")
    return Section("history", "History", body, plots)


def curves(facts: Facts) -> Section | None:
    """Learning curves."""
    plot = figures.plot_curves(facts)
    if plot is None:
        return None
    shown, summary = len(figures.curves_shown(facts)), facts.summary
    text = f"{summary.stopped} of {summary.trained} trainings were stopped early."
    known = sum(1 for trial in facts.trained if trial.intermediate_values)
    if shown < known:
        text += f" Of {known} curves the best and the latest are drawn, {shown} in all."
    return Section(
        "curves",
        "Learning curves",
        paragraph(text) + figure("curves-figure"),
        {"curves-figure": plot},
    )


def choices(facts: Facts) -> Section:
    """The importance of each choice, and what became of each operation."""
    importances, text = importances_of(facts)
    body = [paragraph(text)]
    plots: dict[str, Any] = {}
    if importances:
        plots["importance-figure"] = figures.plot_importances(importances)
        height = plots["importance-figure"]["layout"]["height"]
        body.append(figure("importance-figure", height))
    over_time = figures.plot_operations(facts)
    if over_time is not None:
        plots["operations-figure"] = over_time
        body += ["<h3>Operations over the course of the search</h3>", figure("operations-figure")]
    made = sorted(choices_of(facts), key=lambda choice: -importances.get(choice.name, 0.0))
    rows = [row for choice in made for row in _choice_rows(facts, choice.name, choice)]
    if rows:
        head = ("choice", "value", "trained", f"best {facts.metrics[0]}", "median")
        listed = table(head, rows[:400], (2, 3, 4))
        body.append(details("What became of each value", listed))
    return Section("choices", "What mattered", "".join(body), plots)


def _choice_rows(facts: Facts, name: str, choice: Any) -> list[tuple[object, ...]]:
    pick: Callable[[list[float]], float] = max if facts.maximize[0] else min
    rows: list[tuple[object, ...]] = []
    for value, trials in zip(choice.values, choice.trials, strict=True):
        results = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
        numbers = ("", "")
        if results:
            numbers = (number_text(pick(results)), number_text(statistics.median(results)))
        rows.append((name, value, len(trials), *numbers))
    return rows


def proxies(facts: Facts) -> Section | None:
    """Zero-cost scores against results."""
    plots = figures.plot_proxies(facts)
    if not plots:
        return None
    named = {f"proxy-{place}": plot for place, plot in enumerate(plots.values())}
    return Section("proxies", "Scores before training", "".join(map(figure, named)), named)


def spent(facts: Facts) -> Section:
    """What was spent and saved, and what each worker did when."""
    summary = facts.summary
    total = summary.epochs_trained + summary.epochs_saved
    rows = [
        ("trained", summary.epochs_trained),
        ("saved by stopping", summary.epochs_saved_by_stopping),
        ("saved by known values", summary.epochs_saved_by_known_values),
        ("saved by short trainings first", summary.epochs_saved_by_rungs),
    ]
    cells = [(name, f"{count:,}", f"{count / total:.0%}" if total else "") for name, count in rows]
    body = [table(("epochs", "", ""), cells, (1, 2))]
    if any(summary.seconds.values()):
        whole = sum(summary.seconds.values())
        body.append(
            table(
                ("seconds of the workers", "", ""),
                [(n, f"{v:,.1f}", f"{v / whole:.0%}") for n, v in summary.seconds.items()],
                (1, 2),
            )
        )
    text = f"{summary.repeats} trials computed what another had computed and were not trained"
    body.append(paragraph(f"{text}; {_saved_by_repeats(facts)}."))
    plot = figures.plot_workers(facts)
    plots = {} if plot is None else {"workers-figure": plot}
    if plot is not None:
        body += ["<h3>Workers</h3>", figure("workers-figure", plot["layout"]["height"])]
    return Section("spent", "Spent and saved", "".join(body), plots)


def _saved_by_repeats(facts: Facts) -> str:
    keys = [
        trial.user_attrs["architecture_key"]
        for trial in facts.trained
        if "architecture_key" in trial.user_attrs
    ]
    return f"the {len(keys)} that were trained compute {len(set(keys))} different functions"


def troubles(facts: Facts) -> Section:
    """Failures, infeasible networks and fallbacks, each with its reason."""
    summary = facts.summary
    body = [
        f'<p class="warn">Fallback: {escape(str(fallback))}</p>' for fallback in summary.fallbacks
    ]
    failed = [t for t in facts.trials if t.state == TrialState.FAIL]
    rows = [(trial.number, _reason(trial)) for trial in failed[-_MOST_ROWS:]]
    if rows:
        body.append(f"<h3>{len(failed)} failed</h3>")
        body.append(f'<div class="text">{table(("trial", "reason"), rows)}</div>')
    reasons = Counter(
        str(trial.user_attrs["infeasible"])
        for trial in facts.trials
        if "infeasible" in trial.user_attrs
    )
    if reasons:
        counted = [(count, reason) for reason, count in reasons.most_common(_MOST_ROWS)]
        body.append(f"<h3>{sum(reasons.values())} infeasible</h3>")
        body.append(f'<div class="text">{table(("trials", "reason"), counted, (0,))}</div>')
    if not body:
        body.append(paragraph("No trial failed, none was infeasible, nothing fell back."))
    return Section("troubles", "Failures and fallbacks", "".join(body))


def _reason(trial: FrozenTrial) -> str:
    if "interrupted" in trial.user_attrs:
        return "cut off by its user"
    lines = str(trial.user_attrs.get("error", "")).strip().splitlines()
    return lines[-1] if lines else "no reason was kept: its process ended"


def setting(facts: Facts) -> Section:
    """How the search was set up, and its space."""
    held = facts.attributes
    names = ("strategy", "metrics", "value", "epochs", "rungs", "max_trials", "data_fingerprint")
    rows = [(name, held[name]) for name in names if held.get(name) not in (None, "")]
    settings = held.get("settings")
    engine = settings.get("engine") if isinstance(settings, dict) else None
    for name, value in engine.items() if isinstance(engine, dict) else ():
        if value is not None and name not in ("metrics", "value"):
            rows.append((f"engine: {name}", value))
    body = table(("", ""), rows) + details("The space", code(str(held.get("space", ""))))
    return Section("setting", "How it was searched", body)


def sections_of(facts: Facts) -> list[Section]:
    """Return the parts of a report in order; one that has nothing to say is left out."""
    made = [
        found(facts),
        best_network(facts),
        front(facts),
        history(facts),
        curves(facts),
        choices(facts),
        proxies(facts),
        spent(facts),
        troubles(facts),
        setting(facts),
    ]
    return [section for section in made if section is not None]
