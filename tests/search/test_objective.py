"""The objective under a plain ``study.optimize``."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import FixedTrial, TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.artifacts import load_artifact, load_weights
from neural_automl.data import load_data
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import DivergenceError, OutOfMemoryError, StudyError
from neural_automl.objective import ArchitectureObjective, trial_seed
from neural_automl.registry import is_trained
from neural_automl.studies import artifact_store_of, open_study
from tests.search.fakes import CurveEvaluator, small_space, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neural_automl.architecture import Architecture


def objective_over(
    evaluator: Any = None, space: ArchitectureSpace | None = None, **options: Any
) -> ArchitectureObjective:
    settings = {"epochs": 4, "artifact_store": None, **options}
    return ArchitectureObjective(space or small_space(), evaluator or CurveEvaluator(), **settings)


def run(objective: ArchitectureObjective, trials: int = 6, **options: Any) -> optuna.Study:
    settings = {
        "directions": list(objective.directions),
        "sampler": optuna.samplers.RandomSampler(seed=0),
        "pruner": optuna.pruners.NopPruner(),
        **options,
    }
    study = optuna.create_study(**settings)
    study.optimize(objective, n_trials=trials)
    return study


@pytest.mark.parametrize(
    "sampler",
    [
        optuna.samplers.RandomSampler(seed=0),
        optuna.samplers.TPESampler(seed=0, n_startup_trials=3),
        optuna.samplers.NSGAIISampler(seed=0, population_size=4),
        optuna.samplers.GPSampler(seed=0, n_startup_trials=3),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_any_sampler_and_a_plain_study(sampler: optuna.samplers.BaseSampler) -> None:
    study = run(objective_over(), trials=8, sampler=sampler)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 8
    assert study.best_value == pytest.approx(max(t.values[0] for t in study.trials))


def test_attributes_of_a_trial() -> None:
    evaluator = CurveEvaluator()
    study = run(objective_over(evaluator, seed=5), trials=1)
    trial, architecture = study.trials[0], evaluator.trained[0]

    attributes = dict(trial.user_attrs)
    worker = attributes.pop("worker")
    fingerprint = attributes.pop("evaluator_fingerprint")
    claim = attributes.pop("training_key")
    seconds = attributes.pop("seconds")

    assert attributes == {
        "architecture_key": architecture.key,
        "params": architecture.cost.params,
        "macs": architecture.cost.macs,
        "peak_memory_bytes": architecture.cost.peak_memory_bytes,
        "depth": 2,
        "max_epochs": 4,
        "epochs": 4,
        "seed": trial_seed(5, 0),
        "device": "auto",
        "val_accuracy": pytest.approx(width_of(architecture) / 100 + 0.004),
        "val_accuracy.best": pytest.approx(width_of(architecture) / 100 + 0.004),
    }
    assert worker.rpartition(":")[2].isdigit()
    assert len(fingerprint) == len(claim) == 32
    assert seconds.keys() == {"training", "proposing", "storing", "waiting"}


def test_the_architecture_is_rebuilt_from_the_parameters() -> None:
    evaluator = CurveEvaluator()
    objective = objective_over(evaluator)
    study = run(objective)

    trained = filter(is_trained, study.trials)
    rebuilt = [objective.space.suggest(FixedTrial(trial.params)) for trial in trained]

    assert rebuilt == evaluator.trained


def test_the_study_holds_the_space() -> None:
    objective = objective_over()
    study = run(objective, trials=1)

    assert ArchitectureSpace.from_dsl(study.user_attrs["space"]) == objective.space
    assert study.user_attrs["neural_automl_version"]


def test_a_study_of_another_space_is_refused() -> None:
    study = run(objective_over(), trials=1)
    other = objective_over(space=ArchitectureSpace((4,), [Layer("Dense", Choice(2, 3))]))

    with pytest.raises(StudyError, match="was begun with another space"):
        study.optimize(other, n_trials=1)


def test_reports_are_the_curve() -> None:
    evaluator = CurveEvaluator()
    study = run(objective_over(evaluator), trials=1)
    width = width_of(evaluator.trained[0])

    assert study.trials[0].intermediate_values == pytest.approx(
        {epoch: width / 100 + epoch / 1000 for epoch in range(1, 5)}
    )


@pytest.mark.parametrize(("value", "expected"), [("last", 0.1), ("best", 0.9)], ids=str)
def test_value_is_the_last_or_the_best_epochs(value: str, expected: float) -> None:
    evaluator = CurveEvaluator(lambda _, epoch: 0.9 if epoch == 2 else 0.1)

    study = run(objective_over(evaluator, value=value), trials=1)

    assert study.trials[0].value == expected
    assert study.trials[0].user_attrs["val_accuracy"] == 0.1
    assert study.trials[0].user_attrs["val_accuracy.best"] == 0.9


def test_the_pruner_stops_a_training() -> None:
    class StopSecond(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number == 1 and (trial.last_step or 0) >= 2

    study = run(objective_over(), trials=2, pruner=StopSecond())

    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED"]
    assert study.trials[1].user_attrs["epochs"] == 2
    assert study.trials[1].last_step == 2
    assert "infeasible" not in study.trials[1].user_attrs


def test_a_broken_limit_is_pruned_and_never_trained() -> None:
    evaluator = CurveEvaluator()
    space = small_space(constraints={"params": 60})
    study = run(objective_over(evaluator, space), trials=20)

    for trial in study.trials:
        width = trial.params["layers[0].Dense.units"]
        params = 5 * width + 2 * (width + 1)
        if params <= 60:
            assert trial.state == TrialState.COMPLETE
            assert trial.constraints == {"params <= 60": params - 60}
        else:
            assert trial.state == TrialState.PRUNED
            assert trial.user_attrs["infeasible"] == f"breaks params <= 60 (is {params})"
            assert trial.constraints["params <= 60"] == params - 60
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    assert max(map(width_of, evaluator.trained)) == 8


def test_further_constraints_of_the_objective() -> None:
    evaluator = CurveEvaluator()
    run(objective_over(evaluator, constraints={"depth": 1}), trials=3)

    assert evaluator.trained == []


def test_shapes_that_cannot_follow_are_pruned() -> None:
    space = ArchitectureSpace(
        (6, 6, 1),
        [Layer("Conv2D", 2, Choice(3, 5)), Layer("Conv2D", 2, 3), "Flatten", Layer("Dense", 2)],
    )
    evaluator = CurveEvaluator(lambda *_: 0.5)
    study = run(objective_over(evaluator, space), trials=10)

    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert {trial.params["layers[0].Conv2D.kernel_size"] for trial in pruned} == {5}
    assert pruned[0].constraints == {"shape": 1.0}
    assert "layers[1]: a window of 3 does not fit into 2" in pruned[0].user_attrs["infeasible"]
    assert len(evaluator.trained) == sum(map(is_trained, study.trials)) == 1


class Failing:
    """Raises for wide networks."""

    def __init__(self, error: Exception, width: int = 8) -> None:
        self.error = error
        self.width = width
        self.tried: list[int] = []

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        self.tried.append(width_of(architecture))
        if width_of(architecture) >= self.width:
            context.report(1, {"val_accuracy": 0.2})
            raise self.error
        return {"val_accuracy": 0.5}


def test_divergence_is_infeasible_and_the_search_goes_on() -> None:
    study = run(objective_over(Failing(DivergenceError("the loss became nan"))), trials=12)

    states = {trial.params["layers[0].Dense.units"]: trial for trial in study.trials}
    assert states[4].state == TrialState.COMPLETE
    assert states[32].state == TrialState.PRUNED
    assert states[32].constraints == {"divergence": 1.0}
    assert states[32].user_attrs["infeasible"] == "diverged: the loss became nan"
    assert states[32].user_attrs["val_accuracy"] == 0.2
    assert states[32].user_attrs["epochs"] == 1


def test_no_memory_is_infeasible_and_remembered() -> None:
    evaluator = Failing(OutOfMemoryError("no memory for the network on cpu"), width=16)
    objective = objective_over(evaluator)
    study = optuna.create_study(direction="maximize")
    for width, maybe in ((8, False), (16, False), (32, False), (16, False), (8, True)):
        study.enqueue_trial({"layers[0].Dense.units": width, "layers[1].maybe": maybe})

    study.optimize(objective, n_trials=5)

    assert [trial.state.name for trial in study.trials] == [
        "COMPLETE",
        "PRUNED",
        "PRUNED",
        "PRUNED",
        "COMPLETE",
    ]
    assert evaluator.tried == [8, 16, 8]
    assert all(study.trials[number].constraints["memory"] > 0 for number in (1, 2, 3))
    assert list(study.user_attrs["out_of_memory"]) == ["auto"]


def test_memory_is_remembered_by_a_later_worker() -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"layers[0].Dense.units": 16, "layers[1].maybe": False})
    study.optimize(objective_over(Failing(OutOfMemoryError("none"), 16)), n_trials=1)
    evaluator = Failing(OutOfMemoryError("none"), 16)
    study.enqueue_trial({"layers[0].Dense.units": 32, "layers[1].maybe": False})

    study.optimize(objective_over(evaluator), n_trials=1)

    assert evaluator.tried == []


def test_a_bug_is_a_failure_with_its_traceback() -> None:
    study = optuna.create_study(direction="maximize")
    objective = objective_over(Failing(RuntimeError("a bug"), 0))

    with pytest.raises(RuntimeError, match="a bug"):
        study.optimize(objective, n_trials=1)

    assert study.trials[0].state == TrialState.FAIL
    assert "RuntimeError: a bug" in study.trials[0].user_attrs["error"]
    assert "in evaluate" in study.trials[0].user_attrs["error"]


def test_several_objectives() -> None:
    evaluator = CurveEvaluator()
    objective = objective_over(evaluator, metrics=["val_accuracy", "params"])
    study = run(objective, trials=6)

    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    trained = [trial for trial in study.trials if is_trained(trial)]
    for trial, architecture in zip(trained, evaluator.trained, strict=True):
        assert trial.values == [trial.user_attrs["val_accuracy"], architecture.cost.params]
        assert trial.intermediate_values == {}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"value": "mean"}, ValueError, "`value` must be 'last' or 'best' but got 'mean'"),
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1 but got 0"),
        ({"metrics": []}, ValueError, "at least one metric"),
        ({"constraints": {"size": 3}}, Exception, "a constraint must limit one of params"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        objective_over(**options)


def test_wrong_number_of_objectives() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])

    with pytest.raises(StudyError, match="2 objectives but the metrics are val_accuracy"):
        study.optimize(objective_over(), n_trials=1)


def test_a_metric_that_the_evaluator_does_not_give() -> None:
    study = optuna.create_study(direction="maximize")

    with pytest.raises(ValueError, match="no metric 'val_f1'; it gave val_accuracy"):
        study.optimize(objective_over(metrics="val_f1"), n_trials=1)


def test_seeds_differ_by_trial_and_by_study() -> None:
    seeds = {trial_seed(seed, number) for seed in range(10) for number in range(100)}

    assert len(seeds) == 1000
    assert trial_seed(0, 0) == trial_seed(0, 0)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_objective_survives_pickling() -> None:
    space = small_space()
    objective = ArchitectureObjective(space, Failing(ValueError("x"), 100), artifact_store=None)

    copy = pickle.loads(pickle.dumps(objective))

    assert copy.space == space
    assert copy.metrics == objective.metrics


def test_artifacts_lie_beside_the_database(tmp_path: Path) -> None:
    space = ArchitectureSpace((8, 8, 1), ["Flatten", Layer("Dense", Choice(10))])
    evaluator = ArchitectureEvaluator(load_data("digits"), device="cpu")
    objective = ArchitectureObjective(space, evaluator, epochs=2)
    study = open_study(
        tmp_path / "digits.db",
        "digits",
        directions=objective.directions,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )

    study.optimize(objective, n_trials=1)
    objective.tidy()

    trial = study.trials[0]
    names = {meta.filename for meta in get_all_artifact_meta(trial, storage=study._storage)}
    store = artifact_store_of(study)
    assert names == {"model.py", "weights.safetensors", "curve.json"}
    assert store is not None
    assert len(list((tmp_path / "digits_artifacts").iterdir())) == 3
    weights = load_weights(store, study, trial)
    assert sum(tensor.numel() for tensor in weights.values()) == trial.user_attrs["params"]
    curve = json.loads(load_artifact(store, study, trial, "curve.json"))
    assert [point["epoch"] for point in curve] == [1, 2]
    assert curve[-1]["val_accuracy"] == trial.value
    source = load_artifact(store, study, trial, "model.py").decode()
    assert "class Network(nn.Module)" in source


def test_a_missing_artifact_is_said(tmp_path: Path) -> None:
    study = run(objective_over(), trials=1)
    store = optuna.artifacts.FileSystemArtifactStore(tmp_path)

    with pytest.raises(StudyError, match=r"trial 0 kept no weights\.safetensors"):
        load_weights(store, study, study.trials[0])


def test_in_memory_studies_keep_no_artifacts() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = run(objective_over(artifact_store="auto"), trials=1)

    assert artifact_store_of(study) is None
    assert get_all_artifact_meta(study.trials[0], storage=study._storage) == []
