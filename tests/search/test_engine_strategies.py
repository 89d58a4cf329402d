"""The engine and its strategies: what it picks, what it passes on, what it does at a fallback."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from neural_automl._fallbacks import fallbacks_forbidden
from neural_automl.cli import main
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import FallbackWarning, StudyError
from tests.search.fakes import CurveEvaluator, small_space

if TYPE_CHECKING:
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext


def engine_in(folder: Path, **options: Any) -> AutoMLEngine:
    settings = {"search_strategy": "random", "early_stopping": "none", **options}
    return AutoMLEngine(output_dir=folder, **settings)


def test_auto_picks_by_the_budget_and_the_study_says_why(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()
    picked = []
    for trials in (5, 8):
        engine = engine_in(tmp_path, search_strategy="auto")
        result = engine.search(small_space(), evaluator=evaluator, max_trials=trials)
        picked.append(result.study.user_attrs["strategy"])

    assert picked == [
        "auto: bayesian (5 trials among 8 configurations, one objective)",
        "auto: grid (8 trials cover all 8 configurations)",
    ]
    assert len(set(evaluator.trained)) == len(evaluator.trained) == 8


def test_auto_counts_the_objectives(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, search_strategy="auto", metrics=["val_accuracy", "params"])

    result = engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=5)

    assert result.study.user_attrs["strategy"].startswith("auto: evolutionary (5 trials")


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("bayesian", {"acquisition_function": "ucb", "n_initial_random": 3}),
        ("bayesian", {"acquisition_function": "pi", "n_initial_random": 3}),
        ("evolutionary", {"n_initial_random": 3}),
        ("regularized_evolution", {"n_initial_random": 3}),
        ("tpe", {"n_initial_random": 3}),
        ("nsga2", {}),
    ],
    ids=str,
)
def test_options_of_the_engine_reach_the_strategy(
    strategy: str, options: dict[str, Any], tmp_path: Path
) -> None:
    evaluator = CurveEvaluator()

    result = engine_in(tmp_path, search_strategy=strategy, **options).search(
        small_space(), evaluator=evaluator, max_trials=6
    )

    assert len(set(evaluator.trained)) == 6
    assert result.study.user_attrs["strategy"] == strategy


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"search_strategy": "bayesien"}, ValueError, "did you mean bayesian"),
        (
            {"search_strategy": "bayesian", "acquisition_function": "lcb"},
            ValueError,
            '"ei", "pi", "ucb"',
        ),
        (
            {"search_strategy": "evolutionary", "acquisition_function": "ei"},
            TypeError,
            "no option 'acquisition_function'",
        ),
        ({"search_strategy": "bayesian", "n_initial_random": 0}, ValueError, "at least 1 but got"),
        ({"search_strategy": "auto", "n_initial_random": 3}, TypeError, "auto has no option"),
        ({"search_strategy": 7}, ValueError, "but got 7"),
    ],
    ids=str,
)
def test_a_wrong_strategy_is_said_at_once(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        engine_in(tmp_path, **options)


class Falling(optuna.samplers.RandomSampler):
    """Falls back in its third trial."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        if trial.number == 2:
            warnings.warn("random instead of something better", FallbackWarning, stacklevel=2)
            study.set_user_attr("fallbacks", ["trial 2: random instead of something better"])
        return super().infer_relative_search_space(study, trial)


def test_a_fallback_shows_in_the_summary_and_in_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = engine_in(tmp_path, search_strategy=Falling(seed=0))
    with pytest.warns(FallbackWarning, match="random instead"):
        engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=4)

    assert engine.get_search_summary()["fallbacks"] == (
        "trial 2: random instead of something better",
    )
    with pytest.raises(SystemExit) as end:
        main(["status", "--storage", str(tmp_path)])
    assert end.value.code == 0
    assert "fallback: trial 2: random instead of something better" in capsys.readouterr().out


def test_strict_ends_the_search_instead(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()
    engine = engine_in(tmp_path, search_strategy=Falling(seed=0), strict=True)

    with pytest.raises(StudyError, match="random instead of something better; without `strict`"):
        engine.search(small_space(), evaluator=evaluator, max_trials=6)

    assert len(evaluator.trained) <= 2


def test_strict_forbids_what_is_replaced_outside_of_trials_too() -> None:
    with (
        pytest.raises(StudyError, match="one after the other instead of ray; without `strict`"),
        fallbacks_forbidden(strict=True),
    ):
        warnings.warn("one after the other instead of ray", FallbackWarning, stacklevel=1)


def test_strict_lets_other_failures_be_what_they_are(tmp_path: Path) -> None:
    class Broken(CurveEvaluator):
        def evaluate(self, architecture: Architecture, context: EvaluationContext) -> Any:
            raise RuntimeError("a bug of the user's")

    with pytest.raises(StudyError, match="3 trials in a row failed"):
        engine_in(tmp_path, strict=True).search(small_space(), evaluator=Broken(), max_trials=6)
