"""Nothing is trained twice: repeats are answered, and rivals settle who trains."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import random
import threading
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl import known_values
from neural_automl.architecture_space import ArchitectureSpace, Choice
from neural_automl.exceptions import DivergenceError, OutOfMemoryError, StudyError
from neural_automl.known_values import CLAIM, TICKET, Known, KnownValues
from neural_automl.objective import ArchitectureObjective
from neural_automl.registry import is_trained, summarise
from neural_automl.studies import open_storage, open_study
from neural_automl.workers._leases import Lease, Watch
from tests.search.fakes import CurveEvaluator, small_space, width_of
from tests.spaces import many

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

NARROW = {"layers[0].Dense.units": 8, "layers[1].maybe": False}
WIDE = {"layers[0].Dense.units": 32, "layers[1].maybe": False}


def objective_over(evaluator: Any, **options: Any) -> ArchitectureObjective:
    settings = {"epochs": 4, "artifact_store": None, "space": small_space(), **options}
    return ArchitectureObjective(settings.pop("space"), evaluator, **settings)


def run_each(
    study: optuna.Study, objective: ArchitectureObjective, *params: Mapping[str, Any]
) -> list[optuna.trial.FrozenTrial]:
    for values in params:
        study.enqueue_trial(dict(values))
    study.optimize(objective, n_trials=len(params))
    return study.trials[-len(params) :]


# --- what is answered -------------------------------------------------------------------------


def test_a_repeat_is_answered_at_once_and_not_counted() -> None:
    evaluator = CurveEvaluator()
    study = optuna.create_study(direction="maximize")

    first, other, again = run_each(study, objective_over(evaluator), NARROW, WIDE, NARROW)

    assert len(evaluator.trained) == 2
    assert (again.value, again.user_attrs["cached_from"]) == (first.value, 0)
    assert again.user_attrs["val_accuracy"] == first.user_attrs["val_accuracy"]
    assert again.intermediate_values == {}
    assert "epochs" not in again.user_attrs
    assert other.value != first.value
    summary = summarise(study)
    assert (summary.trained, summary.repeats, summary.epochs_trained) == (2, 1, 8)
    assert [is_trained(trial) for trial in study.trials] == [True, True, False]


def test_an_equal_function_of_another_size_keeps_its_own_costs() -> None:
    # A zero branch: its convolution is dead weight.
    space = ArchitectureSpace.from_dsl(
        """network Dead { input: (6, 6, 2) layers:
           choice { Conv2D(2, 1) | parallel(merge="add") { { Conv2D(2, 1) } { Conv2D(2, 3,
             padding=1, use_bias=false) Zero() Conv2D(2, 3, padding=1, use_bias=false) } } }
           Flatten() Dense(2) }"""
    )
    evaluator = CurveEvaluator(lambda *_: 0.5)
    objective = objective_over(evaluator, space=space, metrics=("val_accuracy", "params"))
    study = optuna.create_study(directions=list(objective.directions))  # type: ignore[arg-type]

    names = list(space.sample_architecture(seed=0).choices)
    plain, dead = run_each(study, objective, *({names[0]: block} for block in _blocks(space)))

    assert len(evaluator.trained) == 1
    assert dead.user_attrs["cached_from"] == 0
    assert dead.user_attrs["architecture_key"] == plain.user_attrs["architecture_key"]
    assert dead.values[1] == dead.user_attrs["params"] == plain.values[1] + 2 * 2 * 2 * 9


def _blocks(space: ArchitectureSpace) -> list[Any]:
    trial = optuna.create_study().ask()
    space.suggest(trial)
    (distribution,) = trial.distributions.values()
    assert isinstance(distribution, optuna.distributions.CategoricalDistribution)
    return list(distribution.choices)


def test_a_stopped_training_is_answered_as_stopped_at_its_step() -> None:
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.2, n_warmup_steps=2)
    )
    evaluator = CurveEvaluator()

    first, again = run_each(study, objective_over(evaluator), NARROW, NARROW)

    assert first.state == again.state == TrialState.PRUNED
    assert again.intermediate_values == {2: first.intermediate_values[2]}
    assert len(evaluator.trained) == 1


class Raising:
    def __init__(self, error: Exception | None) -> None:
        self.error, self.calls = error, 0

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        self.calls += 1
        context.report(1, {"val_accuracy": 0.2})
        if self.error is not None:
            raise self.error
        return {"val_accuracy": 0.2}


def test_a_divergence_is_answered_with_its_reason() -> None:
    evaluator = Raising(DivergenceError("the loss became nan"))
    study = optuna.create_study(direction="maximize")

    first, again = run_each(study, objective_over(evaluator), NARROW, NARROW)

    assert evaluator.calls == 1
    assert again.constraints == first.constraints == {"divergence": 1.0}
    assert again.user_attrs["infeasible"] == first.user_attrs["infeasible"]
    assert summarise(study).infeasible == 1


def test_what_found_no_memory_may_be_tried_on_another_device() -> None:
    study = optuna.create_study(direction="maximize")
    run_each(study, objective_over(Raising(OutOfMemoryError("none"))), NARROW)
    study.set_user_attr("out_of_memory", {})
    other = Raising(None)

    (trial,) = run_each(study, objective_over(other), NARROW)

    assert other.calls == 1
    assert trial.state == TrialState.COMPLETE


def test_a_failure_is_tried_again() -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(NARROW)
    broken = objective_over(Raising(RuntimeError("bug")))
    study.optimize(broken, n_trials=1, catch=(RuntimeError,))
    mended = Raising(None)

    (trial,) = run_each(study, objective_over(mended), NARROW)

    assert mended.calls == 1
    assert trial.state == TrialState.COMPLETE


def test_other_training_hyperparameters_are_no_repeat() -> None:
    space = small_space(hyperparameters={"training.batch_size": Choice(8, 16)})
    evaluator = CurveEvaluator()
    study = optuna.create_study(direction="maximize")
    (name,) = (n for n in space.sample_architecture(seed=0).choices if "batch_size" in n)

    run_each(
        study,
        objective_over(evaluator, space=space),
        {**NARROW, name: 8},
        {**NARROW, name: 16},
        {**NARROW, name: 8},
    )

    assert [a.training["batch_size"] for a in evaluator.trained] == [8, 16]


# --- other studies ----------------------------------------------------------------------------


def test_results_of_other_studies_are_reused_where_asked_for(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/s.db"
    earlier = optuna.create_study(study_name="a", storage=storage, direction="maximize")
    run_each(earlier, objective_over(CurveEvaluator()), NARROW)
    evaluator = CurveEvaluator()
    asked, bare = (
        optuna.create_study(study_name=name, storage=storage, direction="maximize")
        for name in ("b", "c")
    )

    (answered,) = run_each(asked, objective_over(evaluator, reuse=["a"]), NARROW)
    assert evaluator.trained == []
    assert answered.user_attrs["cached_from"] == "a:0"
    assert answered.value == earlier.trials[0].value

    run_each(bare, objective_over(evaluator), NARROW)
    assert len(evaluator.trained) == 1


def test_other_epochs_are_no_repeat_of_another_study(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/s.db"
    for name, epochs in (("a", 4), ("b", 5)):
        study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
        evaluator = CurveEvaluator()
        reuse = ["a"] if name == "b" else []
        run_each(study, objective_over(evaluator, epochs=epochs, reuse=reuse), NARROW)
        assert len(evaluator.trained) == 1


def test_a_study_that_is_not_there() -> None:
    study = optuna.create_study(direction="maximize")
    with pytest.raises(StudyError, match="there is no study 'x' to reuse results of"):
        study.optimize(objective_over(CurveEvaluator(), reuse=["x"]), n_trials=1)


def test_one_that_remembers_serves_two_studies_in_turns() -> None:
    evaluator = CurveEvaluator()
    objective = objective_over(evaluator)
    one, two = (optuna.create_study(direction="maximize") for _ in range(2))
    run_each(one, objective, NARROW)
    run_each(two, objective, WIDE)

    run_each(one, objective, WIDE, NARROW)
    run_each(two, objective, NARROW, WIDE)

    assert [width_of(a) for a in evaluator.trained] == [8, 32, 32, 8]
    assert [t.user_attrs.get("cached_from") for t in (*one.trials, *two.trials)] == [
        *(None, None, 0),
        *(None, None, 0),
    ]
    assert pickle.loads(pickle.dumps(KnownValues(reuse=["a"])))._reuse == ("a",)


# --- who trains: forced interleavings -----------------------------------------------------------


class Steps:
    """Runs several claims of one key, one storage access at a time, in a given order."""

    def __init__(self, study: optuna.Study, count: int) -> None:
        self.study = study
        self.turns = [threading.Semaphore(0) for _ in range(count)]
        self.paused = [threading.Semaphore(0) for _ in range(count)]
        self.done = [False] * count
        self.training: list[int] = []
        self.most = 0
        self.answers: list[Known | None] = [None] * count
        self._threads = [threading.Thread(target=self._work, args=(k,)) for k in range(count)]

    def pause(self, worker: int) -> None:
        self.paused[worker].release()
        self.turns[worker].acquire()

    def _work(self, worker: int) -> None:
        self.turns[worker].acquire()
        trial = self.study.ask()
        watched = _Stepping(trial, self, worker)
        values = KnownValues(sleep=lambda _: self.pause(worker), patience=1e9)
        known = values.find_or_claim(watched, "key")  # type: ignore[arg-type]
        self.answers[worker] = known
        if known is None:
            self.training.append(worker)
            self.most = max(self.most, len(self.training))
            self.pause(worker)
            self.study.tell(trial, 0.5)
            self.training.remove(worker)
        self.done[worker] = True
        self.paused[worker].release()

    def run(self, schedule: list[int]) -> None:
        """Let workers take a step each in this order, then all in turn to the end."""
        for thread in self._threads:
            thread.start()
        rounds = itertools.chain(schedule, itertools.cycle(range(len(self.turns))))
        for worker in rounds:
            if all(self.done):
                break
            if not self.done[worker]:
                self.turns[worker].release()
                self.paused[worker].acquire()
        for thread in self._threads:
            thread.join()


class _Stepping:
    """A trial that waits for its turn before each access to the storage."""

    def __init__(self, trial: optuna.Trial, steps: Steps, worker: int) -> None:
        self._trial, self._steps, self._worker = trial, steps, worker
        self.number, self.user_attrs = trial.number, trial.user_attrs

    def set_user_attr(self, name: str, value: object) -> None:
        self._steps.pause(self._worker)
        self._trial.set_user_attr(name, value)

    @property
    def study(self) -> optuna.Study:
        self._steps.pause(self._worker)
        return self._trial.study


# Five steps lead a claim to its training: every order of two claims, and of three at random.
TWO = [[int(k not in first) for k in range(10)] for first in itertools.combinations(range(10), 5)]


@pytest.mark.parametrize("part", range(4))
def test_two_rivals_never_both_train(part: int) -> None:
    for schedule in TWO[part::4]:
        steps = Steps(optuna.create_study(), 2)
        steps.run(schedule)

        assert steps.most == 1, schedule
        assert sum(answer is None for answer in steps.answers) == 1, schedule


def test_three_rivals_never_both_train() -> None:
    rng = random.Random(0)
    for _ in range(many(2000)):
        schedule = [rng.randrange(3) for _ in range(20)]
        steps = Steps(optuna.create_study(), 3)
        steps.run(schedule)

        assert steps.most == 1, schedule
        assert sum(answer is None for answer in steps.answers) == 1, schedule


def test_a_dead_rival_is_not_waited_for_long() -> None:
    study = optuna.create_study()
    dead, trial = study.ask(), study.ask()
    dead.set_user_attr(CLAIM, "key")
    dead.set_user_attr(TICKET, 1)
    pauses: list[float] = []

    assert KnownValues(patience=0.0, sleep=pauses.append).find_or_claim(trial, "key") is None
    assert len(pauses) <= 1
    assert trial.user_attrs[TICKET] == 2


def test_a_watch_tells_the_living_from_the_dead() -> None:
    now = [0.0]
    watch = Watch(patience=10, clock=lambda: now[0])
    study = optuna.create_study()
    trial = study.ask()

    def alive() -> bool:
        return watch.is_alive(study.get_trials(deepcopy=False)[0])

    assert alive()
    now[0] = 11
    assert not alive()
    trial.set_user_attr("lease", 1e12)
    assert alive()
    now[0] = 20
    assert alive()
    now[0] = 22
    assert not alive()
    trial.set_user_attr("lease", 5.0)  # long ago
    assert not alive()


def test_a_lease_is_renewed_while_the_block_runs() -> None:
    trial = optuna.create_study().ask()
    renewed = threading.Event()
    plain = trial.set_user_attr

    def note(name: str, value: object) -> None:
        plain(name, value)
        if name == "lease":
            renewed.set()

    trial.set_user_attr = note  # type: ignore[method-assign, assignment]
    with Lease(trial, "worker", period=0.001):
        assert renewed.wait(30)
    renewed.clear()
    assert isinstance(trial.user_attrs["lease"], float)
    assert not renewed.wait(0.01)


# --- many processes -----------------------------------------------------------------------------


class _Counting(CurveEvaluator):
    """Writes a line for each training."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        with self.log.open("a") as file:
            file.write(f"{architecture.key}\n")
        return super().evaluate(architecture, context)


