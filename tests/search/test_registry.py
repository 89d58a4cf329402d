"""A study as a table of architectures."""

from __future__ import annotations

import dataclasses

import optuna
import pytest

from neural_automl.exceptions import StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import ArchitectureRegistry
from tests.search.fakes import CurveEvaluator, small_space, width_of


def searched(trials: int = 12, metrics: tuple[str, ...] = ("val_accuracy",)) -> optuna.Study:
    objective = ArchitectureObjective(
        small_space(), CurveEvaluator(), epochs=2, metrics=metrics, artifact_store=None
    )
    directions = list(objective.directions)
    study = optuna.create_study(
        directions=directions,  # type: ignore[arg-type]
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective, n_trials=trials)
    return study


def test_the_best_architectures_each_once() -> None:
    study = searched()
    registry = ArchitectureRegistry(study)

    top = registry.get_top_k(3)

    assert len({a.key for a in top}) == 3
    widths = [width_of(a) for a in top]
    assert widths == sorted(widths, reverse=True)
    assert registry.size() == len({t.user_attrs["architecture_key"] for t in study.trials}) < 12
    assert len(registry.get_top_k(100)) == registry.size()


def test_what_is_registered_is_found() -> None:
    study = searched(1)
    registry = ArchitectureRegistry(study)
    known = registry.get_top_k(1)[0]
    other = next(a for a in map(small_space().sample_architecture, range(50)) if a.key != known.key)

    assert registry.get(other) is None
    assert registry.register(other, {"val_accuracy": 0.99, "val_loss": 0.1}) == 1
    assert registry.get(other) == {"val_accuracy": 0.99, "val_loss": 0.1}
    assert registry.get_top_k(1) == [other]
    assert registry.size() == 2
    found = registry.get(known)
    assert found is not None
    assert found["val_accuracy"] == study.trials[0].value


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("metric", "`metrics` must hold val_accuracy but 'val_accuracy' is missing"),
        ("choices", "are none of the space"),
        ("other", "lead to another architecture"),
    ],
)
def test_what_cannot_be_registered(case: str, message: str) -> None:
    registry = ArchitectureRegistry(searched(1))
    architecture = small_space().sample_architecture(seed=0)
    metrics = {"val_loss" if case == "metric" else "val_accuracy": 0.5}
    if case == "choices":
        architecture = dataclasses.replace(architecture, choices={})
    if case == "other":
        architecture = dataclasses.replace(architecture, input_shape=(5,))

    with pytest.raises(StudyError, match=message):
        registry.register(architecture, metrics)


def test_asked_for_nothing_or_of_many_objectives() -> None:
    with pytest.raises(ValueError, match="`k` must be at least 1 but got 0"):
        ArchitectureRegistry(searched(1)).get_top_k(0)
    with pytest.raises(StudyError, match="2 objectives: no architecture is the best"):
        ArchitectureRegistry(searched(1, ("val_accuracy", "params"))).get_top_k(1)
    with pytest.raises(StudyError, match="holds no space"):
        ArchitectureRegistry(optuna.create_study())
