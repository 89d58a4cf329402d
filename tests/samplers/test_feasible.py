from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, TrialState

from neural_automl.exceptions import NoFeasibleArchitectureError
from neural_automl.samplers._define_by_run import draw
from neural_automl.samplers.feasible import FeasibleSampler
from tests.samplers.spaces import cells, cells_value, tree, tree_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study

BASES: dict[str, Callable[[], BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=4),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=4),
    "gp": lambda: optuna.samplers.GPSampler(
        seed=0, n_startup_trials=4, warn_independent_sampling=False
    ),
}
base = pytest.mark.parametrize("make_base", BASES.values(), ids=BASES)


def _own(trial: BaseTrial) -> float:
    # Names of its own: the suites' objectives know nothing of them.
    return trial.suggest_float("own_a", 0, 1) + trial.suggest_int("own_b", 0, 9)


class _Contract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase): ...


class TestOverRandom(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["random"](), suggest=_own, seed=0)


class TestOverTPE(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["tpe"](), suggest=_own, seed=0)


class TestOverNSGAII(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["nsga2"](), suggest=_own, seed=0)


class TestOverGP(_Contract):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(BASES["gp"](), suggest=_own, seed=0)


def _few_c(cell: tuple[str, ...]) -> float:
    """All "a", or all but one, which is "c": 5 of 81 cells."""
    return cell.count("c") + 2 * cell.count("b") - 1


def _run(sampler: BaseSampler, n_trials: int, suggest: Callable[[BaseTrial], Any] = cells) -> Study:
    study = optuna.create_study(sampler=sampler)
    value = cells_value if suggest is cells else tree_value
    study.optimize(lambda trial: value(suggest(trial)), n_trials=n_trials)
    return study


def _completed(study: Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials if trial.state is TrialState.COMPLETE]


def _distinct(configurations: list[dict[str, Any]]) -> int:
    return len({tuple(sorted(params.items())) for params in configurations})


@base
def test_nothing_infeasible_and_nothing_twice(make_base: Callable[[], BaseSampler]) -> None:
    sampler = FeasibleSampler(
        make_base(), suggest=cells, feasible=lambda cell: cell.count("b") <= 1, seed=0
    )

    completed = _completed(_run(sampler, 30))

    assert len(completed) == _distinct(completed) == 30
    assert all(list(params.values()).count("b") <= 1 for params in completed)


@base
@pytest.mark.parametrize("answer", ["number", "bool"])
def test_a_tight_space_is_trained_to_its_end(
    make_base: Callable[[], BaseSampler], answer: str
) -> None:
    def feasible(cell: tuple[str, ...]) -> bool | float:
        return _few_c(cell) if answer == "number" else _few_c(cell) <= 0

    study = _run(FeasibleSampler(make_base(), suggest=cells, feasible=feasible, seed=0), 50)

    assert _distinct(_completed(study)) == 5
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert study.trials[-1].user_attrs == {"infeasible": "space exhausted"}
    assert study.trials[-1].params == {}
    assert study.user_attrs == {"stop_reason": "space exhausted"}


def test_what_is_the_same_in_effect_comes_once() -> None:
    sampler = FeasibleSampler(
        BASES["tpe"](), suggest=cells, identity=lambda cell: "".join(sorted(cell)), seed=0
    )

    study = _run(sampler, 100)

    kinds = {"".join(sorted(params.values())) for params in _completed(study)}
    assert len(kinds) == len(_completed(study)) == 15


def test_one_feasible_configuration_of_a_million_is_found() -> None:
    def suggest(trial: BaseTrial) -> list[int]:
        return [trial.suggest_int(f"width_{i}", 1, 32) for i in range(4)]

    sampler = FeasibleSampler(
        BASES["random"](), suggest=suggest, feasible=lambda widths: sum(widths) - 4, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sum(suggest(trial)), n_trials=1)

    assert study.best_value == 4


def test_the_nearest_is_taken_first() -> None:
    # From all "a", one edit is enough, and every cell with one "c" is as near as any other.
    class AllA(BaseSampler):
        def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
            return {}

        def sample_relative(self, *_: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, *_: Any) -> Any:
            return "a"

    found = []
    for seed in range(12):
        sampler = FeasibleSampler(
            AllA(), suggest=cells, feasible=lambda cell: "c" in cell, seed=seed
        )
        study = _run(sampler, 1)
        found.append(list(study.trials[0].params.values()))

    assert all(cell.count("a") == 3 and cell.count("c") == 1 for cell in found)
    assert len({cell.index("c") for cell in found}) > 1


