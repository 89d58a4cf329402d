from __future__ import annotations

import gc
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.data import Array
from neural_automl.estimators import ArchitectureSearchClassifier, ArchitectureSearchRegressor
from neural_automl.exceptions import DataError

IRIS = ArchitectureSpace((4,), [Layer("Dense", Choice(8, 16, 32), "relu"), Layer("Dense", 3)])
LINE = ArchitectureSpace((3,), [Layer("Dense", Choice(4, 8, 16), "relu"), Layer("Dense", 1)])
SHORT: dict[str, Any] = {"max_trials": 2, "max_epochs_per_trial": 2}


def iris() -> tuple[Array, Array]:
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "versicolor", "virginica"])[y]


def test_a_classifier_of_names() -> None:
    x, y = iris()
    search = ArchitectureSearchClassifier(
        IRIS, max_trials=3, max_epochs_per_trial=30, engine_options={"search_strategy": "random"}
    )
    assert search.fit(x, y) is search

    assert list(search.classes_) == ["setosa", "versicolor", "virginica"]
    assert search.result_.stop_reason == "budget"
    assert search.result_.study.user_attrs["strategy"] == "random"
    assert search.best_metrics_["val_accuracy"] == search.result_.best_trial.value
    assert search.architecture_ == search.result_.best_architecture
    probabilities = search.predict_proba(x)
    assert probabilities.shape == (150, 3)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (search.predict(x) == search.classes_[probabilities.argmax(axis=1)]).all()
    assert search.score(x, y) == accuracy_score(y, search.predict(x)) > 0.5


def test_images_keep_their_shape() -> None:
    digits = load_digits()
    space = ArchitectureSpace(
        (8, 8, 1), ["Flatten", Layer("Dense", Choice(8, 16)), Layer("Dense", 10)]
    )
    images = digits.images[:300, ..., None]
    search = ArchitectureSearchClassifier(space, **SHORT).fit(images, digits.target[:300])
    assert search.predict(images[:7]).shape == (7,)


@pytest.mark.parametrize("outputs", [1, 2], ids=["one", "two"])
def test_a_regressor(outputs: int) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 3))
    y = np.stack([x @ [1.0, -2.0, 0.5], x @ [0.0, 1.0, 1.0]], axis=1)[:, :outputs]
    y = y[:, 0] if outputs == 1 else y
    space = ArchitectureSpace(
        (3,), [Layer("Dense", Choice(8, 16, 32), "relu"), Layer("Dense", outputs)]
    )
    search = ArchitectureSearchRegressor(space, max_trials=2, max_epochs_per_trial=40).fit(x, y)

    assert search.predict(x).shape == y.shape
    assert search.score(x, y) > 0.5  # the mean as an answer has 0
    assert search.result_.best_trial.value == search.best_metrics_["val_mse"]


def test_cloned_cross_validated_and_in_a_pipeline() -> None:
    x, y = iris()
    search = ArchitectureSearchClassifier(
        IRIS, max_trials=2, max_epochs_per_trial=10, validation_split=0.25, seed=3
    )
    twin = clone(search)
    assert twin.get_params(deep=False).keys() == search.get_params(deep=False).keys()
    assert twin.seed == 3
    assert twin.space.to_dsl() == IRIS.to_dsl()

    scores = cross_val_score(make_pipeline(StandardScaler(), search), x, y, cv=2)
    assert scores.shape == (2,)
    assert not hasattr(search, "result_")  # only clones were fitted
    search.set_params(max_trials=1).fit(x, y)
    assert len(search.result_.study.trials) == 1


def test_a_share_is_held_out_by_class() -> None:
    x, y = iris()
    search = ArchitectureSearchClassifier(IRIS, validation_split=0.2)
    (_, kept), (_, held) = search._split(x, np.unique(y, return_inverse=True)[1])
    assert np.bincount(kept).tolist() == [40, 40, 40]
    assert np.bincount(held).tolist() == [10, 10, 10]


def test_pickled_it_predicts_the_same(tmp_path: Path) -> None:
    x, y = iris()
    search = ArchitectureSearchClassifier(IRIS, output_dir=tmp_path, **SHORT).fit(x, y)
    again = pickle.loads(pickle.dumps(search))

    assert (again.predict_proba(x) == search.predict_proba(x)).all()
    assert not hasattr(again, "result_")
    assert (tmp_path / "study.db").is_file()


def test_a_folder_of_its_own_goes_with_the_estimator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    x, y = iris()
    search = ArchitectureSearchClassifier(IRIS, **SHORT).fit(x, y)
    first = search.result_.study
    search.fit(x[:120], y[:120])  # other data: another study
    assert [len(study.trials) for study in (first, search.result_.study)] == [2, 2]
    assert len(list(tmp_path.glob("neural_automl-*/study.db"))) == 2

    del search, first
    gc.collect()
    assert list(tmp_path.glob("neural_automl-*")) == []


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_nothing_before_fit(method: str) -> None:
    x, y = iris()
    search = ArchitectureSearchClassifier(IRIS)
    with pytest.raises(NotFittedError, match="call `fit` first"):
        getattr(search, method)(*((x, y) if method == "score" else (x,)))
    with pytest.raises(NotFittedError):
        ArchitectureSearchRegressor(LINE).predict(x[:, :3])


def test_data_that_does_not_fit() -> None:
    x, y = iris()
    with pytest.raises(DataError, match="of one length but have 150 and 149"):
        ArchitectureSearchClassifier(IRIS).fit(x, y[1:])
    with pytest.raises(DataError, match="one label a sample"):
        ArchitectureSearchClassifier(IRIS).fit(x, np.eye(3)[:150].repeat(50, 0))
    with pytest.raises(DataError, match=r"3 classes but the networks .* end in the shape \(1,\)"):
        ArchitectureSearchClassifier(LINE).fit(x, y)
    with pytest.raises(DataError, match=r"2 classes but the networks .* end in the shape \(3,\)"):
        ArchitectureSearchClassifier(IRIS).fit(x[:100], y[:100])
    with pytest.raises(DataError, match="4"):
        ArchitectureSearchClassifier(IRIS).fit(x[:, :3], y)


def test_one_output_for_two_classes() -> None:
    x, y = iris()
    layers = [Layer("Dense", Choice(4, 8), "relu"), Layer("Dense", 1)]
    search = ArchitectureSearchClassifier(
        ArchitectureSpace((4,), layers), max_trials=1, max_epochs_per_trial=20
    ).fit(x[:100], y[:100])
    assert search.predict_proba(x[:100]).shape == (100, 2)
    assert set(search.predict(x[:100])) <= {"setosa", "versicolor"}
