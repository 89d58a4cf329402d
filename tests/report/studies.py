"""Studies made by hand: every kind of trial, and texts that would like to be HTML."""

from __future__ import annotations

from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, TrialState, create_trial

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Cell,
    Choice,
    Layer,
    LayerChoice,
    Maybe,
    Parallel,
    Residual,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.storages import BaseStorage

    from neural_automl.architecture import Architecture

#: What must never come out as it went in.
HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&`|*[x](javascript:1)"
START = datetime(2026, 1, 1)  # noqa: DTZ001 - Optuna's own times have no zone


def space(name: str = "Small") -> ArchitectureSpace:
    """Return a space with a choice of layers, of values, and an optional layer."""
    layers = [
        Layer("Dense", Choice(4, 8, 16)),
        LayerChoice([Layer("ReLU"), Layer("Dropout", 0.5)]),
        Maybe("BatchNormalization"),
        Layer("Dense", 2),
    ]
    return ArchitectureSpace((4,), layers, name=name)


def branched() -> Architecture:
    """Return a network with a residual, two branches and a cell."""
    layers: list[Any] = [
        Layer("Conv2D", 4, 3, padding="same"),
        Residual([Layer("Conv2D", 4, 3, padding="same"), Layer("ReLU")]),
        Residual([Layer("Conv2D", 8, 3, padding="same")]),
        Parallel([[Layer("Conv2D", 2, 1)], [Layer("MaxPooling2D", 1), Layer("Conv2D", 3, 1)]]),
        Cell(3, ["skip_connect", "nor_conv_3x3"]),
        Layer("GlobalAveragePooling2D"),
        Layer("Dense", 3),
    ]
    return ArchitectureSpace((6, 6, 1), layers).sample_architecture(seed=1)


def empty_study(
    metrics: Sequence[str] = ("val_accuracy",),
    *,
    of: ArchitectureSpace | None = None,
    storage: BaseStorage | None = None,
    name: str = "made",
    **attributes: Any,
) -> optuna.Study:
    """Return a study that looks like one of ours, without a trial."""
    directions = [
        StudyDirection.MAXIMIZE if metric.startswith("val_acc") else StudyDirection.MINIMIZE
        for metric in metrics
    ]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    held = {
        "space": (of or space()).to_dsl(),
        "metrics": ",".join(metrics),
        "strategy": "tpe",
        "settings": {"engine": {"search_strategy": "tpe", "backend": "pytorch"}},
        **attributes,
    }
    for key, value in held.items():
        study.set_user_attr(key, value)
    return study


def add(
    study: optuna.Study,
    values: Sequence[float] | None,
    curve: Mapping[int, float] | None = None,
    *,
    state: TrialState = TrialState.COMPLETE,
    seed: int = 0,
    of: ArchitectureSpace | None = None,
    **attributes: Any,
) -> None:
    """Add a trial of the space, drawn by a seed."""
    found = of or space()
    fixed = FixedTrial(dict(found.sample_architecture(seed=seed).choices))
    architecture = found.suggest(fixed)
    cost = architecture.cost
    number = len(study.trials)
    known = {
        "architecture_key": architecture.key,
        "params": cost.params,
        "macs": cost.macs,
        "epochs": len(curve or {}) or 1,
        "max_epochs": 5,
        "train_seconds": 2.0,
        "worker": f"host:{number % 2}",
        "device": "cpu",
    }
    trial = create_trial(
        state=state,
        values=values,
        params=dict(fixed.params),
        distributions=dict(fixed.distributions),
        intermediate_values=dict(curve or {}),
        user_attrs={**known, **attributes},
    )
    trial.datetime_start = START + timedelta(seconds=3 * number)
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=2)
    study.add_trial(trial)


def full_study(storage: BaseStorage | None = None) -> optuna.Study:
    """Return a study with every kind of trial."""
    study = empty_study(storage=storage, fallbacks=["ray is missing: sequential"])
    for seed in range(16):
        last = 0.5 + 0.02 * seed
        score: dict[str, Any] = {"zero_cost.naswot": seed}
        add(study, [last], {1: 0.4, 2: last - 0.01, 3: last}, seed=seed, **score)
    stopped = TrialState.PRUNED
    add(study, None, {1: 0.2}, state=stopped, seed=20, stopped="by MedianPruner, after epoch 1")
    add(study, None, state=stopped, seed=21, infeasible="params 900 > 500")
    add(study, [0.6], seed=22, cached_from=3, known_epochs=3)
    add(study, None, state=TrialState.FAIL, seed=23, error="Traceback\n  x\nRuntimeError: lost it")
    add(study, None, state=TrialState.FAIL, seed=24, interrupted=True)
    return study


class Page(HTMLParser):
    """A page as a browser would read it: elements, attributes, texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append((self.tags[-1][1], data))
        elif self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """Everything that is to be read."""
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a name."""
        return [attributes for name, attributes in self.tags if name == tag]
