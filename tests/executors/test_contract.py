"""What every executor keeps to, and what users' own need."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from neural_automl.exceptions import ExecutorError, FallbackWarning
from neural_automl.executor import (
    EXECUTOR_NAMES,
    BaseExecutor,
    SequentialExecutor,
    create_executor,
    register_executor,
)


@pytest.fixture(params=["sequential", "thread", "process"])
def executor(request: pytest.FixtureRequest) -> Iterator[BaseExecutor]:
    workers = 1 if request.param == "sequential" else 2
    with create_executor(request.param, workers) as made:
        yield made


def double(value: int) -> int:
    return 2 * value


def fail_at_two(value: int) -> int:
    if value == 2:
        raise ValueError("two is too much")
    return value


def test_a_call_has_its_result(executor: BaseExecutor) -> None:
    assert executor.submit(pow, 2, 5).result(timeout=60) == 32


def test_a_call_raises_what_the_function_raised(executor: BaseExecutor) -> None:
    with pytest.raises(ValueError, match="two is too much"):
        executor.submit(fail_at_two, 2).result(timeout=60)


def test_rows_are_in_order_and_one_failure_is_one_row(executor: BaseExecutor) -> None:
    rows = executor.execute_trials(fail_at_two, [3, 2, 1])

    assert rows == [
        {"trial_id": 0, "config": 3, "result": 3, "success": True, "error": None},
        {
            "trial_id": 1,
            "config": 2,
            "result": None,
            "success": False,
            "error": "ValueError: two is too much",
        },
        {"trial_id": 2, "config": 1, "result": 1, "success": True, "error": None},
    ]


def test_what_was_defined_inside_travels(executor: BaseExecutor) -> None:
    weights = np.arange(5.0)

    class Scaled:
        def __call__(self, factor: float) -> float:
            return float((weights * factor).sum())

    assert executor.submit(Scaled(), 2.0).result(timeout=60) == 20.0


def test_no_configuration_is_no_row(executor: BaseExecutor) -> None:
    assert executor.execute_trials(double, []) == []


def test_options_are_checked_by_name(executor: BaseExecutor) -> None:
    with pytest.raises(TypeError, match="takes no option 'batch'"):
        executor.execute_trials(double, [1], batch=3)


@pytest.mark.parametrize(
    ("name", "workers", "options", "error", "message"),
    [
        ("threads", 1, {}, ValueError, "executor must be one of sequential, .*did you mean thread"),
        ("thread", 0, {}, ValueError, "`max_workers` must be at least 1 but got 0"),
        ("process", -1, {}, ValueError, "`max_workers` must be at least 1 but got -1"),
        ("sequential", 2, {}, ValueError, "one worker but `max_workers` is 2"),
        ("thread", 1, {"gpus": 1}, TypeError, "thread has no option 'gpus'"),
        ("process", 1, {"gpu": 1}, TypeError, "did you mean gpus"),
        ("process", 1, {"max_restarts": -1}, ValueError, "`max_restarts` must be at least 0"),
    ],
    ids=str,
)
def test_wrong_arguments(
    name: str, workers: int, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        create_executor(name, workers, **options)


def test_an_executor_is_returned_as_it_is() -> None:
    executor = SequentialExecutor()

    assert create_executor(executor) is executor
    with pytest.raises(TypeError, match="takes no options"):
        create_executor(executor, retries=2)


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_missing_package_falls_back_aloud(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    module = {"dask": "distributed", "ray": "ray"}[name]
    monkeypatch.setitem(sys.modules, module, None)
    ours = f"neural_automl.executor._{name}"
    # What was imported without the package shall not stay for other tests.
    sys.modules.pop(ours, None)
    request.addfinalizer(lambda: sys.modules.pop(ours, None))

    with pytest.warns(FallbackWarning, match=rf"{name} was replaced by sequential: {module} could"):
        executor = create_executor(name, 4)

    assert isinstance(executor, SequentialExecutor)
    assert executor.fallback is not None
    assert f"neural-automl[{name}]" in executor.fallback
    sys.modules.pop(ours, None)
    with pytest.raises(ImportError, match=f"neural-automl\\[{name}\\]"):
        create_executor(name, 4, strict=True)
    sys.modules.pop(ours, None)


# --- users' own -------------------------------------------------------------------------------

OWNERS_EXAMPLE = """\
from neural.automl.executor import BaseExecutor

