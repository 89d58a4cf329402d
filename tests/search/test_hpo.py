"""Architectures and training hyperparameters in one search, together and one after the other."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from neural_automl import AutoMLEngine, load_data
from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Choice,
    Layer,
    LogRange,
    Range,
)
from neural_automl.exceptions import SpaceError, StudyError
from neural_automl.registry import is_trained
from neural_automl.search._hpo import (
    CHILDREN,
    _level,
    default_hyperparameters,
    hold_fixed,
    open_training,
)
from neural_automl.search_strategies import SearchStrategy
from tests.search.fakes import CurveEvaluator, small_space, width_of
from tests.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

    from neural_automl.architecture import Architecture

RATE = "optimizer.learning_rate"
DECAY = "optimizer.weight_decay"
BATCH = "training.batch_size"


def quality(architecture: Architecture, epoch: int) -> float:
    """Wide is good, and a learning rate of 0.003."""
    optimizer = architecture.optimizer or Call("Adam")
    rate = optimizer.params.get("learning_rate", 0.001)
    return width_of(architecture) / 100 - abs(log10(rate / 0.003)) / 10


def searched(folder: Path, evaluator: CurveEvaluator, **options: Any) -> Any:
    """Search the small space, by options of the engine and of ``search_with_hpo``."""
    names = ("search_strategy", "metrics", "early_stopping", "study_name")
    engine = AutoMLEngine(
        output_dir=folder,
        **{"search_strategy": "random", "early_stopping": "none"}
        | {name: options.pop(name) for name in names if name in options},
    )
    space = options.pop("space", small_space())
    return engine, engine.search_with_hpo(space, evaluator=evaluator, **options)


# --- what is opened -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hyperparameters", "opened"),
    [
        (
            {},
            {
                RATE: LogRange(1e-4, 1e-2),
                DECAY: Choice(0.0, 1e-5, 1e-4, 1e-3),
                BATCH: Choice(16, 32, 64),
            },
        ),
        (
            {"optimizer": Call("SGD", {"learning_rate": 0.03, "weight_decay": 0.5})},
            {
                RATE: LogRange(0.003, 0.3),
                DECAY: Choice(0.0, 1e-5, 1e-4, 1e-3, 0.5),
                BATCH: Choice(16, 32, 64),
            },
        ),
        (
            {"optimizer": "AdamW", BATCH: 1},
            {
                RATE: LogRange(1e-4, 1e-2),
                DECAY: Choice(0.0, 1e-3, 1e-2, 1e-1),
                BATCH: Choice(1, 2),
            },
        ),
        (
            {
                RATE: Call("CosineDecay", {"initial_learning_rate": 0.1, "alpha": 0.5}),
                DECAY: Choice(0.0, 0.1),
                BATCH: Range(16, 64, 16),
            },
            {
                RATE: Call(
                    "CosineDecay", {"initial_learning_rate": LogRange(0.01, 1.0), "alpha": 0.5}
                )
            },
        ),
        (
            {RATE: Call("CosineDecay", {"initial_learning_rate": LogRange(0.01, 1.0)})},
            {DECAY: Choice(0.0, 1e-5, 1e-4, 1e-3), BATCH: Choice(16, 32, 64)},
        ),
    ],
    ids=["nothing said", "sgd", "decoupled decay", "a schedule", "open already"],
)
def test_what_a_space_fixes_is_opened_around_it(
    hyperparameters: dict[str, Any], opened: dict[str, Any]
) -> None:
    assert default_hyperparameters(small_space(hyperparameters=hyperparameters)) == opened


def test_what_is_asked_for_is_opened_alone() -> None:
    space = small_space(hyperparameters={BATCH: 8}, constraints={"params": 60})

    opened = open_training(space, {"training": {"patience": Choice(2, 4)}, RATE: 0.5})

    assert opened.decisions().keys() - space.decisions().keys() == {"training.patience"}
    assert opened.sample_architecture().training["batch_size"] == 8
    assert opened.constraints == space.constraints
    assert space == small_space(hyperparameters={BATCH: 8}, constraints={"params": 60})


@pytest.mark.parametrize("name", SPACES)
def test_of_a_fixed_architecture_the_training_alone_is_open(name: str) -> None:
    space = SPACES[name]()
    architecture = space.sample_architecture(seed=0, feasible=False)

    fixed = hold_fixed(space, architecture)

    assert fixed.get_search_space_size(training=False) == 1
    assert {RATE, DECAY, BATCH} & fixed.decisions().keys()
    drawn = fixed.sample_architecture(seed=0)
    assert drawn.layers == architecture.layers
    assert drawn.key == architecture.key
    # A study keeps it as text.
    assert ArchitectureSpace.from_dsl(fixed.to_dsl()) == fixed


# --- together -------------------------------------------------------------------------------------


def test_joint_is_one_search_of_both(tmp_path: Path) -> None:
    evaluator = CurveEvaluator(quality)

    engine, result = searched(tmp_path, evaluator, n_trials=8)
    summary = engine.get_search_summary()
    _, again = searched(tmp_path, evaluator, n_trials=9)

    assert {RATE, DECAY, BATCH, "layers[0].Dense.units"} <= result.best_trial.params.keys()
    assert result.studies == ("Network",)
    assert summary["trained_in"] == {"Network": 8}
    assert again.stop_reason == "budget"
    assert len(evaluator.trained) == 9


def test_joint_takes_several_metrics(tmp_path: Path) -> None:
    _, result = searched(tmp_path, CurveEvaluator(), n_trials=4, metrics=["val_accuracy", "macs"])

    assert result.pareto_front
    assert all(RATE in trial.params for trial in result.study.trials)


# --- one after the other --------------------------------------------------------------------------


def test_sequential_holds_the_best_fixed_and_searches_their_training(tmp_path: Path) -> None:
    evaluator = CurveEvaluator(quality)
    seen: list[str] = []

    engine, result = searched(
        tmp_path,
        evaluator,
        mode="sequential",
        n_trials=20,
        architecture_trials=7,
        top_k=2,
        callbacks=[lambda study, trial: seen.append(study.study_name)],
    )

    root, *children = result.studies
    storage = result.study._storage
    first = optuna.load_study(study_name=root, storage=storage)
    ranked = sorted(first.trials, key=lambda trial: (-(trial.value or 0), trial.number))
    numbers = list(first.user_attrs[CHILDREN].values())
    assert (root, len(children)) == ("Network", 2)
    assert children == [f"Network-trial{number}" for number in numbers]
    assert numbers[0] == ranked[0].number
    assert list(engine.get_search_summary()["trained_in"].items()) == [
        *zip(result.studies, (7, 7, 6), strict=True)
    ]
    assert len(evaluator.trained) == len(seen) == 20
    assert set(seen) == set(result.studies)
    for number, name in zip(numbers, children, strict=True):
        trials = optuna.load_study(study_name=name, storage=storage).trials
        assert all(trial.params.keys() == {RATE, DECAY, BATCH} for trial in trials)
        key = first.trials[number].user_attrs["architecture_key"]
        assert {trial.user_attrs["architecture_key"] for trial in trials} == {key}
    # The best of all studies; of the fixed learning rate it was less.
    values = [quality(architecture, 1) for architecture in evaluator.trained]
    assert result.best_trial.value == max(values) > (ranked[0].value or 0)
    assert result.study.study_name in children
    assert width_of(result.best_architecture) == 32


def test_sequential_goes_on(tmp_path: Path) -> None:
    evaluator = CurveEvaluator(quality)
    options: dict[str, Any] = {"mode": "sequential", "top_k": 2, "architecture_trials": 5}

    _, stopped = searched(tmp_path, evaluator, n_trials=12, callbacks=[_stop_at(8)], **options)
    assert (stopped.stop_reason, len(evaluator.trained)) == ("stopped", 8)
    _, whole = searched(tmp_path, evaluator, n_trials=12, **options)
    assert (whole.stop_reason, len(evaluator.trained)) == ("budget", 12)
    _, nothing = searched(tmp_path, evaluator, n_trials=12, **options)
    assert (nothing.stop_reason, len(evaluator.trained)) == ("trained already", 12)
    assert nothing.best_trial == whole.best_trial
    _, more = searched(tmp_path, evaluator, n_trials=16, **options)
    assert (more.stop_reason, len(evaluator.trained)) == ("budget", 16)
    assert more.studies == whole.studies


def _stop_at(count: int) -> Any:
    seen = []

    def stop(study: optuna.Study, trial: Any) -> None:
        seen.append(trial)
        if len(seen) == count:
            study.stop()

    return stop


def test_what_the_architectures_do_not_need_their_training_gets(tmp_path: Path) -> None:
    evaluator = CurveEvaluator(quality)

    engine, result = searched(
        tmp_path, evaluator, mode="sequential", n_trials=30, architecture_trials=20, top_k=1
    )

    assert list(engine.get_search_summary()["trained_in"].values()) == [8, 22]
    assert result.stop_reason == "budget"


def test_what_one_study_leaves_the_next_one_gets(tmp_path: Path) -> None:
    _, result = searched(
        tmp_path,
        CurveEvaluator(quality),
        mode="sequential",
        n_trials=12,
        architecture_trials=4,
        top_k=2,
        hyperparameters={BATCH: Choice(8, 16)},
    )

    assert list(result.summary()["trained_in"].values()) == [4, 2, 2]
    assert result.stop_reason == "budget"


def test_a_timeout_is_for_all_of_it(tmp_path: Path) -> None:
    _, result = searched(
        tmp_path, CurveEvaluator(quality), mode="sequential", n_trials=10**6, timeout=0.5
    )

    assert result.stop_reason == "timeout"
    assert result.best_metrics["val_accuracy"] > 0


def test_where_no_training_ends_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    engine = AutoMLEngine(
        output_dir=tmp_path,
        search_strategy="random",
        early_stopping="threshold",
        early_stopping_options={"upper": 0.0},
    )

    result = engine.search_with_hpo(
        small_space(), evaluator=CurveEvaluator(), mode="sequential", n_trials=6
    )

    assert result.studies == ("Network",)
    with pytest.raises(StudyError, match="no trial of the study 'Network' completed"):
        _ = result.best_trial


class First(SearchStrategy):
    """Draws, and keeps what it was told of."""

    def __init__(self) -> None:
        super().__init__("first")

    def suggest(self, space: ArchitectureSpace, trial_number: int) -> Architecture:
        for architecture, _ in self.history:
            space.choices_of(architecture)  # raises for one of another space
        return space.sample_architecture(seed=trial_number)


@pytest.mark.parametrize(
    "strategy", ["tpe", First(), optuna.samplers.TPESampler(seed=0)], ids=lambda s: type(s).__name__
)
def test_each_study_has_a_strategy_that_knows_it_alone(tmp_path: Path, strategy: Any) -> None:
    _, result = searched(
        tmp_path,
        CurveEvaluator(quality),
        search_strategy=strategy,
        mode="sequential",
        n_trials=12,
        top_k=2,
    )

    assert list(result.summary()["trained_in"].values()) == [6, 3, 3]


def test_loaded_it_is_the_best_and_its_search_goes_on(tmp_path: Path) -> None:
    evaluator = CurveEvaluator(quality)
    _, result = searched(tmp_path, evaluator, mode="sequential", n_trials=12)
    engine = AutoMLEngine(search_strategy="random", early_stopping="none")

    loaded = engine.load_checkpoint(tmp_path)
    engine.search_with_hpo(small_space(), evaluator=evaluator, mode="sequential", n_trials=14)

    assert loaded.best_trial == result.best_trial
    assert sorted(loaded.studies) == sorted(result.studies)
    assert loaded.stop_reason == "loaded"
    assert len(evaluator.trained) == 14
    alone = AutoMLEngine(output_dir=tmp_path).load_checkpoint(tmp_path, "Network")
    assert alone.studies == ("Network",)


def test_of_two_searches_one_must_be_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        searched(tmp_path, CurveEvaluator(), mode="sequential", n_trials=4, study_name=name)

    with pytest.raises(StudyError, match="say which study with its name"):
        AutoMLEngine().load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "both"}, "`mode` must be one of joint, sequential but got 'both'"),
        ({"n_trials": 0}, "`n_trials` must be at least 1 but got 0"),
        ({"mode": "sequential", "n_trials": 1}, "at least 2 in sequence but got 1"),
        ({"mode": "sequential", "top_k": 0}, "`top_k` must be at least 1 but got 0"),
        ({"architecture_trials": 3}, "`architecture_trials` is of the mode sequential"),
        (
            {"mode": "sequential", "n_trials": 5, "architecture_trials": 5},
            "below `n_trials`, 5, but got 5",
        ),
        ({"mode": "sequential", "metrics": ["val_accuracy", "macs"]}, "give mode='joint'"),
        (
            {"mode": "sequential", "search_strategy": "grid"},
            "grid search needs a space with an end",
        ),
        ({"search_strategy": "grid"}, "grid search needs a space with an end"),
    ],
    ids=str,
)
def test_wrong_options_are_said_before_anything_is_trained(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    evaluator = CurveEvaluator()

    with pytest.raises(ValueError, match=message):
        searched(tmp_path, evaluator, **options)

    assert not evaluator.trained
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize("mode", ["joint", "sequential"])
def test_a_wrong_hyperparameter_is_said_before_anything_is_trained(
    tmp_path: Path, mode: Any
) -> None:
    evaluator = CurveEvaluator()

    with pytest.raises(SpaceError, match="no parameter 'batch'; did you mean batch_size"):
        searched(tmp_path, evaluator, mode=mode, hyperparameters={"training.batch": Choice(8, 16)})

    assert not evaluator.trained


@pytest.mark.parametrize("mode", ["joint", "sequential"])
def test_digits(tmp_path: Path, mode: Any) -> None:
    layers = ["Flatten", Layer("Dense", Choice(16, 32), activation="relu"), Layer("Dense", 10)]
    digits = load_data("digits")
    engine = AutoMLEngine(output_dir=tmp_path, search_strategy="random", early_stopping="none")

    result = engine.search_with_hpo(
        ArchitectureSpace((8, 8, 1), layers).to_dsl(),
        digits,
        n_trials=4,
        mode=mode,
        top_k=1,
        max_epochs_per_trial=2,
    )

    assert sum(result.summary()["trained_in"].values()) == 4
    assert sum(map(is_trained, result.study.trials)) in (2, 4)
    inputs, labels = digits.test or ((), ())
    assert result.predict(inputs).shape == (len(labels),)
    assert result.study.user_attrs["settings"]["data"]["source"] == "digits"


@pytest.mark.parametrize(
    ("trained", "spare", "level"),
    [([0, 0], 13, 7), ([7, 0], 6, 6), ([7, 0], 8, 8), ([2, 0, 2], 1, 1), ([5], 0, 5), ([0], 3, 3)],
    ids=str,
)
def test_what_is_spare_evens_out(trained: list[int], spare: int, level: int) -> None:
    assert _level(trained, spare) == level
