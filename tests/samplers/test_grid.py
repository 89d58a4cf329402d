from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import BaseTrial, TrialState

from neural_automl.exceptions import NoFeasibleArchitectureError
from neural_automl.samplers._define_by_run._enumeration import (
    ContinuousRangeError,
    enumerate_configurations,
)
from neural_automl.samplers.grid import ExhaustiveSampler
from tests.samplers.spaces import cells, cells_value

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study


def _own(trial: BaseTrial) -> int:
    return trial.suggest_int("own_a", 0, 99) + trial.suggest_int("own_b", 0, 99)


class TestContract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ExhaustiveSampler(_own, seed=0)


def numbers(trial: BaseTrial) -> tuple[Any, ...]:
    """Every kind of parameter with an end, one of them conditional: 3 * 2 + 3 * 2 * 3 = 24."""
    kind = trial.suggest_categorical("kind", [None, True])
    width = trial.suggest_int("width", 2, 6, step=2)
    depth = trial.suggest_int("depth", 1, 2, log=True)
    rate = trial.suggest_float("rate", 0.1, 0.3, step=0.1) if kind else None
    return kind, width, depth, rate


def _run(sampler: BaseSampler, suggest: Callable[[BaseTrial], Any] = cells) -> Study:
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: float(len(suggest(trial))))
    return study


def _kinds(study: Study) -> list[tuple[tuple[str, Any], ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials]


def test_each_configuration_of_a_conditional_space_once() -> None:
    study = _run(ExhaustiveSampler(numbers), numbers)

    assert len(study.trials) == len(set(_kinds(study))) == 24
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.user_attrs == {"stop_reason": "space exhausted"}
    assert [list(t.params.values()) for t in study.trials[:3]] == [
        [None, 2, 1],
        [None, 2, 2],
        [None, 4, 1],
    ]


def test_the_last_parameter_changes_fastest() -> None:
    found = ["".join(c.result) for c in enumerate_configurations(cells)]

    assert found == sorted(found)
    assert len(set(found)) == 81


def test_only_feasible_ones_and_each_effect_once() -> None:
    study = _run(
        ExhaustiveSampler(
            cells,
            feasible=lambda cell: cell.count("c") - 1,
            identity=lambda cell: "".join(sorted(cell)),
        )
    )

    assert ["".join(t.params.values()) for t in study.trials] == [
        *("aaaa", "aaab", "aaac", "aabb", "aabc", "abbb", "abbc", "bbbb", "bbbc")
    ]


def test_workers_share_the_work() -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="shared")
    workers = [
        optuna.load_study(
            storage=storage, study_name="shared", sampler=ExhaustiveSampler(cells, seed=0)
        )
        for _ in range(3)
    ]
    for _ in range(27):
        trials = [worker.ask() for worker in workers]
        for trial in trials:
            cells(trial)
        for worker, trial in zip(workers, trials, strict=True):
            worker.tell(trial, cells_value(tuple(trial.params.values())))

    assert len(set(_kinds(workers[0]))) == len(workers[0].trials) == 81
    assert workers[0].user_attrs == {"stop_reason": "space exhausted"}


def test_threads_share_the_work() -> None:
    study = optuna.create_study(sampler=ExhaustiveSampler(cells))
    study.optimize(lambda trial: cells_value(cells(trial)), n_jobs=4)

    trained = [kind for kind in _kinds(study) if kind]
    assert len(trained) == len(set(trained)) == 81


def test_a_restart_goes_on_where_it_was() -> None:
    sampler = ExhaustiveSampler(cells)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=30)
    study.sampler = pickle.loads(pickle.dumps(sampler))
    study.optimize(lambda trial: cells_value(cells(trial)))

    assert len(set(_kinds(study))) == len(study.trials) == 81


def test_what_a_running_trial_gives_back_is_not_left_out() -> None:
    study = optuna.create_study(sampler=ExhaustiveSampler(cells))
    trial = study.ask()
    trial.suggest_categorical("edge_0", ["a", "b", "c"])
    study.optimize(lambda t: cells_value(cells(t)), n_trials=3)
    study._storage.set_trial_system_attr(trial._trial_id, "define_by_run:claim", {})
    study.optimize(lambda t: cells_value(cells(t)), n_trials=1)

    assert ["".join(t.params.values()) for t in study.trials[1:]] == [
        *("aaab", "aaac", "aaba", "aaaa")
    ]


def test_fixed_values_are_completed_with_what_is_new() -> None:
    study = optuna.create_study(sampler=ExhaustiveSampler(cells))
    for _ in range(2):
        study.enqueue_trial({"edge_0": "c", "edge_1": "c", "edge_2": "b"})
    whole = {f"edge_{i}": "a" for i in range(4)}
    study.enqueue_trial(whole)
    study.enqueue_trial(whole)
    study.optimize(lambda trial: cells_value(cells(trial)))
    found = ["".join(t.params.values()) for t in study.trials]

    assert found[:4] == ["ccba", "ccbb", "aaaa", "aaaa"]
    assert len(found) == 82
    assert len(set(found)) == 81


@pytest.mark.parametrize(
    "suggest",
    [
        lambda trial: trial.suggest_float("rate", 0.0, 1.0),
        lambda trial: trial.suggest_float("rate", 0.1, 1.0, log=True),
    ],
    ids=["linear", "log"],
)
def test_a_range_without_end_is_an_error_that_says_what_to_do(
    suggest: Callable[[BaseTrial], Any],
) -> None:
    with pytest.raises(ContinuousRangeError, match=r"`rate` must have an end .* give it a `step`"):
        ExhaustiveSampler(suggest)


def test_nothing_feasible_is_an_error() -> None:
    study = optuna.create_study(sampler=ExhaustiveSampler(cells, feasible=lambda _: False))

    with pytest.raises(NoFeasibleArchitectureError, match="every configuration was looked at"):
        study.optimize(lambda trial: cells_value(cells(trial)))


def test_asking_after_the_last_one() -> None:
    study = _run(ExhaustiveSampler(cells, feasible=lambda cell: "c" not in cell))
    trial = study.ask()

    with pytest.raises(optuna.TrialPruned, match="space exhausted"):
        cells(trial)

    assert len(study.trials) == 17
    assert study.trials[-1].user_attrs == {"infeasible": "space exhausted"}


def test_failed_and_pruned_trials_are_not_tried_again() -> None:
    study = optuna.create_study(sampler=ExhaustiveSampler(cells))

    def objective(trial: optuna.Trial) -> float:
        value = cells_value(cells(trial))
        if value < 3:
            raise RuntimeError
        if value > 6:
            raise optuna.TrialPruned
        return value

    study.optimize(objective, catch=(RuntimeError,))

    assert len(set(_kinds(study))) == len(study.trials) == 81
    assert {t.state.name for t in study.trials} == {"COMPLETE", "FAIL", "PRUNED"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"suggest": None}, TypeError, "`suggest` must be a function of a trial but got None"),
        ({"suggest": lambda trial: 1}, ValueError, "must suggest at least one parameter"),
        ({"feasible": 1}, TypeError, "`feasible` must be a function of a result but got 1"),
        ({"seed": 1.0}, TypeError, "`seed` must be an integer or None but got 1.0"),
    ],
    ids=["no function", "nothing suggested", "feasible", "seed"],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ExhaustiveSampler(**{"suggest": cells, **options})
