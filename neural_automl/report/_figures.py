"""The figures of a study, as Plotly's data and layout: plain data that a page, or a study, holds.

Texts of a study are escaped: Plotly reads a few HTML tags in every label.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from optuna.trial import TrialState

from neural_automl.registry import is_repeat
from neural_automl.report._facts import Facts, choices_of
from neural_automl.trials._scores import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from optuna.trial import FrozenTrial

Figure = dict[str, Any]

#: Curves that are drawn at most: the best and the latest.
MOST_CURVES: Final = 300
BLUE, ORANGE, GREY, RED, GREEN = "#3b78d8", "#e07b1a", "#8a8f98", "#cc3b3b", "#2f9e5b"
_COLOURS: Final = (
    BLUE, ORANGE, GREEN, "#9b59b6", RED, "#17a2b8", "#b8860b", "#6c7a89", "#d16ba5", "#5c7cfa",
)  # fmt: skip
_LABEL: Final = 34


def label(text: object) -> str:
    """Return any text as a label of a figure: escaped, and not too long."""
    line = " ".join(str(text).split())
    if len(line) > _LABEL:
        line = line[: _LABEL // 2] + "…" + line[-_LABEL // 2 :]
    return escape(line)


def _figure(data: list[Any], x: str, y: str, **layout: Any) -> Figure:
    axes = {
        "xaxis": {"title": {"text": x}, "automargin": True, **layout.pop("xaxis", {})},
        "yaxis": {"title": {"text": y}, "automargin": True, **layout.pop("yaxis", {})},
    }
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
    common = {"margin": {"l": 50, "r": 15, "t": 30, "b": 45}, "legend": legend}
    return {"data": data, "layout": {**common, "hovermode": "closest", **axes, **layout}}


def _dots(x: list[Any], y: list[Any], name: str, colour: str, **more: Any) -> dict[str, Any]:
    marker = {"color": colour, "size": 7, **more.pop("marker", {})}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": name,
        "marker": marker,
        **more,
    }


def plot_history(facts: Facts, objective: int = 0) -> Figure | None:
    """Return each trial's result in order, with the best so far; None without a result."""
    done = [trial for trial in facts.complete if not is_repeat(trial)]
    if not done:
        return None
    pick = max if facts.maximize[objective] else min
    numbers = [trial.number for trial in done]
    values = [trial.values[objective] for trial in done]
    best: list[float] = []
    for value in values:
        best.append(value if not best else pick(best[-1], value))
    data = [_dots(numbers, values, "trained to the end", BLUE)]
    if not facts.several:
        stopped = [t for t in facts.trained if t.state == TrialState.PRUNED]
        known = [(t.number, facts.value(t)) for t in stopped]
        shown = [(number, value) for number, value in known if value is not None]
        if shown:
            marker = {"symbol": "x-thin-open", "size": 6}
            x, y = zip(*shown, strict=True)
            data.append(_dots([*x], [*y], "stopped, where it stood", GREY, marker=marker))
    line = {"color": ORANGE, "width": 2, "shape": "hv"}
    data.append(
        {"type": "scatter", "mode": "lines", "x": numbers, "y": best, "name": "best so far"}
        | {"line": line}
    )
    axis = {} if len(data) < 3 else {"range": _focus(values, data[1]["y"])}
    return _figure(data, "trial", label(facts.metrics[objective]), yaxis=axis)


