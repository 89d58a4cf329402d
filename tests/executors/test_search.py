"""The engine on each executor: one budget, nothing twice, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import ExecutorError, FallbackWarning, StudyError
from neural_automl.executor import BaseExecutor, Result, create_executor
from neural_automl.studies import load_study
from tests.executors.searches import (
    SlowEvaluator,
    check_complete,
    pids,
    search,
    trained_widths,
    wide_space,
)
from tests.executors.test_contract import owners_executor

ALL = (
    "sequential",
    "thread",
    pytest.param("process", marks=pytest.mark.slow),
    pytest.param("dask", marks=pytest.mark.slow),
    pytest.param("ray", marks=pytest.mark.slow),
)


@pytest.fixture
def orphans() -> Iterator[None]:
    """Check that no process that the test began lives on."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left: list[psutil.Process] = []
    for _ in range(100):
        left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"left behind: {[process.cmdline() for process in left]}")


def digits_space() -> ArchitectureSpace:
    units = Layer("Dense", Choice(*range(8, 40)), "relu")
    return ArchitectureSpace((8, 8, 1), ["Flatten", units, Layer("Dense", 10)])


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("executor", ALL)
def test_digits_with_two_workers(tmp_path: Path, executor: str) -> None:
    engine = AutoMLEngine(
        search_strategy="random",
        executor_type=executor,
        max_workers=1 if executor == "sequential" else 2,
        output_dir=tmp_path,
        seed=3,
    )

    result = engine.search(
        digits_space(), load_data("digits"), max_trials=6, max_epochs_per_trial=2
    )

    check_complete(result.study, 6)
    assert result.stop_reason == "budget"
    assert result.best_trial.value is not None
    assert {name.rpartition(".")[2] for name in result.weights()} == {"weight", "bias"}
    # What was begun when the budget was spent waits, and is nobody's.
    trials = [trial for trial in result.study.trials if trial.state.is_finished()]
    workers = {trial.user_attrs["worker"] for trial in trials}
    assert len(workers) <= 2
    assert (f":{os.getpid()}:" in " ".join(workers)) == (executor in ("sequential", "thread"))


@pytest.mark.parametrize("executor", ALL)
def test_one_worker_and_a_seed_search_alike(tmp_path: Path, executor: str) -> None:
    found = []
    with create_executor(executor, 1) as made:
        for name in ("a", "b"):
            engine = AutoMLEngine(
                search_strategy="tpe",
                early_stopping="none",
                executor_type=made,
                max_workers=1,
                output_dir=tmp_path / name,
                seed=4,
                device="cpu",
            )
            result = engine.search(
                digits_space(), load_data("digits"), max_trials=3, max_epochs_per_trial=1
            )
            trials = [(t.params, t.value, t.user_attrs["seed"]) for t in result.study.trials]
            found.append(
                (trials, {name: array.tolist() for name, array in result.weights().items()})
            )

    assert found[0] == found[1]


@pytest.mark.parametrize("executor", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_concurrent_workers_do_not_overshoot(tmp_path: Path, executor: str) -> None:
    result = search(
        tmp_path, 9, SlowEvaluator(tmp_path, 0.1), executor_type=executor, max_workers=4
    )

    check_complete(result.study, 9)
    assert len(trained_widths(tmp_path)) == len(set(trained_widths(tmp_path))) == 9
    assert len(pids(tmp_path)) >= (1 if executor == "thread" else 2)


def test_a_users_executor_runs_a_search(tmp_path: Path) -> None:
    seen: list[int] = []
    engine = AutoMLEngine(
        search_strategy="random",
        early_stopping="none",
        executor_type=owners_executor(),
        max_workers=2,
        output_dir=tmp_path,
    )
    result = engine.search(
        wide_space(),
        evaluator=SlowEvaluator(tmp_path, 0),
        max_trials=4,
        max_epochs_per_trial=1,
        callbacks=[lambda study, trial: seen.append(trial.number)],
    )

    check_complete(result.study, 4)
    assert sorted(seen) == [trial.number for trial in result.study.trials]


def test_a_missing_package_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "neural_automl.executor._ray", None)

    with pytest.warns(FallbackWarning, match="ray was replaced by sequential"):
        result = search(tmp_path, 2, SlowEvaluator(tmp_path, 0), executor_type="ray", max_workers=4)
    with pytest.raises(ImportError):
        search(
            tmp_path / "strict",
            2,
            SlowEvaluator(tmp_path, 0),
            executor_type="ray",
            max_workers=4,
            strict=True,
        )

    check_complete(result.study, 2)
    assert result.study.user_attrs["fallbacks"][0].startswith("ray was replaced by sequential")


# --- death --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_killed_worker_is_replaced_and_its_trial_taken_up(tmp_path: Path) -> None:
    # 60 networks: all are trained, the one that kills among them.
    result = search(
        tmp_path,
        60,
        SlowEvaluator(tmp_path, 0.01, kill_at=20),
        executor_type="process",
        max_workers=2,
    )

    check_complete(result.study, 60)
    assert sorted(trained_widths(tmp_path)) == list(range(4, 64))
    retried = [trial for trial in result.study.trials if trial.user_attrs.get("attempts")]
    assert [trial.params["layers[0].Dense.units"] for trial in retried] == [20]
    assert retried[0].intermediate_values == pytest.approx({1: 0.201, 2: 0.202, 3: 0.203})


