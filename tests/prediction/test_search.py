"""Searches with a predictor: the engine, the command line, workers, rungs, strictness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from typer.testing import CliRunner

from neural_automl.cli import app
from neural_automl.engine import AutoMLEngine, SearchResult
from neural_automl.exceptions import FallbackWarning, StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.prediction import PerformancePredictor
from neural_automl.registry import is_trained, summarise
from tests.prediction.helpers import SPACE, WorthEvaluator, worth


def engine(folder: Path, **options: Any) -> AutoMLEngine:
    return AutoMLEngine(
        **{"search_strategy": "random", "predictor": True, "output_dir": folder, **options}
    )


def test_an_engine_skips_and_counts_trained_networks_alone(tmp_path: Path) -> None:
    made = engine(tmp_path, early_stopping="none")
    result = made.search(SPACE, evaluator=WorthEvaluator(), max_trials=30, max_epochs_per_trial=1)
    summary = made.get_search_summary()

    assert (result.stop_reason, summary["trained"]) == ("budget", 30)
    assert summary["skipped"] == summary["trials"]["pruned"] > 0
    assert summary["predictor"]["trusted"]
    assert isinstance(made.predictor, PerformancePredictor)
    best = result.best_architecture
    assert made.predictor.predict(best).mean == pytest.approx(worth(best), abs=0.1)
    assert result.study.user_attrs["ledger"]["epochs_saved_by_prediction"] == summary["skipped"]


def test_what_is_spent_stays_spent_when_a_search_goes_on(tmp_path: Path) -> None:
    def search(trials: int) -> SearchResult:
        made = engine(tmp_path, early_stopping="none")
        return made.search(
            SPACE, evaluator=WorthEvaluator(), max_trials=trials, max_epochs_per_trial=1
        )

    search(25)
    result = search(30)
    summary = summarise(result.study)

    assert summary.trained == 30
    assert summary.skipped > 0
    # Learned from the study, by an engine that had trained none of it.
    first_skipped = next(t for t in result.study.trials if "skipped" in t.user_attrs)
    assert first_skipped.number >= 20


def test_threads_of_an_engine_keep_the_budget(tmp_path: Path) -> None:
    made = engine(tmp_path, executor_type="thread", max_workers=2, early_stopping="none")
    result = made.search(SPACE, evaluator=WorthEvaluator(), max_trials=30, max_epochs_per_trial=1)
    trained = [trial for trial in result.study.trials if is_trained(trial)]

    assert len(trained) == 30
    assert "fallbacks" not in result.study.user_attrs


def test_a_worker_elsewhere_predicts_too(tmp_path: Path) -> None:
    from neural_automl.search._joining import Joining

    engine(tmp_path, early_stopping="none").search(
        SPACE, evaluator=WorthEvaluator(), max_trials=22, max_epochs_per_trial=1
    )
    joining = Joining(tmp_path / "study.db", None)
    assert joining.settings.engine["predictor"] is True
    joining.study.set_user_attr("max_trials", 27)
    joining.run(WorthEvaluator())

    after = [t for t in joining.study.trials[22:] if is_trained(t) or "skipped" in t.user_attrs]
    assert after
    assert all("predicted" in trial.user_attrs for trial in after)


def test_on_rungs_promotions_are_never_skipped(tmp_path: Path) -> None:
    made = engine(tmp_path, rungs=[1, 2, 4], reduction_factor=2)
    result = made.search(SPACE, evaluator=WorthEvaluator(), max_trials=12)
    trials = result.study.trials
    out = [trial for trial in trials if "skipped" in trial.user_attrs]

    assert out
    assert all(trial.user_attrs["rung"] == 0 for trial in out)
    assert any(trial.user_attrs["rung"] == 2 for trial in trials if is_trained(trial))
    numbers = {trial.number for trial in out}
    assert not any(trial.user_attrs.get("resumed_from") in numbers for trial in trials)
    summary = summarise(result.study)
    assert summary.full_trainings <= 12
    assert summary.epochs_saved_by_prediction == len(out)


def test_strictness_ends_a_search_whose_predictor_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: PerformancePredictor, trials: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(PerformancePredictor, "fit", fail)
    options: dict[str, Any] = {"max_trials": 8, "max_epochs_per_trial": 1}
    with pytest.raises(StudyError, match=r"predictor failed.*no memory.*without `strict`"):
        engine(tmp_path / "strict", strict=True).search(
            SPACE, evaluator=WorthEvaluator(), **options
        )
    with pytest.warns(FallbackWarning, match="no memory"):
        result = engine(tmp_path / "not").search(SPACE, evaluator=WorthEvaluator(), **options)
    assert summarise(result.study).trained == 8


def test_an_engine_says_early_what_does_not_go(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`predictor` needs one metric"):
        engine(tmp_path, metrics=["val_accuracy", "params"])
    assert not list(tmp_path.iterdir())


def test_with_early_stopping_stopped_trials_teach_too(tmp_path: Path) -> None:
    objective = ArchitectureObjective(
        SPACE, WorthEvaluator(), epochs=3, artifact_store=None, predictor=True
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=2),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.optimize(objective, n_trials=50)
    summary = summarise(study)

    assert summary.predictor is not None
    assert summary.predictor["trials"] > summary.trained - summary.stopped
    assert {"skipped", "stopped"} <= {name for t in study.trials for name in t.user_attrs}
    assert summary.trained + summary.skipped + summary.repeats == 50


def test_the_command_line_has_it_and_shows_it(tmp_path: Path) -> None:
    space = tmp_path / "two.neural"
    space.write_text(
        "network Two {\n  input: (8, 8, 1)\n  layers:\n    Flatten()\n"
        "    Dense(choice(4, 6, 8, 10, 12, 14, 16, 18))\n    Dense(10)\n}\n"
    )
    words = ["search", str(space), "--data", "digits", "--trials", "7", "--epochs", "1"]
    words += ["--strategy", "random", "--predictor", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    status = CliRunner().invoke(app, ["status", "--storage", str(tmp_path / "out")])

    assert "predictor: not trusted, " in status.output
    assert "networks trained, of 20; rank correlation" in status.output
    refused = CliRunner().invoke(app, [*words, "--metric", "val_accuracy", "--metric", "params"])
    assert refused.exit_code == 2
    assert "needs one metric" in " ".join(refused.output.replace("│", " ").split())
