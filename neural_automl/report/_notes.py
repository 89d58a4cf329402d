"""Notes and figures in a study, as optuna-dashboard shows them.

They are attributes of the study that optuna-dashboard reads by name. They are written here in its
form, so that a dashboard on any machine shows them and none needs to be installed where a search
runs. A test reads them back with optuna-dashboard's own functions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from neural_automl._layer_rows import layer_rows
from neural_automl._plain import number_text, to_json
from neural_automl.exceptions import ShapeError, SpaceError, StudyError
from neural_automl.registry import architecture_of, front_trials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.report._facts import Facts

#: Trials of a search that get a note: a dashboard looks through all notes for each trial.
MOST_NOTES: Final = 200
#: Layers that a note lists.
_MOST_ROWS: Final = 40
#: Characters of one attribute: MySQL's TEXT holds 65,535 bytes, and a character has four at most.
_CHUNK: Final = 16_000
_LONGEST_REASON: Final = 400


def escaped(text: object) -> str:
    """Return any text as Markdown shows it letter by letter, on one line."""
    line = " ".join(str(text).split())
    line = line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + " …"
    line = re.sub(r"([\\`*_\[\](){}#~|!.+-])", r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- what a note says ------------------------------------------------------------------------


def describe_curve(curve: Mapping[int, float], name: str, *, maximize: bool) -> str:
    """Return a learning curve in one sentence.

    Args:
        curve: Values by epoch.
        name: Of the metric.
        maximize: Whether more is better.

    Example:
        >>> describe_curve({1: 0.5, 2: 0.8, 3: 0.9, 4: 0.9}, "val_accuracy", maximize=True)
        'val_accuracy went from 0.5 after epoch 1 to 0.9 after epoch 4; flat at the end'
    """
    if not curve:
        return f"{name} was reported after no epoch"
    steps = sorted(curve)
    first, last = steps[0], steps[-1]
    if first == last:
        return f"{name} was {number_text(curve[first])} after epoch {first}"
    sign = 1.0 if maximize else -1.0
    best = max(steps, key=lambda step: (sign * curve[step], -step))
    text = (
        f"{name} went from {number_text(curve[first])} after epoch {first} to "
        f"{number_text(curve[last])} after epoch {last}"
    )
    if curve[best] != curve[last]:
        text += f"; best {number_text(curve[best])} after epoch {best}"
    if len(steps) < 4:
        return text
    # The last third, beside all that was gained.
    gained = sign * (curve[best] - curve[first])
    late = sign * (curve[last] - curve[steps[-1 - len(steps) // 3]])
    if gained <= 0:
        return f"{text}; never better than at first"
    if late > 0.1 * gained:
        return f"{text}; still improving at the end"
    return f"{text}; {'worse' if late < -0.1 * gained else 'flat'} at the end"


def outcome_text(trial: FrozenTrial) -> str:
    """Return in words how a trial ended, without its values."""
    known = trial.user_attrs
    if "error" in known:
        last = (str(known["error"]).strip().splitlines() or ["an error without a text"])[-1]
        return f"failed: {last}"
    if "infeasible" in known:
        return f"infeasible: {known['infeasible']}"
    if "cached_from" in known:
        return f"answered by the equal trial {known['cached_from']}, not trained again"
    if "stopped" in known:
        return f"stopped {known['stopped']}"
    if "interrupted" in known:
        return "cut off by its user"
    seconds = known.get("train_seconds")
    took = f" in {number_text(seconds)} s" if isinstance(seconds, int | float) else ""
    where = f" on {known['device']}" if "device" in known else ""
    return f"trained {known.get('epochs', 0)} epochs{took}{where}"


def trial_note(
    trial: FrozenTrial,
    architecture: Architecture | None,
    metrics: Sequence[str],
    directions: Sequence[str],
    values: Sequence[float] | None,
) -> str:
    """Return a trial in Markdown: how it ended, its network as a table, its cost, its curve.

    Args:
        trial: With its attributes and reports.
        architecture: None where the choices lead to none.
        metrics: Names of what is optimised.
        directions: ``maximize`` or ``minimize`` for each.
        values: What the trial returned, or None.
    """
    told = ", ".join(
        f"**{escaped(name)} {escaped(number_text(value))}**"
        for name, value in zip(metrics, values or (), strict=False)
    )
    head = escaped(outcome_text(trial))
    parts = [f"{told}: {head}" if told else head[:1].upper() + head[1:]]
    if architecture is not None:
        parts += [network_table(architecture), _cost_line(architecture)]
    if len(metrics) == 1 and trial.intermediate_values:
        maximize = directions[0] == "maximize"
        text = describe_curve(trial.intermediate_values, metrics[0], maximize=maximize)
        parts.append(f"{escaped(text)}\\.")
    return "\n\n".join(part for part in parts if part)


def network_table(architecture: Architecture) -> str:
    """Return a network's layers as a table in Markdown; empty where its shapes cannot follow."""
    try:
        rows, graph, _ = layer_rows(architecture)
    except ShapeError:
        return ""
    lines = ["| layer | output | params | MACs |", "|---|---|---:|---:|"]
    lines.append(f"| input | {_shape_text(graph.input_shape)} | | |")
    for row in rows[:_MOST_ROWS]:
        name = "· " * row.depth + escaped(row.type)
        lines.append(f"| {name} | {_shape_text(row.shape)} | {row.params:,} | {row.macs:,} |")
    if len(rows) > _MOST_ROWS:
        lines.append(f"| … {len(rows) - _MOST_ROWS} more layers | | | |")
    return "\n".join(lines)


