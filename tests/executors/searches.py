"""Searches on executors, and what must hold after each."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.engine import AutoMLEngine, SearchResult
from neural_automl.registry import is_trained

if TYPE_CHECKING:
    import optuna

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

WIDTHS = tuple(range(4, 64))


def wide_space() -> ArchitectureSpace:
    """Return a space of 60 networks over four features."""
    return ArchitectureSpace((4,), [Layer("Dense", Choice(*WIDTHS)), Layer("Dense", 2)])


@dataclass
class SlowEvaluator:
    """Sleeps and notes in a folder, in a file a call, what it trained and in which process.

    Attributes:
        folder: For the notes.
        seconds: Of one training.
        kill_at: The width at which the process kills itself, once, or each time.
        deaths: How often.
    """

    folder: Path
    seconds: float = 0.05
    kill_at: int | None = None
    deaths: int = 1

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        width = int(architecture.layers[0].params["units"])
        for epoch in range(1, context.epochs + 1):
            time.sleep(self.seconds / context.epochs)
            context.report(epoch, {"val_accuracy": width / 100 + epoch / 1000})
            if width == self.kill_at and len(list(self.folder.glob("death*"))) < self.deaths:
                Path(self.folder, f"death{time.time_ns()}").touch()
                os.kill(os.getpid(), 9)
            if context.should_stop():
                break
        Path(self.folder, f"{width}-{os.getpid()}-{time.time_ns()}").touch()
        return {"val_accuracy": width / 100 + epoch / 1000}


def trained_widths(folder: Path) -> list[int]:
    """Return what was trained, once for each time."""
    return [int(path.name.partition("-")[0]) for path in folder.glob("*-*-*")]


def pids(folder: Path) -> set[int]:
    """Return the processes that trained."""
    return {int(path.name.split("-")[1]) for path in folder.glob("*-*-*")}


def search(folder: Path, trials: int, evaluator: Any, **options: Any) -> SearchResult:
    """Search the wide space."""
    settings = {"search_strategy": "random", "early_stopping": "none", **options}
    engine = AutoMLEngine(output_dir=folder, **settings)
    return engine.search(
        wide_space(), evaluator=evaluator, max_trials=trials, max_epochs_per_trial=3
    )


def check_complete(study: optuna.Study, budget: int) -> None:
    """Check that a budget was trained and not more, nothing twice, and nothing was left."""
    trials = study.get_trials(deepcopy=False)
    trained = [trial for trial in trials if is_trained(trial)]
    keys = Counter(trial.user_attrs["training_key"] for trial in trained)

    assert len(trained) == budget
    assert max(keys.values()) == 1
    assert {trial.state for trial in trials} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.WAITING,
    }
