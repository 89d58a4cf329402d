"""Rungs: short trainings first, the best go on from their weights."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FrozenTrial, TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import DivergenceError, StudyError
from neural_automl.objective import ArchitectureObjective, trial_seed
from neural_automl.registry import is_trained, summarise
from neural_automl.search_strategies import create_sampler
from neural_automl.studies import open_study
from neural_automl.trials._rungs import RESUMED_FROM, RUNG, Ladder, Rungs, rung_seed
from tests.search.fakes import small_space, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

UNITS = "layers[0].Dense.units"


def wide_space() -> ArchitectureSpace:
    """Return a space of 60 networks, the wider the better."""
    return ArchitectureSpace((4,), [Layer("Dense", Choice(*range(4, 64))), Layer("Dense", 2)])


@dataclass
class RungEvaluator:
    """Is better the wider a network is, and adds up epochs in its weights.

    Attributes:
        trained: Width, epochs, and the epochs that were in the weights at the start.
    """

    trained: list[tuple[int, int, float]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    reports: bool = True
    saves: bool = True
    loads: bool = True
    fails: Any = None

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        width = width_of(architecture)
        state = context.load_weights() if self.loads else None
        before = 0.0 if state is None else float(state["epochs"])
        self.trained.append((width, context.epochs, before))
        self.seeds.append(context.seed)
        if self.fails is not None:
            self.fails(width, context.epochs)
        value = 0.0
        for epoch in range(1, context.epochs + 1):
            value = width / 100 + (before + epoch) / 10_000
            if self.reports:
                context.report(epoch, {"val_accuracy": value})
            assert not context.should_stop()
        if self.saves:
            context.keep_weights({"epochs": torch.tensor(before + context.epochs)})
        return {"val_accuracy": value, "val_accuracy.best": value}


def objective_in(folder: Path, evaluator: Any, **options: Any) -> ArchitectureObjective:
    settings = {
        "space": wide_space(),
        "rungs": [1, 3, 9],
        "artifact_store": FileSystemArtifactStore(folder),
        **options,
    }
    return ArchitectureObjective(settings.pop("space"), evaluator, **settings)


def new_study(**options: Any) -> optuna.Study:
    settings = {
        "direction": "maximize",
        "sampler": optuna.samplers.RandomSampler(seed=0),
        **options,
    }
    return optuna.create_study(**settings)


def enqueue(study: optuna.Study, *widths: int) -> None:
    for width in widths:
        study.enqueue_trial({UNITS: width})


def rung_of(trial: FrozenTrial) -> int:
    rung: int = trial.user_attrs[RUNG]
    return rung


# --- successive halving -------------------------------------------------------------------------


def test_the_best_of_a_rung_go_on_from_their_weights(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    study = new_study()
    objective = objective_in(tmp_path, evaluator)
    # One after the other, as a sampler would propose them: what is queued goes before promotions.
    for width in (10, 30, 20, 40, 5, 6, 7, 8, 9):
        enqueue(study, width)
        study.optimize(objective, n_trials=1)
        while Ladder(study, Rungs((1, 3, 9))).next() is not None:
            study.optimize(objective, n_trials=1)

    # width, epochs, epochs in the weights
    assert evaluator.trained == [
        (10, 1, 0), (30, 1, 0), (20, 1, 0), (30, 3, 1),
        (40, 1, 0), (40, 3, 1), (5, 1, 0), (6, 1, 0),
        (7, 1, 0), (8, 1, 0), (9, 1, 0), (20, 3, 1), (40, 9, 4),
    ]  # fmt: skip
    assert [rung_of(trial) for trial in study.trials].count(0) == 9
    promoted = [(t.number, t.user_attrs[RESUMED_FROM]) for t in study.trials if rung_of(t)]
    assert promoted == [(3, 1), (5, 4), (11, 2), (12, 5)]
    assert [trial.state.name for trial in study.trials] == ["PRUNED"] * 12 + ["COMPLETE"]


def test_lower_rungs_end_pruned_with_their_last_value(tmp_path: Path) -> None:
    study = new_study()
    enqueue(study, 10, 20, 30)
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=4)

    first, promotion = study.trials[0], study.trials[3]

    assert first.state == promotion.state == TrialState.PRUNED
    assert first.intermediate_values == {1: pytest.approx(0.1001)}
    assert first.user_attrs["val_accuracy"] == first.intermediate_values[1]
    # Steps go on where the lower rung ended.
    assert promotion.intermediate_values == pytest.approx({2: 0.3002, 3: 0.3003, 4: 0.3004})
    assert (promotion.user_attrs["epochs"], promotion.user_attrs["max_epochs"]) == (3, 3)
    assert is_trained(first)
    assert is_trained(promotion)
    assert promotion.params == study.trials[2].params


def test_a_value_that_was_never_reported_is_reported_at_the_end(tmp_path: Path) -> None:
    study = new_study()
    study.optimize(objective_in(tmp_path, RungEvaluator(reports=False)), n_trials=2)

    assert all(len(trial.intermediate_values) == 1 for trial in study.trials)


def test_where_less_is_better_the_least_go_on(tmp_path: Path) -> None:
    class Loss(RungEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            return {"val_loss": super().evaluate(architecture, context)["val_accuracy"]}

    evaluator = Loss(reports=False)
    study = new_study(direction="minimize")
    enqueue(study, 30, 10, 20)
    study.optimize(objective_in(tmp_path, evaluator, metrics="val_loss"), n_trials=4)

    assert evaluator.trained[-1] == (10, 3, 1)


def test_the_best_epoch_counts_where_it_is_the_value(tmp_path: Path) -> None:
    class Peak(RungEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            metrics = super().evaluate(architecture, context)
            return {**metrics, "val_accuracy.best": 1 - metrics["val_accuracy"]}

    evaluator = Peak()
    study = new_study()
    enqueue(study, 30, 10, 20)
    study.optimize(objective_in(tmp_path, evaluator, value="best"), n_trials=4)

    assert evaluator.trained[-1] == (10, 3, 1)


def test_what_breaks_a_soft_limit_stays_behind(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    study = new_study()
    enqueue(study, 10, 20, 30)
    objective = objective_in(tmp_path, evaluator, soft_constraints={"params": 7 * 20 + 2})
    study.optimize(objective, n_trials=4)

    assert evaluator.trained[-1] == (20, 3, 1)


def test_the_pruner_of_the_study_is_not_asked(tmp_path: Path) -> None:
    class Refuses(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
            raise AssertionError("it was asked")

    study = new_study(pruner=Refuses())
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=12)

    assert study.trials[-1].state.is_finished()


# --- repeats and rivals -------------------------------------------------------------------------


def test_a_promotion_repeats_nothing_and_a_repeat_is_not_promoted(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    study = new_study()
    enqueue(study, 30, 30, 10, 20, 30)
    study.optimize(objective_in(tmp_path, evaluator), n_trials=6)

    answered = {t.number: t.user_attrs.get("cached_from") for t in study.trials}
    assert answered == {0: None, 1: 0, 2: None, 3: None, 4: 0, 5: None}
    assert study.trials[1].intermediate_values == study.trials[0].intermediate_values
    assert (rung_of(study.trials[5]), study.trials[5].user_attrs[RESUMED_FROM]) == (1, 0)
    assert evaluator.trained == [(30, 1, 0), (10, 1, 0), (20, 1, 0), (30, 3, 1)]


def test_of_workers_that_choose_the_same_at_once_one_goes_on(tmp_path: Path) -> None:
    study = new_study()
    enqueue(study, 10, 20, 30)
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=3)
    rungs = Rungs((1, 3, 9))
    rival, own = study.ask(), study.ask()
    pauses: list[float] = []

    class Behind(Ladder):
        """Reads before the rival writes, once."""

        def next(self, **options: Any) -> FrozenTrial | None:
            found = super().next(**options)
            if not pauses and found is not None:
                rival.set_user_attr(RUNG, 1)
                rival.set_user_attr(RESUMED_FROM, found.number)
            return found

    assert Behind(study, rungs, pauses.append).climb(own) is None
    assert len(pauses) == 1
    assert [own.user_attrs[name] for name in (RUNG, RESUMED_FROM)] == [0, None]
    # The rival withdraws too: it is free again.
    rival.set_user_attr(RESUMED_FROM, None)
    again = Ladder(study, rungs).climb(own)
    assert again is not None
    assert again.params == {UNITS: 30}
    assert Ladder(study, rungs).climb(rival) is None


def test_a_promotion_whose_worker_died_is_the_same_again(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    objective = objective_in(tmp_path, evaluator)
    study = new_study()
    enqueue(study, 10, 20, 30)
    study.optimize(objective, n_trials=3)
    dead = study.ask()
    assert Ladder(study, Rungs((1, 3, 9))).climb(dead) is not None

    objective_again = objective_in(tmp_path, evaluator)
    with pytest.raises(optuna.TrialPruned, match="on rung 1"):
        objective_again(optuna.Trial(study, dead._trial_id))

    assert evaluator.trained[-1:] == [(30, 3, 1)]
    assert dead.number == 3


@pytest.mark.parametrize(
    ("error", "again"),
    [(KeyboardInterrupt(), True), (RuntimeError("a bug"), False), (DivergenceError("nan"), False)],
    ids=["interrupted", "failed", "diverged"],
)
def test_a_promotion_that_was_cut_off_is_due_again(
    tmp_path: Path, error: BaseException, again: bool
) -> None:
    failures = iter([error])

    def fail(width: int, epochs: int) -> None:
        if epochs == 3 and (found := next(failures, None)) is not None:
            raise found

    evaluator = RungEvaluator(fails=fail)
    objective = objective_in(tmp_path, evaluator)
    study = new_study()
    enqueue(study, 10, 20, 30)
    study.optimize(objective, n_trials=3)
    with contextlib.suppress(KeyboardInterrupt, RuntimeError):
        study.optimize(objective, n_trials=1)
    enqueue(study, 4)
    study.optimize(objective, n_trials=1)
    study.optimize(objective, n_trials=1)

    promoted = [t.user_attrs[RESUMED_FROM] for t in study.trials if rung_of(t)]
    assert promoted.count(2) == (2 if again else 1)


def test_what_a_ladder_sees_while_another_worker_climbs(tmp_path: Path) -> None:
    study = new_study()
    enqueue(study, 10, 20)
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=2)
    ladder = Ladder(study, Rungs((1, 3, 9)))

    assert ladder.climb(study.ask()) is None  # one in three, of two
    assert ladder.next(finish=True) is not None
    first, second = study.ask(), study.ask()
    assert ladder.climb(first, finish=True) is not None
    assert ladder.next(finish=True) is None
    assert ladder.climb(second, finish=True) is None


def test_a_promotion_that_was_given_back_is_still_to_do(tmp_path: Path) -> None:
    study = new_study()
    study.set_user_attr("max_trials", 1)
    enqueue(study, 10)
    objective = objective_in(tmp_path, RungEvaluator())
    study.optimize(objective, n_trials=1)
    ladder = Ladder(study, Rungs((1, 3, 9)))
    assert not ladder.is_spent()  # one is to get to the top
    study.enqueue_trial({UNITS: 10}, user_attrs={RUNG: 1, RESUMED_FROM: 0})

    assert not Ladder(study, Rungs((1, 3, 9))).is_spent()
    study.optimize(objective, n_trials=2)
    assert Ladder(study, Rungs((1, 3, 9))).is_spent()
    assert [rung_of(trial) for trial in study.trials] == [0, 1, 2]


def test_no_sampler_is_asked_for_a_promotion(tmp_path: Path) -> None:
    asked = []

    class Counting(optuna.samplers.RandomSampler):
        def sample_independent(self, study: optuna.Study, trial: FrozenTrial, *rest: Any) -> Any:
            asked.append(trial.number)
            return super().sample_independent(study, trial, *rest)

    study = new_study(sampler=Counting(seed=0))
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=12)

    assert asked == [trial.number for trial in study.trials if not rung_of(trial)]
    assert len(asked) < 12


@pytest.mark.parametrize("name", ["random", "tpe", "bayesian", "nsga2", "grid"])
def test_samplers_go_on_beside_promotions(tmp_path: Path, name: str) -> None:
    space = small_space()
    options = {"n_startup_trials": 2} if name in ("tpe", "bayesian") else {}
    study = new_study(sampler=create_sampler(name, space=space, seed=0, **options))
    objective = objective_in(tmp_path, RungEvaluator(), space=space, rungs=[1, 2])
    study.optimize(objective, n_trials=9)

    first = [t for t in study.trials if t.user_attrs.get(RUNG) == 0 and is_trained(t)]
    assert {trial.state for trial in study.trials} <= {
        TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING,
    }  # fmt: skip
    assert len({tuple(trial.params.values()) for trial in first}) == len(first) >= 6
    assert any(trial.state == TrialState.COMPLETE for trial in study.trials)


def test_many_workers_on_one_database(tmp_path: Path) -> None:
    study = open_study(
        tmp_path / "study.db",
        "rungs",
        directions=["maximize"],
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    evaluator = RungEvaluator()
    objective = objective_in(tmp_path, evaluator, artifact_store="auto")
    study.optimize(objective, n_trials=28, n_jobs=4)

    trained = [trial for trial in study.trials if is_trained(trial)]
    promoted = [t.user_attrs[RESUMED_FROM] for t in trained if rung_of(t)]
    assert len(set(promoted)) == len(promoted) > 3
    assert len(evaluator.trained) == len(trained)
    by_rung = [sum(rung_of(trial) == rung for trial in trained) for rung in range(3)]
    assert by_rung[0] > by_rung[1] > by_rung[2] > 0
    for number in promoted:
        assert study.trials[number].state == TrialState.PRUNED


# --- the end of a search ------------------------------------------------------------------------


def test_finish_brings_the_best_to_the_top(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    objective = objective_in(tmp_path, evaluator)
    study = new_study()
    enqueue(study, 10, 20)
    study.optimize(objective, n_trials=2)

    objective.finish(study)
    objective.finish(study)  # nothing is left to do

    assert evaluator.trained == [(10, 1, 0), (20, 1, 0), (20, 3, 1), (20, 9, 4)]
    assert study.best_trial.params == {UNITS: 20}
    assert study.best_trial.user_attrs["epochs"] == 9


def test_finish_takes_the_next_best_where_the_best_cannot(tmp_path: Path) -> None:
    def diverge(width: int, epochs: int) -> None:
        if width == 20 and epochs == 9:
            raise DivergenceError("the loss became nan")

    evaluator = RungEvaluator(fails=diverge)
    objective = objective_in(tmp_path, evaluator)
    study = new_study()
    enqueue(study, 10, 20)
    study.optimize(objective, n_trials=2)

    objective.finish(study)

    assert study.best_trial.params == {UNITS: 10}


def test_without_rungs_there_is_nothing_to_finish(tmp_path: Path) -> None:
    objective = objective_in(tmp_path, RungEvaluator(), rungs=None, epochs=2)
    study = new_study()
    objective.finish(study)

    assert study.trials == []
    study.optimize(objective, n_trials=1)
    assert RUNG not in study.trials[0].user_attrs
    assert study.trials[0].state == TrialState.COMPLETE


# --- seeds --------------------------------------------------------------------------------------


def test_the_seed_of_a_promotion_follows_from_its_first_trial(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    objective = objective_in(tmp_path, evaluator, seed=7)
    study = new_study()
    enqueue(study, 20)
    study.optimize(objective, n_trials=1)
    enqueue(study, 10)  # the promotion is trial 2 and not 1
    study.optimize(objective, n_trials=1)
    objective.finish(study)

    first = trial_seed(7, 0)
    second = rung_seed(first, 1)
    assert evaluator.seeds == [first, trial_seed(7, 1), second, rung_seed(second, 2)]


@given(st.integers(0, 2**31 - 1), st.integers(1, 5))
def test_seeds_of_rungs_are_seeds(seed: int, rung: int) -> None:
    found = rung_seed(seed, rung)

    assert 0 <= found < 2**31
    assert found == rung_seed(seed, rung) != rung_seed(seed, rung + 1)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": [9, 3]}, "`rungs` must rise but got 9, 3"),
        ({"rungs": [3, 3, 9]}, "`rungs` must rise but got 3, 3, 9"),
        ({"rungs": [0, 9]}, "whole numbers of epochs, at least 1, but got 0, 9"),
        ({"rungs": [-1, 9]}, "at least 1, but got -1, 9"),
        ({"rungs": [1.5, 9]}, "whole numbers of epochs, at least 1, but got 1.5, 9"),
        ({"rungs": [True, 9]}, "whole numbers"),
        ({"rungs": [9]}, "`rungs` must be two numbers or more but got 9"),
        ({"rungs": []}, "`rungs` must be two numbers or more but got none"),
        ({"epochs": 4}, "it must be `epochs`, 4, but is 9"),
        ({"epochs": 27}, "it must be `epochs`, 27, but is 9"),
        ({"reduction_factor": 1}, "`reduction_factor` must be a whole number, at least 2, but got"),
        ({"reduction_factor": 2.5}, "at least 2, but got 2.5"),
        ({"fidelity": "rows"}, "`fidelity` must be 'epochs' but got 'rows'"),
        ({"metrics": ("val_accuracy", "params")}, "one metric to rank by but got val_accuracy, p"),
        ({"metrics": "params"}, "a metric that training changes but got params"),
        ({"reuse": ("other",)}, "`rungs` do not go with `reuse`"),
    ],
    ids=str,
)
def test_wrong_rungs(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        objective_in(tmp_path, RungEvaluator(), **options)


@pytest.mark.parametrize(
    ("evaluator", "trials", "message"),
    [
        (RungEvaluator(saves=False), 1, "an evaluator must give its weights"),
        (RungEvaluator(loads=False), 4, "but it did not ask for them"),
    ],
    ids=["saves nothing", "loads nothing"],
)
def test_an_evaluator_that_cannot_go_on(
    tmp_path: Path, evaluator: RungEvaluator, trials: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        new_study().optimize(objective_in(tmp_path, evaluator), n_trials=trials)


def test_a_metric_that_is_missing(tmp_path: Path) -> None:
    objective = objective_in(tmp_path, RungEvaluator(), metrics="val_f1")

    with pytest.raises(ValueError, match="the evaluator gave no metric 'val_f1'"):
        new_study().optimize(objective, n_trials=1)


def test_a_metric_that_is_no_number_is_infeasible_and_goes_nowhere(tmp_path: Path) -> None:
    class Nan(RungEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            super().evaluate(architecture, context)
            return {"val_accuracy": float("nan")}

    objective = objective_in(tmp_path, Nan(reports=False))
    study = new_study()
    study.optimize(objective, n_trials=4)
    objective.finish(study)

    assert {t.user_attrs["infeasible"] for t in study.trials} == {
        "diverged: val_accuracy became nan"
    }
    assert len(study.trials) == 4


def test_a_study_that_keeps_no_weights() -> None:
    objective = ArchitectureObjective(wide_space(), RungEvaluator(), rungs=[1, 3])

    with pytest.raises(StudyError, match="give `artifact_store`, as there is none beside"):
        new_study().optimize(objective, n_trials=1)


def test_weights_that_were_lost(tmp_path: Path) -> None:
    objective = objective_in(tmp_path, RungEvaluator())
    study = new_study()
    study.optimize(objective, n_trials=3)
    for file in tmp_path.iterdir():
        file.unlink()

    with pytest.raises(StudyError, match=r"weights.safetensors of trial \d is not in the store"):
        study.optimize(objective, n_trials=1)


@pytest.mark.parametrize("after", [None, [1, 9], [1, 4, 9]], ids=str)
def test_other_rungs_in_the_same_study(tmp_path: Path, after: list[int] | None) -> None:
    study = new_study()
    study.optimize(objective_in(tmp_path, RungEvaluator()), n_trials=1)

    with pytest.raises(StudyError, match=r"was begun with other rungs \(1,3,9/3, now"):
        study.optimize(objective_in(tmp_path, RungEvaluator(), rungs=after, epochs=9), n_trials=1)


def test_the_wrong_direction(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="would minimize val_accuracy"):
        new_study(direction="minimize").optimize(
            objective_in(tmp_path, RungEvaluator()), n_trials=1
        )


def test_steps_out_of_order(tmp_path: Path) -> None:
    class Back(RungEvaluator):
        def evaluate(
            self, architecture: Architecture, context: EvaluationContext
        ) -> Mapping[str, float]:
            context.report(2, {"val_accuracy": 0.5})
            context.report(1, {"val_accuracy": 0.5})
            raise AssertionError("unreachable")

    with pytest.raises(ValueError, match="rising, but 1 came after 2"):
        new_study().optimize(objective_in(tmp_path, Back()), n_trials=1)


# --- the ledger of rungs ------------------------------------------------------------------------


def test_what_rungs_save(tmp_path: Path) -> None:
    objective = objective_in(tmp_path, RungEvaluator())
    study = new_study()
    enqueue(study, 10, 20, 30)
    study.optimize(objective, n_trials=3)
    objective.finish(study)

    summary = summarise(study)
    trained = 3 * 1 + 3 + 9
    assert (summary.trained, summary.promotions, summary.lower_rungs) == (5, 2, 4)
    assert summary.epochs_trained == trained
    assert summary.epochs_saved == summary.epochs_saved_by_rungs == 3 * 9 - trained
    assert summary.full_trainings == pytest.approx(trained / 9)


def test_rungs_come_back_from_their_text_and_from_pickles(tmp_path: Path) -> None:
    rungs = Rungs((3, 9, 27), 4)
    study = new_study()
    study.set_user_attr("rungs", rungs.text)

    assert Rungs.of(study) == rungs
    assert Rungs.of(new_study()) is None
    assert [rungs.before(rung) for rung in range(3)] == [0, 3, 12]
    objective = pickle.loads(pickle.dumps(objective_in(tmp_path, RungEvaluator())))
    assert objective.rungs == Rungs((1, 3, 9))
    assert objective.longest_training() == 9


# --- the engine -----------------------------------------------------------------------------------


def engine_in(folder: Path, **options: Any) -> AutoMLEngine:
    settings = {"search_strategy": "random", "rungs": [1, 3, 9], **options}
    return AutoMLEngine(output_dir=folder, **settings)


def test_an_engine_charges_each_network_by_its_epochs(tmp_path: Path) -> None:
    evaluator = RungEvaluator()
    engine = engine_in(tmp_path)

    result = engine.search(wide_space(), evaluator=evaluator, max_trials=8)

    summary = engine.get_search_summary()
    assert result.stop_reason == "budget"
    assert 7 < summary["full_trainings"] <= 8
    assert summary["epochs_trained"] == sum(epochs for _, epochs, _ in evaluator.trained) <= 72
    networks = summary["trained"] - summary["promotions"]
    assert summary["epochs_saved_by_rungs"] == networks * 9 - summary["epochs_trained"] > 0
    assert result.best_trial.user_attrs[RUNG] == 2
    assert summary["promotions"] > 5


@pytest.mark.parametrize("trials", [1, 2, 3], ids=str)
def test_a_short_search_ends_with_a_whole_training(tmp_path: Path, trials: int) -> None:
    engine = engine_in(tmp_path)

    result = engine.search(wide_space(), evaluator=RungEvaluator(), max_trials=trials)
    again = engine.search(wide_space(), evaluator=RungEvaluator(), max_trials=trials)

    assert result.best_trial.user_attrs["epochs"] == 9
    summary = summarise(result.study)
    assert summary.epochs_trained <= max(trials * 9, 1 + 3 + 9)
    assert again.stop_reason == "trained already"


def test_a_search_with_rungs_goes_on(tmp_path: Path) -> None:
    engine_in(tmp_path).search(wide_space(), evaluator=RungEvaluator(), max_trials=2)
    result = engine_in(tmp_path).search(wide_space(), evaluator=RungEvaluator(), max_trials=4)

    assert 3 < summarise(result.study).full_trainings <= 4


@pytest.mark.slow
@given(st.integers(2, 7), st.integers(2, 4), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_a_budget_is_kept_and_its_end_goes_to_the_best(trials: int, factor: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        evaluator = RungEvaluator()
        engine = engine_in(Path(folder), reduction_factor=factor, seed=seed)
        result = engine.search(wide_space(), evaluator=evaluator, max_trials=trials)
        summary = engine.get_search_summary()

    assert summary["trials"].get("fail", 0) == 0
    assert summary["epochs_trained"] <= trials * 9
    # What is left is too little for the best of those that could still go on.
    left = trials * 9 - summary["epochs_trained"]
    went_on = {t.user_attrs.get(RESUMED_FROM) for t in result.study.trials}
    stayed = [rung_of(t) for t in result.study.trials if is_trained(t) and t.number not in went_on]
    assert all((1, 3, 9)[rung + 1] > left for rung in stayed if rung < 2)
    assert result.best_trial.user_attrs[RUNG] == 2


@pytest.mark.parametrize("strategy", ["grid", "random"])
def test_an_exhausted_space_is_climbed_to_its_end(tmp_path: Path, strategy: str) -> None:
    evaluator = RungEvaluator()
    engine = engine_in(tmp_path, search_strategy=strategy)

    result = engine.search(small_space(), evaluator=evaluator, max_trials=50)

    assert result.stop_reason == "space exhausted"
    by_rung = [sum(epochs == rung for _, epochs, _ in evaluator.trained) for rung in (1, 3, 9)]
    # The budget has room for all of them.
    assert by_rung == [8, 8, 8]
    assert width_of(result.best_architecture) == 32


def test_an_interrupted_promotion_is_due_again(tmp_path: Path) -> None:
    interruptions = iter([KeyboardInterrupt()])

    def interrupt(width: int, epochs: int) -> None:
        if epochs == 3 and (found := next(interruptions, None)) is not None:
            raise found

    evaluator = RungEvaluator(fails=interrupt)
    stopped = engine_in(tmp_path).search(wide_space(), evaluator=evaluator, max_trials=4)
    result = engine_in(tmp_path).search(wide_space(), evaluator=evaluator, max_trials=4)

    assert (stopped.stop_reason, result.stop_reason) == ("interrupted", "budget")
    (cut,) = [t for t in result.study.trials if t.state == TrialState.FAIL]
    promoted = [t.user_attrs.get(RESUMED_FROM) for t in result.study.trials]
    assert promoted.count(cut.user_attrs[RESUMED_FROM]) == 2
    assert cut.number not in promoted


def test_promotions_that_fail_do_not_keep_a_search_going(tmp_path: Path) -> None:
    def fail(width: int, epochs: int) -> None:
        if epochs == 9:
            raise RuntimeError("a bug")

    with pytest.raises(StudyError, match="3 trials in a row failed"):
        engine_in(tmp_path).search(wide_space(), evaluator=RungEvaluator(fails=fail), max_trials=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": [9, 3]}, "`rungs` must rise"),
        ({"early_stopping": "median"}, "give no `early_stopping`"),
        ({"reduction_factor": 1}, "`reduction_factor` must be a whole number"),
        ({"metrics": ["val_accuracy", "params"]}, "one metric to rank by"),
    ],
    ids=str,
)
def test_wrong_options_of_an_engine(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine_in(tmp_path, **options)


def test_epochs_that_are_not_the_last_rung(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it must be `epochs`, 5, but is 9"):
        engine_in(tmp_path).search(
            wide_space(), evaluator=RungEvaluator(), max_trials=1, max_epochs_per_trial=5
        )


def test_early_stopping_of_an_engine_by_default(tmp_path: Path) -> None:
    assert AutoMLEngine(output_dir=tmp_path).early_stopping == "median"
    assert engine_in(tmp_path).early_stopping == "none"
    assert (
        engine_in(tmp_path, early_stopping="none", reduction_factor=4).options.reduction_factor == 4
    )