def test_few_evaluations_where_a_fifth_is_feasible() -> None:
    def suggest(trial: BaseTrial) -> list[int]:
        return [trial.suggest_categorical(f"op_{i}", [0, 1, 2, 3, 9]) for i in range(6)]

    every = np.add.outer(
        *[np.add.outer(np.add.outer(w, w), w).ravel() for w in [np.array([0, 1, 2, 3, 9])] * 2]
    )
    limit = float(np.quantile(every, 0.2))
    for make_base in (BASES["random"], BASES["tpe"], BASES["nsga2"]):
        for answer in (lambda x: sum(x) - limit, lambda x: sum(x) <= limit):
            sampler = FeasibleSampler(
                make_base(), suggest=suggest, feasible=answer, identity=tuple, seed=0
            )
            study = optuna.create_study(sampler=sampler)
            study.optimize(lambda trial: -sum(suggest(trial)), n_trials=100)

            assert sampler.n_evaluations <= 30 * len(study.trials)
            assert all(-trial.values[0] <= limit for trial in study.trials)


class Counting(BaseSampler):
    """Random; notes what it was asked, and what it was shown."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.asks: list[int] = []
        self.shown: list[FrozenTrial] = []
        self.filled: list[dict[str, Any]] = []
        self.told: list[tuple[int, TrialState]] = []
        self.begun: list[int] = []

    def __deepcopy__(self, memo: Any) -> Counting:
        return self  # so that a test can look at it

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self.asks.append(trial.number)
        self.shown = study.get_trials()
        space: dict[str, BaseDistribution]
        space = optuna.search_space.IntersectionSearchSpace().calculate(study)
        return space

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        self.asked.append((trial.number, name))
        self.filled.append(dict(trial.params))
        sampler = optuna.samplers.RandomSampler(seed=len(self.asked))
        return sampler.sample_independent(study, trial, name, distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.begun.append(trial.number)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self.told.append((trial.number, state))


def test_the_base_is_asked_once_for_each_value_of_the_whole_space() -> None:
    counting = Counting()
    study = _run(FeasibleSampler(counting, suggest=tree, seed=0), 6, tree)

    names = {"depth", "rate", "units", *(f"{k}_{i}" for k in ("kind", "kernel") for i in range(3))}
    assert counting.asks == [0, 1, 2, 3, 4, 5]
    assert len(counting.asked) == len(set(counting.asked)) == 6 * len(names)
    assert {name for _, name in counting.asked} == names
    assert counting.begun == [0, 1, 2, 3, 4, 5]
    assert counting.told == [(number, TrialState.COMPLETE) for number in range(6)]
    # What was chosen so far is in the trial that it is given.
    assert [len(filled) for filled in counting.filled[: len(names)]] == list(range(len(names)))
    assert any(trial.params.keys() < names for trial in study.trials)


def test_the_base_sees_every_parameter_as_it_was_drawn() -> None:
    counting = Counting()
    study = _run(FeasibleSampler(counting, suggest=tree, seed=0), 8, tree)

    for shown, trial in zip(counting.shown[:7], study.trials, strict=False):
        assert len(shown.params) == 9
        assert shown.params.items() >= trial.params.items()
        assert shown.values == trial.values
        claim = trial.system_attrs["define_by_run:claim"]
        assert shown.params == claim


def test_restarted_it_shows_what_was_drawn_before() -> None:
    first, second = Counting(), Counting()
    study = _run(FeasibleSampler(first, suggest=tree, seed=0), 8, tree)
    study.sampler = FeasibleSampler(second, suggest=tree, seed=0)
    study.optimize(lambda trial: tree_value(tree(trial)), n_trials=1)

    assert [t.params for t in second.shown[:7]] == [t.params for t in first.shown[:7]]


def test_trials_of_another_sampler_are_filled_in_and_shown() -> None:
    counting = Counting()
    study = _run(optuna.samplers.RandomSampler(seed=0), 5, tree)
    study.sampler = FeasibleSampler(counting, suggest=tree, seed=0)
    study.optimize(lambda trial: tree_value(tree(trial)), n_trials=1)

    for shown, trial in zip(counting.shown[:5], study.trials, strict=False):
        assert len(shown.params) == 9
        assert shown.params.items() >= trial.params.items()


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_pruned_and_infeasible_trials_teach(direction: Literal["minimize", "maximize"]) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    counting = Counting()
    study = optuna.create_study(
        direction=direction, sampler=FeasibleSampler(counting, suggest=tree, seed=0)
    )

    def objective(trial: optuna.Trial) -> float:
        tree(trial)
        if trial.number in (0, 4):  # nothing finite is known at the first
            trial.set_constraint("memory", 1.0)
            raise optuna.TrialPruned
        if trial.number == 2:
            trial.report(sign * 3.0, 1)
            trial.report(sign * 2.5, 4)
            trial.report(float("nan"), 5)
            raise optuna.TrialPruned
        if trial.number == 3:
            raise ValueError
        if trial.number == 5:
            return sign * float("inf")
        if trial.number == 6:
            raise optuna.TrialPruned
        return sign * (1.0 if trial.number == 1 else 7.0)

    study.optimize(objective, n_trials=9, catch=(ValueError,))
    states = [trial.state.name for trial in counting.shown[:8]]
    values = [trial.values for trial in counting.shown[:8]]
    worst = [sign * 7.0]

    assert states == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 4
    assert values == [worst, [sign], [sign * 2.5], None, worst, worst, worst, worst]
    assert [trial.state.name for trial in study.trials[:3]] == ["PRUNED", "COMPLETE", "PRUNED"]
    assert not any(trial.constraints for trial in counting.shown)


@base
def test_equal_seeds_give_equal_runs_and_others_do_not(
    make_base: Callable[[], BaseSampler],
) -> None:
    def run(seed: int) -> list[dict[str, Any]]:
        sampler = FeasibleSampler(
            make_base(), suggest=tree, feasible=lambda net: net["units"] <= 32, seed=seed
        )
        return _completed(_run(sampler, 10, tree))

    assert run(1) == run(1)
    assert run(1) != run(2)


@base
def test_it_survives_pickling_and_goes_on(make_base: Callable[[], BaseSampler]) -> None:
    sampler = FeasibleSampler(make_base(), suggest=tree, seed=0)
    study = _run(sampler, 6, tree)
    for other in (pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler)):
        study.sampler = other
        study.optimize(lambda trial: tree_value(tree(trial)), n_trials=6)

    assert _distinct(_completed(study)) == len(study.trials) == 18


@pytest.mark.parametrize("name", ["random", "tpe", "nsga2"])
def test_workers_that_share_a_seed_propose_different_trials(name: str) -> None:
    # The trials of the other are running, and no value is stored yet.
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="shared")
    trials = []
    for _ in range(8):
        worker = optuna.load_study(
            storage=storage,
            study_name="shared",
            sampler=FeasibleSampler(BASES[name](), suggest=cells, seed=0),
        )
        trial = worker.ask()
        trial.suggest_categorical("edge_0", ["a", "b", "c"])
        trials.append((worker, trial))
    held = [t.system_attrs["define_by_run:claim"] for t in trials[0][0].get_trials()]
    for worker, trial in trials:
        worker.tell(trial, cells_value(cells(trial)))

    assert _distinct(held) == 8
    assert [trial.params for _, trial in trials] == held


def test_of_two_that_choose_alike_at_once_one_chooses_again() -> None:
    study = optuna.create_study(sampler=FeasibleSampler(BASES["random"](), suggest=cells, seed=0))
    other = study.ask()
    storage = study._storage
    write = storage.set_trial_system_attr
    stolen: list[dict[str, Any]] = []

    def write_and_be_overtaken(trial_id: int, key: str, value: Any) -> None:
        if key == "define_by_run:claim" and trial_id != other._trial_id and len(stolen) < 3:
            stolen.append(dict(value))
            if value:
                write(other._trial_id, key, value)
        write(trial_id, key, value)

    storage.set_trial_system_attr = write_and_be_overtaken  # type: ignore[method-assign]
    trial = study.ask()
    cells(trial)
    claims = [t.system_attrs.get("define_by_run:claim") for t in study.get_trials()]

    assert stolen[1] == {}  # it withdrew
    assert trial.params == claims[1]
    assert claims[0] != claims[1]


def test_threads_share_one_sampler() -> None:
    sampler = FeasibleSampler(
        BASES["tpe"](), suggest=cells, feasible=lambda cell: "a" in cell, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=40, n_jobs=4)

    assert _distinct(_completed(study)) == 40


def test_fixed_values_pass_through() -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["tpe"](), suggest=cells, feasible=_few_c, seed=0)
    )
    whole = {f"edge_{i}": "b" for i in range(4)}
    study.enqueue_trial(whole)  # infeasible, but asked for
    study.enqueue_trial({"edge_2": "c"})
    study.enqueue_trial({"edge_2": "b"})  # no cell with it is feasible
    study.enqueue_trial(whole)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=4)
    params = [trial.params for trial in study.trials]

    assert params[0] == params[3] == whole
    assert params[1] == {"edge_0": "a", "edge_1": "a", "edge_2": "c", "edge_3": "a"}
    assert params[2]["edge_2"] == "b"


def test_an_enqueued_trial_that_waits_is_not_proposed() -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["random"](), suggest=cells, feasible=_few_c, seed=0)
    )
    first = study.ask()
    study.enqueue_trial({f"edge_{i}": "a" for i in range(4)})
    cells(first)
    study.tell(first, 0.0)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=20)

    assert _distinct(_completed(study)) == len(_completed(study)) == 5


def test_several_objectives() -> None:
    counting = Counting()
    for sampler in (counting, BASES["nsga2"](), BASES["tpe"]()):
        study = optuna.create_study(
            directions=["minimize", "maximize"],
            sampler=FeasibleSampler(
                sampler, suggest=tree, feasible=lambda net: net["units"] - 48, seed=0
            ),
        )

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            net = tree(trial)
            if trial.number == 3:
                trial.set_constraint("memory", 1.0)
                raise optuna.TrialPruned
            return tree_value(net), float(net["units"])

        study.optimize(objective, n_trials=15)

        assert len(study.best_trials) >= 1
        assert all(trial.params["units"] <= 48 for trial in study.trials)
        assert len(_completed(study)) == 14
    worst = counting.shown[3].values
    others = [t.values for t in counting.shown[:14] if t.number != 3]
    assert worst == [max(v[0] for v in others), min(v[1] for v in others)]


def test_ranges_that_depend_on_values() -> None:
    def suggest(trial: BaseTrial) -> tuple[int, int]:
        low = trial.suggest_int("low", 1, 3)
        return low, trial.suggest_int("high", low, 4)

    for make_base in BASES.values():
        study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=suggest, seed=0))
        study.optimize(lambda trial: float(sum(suggest(trial))), n_trials=20)

        assert _distinct(_completed(study)) == len(_completed(study)) == 4 + 3 + 2


def test_steps_of_floats_are_reached_by_one_value_each() -> None:
    def suggest(trial: BaseTrial) -> float:
        return trial.suggest_float("x", 0.1, 1.5, step=0.1)

    for make_base in BASES.values():
        study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=suggest, seed=0))
        study.optimize(suggest, n_trials=40)
        found = sorted(trial.params["x"] for trial in study.trials if trial.params)

        assert found == pytest.approx([k / 10 for k in range(1, 16)])


def test_names_that_only_the_objective_knows() -> None:
    sampler = FeasibleSampler(BASES["tpe"](), suggest=cells, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: cells_value(cells(trial)) + trial.suggest_float("beside", 0, 1), n_trials=12
    )

    assert all("beside" in trial.params for trial in study.trials)
    assert len({trial.params["beside"] for trial in study.trials}) == 12


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"base": "tpe"}, TypeError, "`base` must be an Optuna sampler but got 'tpe'"),
        ({"suggest": 3}, TypeError, "`suggest` must be a function of a trial but got 3"),
        ({"suggest": lambda trial: 1}, ValueError, "must suggest at least one parameter"),
        ({"feasible": 1}, TypeError, "`feasible` must be a function of a result but got 1"),
        ({"identity": "key"}, TypeError, "`identity` must be a function of a result but got 'key'"),
        ({"max_attempts": 0}, ValueError, "`max_attempts` must be at least 1 but got 0"),
        ({"max_attempts": 1.5}, TypeError, "`max_attempts` must be an integer but got 1.5"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0 but got -1"),
        ({"seed": "0"}, TypeError, "`seed` must be an integer or None but got '0'"),
    ],
    ids=lambda case: str(case)[:30],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"base": BASES["random"](), "suggest": cells, **options}

    with pytest.raises(error, match=message):
        FeasibleSampler(arguments.pop("base"), **arguments)


@pytest.mark.parametrize(
    ("answer", "message"), [(None, "gave None"), ("yes", "gave 'yes'")], ids=str
)
def test_feasible_must_answer(answer: Any, message: str) -> None:
    sampler = FeasibleSampler(BASES["random"](), suggest=cells, feasible=lambda _: answer)

    with pytest.raises(TypeError, match=f"`feasible` must give a bool or a number but {message}"):
        _run(sampler, 1)


@pytest.mark.parametrize("answer", [False, 1, 0.5, float("inf"), float("nan"), np.float64(3)])
def test_nothing_feasible_is_an_error(answer: Any) -> None:
    study = optuna.create_study(
        sampler=FeasibleSampler(BASES["tpe"](), suggest=cells, feasible=lambda _: answer, seed=0)
    )

    with pytest.raises(NoFeasibleArchitectureError, match="every configuration was looked at"):
        study.optimize(lambda trial: cells_value(cells(trial)), n_trials=3)

    assert study.user_attrs["stop_reason"] == "nothing feasible"


def test_it_gives_up_after_so_many_attempts() -> None:
    looked_at = []

    def feasible(net: dict[str, Any]) -> bool:
        looked_at.append(net)
        return False

    sampler = FeasibleSampler(
        BASES["random"](), suggest=tree, feasible=feasible, max_attempts=70, seed=0
    )
    with pytest.raises(NoFeasibleArchitectureError, match="looked at `max_attempts` = 70"):
        _run(sampler, 1, tree)

    assert len(looked_at) <= 70


def test_asking_without_a_loop_ends_with_the_reason() -> None:
    sampler = FeasibleSampler(BASES["random"](), suggest=cells, feasible=_few_c, seed=0)
    study = _run(sampler, 5)

    with pytest.raises(optuna.TrialPruned, match="space exhausted: every configuration"):
        cells(study.ask())


@base
def test_studies_of_every_kind_of_outcome(make_base: Callable[[], BaseSampler]) -> None:
    def nan(trial: optuna.Trial) -> float:
        tree(trial)
        return float("nan")

    def infinite(trial: optuna.Trial) -> float:
        tree(trial)
        return float("inf")

    def fails(trial: optuna.Trial) -> float:
        tree(trial)
        raise RuntimeError

    def equal(trial: optuna.Trial) -> float:
        tree(trial)
        return 1.0

    def stops_early(trial: optuna.Trial) -> float:
        trial.suggest_int("depth", 1, 3)
        raise optuna.TrialPruned

    study = optuna.create_study(sampler=FeasibleSampler(make_base(), suggest=tree, seed=0))
    for objective in (nan, infinite, fails, stops_early, equal):
        study.optimize(objective, n_trials=6, catch=(RuntimeError,))

    assert len(study.trials) == 30
    assert len({str(t.system_attrs["define_by_run:claim"]) for t in study.trials}) == 30


def test_foreign_parameters_are_no_obstacle() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("foreign", 0, 1), n_trials=3)
    study.optimize(lambda trial: float(trial.suggest_int("units", 0, 500)), n_trials=3)
    for make_base in BASES.values():
        study.sampler = FeasibleSampler(make_base(), suggest=tree, seed=0)
        study.optimize(lambda trial: tree_value(tree(trial)), n_trials=6)

    assert all(tree(FixedTrial(trial.params)) for trial in study.trials[6:])
    assert _distinct(_completed(study)[6:]) == 24


def test_a_suggest_that_raises_later_is_heard() -> None:
    def suggest(trial: BaseTrial) -> int:
        x = trial.suggest_int("x", 0, 1_000)
        if trial.number == 1:
            raise KeyError("lost")
        return x

    study = optuna.create_study(sampler=FeasibleSampler(BASES["random"](), suggest=suggest, seed=0))
    study.optimize(lambda trial: float(suggest(trial)), n_trials=1)
    with pytest.raises(KeyError, match="lost"):
        study.optimize(lambda trial: float(suggest(trial)), n_trials=1)


@pytest.mark.parametrize(
    ("name", "n_trials"),
    [("tpe", 60), ("nsga2", 60), pytest.param("gp", 40, marks=pytest.mark.slow)],
)
def test_it_learns_on_a_conditional_space(name: str, n_trials: int) -> None:
    rng = np.random.default_rng(0)
    bar = float(np.quantile([tree_value(draw(tree, rng).result) for _ in range(2_000)], 0.25))
    study = _run(FeasibleSampler(BASES[name](), suggest=tree, seed=0), n_trials, tree)
    values = [trial.value for trial in study.trials[-10:] if trial.value is not None]

    # A random proposal is below the bar one time in four.
    assert sum(value <= bar for value in values) >= 6
