"""The engine: budget, going on, and what it says when nothing can be done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Constraint, Layer
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import (
    DataError,
    NoFeasibleArchitectureError,
    ShapeError,
    StudyError,
)
from neural_automl.registry import is_trained, summarise
from tests.search.fakes import CurveEvaluator, small_space, width_of

if TYPE_CHECKING:
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext


def engine_in(folder: Path, **options: Any) -> AutoMLEngine:
    settings = {"search_strategy": "random", "early_stopping": "none", **options}
    return AutoMLEngine(output_dir=folder, **settings)


def test_a_search_trains_its_budget(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()

    result = engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=5)

    assert len(evaluator.trained) == 5
    assert result.stop_reason == "budget"
    assert result.storage == f"sqlite:///{tmp_path}/study.db"
    assert result.best_metrics["val_accuracy"] == result.best_trial.value
    assert result.best_architecture in evaluator.trained
    assert max(map(width_of, evaluator.trained)) == width_of(result.best_architecture)


def test_the_budget_counts_trained_trials_alone(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()
    space = small_space(constraints={"params": 60})

    # Optuna's own sampler, which breaks limits.
    engine = engine_in(tmp_path, search_strategy=optuna.samplers.RandomSampler(seed=0))
    result = engine.search(space, evaluator=evaluator, max_trials=4)

    trials = result.study.trials
    assert len(evaluator.trained) == 4
    assert sum(map(is_trained, trials)) == 4
    assert len(trials) > 4


def test_called_again_it_goes_on(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()
    engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=3)

    again = engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=5)
    nothing = engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=5)

    assert len(evaluator.trained) == 5
    assert (again.stop_reason, nothing.stop_reason) == ("budget", "trained already")
    assert again.study.user_attrs["max_trials"] == 5


def test_a_restart_proposes_other_trials(tmp_path: Path) -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", Choice(*range(1, 200))), Layer("Dense", 2)])
    evaluator = CurveEvaluator(lambda *_: 0.5)
    for trials in (4, 8):
        engine_in(tmp_path).search(space, evaluator=evaluator, max_trials=trials)

    widths = list(map(width_of, evaluator.trained))

    assert widths[:4] != widths[4:]


def test_equal_seeds_search_alike(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        engine = engine_in(tmp_path / name, search_strategy="tpe", seed=seed)
        result = engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=14)
        found.append([(trial.params, trial.value) for trial in result.study.trials])

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_grid_ends_when_the_space_does(tmp_path: Path) -> None:
    evaluator = CurveEvaluator()

    result = engine_in(tmp_path, search_strategy="grid").search(
        small_space(), evaluator=evaluator, max_trials=50
    )

    assert len(set(evaluator.trained)) == len(evaluator.trained) == 8
    assert result.stop_reason == "space exhausted"


def test_a_timeout_ends_a_search(tmp_path: Path) -> None:
    def slow(architecture: Architecture, epoch: int) -> float:
        time.sleep(0.1)  # else all eight networks are tried before the time is up
        return 0.5

    evaluator = CurveEvaluator(slow)

    result = engine_in(tmp_path).search(
        small_space(), evaluator=evaluator, max_trials=10**6, timeout=0.5
    )

    assert result.stop_reason == "timeout"
    assert evaluator.trained


class Interrupted(CurveEvaluator):
    """Is interrupted by its user in the third training."""

    def evaluate(self, architecture: Architecture, context: EvaluationContext) -> Any:
        if len(self.trained) == 2:
            context.report(1, {"val_accuracy": 0.1})
            self.trained.append(architecture)
            raise KeyboardInterrupt
        return super().evaluate(architecture, context)


def test_an_interruption_keeps_everything_and_is_taken_up(tmp_path: Path) -> None:
    evaluator = Interrupted()
    stopped = engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=5)

    assert stopped.stop_reason == "interrupted"
    assert [trial.state.name for trial in stopped.study.trials] == ["COMPLETE"] * 2 + ["FAIL"]

    resumed = engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=5)

    trials = resumed.study.trials
    assert resumed.stop_reason == "budget"
    assert trials[3].params == trials[2].params
    assert trials[3].user_attrs["resumed_from"] == 2
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 5
    engine_in(tmp_path).search(small_space(), evaluator=evaluator, max_trials=6)
    again = [trial.user_attrs.get("resumed_from") for trial in resumed.study.trials]
    assert again.count(2) == 1


def test_failures_do_not_end_a_search_but_three_in_a_row_do(tmp_path: Path) -> None:
    class Broken(CurveEvaluator):
        failures = 0

        def evaluate(self, architecture: Architecture, context: EvaluationContext) -> Any:
            if len(self.trained) >= 2 or (len(self.trained) == 1 and not self.failures):
                self.failures += 1
                raise RuntimeError("a bug of the user's")
            return super().evaluate(architecture, context)

    evaluator = Broken()
    engine = engine_in(tmp_path)

    with pytest.raises(StudyError, match="3 trials in a row failed"):
        engine.search(small_space(), evaluator=evaluator, max_trials=5)

    trials = engine.load_checkpoint(tmp_path).study.trials
    states = [t.state.name for t in trials if "cached_from" not in t.user_attrs]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "FAIL", "FAIL", "FAIL"]


def test_a_space_that_nothing_meets(tmp_path: Path) -> None:
    space = small_space(constraints={"params": 10})

    with pytest.raises(NoFeasibleArchitectureError, match="no architecture meets params <= 10"):
        engine_in(tmp_path).search(space, evaluator=CurveEvaluator(), max_trials=5)

    assert not (tmp_path / "study.db").exists()


def test_shapes_that_never_follow(tmp_path: Path) -> None:
    space = ArchitectureSpace((4,), ["Flatten", Layer("Conv2D", 3, 3)])

    with pytest.raises(ShapeError, match=r"layers\[1\]: needs an input of shape"):
        engine_in(tmp_path).search(space, evaluator=CurveEvaluator(), max_trials=5)


@pytest.mark.parametrize("strategy", ["random", "tpe", "nsga2", "grid"])
def test_what_is_feasible_is_trained_once_and_nothing_else_is(
    tmp_path: Path, strategy: str
) -> None:
    space = small_space(constraints={"params": 60})
    evaluator = CurveEvaluator()

    result = engine_in(tmp_path, search_strategy=strategy).search(
        space, evaluator=evaluator, max_trials=50
    )

    assert len(set(evaluator.trained)) == len(evaluator.trained) == 4
    assert all(architecture.cost.params <= 60 for architecture in evaluator.trained)
    assert result.stop_reason == result.study.user_attrs["stop_reason"] == "space exhausted"
    assert summarise(result.study).trained == 4


def test_limits_that_nothing_meets_end_a_search_at_once(tmp_path: Path) -> None:
    # Each limit can be met, both cannot: only looking at architectures shows it.
    space = small_space(constraints=[Constraint("params", "<=", 60), Constraint("depth", ">", 2)])
    engine = engine_in(tmp_path)
    engine.check = lambda *_: None  # type: ignore[method-assign]  # it draws 1,000 and gives up

    with pytest.raises(NoFeasibleArchitectureError, match="every configuration was looked at"):
        engine.search(space, evaluator=CurveEvaluator(), max_trials=5)


def test_proposals_that_cannot_be_trained_end_a_search(tmp_path: Path) -> None:
    class Stubborn(optuna.samplers.RandomSampler):
        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return 32 if name.endswith("units") else True

    space = small_space(constraints={"params": 60})

    with pytest.raises(NoFeasibleArchitectureError, match="none of the last 200 proposals"):
        engine_in(tmp_path, search_strategy=Stubborn()).search(
            space, evaluator=CurveEvaluator(), max_trials=5
        )


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        (["Flatten", Layer("Dense", 3)], (8, 8, 1), "label 9"),
        (["Flatten", Layer("Dense", 10)], (9, 8, 1), r"\(9, 8, 1\)"),
    ],
    ids=["classes", "shape"],
)
def test_data_that_does_not_fit(
    tmp_path: Path, layers: list[Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        engine_in(tmp_path).search(
            ArchitectureSpace(shape, layers), load_data("digits"), max_trials=1
        )

    assert not (tmp_path / "study.db").exists()


def test_load_checkpoint_by_folder_and_by_url(tmp_path: Path) -> None:
    searched = engine_in(tmp_path).search(small_space(), evaluator=CurveEvaluator(), max_trials=3)

    for source in (tmp_path, f"sqlite:///{tmp_path}/study.db", tmp_path / "study.db"):
        engine = AutoMLEngine()
        loaded = engine.load_checkpoint(source)
        assert loaded.space == searched.space
        assert loaded.best_architecture == searched.best_architecture
        assert engine.get_search_summary()["trained"] == 3


def test_a_loaded_search_goes_on(tmp_path: Path) -> None:
    engine_in(tmp_path).search(small_space(), evaluator=CurveEvaluator(), max_trials=2)
    engine = AutoMLEngine(early_stopping="none")
    loaded = engine.load_checkpoint(tmp_path)

    result = engine.search(loaded.space, evaluator=CurveEvaluator(), max_trials=4)

    assert sum(map(is_trained, result.study.trials)) == 4


def test_a_trial_that_found_nothing_left_is_no_infeasible_architecture(tmp_path: Path) -> None:
    engine = engine_in(tmp_path)
    result = engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=100)

    summary = engine.get_search_summary()

    assert result.stop_reason == "space exhausted"
    assert (summary["trained"], summary["infeasible"]) == (8, 0)


def test_summary(tmp_path: Path) -> None:
    engine = AutoMLEngine(output_dir=tmp_path, search_strategy="random", early_stopping="asha")
    engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=8, max_epochs_per_trial=9)

    summary = engine.get_search_summary()

    assert summary["trained"] == 8
    assert summary["epochs_trained"] + summary["epochs_saved"] == 72
    assert summary["epochs_saved"] > 0
    assert summary["best_values"] == (engine.load_checkpoint(tmp_path).best_trial.value,)


def test_a_summary_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="nothing was searched yet"):
        engine_in(tmp_path).get_search_summary()


def test_what_the_engine_exposes(tmp_path: Path) -> None:
    engine = engine_in(tmp_path, search_strategy="tpe", early_stopping="asha")

    assert engine.search_strategy == "tpe"
    assert engine.early_stopping == "asha"
    assert engine.executor == "sequential"
    assert (engine.evaluator, engine.predictor) == (None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_strategy": "tpee"}, "did you mean tpe"),
        ({"early_stopping": "halving"}, "early stopping must be one of"),
        ({"executor_type": "rays"}, "executor must be one of sequential, .*did you mean ray"),
        ({"max_workers": 2}, "the sequential executor has one worker but `max_workers` is 2"),
        ({"early_stopping": "asha", "reduction_factor": 1}, "reduction_factor"),
    ],
    ids=str,
)
def test_wrong_names_are_said_at_once(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        engine_in(tmp_path, **options)


def test_test_metrics_need_test_data(tmp_path: Path) -> None:
    result = engine_in(tmp_path).search(small_space(), evaluator=CurveEvaluator(), max_trials=1)

    with pytest.raises(StudyError, match="that another evaluator made"):
        result.test_metrics()


def test_digits_end_to_end(tmp_path: Path) -> None:
    space = ArchitectureSpace(
        (8, 8, 1),
        ["Flatten", Layer("Dense", Choice(16, 32), activation="relu"), Layer("Dense", 10)],
    )

    result = engine_in(tmp_path).search(
        space, load_data("digits", test_split=0.2), max_trials=2, max_epochs_per_trial=3
    )

    test = result.test_metrics()
    assert 0.5 < test["test_accuracy"] <= 1
    model = result.best_architecture.build("pytorch")
    model.load_state_dict(result.weights())