def _worker(storage: str, log: Path, trials: int, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        study_name="s",
        storage=open_storage(storage),  # Optuna's own waits 5 s for a locked file, and not again
        sampler=optuna.samplers.RandomSampler(seed=seed),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective_over(_Counting(log)), n_trials=trials)


@pytest.mark.slow
def test_many_processes_train_nothing_twice(tmp_path: Path) -> None:
    storage, log = f"sqlite:///{tmp_path}/s.db", tmp_path / "trained"
    study = open_study(
        storage, "s", directions=["maximize"],
        sampler=optuna.samplers.RandomSampler(), pruner=optuna.pruners.NopPruner(),
    )  # fmt: skip
    context = multiprocessing.get_context("spawn")
    workers = 8
    # Equal seeds: the workers propose alike, which is the worst case.
    processes = [
        context.Process(target=_worker, args=(storage, log, many(400) // workers, k // 4))
        for k in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * workers
    trained = log.read_text().split()
    assert len(study.trials) == many(400)
    assert len(trained) == len(set(trained)) == sum(map(is_trained, study.trials))
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_thread_that_looks_while_another_reads_finds_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = optuna.create_study()
    trained, asking = study.ask(), study.ask()
    trained.set_user_attr(CLAIM, "equal")
    study.tell(trained, 0.5)
    known = KnownValues()
    in_between: list[object] = []
    reusable = known_values.is_reusable

    def look_meanwhile(trial: optuna.trial.FrozenTrial) -> bool:
        if not in_between:
            in_between.append(None)  # the look below reads the trial too
            in_between[0] = known.find_or_claim(asking, "equal")
        return reusable(trial)

    monkeypatch.setattr(known_values, "is_reusable", look_meanwhile)
    found = known.find_or_claim(asking, "equal")

    assert found is not None
    assert in_between == [found]
