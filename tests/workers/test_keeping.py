"""Of the best trials alone the weights are kept, if a search asks for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import get_all_artifact_meta

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.artifacts import load_artifact, load_weights
from neural_automl.commands._search_options import read_bytes
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import EvaluationContext
from neural_automl.exceptions import StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import is_repeat, top_trials
from neural_automl.studies import artifact_store_of
from neural_automl.trials._keeping import is_among_best, remove_weights
from neural_automl.workers._settings import read_settings
from tests.search.fakes import width_of

WIDTHS = (3, 6, 1, 5, 2, 4)


def space() -> ArchitectureSpace:
    return ArchitectureSpace((4,), [Layer("Dense", Choice(*sorted(WIDTHS))), Layer("Dense", 2)])


class Weighing:
    """Trains nothing; the wider network is the better one, and has weights."""

    def evaluate(self, architecture: Any, context: EvaluationContext) -> dict[str, float]:
        context.keep_weights({"weight": torch.zeros(width_of(architecture))})
        context.report(1, {"val_accuracy": width_of(architecture) / 10})
        return {"val_accuracy": width_of(architecture) / 10}


def search(folder: Path, **options: Any) -> tuple[optuna.Study, ArchitectureObjective]:
    objective = ArchitectureObjective(space(), Weighing(), epochs=1, **options)
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/study.db",
        directions=[optuna.study.StudyDirection[name.upper()] for name in objective.directions],
    )
    for width in WIDTHS:
        study.enqueue_trial({"layers[0].Dense.units": width})
    study.optimize(objective, n_trials=len(WIDTHS))
    return study, objective


def with_weights(study: optuna.Study) -> list[int]:
    """Return the widths of the networks whose weights can be loaded."""
    store = artifact_store_of(study)
    assert store is not None
    found = []
    for trial in study.trials:
        try:
            found.append(len(load_weights(store, study, trial)["weight"]))
        except StudyError:
            continue
    return found


def test_all_are_kept_where_nobody_asks(tmp_path: Path) -> None:
    study, objective = search(tmp_path)

    objective.remove_weights(study)

    assert with_weights(study) == list(WIDTHS)


def test_one_that_is_none_of_the_best_keeps_none_and_the_rest_go_in_the_end(
    tmp_path: Path,
) -> None:
    study, objective = search(tmp_path, keep_weights=2)

    assert with_weights(study) == [3, 6, 5]
    objective.remove_weights(study)
    assert with_weights(study) == [6, 5]
    objective.remove_weights(study)
    assert with_weights(study) == [6, 5]


def test_source_and_curve_stay(tmp_path: Path) -> None:
    study, objective = search(tmp_path, keep_weights=1)
    objective.remove_weights(study)
    store = artifact_store_of(study)
    assert store is not None

    for trial in study.trials:
        assert b"class" in load_artifact(store, study, trial, "model.py")
        assert b"val_accuracy" in load_artifact(store, study, trial, "curve.json")


def test_the_front_of_several_objectives_is_kept(tmp_path: Path) -> None:
    study, objective = search(tmp_path, keep_weights=1, metrics=["val_accuracy", "params"])
    objective.remove_weights(study)

    assert with_weights(study) == list(WIDTHS)  # wider is better, narrower is smaller


@pytest.mark.parametrize(
    ("directions", "told", "values", "count", "expected"),
    [
        (["maximize"], [[0.5], [0.7]], 0.6, 1, False),
        (["maximize"], [[0.5], [0.7]], 0.6, 2, True),
        (["minimize"], [[0.5], [0.7]], 0.4, 1, True),
        (["minimize"], [], 0.4, 1, True),
        (["maximize", "minimize"], [[0.9, 5.0]], (0.8, 6.0), 1, False),
        (["maximize", "minimize"], [[0.9, 5.0]], (0.8, 6.0), 2, True),
        (["maximize", "minimize"], [[0.9, 5.0]], (0.8, 4.0), 1, True),
    ],
)
def test_who_is_among_the_best(
    directions: list[str],
    told: list[list[float]],
    values: float | tuple[float, ...],
    count: int,
    expected: bool,
) -> None:
    study = optuna.create_study(
        directions=[optuna.study.StudyDirection[name.upper()] for name in directions]
    )
    for each in told:
        study.add_trial(optuna.trial.create_trial(values=each))

    assert is_among_best(study, values, count) is expected


def test_of_equal_trials_the_first_is_kept(tmp_path: Path) -> None:
    class Equal(Weighing):
        def evaluate(self, architecture: Any, context: EvaluationContext) -> dict[str, float]:
            super().evaluate(architecture, context)
            return {"val_accuracy": 0.5}

    objective = ArchitectureObjective(space(), Equal(), epochs=1, keep_weights=1)
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path}/study.db",
        direction="maximize",
        sampler=optuna.samplers.GridSampler({"layers[0].Dense.units": list(WIDTHS)}, seed=0),
    )
    study.optimize(objective, n_trials=4)
    store = artifact_store_of(study)
    assert store is not None

    remove_weights(store, study, 1)

    assert [len(get_all_artifact_meta(t, storage=study._storage)) for t in study.trials] == [3] * 4
    assert len(with_weights(study)) == 1
    assert load_weights(store, study, study.trials[0])


def test_repeats_take_no_place_among_the_best(tmp_path: Path) -> None:
    objective = ArchitectureObjective(space(), Weighing(), epochs=1, keep_weights=2)
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", direction="maximize")
    for width in (6, 6, 6, 4, 5):
        study.enqueue_trial({"layers[0].Dense.units": width})
    study.optimize(objective, n_trials=5)

    assert [is_repeat(trial) for trial in study.trials] == [False, True, True, False, False]
    assert with_weights(study) == [6, 4, 5]
    objective.remove_weights(study)
    assert with_weights(study) == [6, 5]


@pytest.mark.parametrize(
    ("direction", "order"), [("maximize", [3, 1, 0, 2]), ("minimize", [1, 0, 2, 3])]
)
def test_of_equal_trials_the_trained_come_first(direction: str, order: list[int]) -> None:
    study = optuna.create_study(direction=optuna.study.StudyDirection[direction.upper()])
    for value, attributes in ((0.5, {"cached_from": 1}), (0.5, {}), (0.5, {"cached_from": 1})):
        trial = optuna.trial.create_trial(value=value, user_attrs=attributes)
        study.add_trial(trial)
    study.add_trial(optuna.trial.create_trial(value=0.6))

    assert [trial.number for trial in top_trials(study, 4)] == order


@pytest.mark.parametrize("workers", [1, 2])
def test_an_engine_keeps_so_many_and_tells_workers_that_join(tmp_path: Path, workers: int) -> None:
    engine = AutoMLEngine(
        search_strategy="grid",
        executor_type="thread",
        max_workers=workers,
        output_dir=tmp_path,
        keep_weights=2,
        checkpoint_quota=10**9,
    )
    result = engine.search(
        space(), evaluator=Weighing(), max_trials=len(WIDTHS), max_epochs_per_trial=1
    )

    assert sorted(with_weights(result.study)) == [5, 6]
    settings = read_settings(result.study).engine
    assert (settings["keep_weights"], settings["checkpoint_quota"]) == (2, 10**9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_weights": 0}, "`keep_weights` must be at least 1 but got 0"),
        ({"checkpoint_quota": 0}, "`checkpoint_quota` must be at least 1 but got 0"),
        ({"keep_weights": 2, "rungs": [1, 2]}, "`keep_weights` does not go with `rungs`"),
    ],
)
def test_what_is_kept_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchitectureObjective(space(), Weighing(), **options)
    with pytest.raises(ValueError, match=message):
        AutoMLEngine(**options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1500", 1500),
        ("500MB", 500_000_000),
        ("2 gb", 2_000_000_000),
        ("1.5K", 1500),
        ("1T", 10**12),
        (10**9, 10**9),
    ],
)
def test_bytes_are_read_with_their_unit(text: str | int, expected: int) -> None:
    assert read_bytes(text) == expected
