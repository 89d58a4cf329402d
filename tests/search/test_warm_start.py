"""The first trials of a study: the best by scores or by earlier studies, and some at random."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Maybe
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import StudyError
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import summarise
from neural_automl.search_strategies import create_sampler
from neural_automl.studies import load_study, open_study
from neural_automl.warm_start import QUEUED_AS, WARM_START, WarmStart, warm_start
from neural_automl.zero_cost import ScoredPool, score_space
from tests.search.fakes import CurveEvaluator, small_space, width_of


def wide_space(**options: object) -> ArchitectureSpace:
    """Return a space of 32 networks, eight of which ``small_space`` has too."""
    return ArchitectureSpace(
        (4,),
        [
            Layer("Dense", Choice(4, 8, 16, 32)),
            Maybe("ReLU"),
            Maybe(Layer("Dense", Choice(3, 5, 7))),
            Layer("Dense", 2),
        ],
        **options,  # type: ignore[arg-type]
    )


def new_study(space: ArchitectureSpace | None = None) -> optuna.Study:
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=0)
    if space is not None:
        sampler = create_sampler("random", space=space, seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler)


def searched(space: ArchitectureSpace, trials: int, name: str = "earlier") -> optuna.Study:
    objective = ArchitectureObjective(space, CurveEvaluator(), epochs=1, artifact_store=None)
    study = optuna.create_study(
        study_name=name, direction="maximize", sampler=create_sampler("grid", space=space)
    )
    study.optimize(objective, n_trials=trials)
    return study


# --- by zero-cost scores ----------------------------------------------------------------------


def test_the_best_by_scores_and_two_at_random_are_queued() -> None:
    study = new_study()
    found = warm_start(study, wide_space(), trials=5, proxies=["params"], candidates=100)
    assert (found.by, found.best, found.random) == ("zero_cost", 3, 2)
    assert found.candidates == 32
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [t.user_attrs[QUEUED_AS] for t in waiting] == [
        "best 1", "best 2", "best 3", "random 1", "random 2",
    ]  # fmt: skip
    sizes = [t.user_attrs["zero_cost.params"] for t in waiting]
    most = 4 * 32 + 32 + 32 * 7 + 7 + 7 * 2 + 2
    assert sizes[0] == most
    assert sizes[:3] == sorted(sizes[:3], reverse=True)
    assert "3 best of 32 networks by zero_cost, 2 at random" in str(found)
    assert study.user_attrs[WARM_START]["text"] == str(found)


def test_a_pool_that_was_scored_already_is_taken_as_it_is() -> None:
    space = wide_space()
    pool = score_space(space, None, candidates=20, proxies=["params"], seed=3)
    sizes = ScoredPool(pool.architectures, {"params": -pool.scores["params"]})
    study = new_study()
    found = warm_start(study, space, sizes, trials=5)
    assert (found.by, found.candidates, found.best, found.random) == ("zero_cost", 20, 3, 2)
    smallest = sorted(network.cost.params for network in pool.architectures)[:3]
    queued = [space.suggest(optuna.trial.FixedTrial(t["params"])) for t in found.trials]
    assert [network.cost.params for network in queued[:3]] == smallest
    assert study.trials[0].user_attrs["zero_cost.params"] == -smallest[0]


def test_what_is_queued_is_run_as_it_is_and_never_again() -> None:
    space = wide_space()
    study = new_study(space)
    planned = warm_start(study, space, trials=6, proxies=["params"]).trials
    study.optimize(
        ArchitectureObjective(space, CurveEvaluator(), epochs=1, artifact_store=None), n_trials=40
    )
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert [t.params for t in complete[:6]] == [t["params"] for t in planned]
    keys = Counter(t.user_attrs["architecture_key"] for t in complete)
    assert set(keys.values()) == {1}
    assert len(keys) == 32  # the space is exhausted, the queued ones included
    assert not any("cached_from" in t.user_attrs for t in study.trials)


def test_training_is_left_to_the_sampler() -> None:
    space = wide_space(
        hyperparameters={"optimizer": {"type": "Adam", "params": {"learning_rate": Choice(1, 2)}}}
    )
    study = new_study()
    warm_start(study, space, trials=3, proxies=["params"])
    names = [set(t.system_attrs["fixed_params"]) for t in study.trials]
    assert all(found and not any("optimizer" in name for name in found) for found in names)


def test_limits_and_what_the_study_holds_are_kept() -> None:
    space = wide_space(constraints={"params": 200})
    study = new_study()
    objective = ArchitectureObjective(space, CurveEvaluator(), epochs=1, artifact_store=None)
    best = warm_start(new_study(), space, trials=3, proxies=["params"]).trials[0]["params"]
    study.enqueue_trial(best)
    study.optimize(objective, n_trials=1)
    found = warm_start(study, space, trials=8, proxies=["params"])
    assert found.dropped == {"in the study already": 1}
    assert best not in [trial["params"] for trial in found.trials]
    study.optimize(objective, n_trials=8)
    assert not any("infeasible" in t.user_attrs for t in study.trials)


def test_a_small_space_gives_what_it_has() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", Choice(4, 8)), Layer("Dense", 2)])
    found = warm_start(new_study(), space, trials=8, proxies=["params"])
    assert (found.candidates, found.best, found.random) == (2, 2, 0)


def test_a_second_call_queues_nothing() -> None:
    study = new_study()
    first = warm_start(study, wide_space(), trials=4, proxies=["params"])
    again = warm_start(study, wide_space(), trials=7, proxies=["params"], seed=5)
    assert again == first
    assert len(study.trials) == 4


def test_what_a_killed_call_left_is_queued_by_the_next() -> None:
    study = new_study()
    first = warm_start(study, wide_space(), trials=4, proxies=["params"])
    other = new_study()
    code = "from neural_automl.workers._recovery import own_name; print(own_name())"
    dead = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    other.set_user_attr(WARM_START, {**study.user_attrs[WARM_START], "worker": dead})
    one = first.trials[0]
    other.enqueue_trial(one["params"], user_attrs=one["user_attrs"])
    assert warm_start(other, wide_space(), trials=4) == first
    assert [t.user_attrs for t in other.trials] == [t.user_attrs for t in study.trials]


_PROGRAM = """
import sys
from neural_automl.studies import load_study
from neural_automl.warm_start import warm_start
from tests.search.test_warm_start import wide_space
study = load_study(sys.argv[1], "shared")
warm_start(study, wide_space(), trials=6, proxies=["params"], seed=int(sys.argv[2]))
"""


@pytest.mark.slow
def test_workers_that_start_together_queue_nothing_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(
        url, "shared", directions=["maximize"],
        sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.NopPruner(),
    )  # fmt: skip
    running = [
        subprocess.Popen([sys.executable, "-c", _PROGRAM, url, str(seed)]) for seed in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    queued = Counter(t.user_attrs[QUEUED_AS] for t in study.trials)
    assert sum(queued.values()) == 6
    assert set(queued.values()) == {1}
    planned = study.user_attrs[WARM_START]["trials"]
    assert [t.system_attrs["fixed_params"] for t in study.trials] == [t["params"] for t in planned]


# --- by earlier studies -----------------------------------------------------------------------


def test_the_best_of_an_earlier_study_come_first() -> None:
    earlier = searched(small_space(), 8)
    study = new_study()
    found = warm_start(study, small_space(), by=[earlier], trials=4)
    assert found.by == "earlier"
    assert found.best == 2
    best = [t for t in earlier.trials if t.value == earlier.best_value]
    assert found.trials[0]["params"] in [t.params for t in best]
    assert [t.user_attrs["warm_start_from"].split()[0] for t in study.trials[:2]] == ["earlier"] * 2
    assert study.trials[0].user_attrs["promise"] == 1.0


def test_another_space_gets_what_it_has_or_what_is_most_like_it() -> None:
    layers = [Layer("Dense", Choice(32, 64)), Maybe("ReLU"), Layer("Dense", 2)]
    earlier = searched(ArchitectureSpace((4,), layers), 4)
    study = new_study()
    found = warm_start(study, small_space(), by=[earlier], trials=5)
    assert found.dropped == {"not in this space": 2, "infeasible": 0, "in the study already": 0}
    networks = [small_space().suggest(optuna.trial.FixedTrial(t["params"])) for t in found.trials]
    assert [width_of(network) for network in networks[:2]] == [32, 32]
    assert 0 < study.trials[2].user_attrs["promise"] < study.trials[0].user_attrs["promise"] < 1
    objective = ArchitectureObjective(
        small_space(), CurveEvaluator(), epochs=1, artifact_store=None
    )
    study.optimize(objective, n_trials=5)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 5


def test_what_breaks_a_limit_is_dropped_and_counted() -> None:
    earlier = searched(small_space(), 8)
    limited = small_space(constraints={"params": 100})
    found = warm_start(new_study(), limited, by=[earlier], trials=4)
    assert found.dropped["infeasible"] > 0
    assert "infeasible" in str(found)
    assert found.best == 2


def test_a_study_of_another_program_is_refused() -> None:
    other = optuna.create_study()
    with pytest.raises(StudyError, match="holds no space of architectures"):
        warm_start(new_study(), small_space(), by=[other], trials=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "synflow"}, "`by` must be 'zero_cost' or a list of earlier studies"),
        ({"by": []}, "`by` must name at least one earlier study but is empty"),
        ({"candidates": 0}, "`candidates` must be at least 1 but got 0"),
        ({"random": 1}, "`random` must be at least 2 but got 1"),
        ({"trials": 2}, "`trials` must be more than the 2 at random"),
        ({"proxies": ["nwot"]}, "there is no proxy 'nwot'"),
    ],
    ids=["by", "none", "candidates", "random", "trials", "proxies"],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    study = new_study()
    with pytest.raises(ValueError, match=message):
        warm_start(study, small_space(), **options)  # type: ignore[arg-type]
    assert study.trials == []
    assert WARM_START not in study.user_attrs


# --- of an engine, and how far scores were right -----------------------------------------------


def engine(folder: Path, **options: object) -> AutoMLEngine:
    return AutoMLEngine(
        search_strategy="random", output_dir=folder, **options  # type: ignore[arg-type]
    )  # fmt: skip


def test_an_engine_warm_starts_once_and_says_how_right_the_scores_were(tmp_path: Path) -> None:
    options = {"candidates": 50, "trials": 5, "proxies": ["params", "depth"]}

    def search(trials: int) -> AutoMLEngine:
        made = engine(tmp_path, warm_start="zero_cost", warm_start_options=options)
        made.search(
            wide_space(), evaluator=CurveEvaluator(), max_trials=trials, max_epochs_per_trial=1
        )
        return made

    search(6)
    made = search(9)
    study = load_study(made.storage)
    assert sum(QUEUED_AS in t.user_attrs for t in study.trials) == 5
    assert all("zero_cost.params" in t.user_attrs for t in study.trials)
    summary = summarise(study)
    assert summary.warm_start is not None
    assert summary.warm_start.startswith("3 best of 32 networks by zero_cost, 2 at random")
    assert summary.kendall_trials == 9
    assert summary.kendall.keys() == {"params", "depth", "rank"}
    assert summary.kendall["params"] > 0.3  # wide networks are the good ones
    assert made.get_search_summary()["kendall"] == summary.kendall


def test_kendall_is_that_by_hand() -> None:
    study = optuna.create_study(direction="minimize")
    for score, value in ((1.0, 5.0), (2.0, 4.0), (3.0, 3.0), (4.0, 1.0), (5.0, 2.0)):
        assert summarise(study).kendall == {}
        attributes = {"zero_cost.mine": score}
        study.add_trial(optuna.create_trial(value=value, user_attrs=attributes))
    # 9 of 10 pairs are right: the smaller value is the better one.
    assert summarise(study).kendall == {"mine": pytest.approx((9 - 1) / 10)}
    repeat = {"zero_cost.mine": 0.0, "cached_from": "0"}
    study.add_trial(optuna.create_trial(value=0.0, user_attrs=repeat))
    assert summarise(study).kendall_trials == 5


def test_an_engine_with_rungs_and_an_earlier_study(tmp_path: Path) -> None:
    class Weighing(CurveEvaluator):
        def evaluate(self, architecture, context):  # type: ignore[no-untyped-def]
            context.load_weights()
            metrics = super().evaluate(architecture, context)
            context.keep_weights({})
            return metrics

    first = engine(tmp_path, study_name="first")
    first.search(small_space(), evaluator=CurveEvaluator(), max_trials=8, max_epochs_per_trial=1)
    second = engine(
        tmp_path, study_name="second", warm_start="first", rungs=[1, 3],
        warm_start_options={"trials": 4},
    )  # fmt: skip
    study = second.search(small_space(), evaluator=Weighing(), max_trials=3).study
    queued = [t for t in study.trials if QUEUED_AS in t.user_attrs]
    assert [t.user_attrs["rung"] for t in queued] == [0, 0, 0, 0]
    assert any(t.user_attrs["rung"] == 1 for t in study.trials)
    assert study.user_attrs[WARM_START]["by"] == "first"


@pytest.mark.parametrize(
    ("name", "message"),
    [("frist", "there is no study 'frist' in the storage; it holds: first, foreign"),
     ("foreign", "holds no space of architectures")],
    ids=["unknown", "foreign"],
)  # fmt: skip
def test_a_wrong_earlier_study_leaves_no_study_behind(
    tmp_path: Path, name: str, message: str
) -> None:
    first = engine(tmp_path, study_name="first")
    first.search(small_space(), evaluator=CurveEvaluator(), max_trials=2, max_epochs_per_trial=1)
    optuna.create_study(storage=first.storage, study_name="foreign")
    with pytest.raises(StudyError, match=message):
        engine(tmp_path, study_name="second", warm_start=name).search(
            small_space(), evaluator=CurveEvaluator(), max_trials=2, max_epochs_per_trial=1
        )
    assert sorted(optuna.get_all_study_names(first.storage)) == ["first", "foreign"]
    with pytest.raises(StudyError, match=r"say which study with its name, .* --study NAME"):
        load_study(first.storage)


def test_a_study_that_was_warm_started_goes_on_without_the_earlier_one(tmp_path: Path) -> None:
    def search(name: str, trials: int, **options: object) -> optuna.Study:
        made = engine(tmp_path, study_name=name, **options)
        made.search(
            small_space(), evaluator=CurveEvaluator(), max_trials=trials, max_epochs_per_trial=1
        )
        return load_study(made.storage, name)

    first = search("first", 3)
    options = {"warm_start": "first", "warm_start_options": {"trials": 3}}
    search("second", 1, **options)
    optuna.delete_study(study_name="first", storage=first._storage)
    second = search("second", 5, **options)
    assert sum(QUEUED_AS in trial.user_attrs for trial in second.trials) == 3
    assert summarise(second).trained == 5


def test_nothing_is_scored_where_the_budget_is_spent(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def search(trials: int, by: str | None) -> optuna.Study:
        told = {"progress": lambda done, total: seen.append((done, total)), "proxies": ["params"]}
        made = engine(tmp_path, warm_start=by, warm_start_options=told if by else None)
        made.search(
            wide_space(), evaluator=CurveEvaluator(), max_trials=trials, max_epochs_per_trial=1
        )
        return load_study(made.storage)

    search(3, None)
    study = search(3, "zero_cost")
    assert seen == []
    assert WARM_START not in study.user_attrs
    study = search(5, "zero_cost")
    assert seen[-1] == (32, 32)
    assert sum(QUEUED_AS in trial.user_attrs for trial in study.trials) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warm_start_options": {"trials": 4}}, "are given but no `warm_start`"),
        ({"warm_start": []}, "must name at least one earlier study"),
        (
            {"warm_start": "zero_cost", "warm_start_options": {"trials": 2}},
            "`trials` must be more than the 2",
        ),
    ],
    ids=["alone", "none", "trials"],
)
def test_wrong_options_of_an_engine(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        engine(tmp_path, **options)
    with pytest.raises(TypeError, match="a warm start has no option 'count'"):
        engine(tmp_path, warm_start="zero_cost", warm_start_options={"count": 3})


def test_a_warm_start_in_words() -> None:
    found = WarmStart("a, b", 1000, 6, 2, {"infeasible": 3, "not in this space": 0})
    assert str(found) == "6 best of 1,000 networks by a, b, 2 at random; dropped: 3 infeasible"