@pytest.mark.slow
def test_an_architecture_that_kills_thrice_fails(tmp_path: Path) -> None:
    result = search(
        tmp_path,
        60,
        SlowEvaluator(tmp_path, 0.01, kill_at=20, deaths=9),
        executor_type="process",
        max_workers=2,
    )

    failed = [trial for trial in result.study.trials if trial.state.name == "FAIL"]
    assert [trial.params["layers[0].Dense.units"] for trial in failed] == [20]
    assert "its worker died 3 times in a row" in failed[0].user_attrs["error"]
    assert sorted(set(trained_widths(tmp_path)) | {20}) == list(range(4, 64))


class Dying(SlowEvaluator):
    def evaluate(self, architecture: Any, context: Any) -> Any:
        os._exit(7)


@pytest.mark.slow
def test_workers_that_all_die_end_the_search(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no worker ran to its end: .* died 4 times.*exit code 7"):
        search(tmp_path, 60, Dying(tmp_path), executor_type="process", max_workers=1)


# --- bad input ----------------------------------------------------------------------------------


def test_an_objective_that_cannot_be_pickled(tmp_path: Path) -> None:
    evaluator = SlowEvaluator(tmp_path)
    evaluator.lines = iter(range(3))  # type: ignore[attr-defined]
    evaluator.file = sys.stdout.buffer  # type: ignore[attr-defined]

    with pytest.raises(ExecutorError, match="SearchWorker can't be sent to another process: TypeE"):
        search(tmp_path, 2, evaluator, executor_type="process", max_workers=2)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_database_in_memory_is_not_shared(tmp_path: Path, executor: str) -> None:
    with pytest.raises(StudyError, match="in memory belongs to one thread"):
        search(
            tmp_path,
            2,
            SlowEvaluator(tmp_path),
            executor_type=executor,
            max_workers=2,
            storage="sqlite://",
        )


def test_many_workers_on_sqlite_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="9 workers share one SQLite file"):
        search(tmp_path, 1, SlowEvaluator(tmp_path, 0), executor_type="thread", max_workers=9)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there() -> None:
    with pytest.raises(
        ExecutorError, match=r"the Dask scheduler tcp://127.0.0.1:9 can't be reached"
    ):
        create_executor("dask", 2, address="tcp://127.0.0.1:9")


def fail_in_callback(study: Any, trial: Any) -> None:
    raise RuntimeError("the callback is broken")


class Leaving(BaseExecutor):
    def __init__(self) -> None:
        super().__init__("leaving")

    def execute_trials(self, trial_fn: Any, configs: Any, **kwargs: Any) -> list[Result]:
        raise SystemExit(7)

    def shutdown(self) -> None:
        raise AssertionError("it is the test's")


def test_an_executor_that_exits_does_not_leave_the_search_waiting(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="7"):
        search(tmp_path, 2, SlowEvaluator(tmp_path), executor_type=Leaving(), max_workers=2)


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_callback_that_raises_ends_the_workers(tmp_path: Path) -> None:
    engine = AutoMLEngine(
        search_strategy="random",
        executor_type="process",
        max_workers=2,
        output_dir=tmp_path,
    )
    with pytest.raises(RuntimeError, match="the callback is broken"):
        engine.search(
            wide_space(),
            evaluator=SlowEvaluator(tmp_path, 0.5),
            max_trials=50,
            callbacks=[fail_in_callback],
        )

    states = {trial.state.name for trial in engine.load_checkpoint(tmp_path).study.trials}
    assert "RUNNING" not in states


@pytest.mark.slow
def test_ctrl_c_reaches_the_workers(tmp_path: Path) -> None:
    script = (
        "import signal, sys, pathlib\n"
        "from tests.executors.searches import SlowEvaluator, search\n"
        # A background job of a shell, as these tests may be, ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "result = search(folder, 50, SlowEvaluator(folder, 1.0), executor_type='process',"
        " max_workers=2)\n"
        "print(result.stop_reason)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    while not pids(tmp_path) and parent.poll() is None:
        time.sleep(0.1)
    children = psutil.Process(parent.pid).children(recursive=True)

    parent.send_signal(signal.SIGINT)
    output = parent.communicate(timeout=120)[0]

    assert output == "interrupted\n"
    assert not any(child.is_running() for child in children)
    states = {trial.state.name for trial in load_study(tmp_path / "study.db").trials}
    assert states <= {"COMPLETE", "FAIL", "WAITING"}


@pytest.mark.slow
@pytest.mark.usefixtures("orphans")
def test_a_scheduler_that_goes_away_in_mid_search(tmp_path: Path) -> None:
    executor: Any = create_executor("dask", 2)
    killed: list[int] = []

    def kill(study: Any, trial: Any) -> None:
        if not killed:
            killed.append(executor._cluster.scheduler.process.pid)
            os.kill(killed[0], signal.SIGKILL)

    engine = AutoMLEngine(
        search_strategy="random", executor_type=executor, max_workers=2, output_dir=tmp_path
    )
    with pytest.raises(StudyError, match=r"no worker ran .*the Dask scheduler .* is gone"):
        engine.search(
            wide_space(),
            evaluator=SlowEvaluator(tmp_path, 0.5),
            max_trials=60,
            max_epochs_per_trial=3,
            callbacks=[kill],
        )
    executor.shutdown()

    # What was trained is there, and the same search goes on without Dask.
    result = search(tmp_path, 12, SlowEvaluator(tmp_path, 0.0), executor_type="thread")
    assert len(trained_widths(tmp_path)) >= 12
    assert result.stop_reason in ("budget", "trained already")
