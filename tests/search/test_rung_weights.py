"""What a promotion begins with: a schedule that was paused is the schedule itself, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.artifacts import load_weights
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import EvaluationError
from neural_automl.objective import ArchitectureObjective, trial_seed
from neural_automl.registry import architecture_of, is_trained, summarise
from neural_automl.studies import artifact_store_of, load_study, open_study
from neural_automl.trials._rungs import RESUMED_FROM, RUNG, rung_seed
from tests.evaluation.helpers import blobs, convolutional, dense, without_time

RUNGS = (1, 2, 4)
SPACE = """
network Blobs {
  input: (4,)
  layers: Dense(choice(6, 8)) BatchNormalization() ReLU() Dropout(0.3) Dense(3)
  optimizer: AdamW(learning_rate=CosineDecay(0.02))
  train { batch_size: 16 }
}
"""
#: Another process, that knows nothing but the database.
RUN_ONE = """
import sys
sys.path.insert(0, sys.argv[2])
import optuna
from tests.search.test_rung_weights import make_objective
from neural_automl.studies import load_study
study = load_study(sys.argv[1], sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(make_objective(), n_trials=1)
"""


def make_evaluator() -> ArchitectureEvaluator:
    return ArchitectureEvaluator(blobs(90), blobs(45, seed=1), device="cpu")


def make_objective(**options: Any) -> ArchitectureObjective:
    space = ArchitectureSpace.from_dsl(SPACE)
    return ArchitectureObjective(space, make_evaluator(), rungs=RUNGS, seed=3, **options)


def make_study(folder: Path) -> optuna.Study:
    return open_study(
        folder / "study.db",
        "rungs",
        directions=["maximize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )


def without_interruption(architecture: Any, seed: int) -> list[tuple[dict[str, float], Any]]:
    """Return metrics and weights of each rung, run one after the other, nothing stored."""
    ends: list[tuple[dict[str, float], Any]] = []
    for rung, epochs in enumerate(RUNGS):
        seed = rung_seed(seed, rung) if rung else seed
        state = ends[-1][1] if ends else None
        saved: list[Mapping[str, Any]] = []
        context = EvaluationContext(
            epochs,
            seed,
            load_weights=lambda state=state: state,  # type: ignore[misc]
            keep_weights=saved.append,
        )
        metrics = make_evaluator().evaluate(architecture, context)
        ends.append((without_time(metrics), saved[0]))
    return ends


def test_a_schedule_that_was_paused_is_the_schedule_bit_for_bit(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    make_objective().finish(study)
    assert study.trials == []
    study.optimize(make_objective(), n_trials=1)
    root = str(Path(__file__).resolve().parents[2])
    for rung in (1, 2):
        trial = study.trials[-1]
        attributes = {RESUMED_FROM: trial.number, RUNG: rung}
        study.enqueue_trial(trial.params, user_attrs=attributes)
        # Each rung in a process of its own.
        subprocess.run(
            [sys.executable, "-c", RUN_ONE, str(tmp_path / "study.db"), root],
            check=True,
            capture_output=True,
        )

    store = artifact_store_of(study)
    assert store is not None
    architecture = architecture_of(ArchitectureSpace.from_dsl(SPACE), study.trials[0])
    expected = without_interruption(architecture, trial_seed(3, 0))
    for trial, (metrics, weights) in zip(study.trials, expected, strict=True):
        assert {name: trial.user_attrs[name] for name in metrics} == metrics
        kept = load_weights(store, study, trial)
        assert kept.keys() == weights.keys()
        for name, tensor in weights.items():
            assert torch.equal(kept[name], tensor), name
    assert [t.state.name for t in study.trials] == ["PRUNED", "PRUNED", "COMPLETE"]
    # It did go on: the weights are no others' that a fresh start would lead to.
    fresh = make_evaluator().evaluate(
        architecture, EvaluationContext(RUNGS[-1], study.trials[-1].user_attrs["seed"])
    )
    assert fresh["train_loss"] != expected[-1][0]["train_loss"]


def test_a_search_with_rungs_is_repeated_by_its_seed(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        engine = AutoMLEngine(
            search_strategy="tpe", output_dir=tmp_path / name, seed=1, rungs=RUNGS, device="cpu"
        )
        result = engine.search(SPACE, blobs(90), blobs(45, seed=1), max_trials=3)
        found.append([(t.params, t.intermediate_values) for t in result.study.trials])

    assert found[0] == found[1]


def test_an_evaluator_begins_with_the_weights_that_it_is_given() -> None:
    evaluator = make_evaluator()
    saved: list[Mapping[str, Any]] = []
    evaluator.evaluate(dense(), EvaluationContext(6, 0, keep_weights=saved.append))
    losses = []
    for state in (None, saved[0]):
        context = EvaluationContext(1, 0, load_weights=lambda state=state: state)  # type: ignore[misc]
        losses.append(evaluator.evaluate(dense(), context)["train_loss"])

    assert losses[1] < losses[0]


def test_weights_of_another_network_are_refused() -> None:
    weights = convolutional().build().state_dict()
    context = EvaluationContext(1, 0, load_weights=lambda: weights)

    with pytest.raises(EvaluationError, match="the weights do not fit"):
        make_evaluator().evaluate(dense(), context)


def test_the_winner_of_an_engine_is_of_the_last_rung(tmp_path: Path) -> None:
    engine = AutoMLEngine(output_dir=tmp_path, rungs=RUNGS, device="cpu")
    result = engine.search(
        SPACE, blobs(90), blobs(45, seed=1), test_data=blobs(45, seed=2), max_trials=2
    )

    assert result.best_trial.user_attrs[RUNG] == 2
    assert result.best_metrics["epochs"] == RUNGS[-1]
    assert 0 <= result.test_metrics()["test_accuracy"] <= 1
    study = load_study(tmp_path)
    lower = [t for t in study.trials if t.state == TrialState.PRUNED and is_trained(t)]
    assert len(lower) == summarise(study).lower_rungs
