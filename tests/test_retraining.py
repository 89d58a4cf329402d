"""The best networks trained again: on all data, with several seeds, and compared."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader, TensorDataset

from neural_automl import ArchitectureObjective, ArchitectureSpace
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext, on_everything
from neural_automl.exceptions import DataError, DivergenceError, EvaluationError, StudyError
from neural_automl.retraining import ATTRIBUTE, Retrained, retrain
from neural_automl.retraining._comparison import compare, not_told_apart
from tests.evaluation.helpers import blobs, dense, images, plane

SPACE = """network Blobs {
  input: (4,)
  layers:
    Dense(choice(1, 16), "relu")
    Dense(choice(8, 9), "relu")
    Dense(%s)
  optimizer: Adam(learning_rate=0.05)
  train { epochs: 2 }
}"""


def data(count: int = 90, classes: int = 3) -> dict[str, Any]:
    train, validation, test = (blobs(count, classes, seed=seed) for seed in (0, 1, 2))
    return {"train_data": train, "validation_data": validation, "test_data": test}


def evaluator_of(given: dict[str, Any] | None = None, **options: Any) -> ArchitectureEvaluator:
    return ArchitectureEvaluator(**(given or data()), device="cpu", **options)


def searched(
    evaluator: ArchitectureEvaluator,
    units: str = "3",
    *,
    metrics: Any = "val_accuracy",
    trials: int = 4,
    directions: Any = ("maximize",),
) -> optuna.Study:
    space = ArchitectureSpace.from_dsl(SPACE % units)
    sampler = optuna.samplers.GridSampler(
        {"layers[0].Dense.units": [1, 16], "layers[1].Dense.units": [8, 9]}, seed=0
    )
    study = optuna.create_study(directions=directions, sampler=sampler, study_name="blobs")
    study.optimize(ArchitectureObjective(space, evaluator, metrics=metrics), n_trials=trials)
    return study


@pytest.fixture(scope="module")
def evaluator() -> ArchitectureEvaluator:
    return evaluator_of()


@pytest.fixture(scope="module")
def study(evaluator: ArchitectureEvaluator) -> optuna.Study:
    return searched(evaluator)


@pytest.fixture(scope="module")
def found(study: optuna.Study, evaluator: ArchitectureEvaluator) -> Retrained:
    return retrain(study, evaluator=evaluator, top_k=4, epochs=3, seeds=4)


# --- the comparison ------------------------------------------------------------------------------


def test_a_pair_is_compared_as_by_scipy() -> None:
    one, other = [0.9, 0.8, 0.85, 0.95], [0.7, 0.78, 0.8, 0.9]

    (found,) = compare({3: other, 5: one}, maximize=True)

    expected = stats.ttest_rel(one, other)
    interval = expected.confidence_interval(0.95)
    assert (found.better, found.other) == (5, 3)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx((interval.low, interval.high))
    assert found.told_apart == (expected.pvalue < 0.05)


def test_more_pairs_need_a_larger_difference() -> None:
    scores = {0: [0.9, 0.8, 0.85, 0.95], 1: [0.8, 0.72, 0.8, 0.84]}

    (alone,) = compare(scores, maximize=True)
    among = compare({**scores, 2: [0.1, 0.5, 0.2, 0.3]}, maximize=True)[0]

    assert alone.told_apart
    assert among.p_value == pytest.approx(3 * alone.p_value)
    assert among.interval[0] < alone.interval[0]


@pytest.mark.parametrize(
    ("one", "other", "told_apart"),
    [
        ([0.5, 0.6], [0.5, 0.6], False),
        ([1.0, 1.0], [1.0, 1.0], False),
        ([0.75, 1.0], [0.5, 0.75], True),
        ([0.9, 0.1, 0.5], [0.1, 0.9, 0.4], False),
    ],
    ids=["equal", "perfect", "always as far apart", "noise"],
)
def test_who_is_told_apart(one: list[float], other: list[float], told_apart: bool) -> None:
    comparisons = compare({0: one, 1: other}, maximize=True)

    assert comparisons[0].told_apart == told_apart
    assert (comparisons[0].p_value < 0.05) == told_apart
    assert not_told_apart(0, comparisons) == ([] if told_apart else [1])


def test_a_smaller_loss_is_better() -> None:
    (found,) = compare({0: [0.5, 0.7], 1: [0.1, 0.2]}, maximize=False)

    assert (found.better, found.other) == (1, 0)
    assert found.difference == pytest.approx(0.45)


def test_one_seed_compares_nothing() -> None:
    assert compare({0: [0.5], 1: [0.9]}, maximize=True) == []


def test_equal_networks_are_seldom_told_apart(verify: bool) -> None:
    rng = np.random.default_rng(0)
    rounds = 4000 if verify else 600

    wrong = sum(
        any(
            each.told_apart
            for each in compare(dict(enumerate(rng.normal(size=(3, 5)).tolist())), maximize=True)
        )
        for _ in range(rounds)
    )

    # Three standard deviations above a rate of 5 %.
    assert wrong / rounds < 0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5


# --- all data but the test -----------------------------------------------------------------------


def sizes(evaluator: ArchitectureEvaluator) -> tuple[int, int]:
    made = on_everything(evaluator)
    placed = made._place(dense(), SimpleNamespace(validation_split=0.2), torch.device("cpu"))  # type: ignore[arg-type]
    one, other = (sum(len(x) for x, _ in part.whole(7)) for part in placed)
    return one, other


def tensors(count: int) -> TensorDataset:
    return TensorDataset(*map(torch.as_tensor, blobs(count)))


@pytest.mark.parametrize(
    ("train", "validation", "expected"),
    [
        (blobs(60), blobs(30), (90, 30)),
        (blobs(60), None, (60, 12)),
        (DataLoader(tensors(60), 8, shuffle=True), blobs(30), (90, 30)),
        (DataLoader(tensors(60), 8), DataLoader(tensors(30), 8), (90, 30)),
    ],
    ids=["arrays", "one set of data", "a loader and arrays", "loaders"],
)
def test_networks_are_trained_on_all_but_the_test_data(
    train: Any, validation: Any, expected: tuple[int, int]
) -> None:
    evaluator = ArchitectureEvaluator(train, validation, device="cpu", keep="best")

    assert sizes(evaluator) == expected
    before = evaluator.data_fingerprint
    assert on_everything(evaluator).data_fingerprint != before or validation is None
    assert evaluator.data_fingerprint == before


def test_an_epoch_has_all_batches_of_loaded_data_mixed() -> None:
    loaders = (DataLoader(tensors(count), 8) for count in (64, 32))
    evaluator = on_everything(ArchitectureEvaluator(*loaders, device="cpu"))
    placed, _ = evaluator._place(
        dense(),
        SimpleNamespace(validation_split=0.2),  # type: ignore[arg-type]
        torch.device("cpu"),
    )

    first, second = (
        [x[0].tolist() for x, _ in placed.training(8, torch.Generator().manual_seed(seed))]
        for seed in (0, 1)
    )

    assert placed.steps(8) == len(first) == 12
    assert first != second
    assert sorted(first) == sorted(second)


def test_ids_and_images_are_joined() -> None:
    one, other = (np.random.default_rng(s).integers(0, 5 + s, (9, 4)) for s in (0, 1))
    joined = on_everything(
        ArchitectureEvaluator((one, np.arange(9) % 3), (other, np.arange(9) % 2))
    )._train

    assert joined.description.ids == (0, 5)
    assert joined.description.classes == 3
    assert [len(part.description.sample_shape) for part in joined.split(0.3, 0)] == [1, 1]
    assert len(list(joined.arrays())) == 4


# --- trained again -------------------------------------------------------------------------------


def test_each_network_is_trained_with_each_seed_and_ranked(
    found: Retrained, study: optuna.Study, evaluator: ArchitectureEvaluator
) -> None:
    assert found.metric == "test_accuracy"
    assert {each.trial for each in found.candidates} == {0, 1, 2, 3}
    means = [each.mean("test_accuracy") for each in found.candidates]
    assert means == sorted(means, reverse=True)
    for each in found.candidates:
        assert [run.seed for run in each.runs] == [0, 1, 2, 3]
        assert each.epochs == 3
        assert each.spread("test_accuracy") == np.std(each.scores("test_accuracy"), ddof=1)
    run = found.best.runs[1]
    assert evaluator.measure_test(found.best.architecture, run.weights) == run.metrics
    assert len(found.comparisons) == 6


def test_a_run_is_that_of_the_evaluator_on_all_data(
    found: Retrained, evaluator: ArchitectureEvaluator
) -> None:
    kept: dict[str, Any] = {}
    context = EvaluationContext(epochs=3, seed=2, keep_weights=kept.update)

    on_everything(evaluator).evaluate(found.best.architecture, context)

    assert all(torch.equal(kept[name], w) for name, w in found.best.runs[2].weights.items())


def test_the_study_keeps_the_summary(found: Retrained, study: optuna.Study) -> None:
    kept = study.user_attrs[ATTRIBUTE]

    assert kept == found.to_dict()
    assert [each["trial"] for each in kept["candidates"]] == [c.trial for c in found.candidates]
    assert kept["verdict"] == found.verdict


def test_networks_that_are_equally_good_have_no_winner(
    study: optuna.Study, evaluator: ArchitectureEvaluator
) -> None:
    found = retrain(study, evaluator=evaluator, top_k=2, epochs=12, seeds=[7, 9])

    assert found.best.mean("test_accuracy") == 1
    assert found.winner is None
    assert found.equals == [found.candidates[1].trial]
    assert found.verdict.startswith("Not told apart: trial")
    assert "paired t-test over 2 seeds, Bonferroni for 1 pair)" in found.verdict


def test_a_better_network_wins(evaluator: ArchitectureEvaluator) -> None:
    study = searched(evaluator, trials=4)

    class OneIsWorse(ArchitectureEvaluator):
        def measure_test(self, architecture: Any, *rest: Any, **more: Any) -> dict[str, float]:
            wide = architecture.cost.params > 100
            return {"test_accuracy": (0.9 if wide else 0.2) + float(torch.rand(()) * 0.01)}

    torch.manual_seed(0)
    narrow = {t.number for t in study.trials if t.params["layers[0].Dense.units"] == 1}
    good, bad = min(set(range(4)) - narrow), min(narrow)

    found = retrain(study, evaluator=OneIsWorse(**data(), device="cpu"), top_k=4, epochs=1, seeds=3)

    assert narrow.isdisjoint({found.best.trial, *found.equals})
    pairs = {(each.better, each.other): each for each in found.comparisons}
    assert pairs[good, bad].told_apart
    two = optuna.create_study(direction="maximize")
    two.set_user_attr("space", study.user_attrs["space"])
    two.add_trials([study.trials[good], study.trials[bad]])
    alone = retrain(two, evaluator=OneIsWorse(**data(), device="cpu"), epochs=1, seeds=3)
    assert alone.winner is alone.best
    assert alone.verdict.startswith("Trial 0 wins: it is ahead of every other network")


def test_by_default_twice_as_long_and_by_the_metric_of_the_search() -> None:
    evaluator = evaluator_of(metrics=["accuracy", "f1"])
    study = searched(evaluator, metrics="val_loss", directions=("minimize",), trials=2)
    told: list[tuple[int, int]] = []

    found = retrain(
        study,
        evaluator=evaluator,
        top_k=1,
        seeds=2,
        callback=lambda trial, seed, metrics: told.append((trial, seed)),
    )

    assert found.metric == "test_loss"
    assert found.best.epochs == 4
    assert told == [(study.best_trial.number, 0), (study.best_trial.number, 1)]
    assert found.winner is None
    assert "trained alone" in found.verdict
    asked = retrain(study, evaluator=evaluator, top_k=1, epochs=1, seeds=2, metric="val_f1")
    assert asked.metric == "test_f1"


def test_the_front_of_several_objectives_is_trained(evaluator: ArchitectureEvaluator) -> None:
    directions = ("maximize", "minimize")
    study = searched(evaluator, metrics=["val_accuracy", "params"], directions=directions)

    found = retrain(study, evaluator=evaluator, top_k=9, epochs=1, seeds=2)

    assert {each.trial for each in found.candidates} == {t.number for t in study.best_trials}


def test_networks_that_compute_the_same_are_trained_once(
    evaluator: ArchitectureEvaluator,
) -> None:
    study = searched(evaluator, trials=2)
    study.add_trial(study.best_trial)

    found = retrain(study, evaluator=evaluator, top_k=3, epochs=1, seeds=2)

    assert len(found.candidates) == 2


# --- predictions ---------------------------------------------------------------------------------


def test_predictions_are_those_of_the_first_seed(
    found: Retrained, evaluator: ArchitectureEvaluator
) -> None:
    x, y = blobs(90, seed=2)

    labels, probabilities = found.predict(x), found.predict_proba(x)

    assert labels.dtype.kind == "i"
    assert (labels == y).mean() == pytest.approx(found.best.runs[0].metrics["test_accuracy"])
    assert probabilities.shape == (90, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (probabilities.argmax(axis=1) == labels).all()
    model = found.best.architecture.build("pytorch").eval()
    model.load_state_dict(dict(found.weights()))
    with torch.no_grad():
        expected = torch.softmax(model(torch.from_numpy(x)), dim=1).numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


def test_an_ensemble_is_the_mean_of_all_seeds(found: Retrained) -> None:
    x, _ = blobs(9, seed=3)
    model = found.best.architecture.build("pytorch").eval()
    each = []
    for run in found.best.runs:
        model.load_state_dict(dict(run.weights))
        with torch.no_grad():
            each.append(torch.softmax(model(torch.from_numpy(x)), dim=1).numpy())

    np.testing.assert_allclose(
        found.predict_proba(x, ensemble=True), np.mean(each, axis=0), atol=1e-6
    )
    assert (found.predict(x, ensemble=True) == np.mean(each, axis=0).argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("units", "make", "loss", "predicted", "probable"),
    [
        ("1", lambda s: plane(60, seed=s), None, (60,), None),
        ("2", lambda s: plane(60, 2, seed=s), None, (60, 2), None),
        ("1", lambda s: blobs(60, 2, seed=s), None, (60,), (60, 2)),
    ],
    ids=["a value", "values", "yes or no"],
)
def test_predictions_of_other_tasks(
    units: str, make: Any, loss: None, predicted: tuple[int, ...], probable: Any
) -> None:
    parts = {f"{name}_data": make(s) for s, name in enumerate(("train", "validation", "test"))}
    evaluator = evaluator_of(parts)
    metric = "val_accuracy" if probable else "val_mse"
    directions = ("maximize" if probable else "minimize",)
    study = searched(evaluator, units, metrics=metric, directions=directions, trials=4)

    found = retrain(study, evaluator=evaluator, top_k=1, epochs=25, seeds=2)

    x, y = parts["test_data"]
    assert found.predict(x).shape == predicted
    if probable is None:
        error = float(((found.predict(x) - y) ** 2).mean())
        assert error == pytest.approx(found.best.runs[0].metrics["test_mse"], rel=1e-4)
        with pytest.raises(EvaluationError, match="predicts values, which have no probabilities"):
            found.predict_proba(x)
    else:
        probabilities = found.predict_proba(x)
        assert probabilities.shape == probable
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        assert (found.predict(x) == y).mean() > 0.9


def test_inputs_that_do_not_fit_are_refused(found: Retrained) -> None:
    with pytest.raises(DataError, match=r"samples of shape \(5,\) do not fit the input shape"):
        found.predict(np.zeros((2, 5), np.float32))
    with pytest.raises(DataError, match="is empty"):
        found.predict_proba(np.zeros((0, 4), np.float32))


def test_the_best_network_is_exported_with_what_was_measured(
    found: Retrained, tmp_path: Path
) -> None:
    files = found.export(tmp_path / "best", ["pytorch"])

    card = (tmp_path / "best" / "README.md").read_text()
    assert [file.name for file in files] == ["model.py", "README.md", "weights.safetensors"]
    assert "| test_accuracy (mean of 4 seeds) |" in card
    assert "3 epochs on training and validation data" in card


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "`top_k` must be at least 1 but got 0"),
        ({"epochs": 0}, "`epochs` must be at least 1 but got 0"),
        ({"seeds": 1}, "`seeds` must be at least 2, .*but got 1"),
        ({"seeds": [3, 3]}, r"2 different numbers, .*but got \[3, 3\]"),
        ({"metric": "f2"}, "`metric` must be among test_accuracy, test_loss but got 'f2'"),
    ],
    ids=["top_k", "epochs", "seeds", "equal seeds", "metric"],
)
def test_options_out_of_range(
    study: optuna.Study, evaluator: ArchitectureEvaluator, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        retrain(study, evaluator=evaluator, **options)


def test_a_study_without_a_completed_trial(evaluator: ArchitectureEvaluator) -> None:
    empty = optuna.create_study(study_name="none", direction="maximize")
    empty.set_user_attr("space", SPACE % 3)

    with pytest.raises(StudyError, match="no trial of the study 'none' completed"):
        retrain(empty, evaluator=evaluator)


def test_data_without_a_test_part_or_of_another_split(study: optuna.Study) -> None:
    with pytest.raises(StudyError, match="there is no test data to compare networks on"):
        retrain(study)
    with pytest.raises(StudyError, match="there is no test data"):
        retrain(study, evaluator=ArchitectureEvaluator(blobs(), blobs()))
    with pytest.raises(StudyError, match="was trained on other data, or on another split"):
        retrain(study, evaluator=evaluator_of(data(60)))


def test_a_network_that_diverges_is_told_and_left_out(study: optuna.Study) -> None:
    class Diverging(ArchitectureEvaluator):
        def evaluate(self, architecture: Any, context: Any) -> dict[str, float]:
            if architecture.cost.params > 100:
                raise DivergenceError("the loss became nan in epoch 1")
            return super().evaluate(architecture, context)

    found = retrain(study, evaluator=Diverging(**data(), device="cpu"), top_k=4, epochs=1, seeds=2)

    assert len(found.candidates) == len(found.failed) == 2
    assert set(found.failed.values()) == {"the loss became nan in epoch 1"}
    one = searched(evaluator_of(), trials=1)

    class Always(ArchitectureEvaluator):
        def evaluate(self, architecture: Any, context: Any) -> dict[str, float]:
            raise DivergenceError("nan")

    with pytest.raises(EvaluationError, match="no network could be trained again: trial 0: nan"):
        retrain(one, evaluator=Always(**data(), device="cpu"))


def test_images_are_predicted_in_either_layout() -> None:
    pictures, labels = images(30, (6, 6, 2))
    space = ArchitectureSpace.from_dsl(
        "network P { input: (6, 6, 2) layers: Conv2D(3, 3) Flatten() Dense(choice(3, 4)) }"
    )
    parts = dict.fromkeys(("train_data", "validation_data", "test_data"), (pictures, labels))
    evaluator = evaluator_of(parts)
    study = optuna.create_study(direction="maximize")
    study.optimize(ArchitectureObjective(space, evaluator, epochs=1), n_trials=1)

    found = retrain(study, evaluator=evaluator, epochs=1, seeds=2)

    first = found.predict_proba(pictures.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found.predict_proba(pictures), first, atol=1e-6)
