from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neural_automl import AutoMLEngine, SearchResult, load_data
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.exceptions import StudyError
from neural_automl.search._card import card_of

SPACE = ArchitectureSpace(
    (8, 8, 1), ["Flatten", Layer("Dense", Choice(8, 16, 32)), Layer("Dense", 10)]
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> AutoMLEngine:
    folder = tmp_path_factory.mktemp("searched")
    return AutoMLEngine(search_strategy="random", output_dir=folder, early_stopping="none")


@pytest.fixture(scope="module")
def result(engine: AutoMLEngine) -> SearchResult:
    return engine.search(SPACE, load_data("digits"), max_trials=3, max_epochs_per_trial=2)


def test_the_model_has_the_weights_of_the_best(result: SearchResult) -> None:
    model = result.model
    assert model is result.model
    assert not model.training
    for name, value in result.weights().items():
        assert torch.equal(model.state_dict()[name], value)


def test_what_it_predicts_is_what_its_test_metric_says(result: SearchResult) -> None:
    inputs, labels = load_data("digits").test or ((), ())
    probabilities = result.predict_proba(inputs)
    assert probabilities.shape == (len(labels), 10)
    assert (result.predict(inputs) == probabilities.argmax(axis=1)).all()
    accuracy = np.mean(result.predict(inputs) == labels)
    assert accuracy == pytest.approx(result.test_metrics()["test_accuracy"], abs=1e-6)


def test_the_card_says_what_is_known_of_data_training_and_test(result: SearchResult) -> None:
    test = result.test_metrics()

    card = card_of(result.study, result.best_trial)

    assert card.scaling == "values 0 to 16 divided by 16"
    assert card.epochs == result.best_trial.user_attrs["epochs"] <= 2
    assert test.items() <= card.metrics.items()
    others = [trial for trial in result.study.trials if trial.number != result.best_trial.number]
    assert not test.keys() & card_of(result.study, others[0]).metrics.keys()


def test_history_has_a_row_a_trial(result: SearchResult) -> None:
    table = result.history()
    assert list(table["number"]) == [trial.number for trial in result.study.trials]
    assert table["value"].max() == result.best_trial.value
    assert "user_attrs_params" in table
    assert "params_layers[1].Dense.units" in table


@pytest.mark.parametrize(
    "name", ["best_metrics", "best_architecture", "best_trial", "stop_reason", "study", "ledger"]
)
def test_by_name_as_by_attribute(result: SearchResult, name: str) -> None:
    assert result[name] == getattr(result, name)


@pytest.mark.parametrize("name", ["best", "_predictor"])
def test_what_is_no_attribute(result: SearchResult, name: str) -> None:
    with pytest.raises(KeyError, match=name):
        result[name]


def test_ledger_and_source(result: SearchResult) -> None:
    assert result.ledger["epochs_trained"] == 6
    assert result.to_source() == result.best_architecture.to_source("pytorch")
    assert "keras" in result.to_source("tensorflow")


def test_front_of_one_objective_is_the_best(result: SearchResult) -> None:
    assert result.pareto_front == {result.best_trial.number: result.best_architecture}


def test_front_of_two_objectives(tmp_path: Path) -> None:
    engine = AutoMLEngine(
        search_strategy="random",
        output_dir=tmp_path,
        metrics=["val_accuracy", "macs"],
        early_stopping="none",
    )
    found = engine.search(SPACE, load_data("digits"), max_trials=3, max_epochs_per_trial=1)
    front = found.pareto_front
    assert set(front) == {trial.number for trial in found.study.best_trials}
    smallest = min(trial.values[1] for trial in found.study.trials)
    assert min(each.cost.macs for each in front.values()) == smallest
    with pytest.raises(StudyError, match="2 objectives and no best trial"):
        found["best_metrics"]


def test_loaded_it_is_what_it_was(result: SearchResult, engine: AutoMLEngine) -> None:
    inputs, _ = load_data("digits").test or ((), ())

    loaded = AutoMLEngine().load_checkpoint(engine.output_dir)

    state = loaded.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in result.weights().items())
    assert loaded.backend == "pytorch"
    assert loaded.test_metrics() == pytest.approx(result.test_metrics())
    assert (loaded.predict(inputs) == result.predict(inputs)).all()
    assert loaded.summary() | {"stop_reason": "budget"} == result.summary()


def test_of_arrays_a_loaded_result_does_not_know_the_form(tmp_path: Path) -> None:
    x, y = load_data("digits").train
    engine = AutoMLEngine(search_strategy="random", output_dir=tmp_path, early_stopping="none")
    found = engine.search(SPACE, (x[:200], y[:200]), max_trials=1, max_epochs_per_trial=1)
    loaded = AutoMLEngine().load_checkpoint(tmp_path)

    assert found.predict(x[:3]).shape == (3,)
    with pytest.raises(StudyError, match="there is no test data"):
        found.test_metrics()
    for ask in (loaded.test_metrics, lambda: loaded.predict(x[:3])):
        with pytest.raises(StudyError, match="use `model`"):
            ask()


def test_other_data_under_the_same_name_is_refused(tmp_path: Path) -> None:
    x, y = load_data("digits").train
    np.savez(tmp_path / "data.npz", x=x[:200], y=y[:200])
    engine = AutoMLEngine(search_strategy="random", output_dir=tmp_path, early_stopping="none")
    data = load_data(str(tmp_path / "data.npz"))
    engine.search(SPACE, data, max_trials=1, max_epochs_per_trial=1)
    np.savez(tmp_path / "data.npz", x=x[200:400], y=y[200:400])

    with pytest.raises(StudyError, match="the data of the study 'Network' is no longer what it"):
        AutoMLEngine().load_checkpoint(tmp_path).predict(x[:3])