def _shape_text(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _cost_line(architecture: Architecture) -> str:
    try:
        cost = architecture.cost
    except ShapeError:
        return ""
    return (
        f"{cost.params:,} parameters, {cost.macs:,} multiply-adds a sample, "
        f"{cost.peak_memory_bytes:,} bytes of activations at most, depth {cost.depth}"
    )


# --- how it is kept --------------------------------------------------------------------------


def is_shown(storage: BaseStorage) -> bool:
    """Return whether a dashboard can see a storage: not where it is this process's memory."""
    return not isinstance(storage, InMemoryStorage)


def write_trial_notes(facts: Facts) -> None:
    """Write the notes of the trials that ended and have none: of the ``MOST_NOTES`` best.

    A note that is there, ours or its reader's own, stays.
    """
    study = facts.study
    held = study._storage.get_study_system_attrs(study._study_id)
    best = {t.number: place for place, t in enumerate(front_trials(study, len(facts.trials)))}
    ended = [
        trial
        for trial in facts.trials
        if trial.state.is_finished() and f"{_of_trial(trial)}note_ver" not in held
    ]
    ended.sort(key=lambda trial: (best.get(trial.number, len(best)), trial.number))
    directions = ["maximize" if maximize else "minimize" for maximize in facts.maximize]
    for trial in ended[:MOST_NOTES]:
        # Optuna keeps the last report of a stopped trial as its value: it is no result.
        values = trial.values if trial.state == TrialState.COMPLETE else None
        text = trial_note(trial, _network(facts, trial), facts.metrics, directions, values)
        # One piece: rows of a table are bounded, and so is each text in it.
        for key, value in _note_attributes(text, 1, _of_trial(trial)).items():
            study._storage.set_study_system_attr(study._study_id, key, value)


def _of_trial(trial: FrozenTrial) -> str:
    return f"dashboard:{trial._trial_id}:"


def _network(facts: Facts, trial: FrozenTrial) -> Architecture | None:
    try:
        return architecture_of(facts.space, trial)
    except (StudyError, SpaceError):
        return None  # it ended before all was chosen, or what was chosen fits nowhere


def write_study_note(study: optuna.Study, body: str) -> None:
    """Write the note of a study, in place of the one that it has."""
    held = study._storage.get_study_system_attrs(study._study_id)
    version = held.get("dashboard:note_ver", 0)
    attributes = _note_attributes(body, int(version) + 1, "dashboard:")
    _write(study, held, attributes, "dashboard:note_str:")


def write_figure(study: optuna.Study, name: str, figure: Mapping[str, Any]) -> None:
    """Keep a Plotly figure in a study, in place of the one of that name.

    Args:
        name: Letters, digits, ``-`` and ``_``.
        figure: ``data`` and ``layout``.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(f"`name` must be letters, digits, - and _ but got {name!r}")
    held = study._storage.get_study_system_attrs(study._study_id)
    prefix = f"dashboard:plot_data:{name}:"
    _write(study, held, _pieces(to_json(figure), prefix), prefix)


def _note_attributes(body: str, version: int, prefix: str) -> dict[str, Any]:
    return {f"{prefix}note_ver": version, **_pieces(body, f"{prefix}note_str:")}


def _pieces(text: str, prefix: str) -> dict[str, str]:
    starts = range(0, max(len(text), 1), _CHUNK)
    return {f"{prefix}{k}": text[start : start + _CHUNK] for k, start in enumerate(starts)}


def _write(
    study: optuna.Study, held: Mapping[str, Any], attributes: Mapping[str, Any], prefix: str
) -> None:
    """Write what is not held yet, and empty the pieces of a longer text before it."""
    left = {key: "" for key in held if key.startswith(prefix) and key not in attributes}
    for key, value in {**attributes, **left}.items():
        if held.get(key) != value:
            study._storage.set_study_system_attr(study._study_id, key, value)