class MyExecutor(BaseExecutor):
    def __init__(self):
        super().__init__('my_executor')
    
    def execute_trials(self, trial_fn, configs, **kwargs):
        # Your parallel execution logic
        return results
    
    def shutdown(self):
        # Cleanup
        pass
"""  # noqa: W293 - as it was written
OWN_LOGIC = (
    "results = [{'trial_id': i, 'config': c, 'result': trial_fn(c), 'success': True, "
    "'error': None} for i, c in enumerate(configs)]"
)


def owners_executor() -> BaseExecutor:
    text = OWNERS_EXAMPLE.replace("neural.automl", "neural_automl")
    names: dict[str, Any] = {}
    exec(text.replace("# Your parallel execution logic", OWN_LOGIC), names)
    made: BaseExecutor = names["MyExecutor"]()
    return made


def test_the_owners_example_runs_and_gets_submit() -> None:
    with owners_executor() as executor:
        assert executor.name == "my_executor"
        assert executor.execute_trials(double, [1, 2])[1]["result"] == 4
        assert executor.submit(pow, 2, 3).result() == 8


class Submitting(BaseExecutor):
    def __init__(self) -> None:
        super().__init__("submitting")

    def submit(self, fn: Any, *args: Any) -> Future[Any]:
        return SequentialExecutor().submit(fn, *args)

    def shutdown(self) -> None:
        pass


def test_one_that_submits_gets_rows() -> None:
    rows = Submitting().execute_trials(fail_at_two, [1, 2])

    assert [row["success"] for row in rows] == [True, False]


def test_a_row_that_failed_is_an_error_of_submit() -> None:
    class Failing(BaseExecutor):
        def execute_trials(self, trial_fn: Any, configs: Any, **kwargs: Any) -> Any:
            return [{"result": None, "success": False, "error": "the queue is full"}]

        def shutdown(self) -> None:
            pass

    with pytest.raises(ExecutorError, match="the queue is full"):
        Failing("failing").submit(double, 1).result()


def test_one_of_the_two_methods_is_needed() -> None:
    class Neither(BaseExecutor):
        def shutdown(self) -> None:
            pass

    with pytest.raises(TypeError, match="Neither must define `submit` or `execute_trials`"):
        Neither("neither")


def test_a_name_for_ones_own() -> None:
    register_executor("own_test_executor")(lambda max_workers=1: Submitting())

    assert create_executor("own_test_executor", 3).name == "submitting"
    assert "own_test_executor" not in EXECUTOR_NAMES
    with pytest.raises(ValueError, match="there is an executor 'process' already"):
        register_executor("process")
    with pytest.raises(TypeError, match="must be a class or a function"):
        register_executor("number")(7)  # type: ignore[type-var]


def test_importing_loads_neither_dask_nor_ray_nor_torch() -> None:
    with create_executor("process") as executor:
        loaded = executor.submit(_loaded_after_import).result(timeout=60)

    assert loaded == []


def _loaded_after_import() -> list[str]:
    import neural_automl.executor

    assert neural_automl.executor.EXECUTOR_NAMES
    return [name for name in ("dask", "distributed", "ray", "torch") if name in sys.modules]


def test_processes_are_other_processes() -> None:
    with create_executor("process", 2) as executor:
        rows = executor.execute_trials(lambda _: os.getpid(), [0, 1])

    assert len({os.getpid(), *(row["result"] for row in rows)}) == 3
    assert re.fullmatch(r"\d+", str(rows[0]["result"]))
