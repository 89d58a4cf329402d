"""What all trials of a study share, and what the engine refuses to mix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import StudyError
from neural_automl.objective import ArchitectureObjective
from tests.search.fakes import CurveEvaluator, small_space


class Fingerprinted(CurveEvaluator):
    """Has data and settings of a name."""

    def __init__(self, data: str = "a", settings: str = "s") -> None:
        super().__init__()
        self.data_fingerprint = data
        self.fingerprint = settings


def objective(**changes: Any) -> ArchitectureObjective:
    settings: dict[str, Any] = {
        "space": small_space(),
        "evaluator": Fingerprinted(),
        "epochs": 2,
        "artifact_store": None,
        **changes,
    }
    return ArchitectureObjective(settings.pop("space"), settings.pop("evaluator"), **settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": small_space(constraints={"depth": 3})}, "another space"),
        ({"metrics": "val_f1"}, r"other metrics \(val_accuracy, now val_f1\)"),
        ({"value": "best"}, r"another kind of value \(last, now best\)"),
        ({"epochs": 3}, r"another number of epochs \(2, now 3\)"),
        ({"evaluator": Fingerprinted(data="b")}, "other data"),
        ({"evaluator": Fingerprinted(settings="t")}, "other settings of the evaluator"),
        ({"rungs": [1, 2], "artifact_store": "auto"}, r"other rungs \(, now 1,2/3\)"),
    ],
    ids=["space", "metric", "value", "epochs", "data", "settings", "rungs"],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, Any], message: str) -> None:
    study = optuna.create_study(direction="maximize")
    study.optimize(objective(), n_trials=1)

    with pytest.raises(StudyError, match=f"was begun with {message}"):
        study.optimize(objective(**changes), n_trials=1)


def test_equal_terms_go_on() -> None:
    study = optuna.create_study(direction="maximize")
    for _ in range(2):
        study.optimize(objective(), n_trials=1)

    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("direction", "metric", "right"),
    [("minimize", "val_accuracy", "maximize"), ("maximize", "macs", "minimize")],
    ids=["accuracy down", "macs up"],
)
def test_a_wrong_direction_is_refused(direction: str, metric: str, right: str) -> None:
    study = optuna.create_study(direction=optuna.study.StudyDirection[direction.upper()])

    with pytest.raises(StudyError, match=f"would {direction} {metric}; create it with .*{right}"):
        study.optimize(objective(metrics=metric), n_trials=1)


def test_a_metric_of_ones_own_may_go_either_way() -> None:
    class Own(CurveEvaluator):
        def evaluate(self, architecture: Any, context: Any) -> Any:
            return {"my_score": 1.0}

    study = optuna.create_study(direction="minimize")
    study.optimize(objective(evaluator=Own(), metrics="my_score"), n_trials=1)

    assert study.best_value == 1.0


def test_an_evaluator_must_evaluate() -> None:
    with pytest.raises(TypeError, match=r"must have a method evaluate.* but got function"):
        objective(evaluator=lambda architecture: {})


def test_an_evaluator_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="CurveEvaluator is no data; give it as `evaluator=`"):
        AutoMLEngine(output_dir=tmp_path).search(small_space(), CurveEvaluator())


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("mae", "did you mean val_mae"),
        ("val_acuracy", "did you mean val_accuracy"),
        ("val_mse", "for a classification must be among accuracy"),
    ],
    ids=str,
)
def test_metrics_are_checked_before_a_study_is_made(
    tmp_path: Path, metrics: str, message: str
) -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", 3)])
    data = (np.zeros((60, 4), np.float32), np.arange(60) % 3)

    with pytest.raises(ValueError, match=message):
        AutoMLEngine(output_dir=tmp_path, metrics=metrics).search(space, data)

    assert not list(tmp_path.iterdir())


def test_grid_on_a_space_without_end_is_refused_before_a_study_is_made(tmp_path: Path) -> None:
    space = small_space(
        hyperparameters={
            "optimizer": {
                "type": "SGD",
                "params": {
                    "learning_rate": {"hpo": {"type": "log_range", "low": 0.1, "high": 1.0}}
                },
            }
        }
    )

    with pytest.raises(ValueError, match="grid search needs a space with an end"):
        AutoMLEngine(output_dir=tmp_path, search_strategy="grid").search(
            space, evaluator=CurveEvaluator()
        )

    assert not list(tmp_path.iterdir())


def test_several_objectives_have_a_front_and_no_best(tmp_path: Path) -> None:
    engine = AutoMLEngine(
        output_dir=tmp_path,
        metrics=["val_accuracy", "macs"],
        search_strategy="random",
        early_stopping="none",
    )
    result = engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=6)

    with pytest.raises(StudyError, match="2 objectives and no best trial; choose one of the"):
        _ = result.best_trial
    assert engine.get_search_summary()["best_trial"] is None
    assert repr(result) == "SearchResult('Network', 6 trained)"


def test_regression_is_judged_by_its_error(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.random((80, 4), dtype=np.float32)
    space = ArchitectureSpace((4,), [Layer("Dense", Choice(4, 8), "relu"), Layer("Dense", 1)])

    result = AutoMLEngine(output_dir=tmp_path).search(
        space, (x, x.sum(axis=1)), max_trials=2, max_epochs_per_trial=2
    )

    assert result.study.direction.name == "MINIMIZE"
    assert result.best_trial.value == result.best_metrics["val_mse"]
