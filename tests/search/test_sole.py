"""A space with one architecture: it is trained once, and that is all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest

from neural_automl.architecture_space import ArchitectureSpace, Layer
from neural_automl.commands._tables import _counts_text
from neural_automl.exceptions import NoFeasibleArchitectureError, StudyError
from neural_automl.registry import summarise
from neural_automl.search_strategies import SAMPLER_NAMES, create_sampler
from tests.search.fakes import CurveEvaluator
from tests.search.test_engine import engine_in

if TYPE_CHECKING:
    from pathlib import Path


def sole_space(**options: Any) -> ArchitectureSpace:
    return ArchitectureSpace((4,), [Layer("Dense", 8), Layer("Dense", 2)], **options)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_the_first_repeat_stops_a_study(name: str) -> None:
    space = sole_space()
    study = optuna.create_study(sampler=create_sampler(name, space=space))

    study.optimize(lambda trial: space.suggest(trial).cost.params, n_trials=9)

    assert len(study.trials) == 2
    assert study.user_attrs["stop_reason"] == "space exhausted"


def test_one_repeat_ends_a_search_and_is_told_as_such(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()

    result = engine_in(tmp_path).search(sole_space(), evaluator=evaluator, max_trials=3)

    assert len(evaluator.trained) == 1
    assert result.stop_reason == "space exhausted"
    summary = summarise(result.study)
    assert (summary.trained, summary.stopped, summary.repeats) == (1, 0, 1)
    assert _counts_text(summary) == "1 trained: 1 to the end, 0 stopped early; 1 repeats"


def test_a_budget_of_one_is_spent(tmp_path: Path) -> None:
    result = engine_in(tmp_path).search(sole_space(), evaluator=CurveEvaluator(), max_trials=1)

    assert result.stop_reason == "budget"
    assert len(result.study.trials) == 1


def test_failures_are_no_repeats(tmp_path: Path) -> None:
    def fail(architecture: object, epoch: int) -> float:
        raise RuntimeError("no")

    with pytest.raises(StudyError, match="3 trials in a row failed"):
        engine_in(tmp_path).search(sole_space(), evaluator=CurveEvaluator(fail), max_trials=5)


def test_what_breaks_a_limit_is_no_repeat(tmp_path: Path) -> None:
    engine = engine_in(tmp_path)
    engine.check = lambda *_: None  # type: ignore[method-assign]  # it would refuse at once

    with pytest.raises(NoFeasibleArchitectureError, match="none of the last 200 proposals"):
        engine.search(
            sole_space(constraints={"params": 9}), evaluator=CurveEvaluator(), max_trials=5
        )