def _focus(results: list[float], stopped: list[float]) -> list[float]:
    """Return a range that holds all results, and of what was stopped the half that came closest."""
    middle = sum(results) / len(results)
    near = sorted(stopped, key=lambda value: abs(value - middle))[: (len(stopped) + 1) // 2]
    low, high = min(*results, *near), max(*results, *near)
    room = 0.06 * (high - low) or 0.01
    return [low - room, high + room]


def plot_front(facts: Facts) -> Figure | None:
    """Return the first two objectives against each other, the Pareto front marked."""
    if not facts.several or not facts.complete:
        return None
    front = {trial.number for trial in facts.front}
    data = []
    for on_front, name, colour in ((False, "others", GREY), (True, "Pareto front", ORANGE)):
        trials = [trial for trial in facts.complete if (trial.number in front) == on_front]
        data.append(_trade(trials, 1, 0, name, colour))
    # With more than two objectives the front is no line in this plane.
    if len(facts.metrics) == 2:
        line = sorted((trial.values[1], trial.values[0]) for trial in facts.front)
        x, y = [[point[k] for point in line] for k in (0, 1)]
        data.append(
            {"type": "scatter", "mode": "lines", "x": x, "y": y, "showlegend": False}
            | {"line": {"color": ORANGE, "dash": "dot"}, "hoverinfo": "skip"}
        )
    return _figure(data, label(facts.metrics[1]), label(facts.metrics[0]))


def _trade(trials: Sequence[FrozenTrial], x: int, y: int, name: str, colour: str) -> dict[str, Any]:
    texts = [f"trial {trial.number}" for trial in trials]
    return _dots(
        [trial.values[x] for trial in trials],
        [trial.values[y] for trial in trials],
        name,
        colour,
        text=texts,
    )


def plot_size(facts: Facts) -> Figure | None:
    """Return what networks reached against their parameters; one objective."""
    sized = [t for t in facts.complete if isinstance(t.user_attrs.get("params"), int | float)]
    if facts.several or len(sized) < 2:
        return None
    x = [trial.user_attrs["params"] for trial in sized]
    texts = [f"trial {trial.number}" for trial in sized]
    dots = _dots(x, [t.values[0] for t in sized], "networks", BLUE, text=texts)
    # Logarithmic where sizes are of different orders.
    kind = "log" if min(x) > 0 and max(x) > 8 * min(x) else "linear"
    return _figure([dots], "parameters", label(facts.metrics[0]), xaxis={"type": kind})


def curves_shown(facts: Facts) -> list[FrozenTrial]:
    """Return the trials whose curves are drawn: all, or the best and the latest of many."""
    if facts.several:
        return []
    known = [trial for trial in facts.trained if trial.intermediate_values]
    if len(known) <= MOST_CURVES:
        return known
    sign = -1.0 if facts.maximize[0] else 1.0
    ranked = sorted(known, key=lambda trial: sign * (facts.value(trial) or 0.0))
    kept = {trial.number for trial in [*ranked[: MOST_CURVES // 2], *known[-MOST_CURVES // 2 :]]}
    return [trial for trial in known if trial.number in kept]


def plot_curves(facts: Facts) -> Figure | None:
    """Return learning curves: those that ended, those that were stopped, and the winner's."""
    shown = curves_shown(facts)
    if not shown:
        return None
    groups: tuple[tuple[str, str, float, Callable[[FrozenTrial], bool]], ...] = (
        ("stopped", GREY, 1, lambda t: t.state == TrialState.PRUNED and t is not facts.winner),
        ("to the end", BLUE, 1, lambda t: t.state == TrialState.COMPLETE),
        ("best", ORANGE, 3, lambda t: _is(t, facts.winner)),
    )
    data = [
        line
        for name, colour, width, chosen in groups
        if (line := _curves(filter(chosen, shown), name, colour, width))["x"]
    ]
    return _figure(data, "epoch", label(facts.metrics[0]))


def _is(trial: FrozenTrial, other: FrozenTrial | None) -> bool:
    return other is not None and trial.number == other.number


def _curves(trials: Iterable[FrozenTrial], name: str, colour: str, width: float) -> dict[str, Any]:
    """Return many curves as one trace with gaps, which is drawn faster than many traces."""
    x: list[Any] = []
    y: list[Any] = []
    texts: list[str] = []
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        x += [*steps, None]
        y += [*(trial.intermediate_values[step] for step in steps), None]
        texts += [f"trial {trial.number}"] * (len(steps) + 1)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "text": texts,
        "name": name,
        "opacity": 1.0 if width > 1 else 0.55,
        "line": {"color": colour, "width": width},
        "marker": {"size": 4},
    }


def plot_importances(importances: dict[str, float], most: int = 20) -> Figure:
    """Return bars, the most important at the top."""
    kept = list(importances.items())[:most][::-1]
    names = [label(name) for name, _ in kept]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in kept],
        "y": list(range(len(kept))),  # two names may be equal once they are short
        "text": [f"{value:.0%}" for _, value in kept],
        "marker": {"color": BLUE},
        "hovertext": names,
        "hoverinfo": "text+x",
    }
    axis = {"tickvals": list(range(len(kept))), "ticktext": names}
    height = 90 + 24 * len(kept)
    return _figure([bars], "share of what the choices explain", "", yaxis=axis, height=height)


def plot_operations(facts: Facts, most: int = 10) -> Figure | None:
    """Return how often each named operation was proposed, over the course of the search."""
    used: list[tuple[int, str]] = []
    for choice in choices_of(facts):
        for value, trials in zip(choice.values, choice.trials, strict=True):
            if isinstance(value, str):
                used += [(trial.number, value) for trial in trials]
    if not used:
        return None
    last = max(number for number, _ in used)
    windows = min(12, max(1, (last + 1) // 5))
    counts: dict[str, list[int]] = {}
    for number, value in used:
        row = counts.setdefault(value, [0] * windows)
        row[min(windows - 1, number * windows // (last + 1))] += 1
    totals = [sum(row[k] for row in counts.values()) or 1 for k in range(windows)]
    ranked = sorted(counts, key=lambda value: -sum(counts[value]))
    middles = [round((k + 0.5) * (last + 1) / windows) for k in range(windows)]
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "stackgroup": "all",
            "x": middles,
            "y": [100 * counts[value][k] / totals[k] for k in range(windows)],
            "name": label(value),
            "line": {"width": 1, "color": _COLOURS[place % len(_COLOURS)]},
        }
        for place, value in enumerate(ranked[:most])
    ]
    return _figure(data, "trial", "% of operations proposed", yaxis={"range": [0, 100]})


def plot_workers(facts: Facts) -> Figure | None:
    """Return when each worker ran which trial."""
    timed = [t for t in facts.trials if t.datetime_start and t.datetime_complete]
    if not timed:
        return None
    zero = min(trial.datetime_start for trial in timed if trial.datetime_start)
    names = list(dict.fromkeys(str(t.user_attrs.get("worker", "not known")) for t in timed))
    states = (
        ("to the end", BLUE, lambda t: t.state == TrialState.COMPLETE),
        ("stopped or infeasible", GREY, lambda t: t.state == TrialState.PRUNED),
        ("failed", RED, lambda t: t.state == TrialState.FAIL),
    )
    data = []
    for name, colour, chosen in states:
        x: list[Any] = []
        y: list[Any] = []
        texts: list[str] = []
        for trial in filter(chosen, timed):
            place = names.index(str(trial.user_attrs.get("worker", "not known")))
            ends = [trial.datetime_start, trial.datetime_complete]
            x += [*((end - zero).total_seconds() for end in ends if end), None]
            y += [place, place, None]
            texts += [f"trial {trial.number}"] * 3
        if x:
            line = {"color": colour, "width": 12}
            data.append(
                {"type": "scatter", "mode": "lines", "x": x, "y": y, "text": texts, "name": name}
                | {"line": line, "hoverinfo": "text+x"}
            )
    axis = {
        "tickvals": list(range(len(names))),
        "ticktext": [f"worker {k + 1}" for k in range(len(names))],
        "range": [-0.7, len(names) - 0.3],
    }
    return _figure(
        data, "seconds since the first trial", "", yaxis=axis, height=130 + 34 * len(names)
    )


def plot_proxies(facts: Facts) -> dict[str, Figure]:
    """Return for each zero-cost score a figure of it against the result; one objective."""
    names = {
        name
        for trial in facts.complete
        for name, value in trial.user_attrs.items()
        if name.startswith(PREFIX) and isinstance(value, int | float)
    }
    found: dict[str, Figure] = {}
    for name in sorted(names) if not facts.several else ():
        both = [t for t in facts.complete if isinstance(t.user_attrs.get(name), int | float)]
        texts = [f"trial {trial.number}" for trial in both]
        scores = [trial.user_attrs[name] for trial in both]
        dots = _dots(scores, [t.values[0] for t in both], "networks", BLUE, text=texts)
        found[name] = _figure([dots], label(name), label(facts.metrics[0]))
    return found
