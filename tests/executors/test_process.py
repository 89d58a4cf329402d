"""Children: their death, their end with the parent's, their share of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural_automl.exceptions import ExecutorError
from neural_automl.executor import ProcessExecutor
from neural_automl.executor._child import dump, load
from neural_automl.executor._process import child_environment, cores, how_it_ended


def die_until(path: Path, times: int) -> int:
    """Kill the own process so many times, counted in a file."""
    deaths = int(path.read_text()) if path.exists() else 0
    if deaths < times:
        path.write_text(str(deaths + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return deaths


def wait_until_gone(pid: int) -> bool:
    for _ in range(300):
        if not is_running(pid):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_dead_child_is_replaced(tmp_path: Path) -> None:
    with ProcessExecutor(2) as executor:
        future = executor.submit(die_until, tmp_path / "deaths", 2)
        other = executor.submit(pow, 2, 3)

        assert future.result(timeout=60) == 2
        assert other.result(timeout=60) == 8


def test_deaths_are_bounded(tmp_path: Path) -> None:
    with ProcessExecutor(max_restarts=1) as executor:
        future = executor.submit(die_until, tmp_path / "deaths", 9)

        with pytest.raises(ExecutorError, match="died 2 times, the last time of SIGKILL"):
            future.result(timeout=60)


def leave(code: int) -> None:
    sys.stderr.write("no driver\n")
    sys.stderr.flush()
    os._exit(code)


def test_what_a_dead_child_said_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessExecutor(max_restarts=0) as executor:
        future = executor.submit(leave, 3)

        with pytest.raises(ExecutorError, match="with exit code 3, having said: no driver"):
            future.result(timeout=60)
    assert "no driver" in capsys.readouterr().err


def tell_pid_and_sleep(path: Path) -> None:
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(600)


def wait_for(path: Path) -> str:
    for _ in range(600):
        if path.exists():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def test_shutdown_interrupts_what_runs(tmp_path: Path) -> None:
    executor = ProcessExecutor()
    future = executor.submit(tell_pid_and_sleep, tmp_path / "pid")
    pid = int(wait_for(tmp_path / "pid"))

    executor.shutdown()

    assert wait_until_gone(pid)
    assert isinstance(future.exception(), KeyboardInterrupt)
    with pytest.raises(ExecutorError, match="was shut down"):
        executor.submit(pow, 2, 3)


SCRIPT = """\
import os, sys, time, pathlib
from neural_automl.executor import create_executor

class Marked:  # of the script itself, which has no guard
    def __call__(self, folder):
        path = pathlib.Path(folder, "pid")
        path.with_suffix(".part").write_text(str(os.getpid()))
        path.with_suffix(".part").rename(path)
        if len(sys.argv) > 3: time.sleep(0)
        time.sleep(float(os.environ.get("NAP", "0")))
        return "marked"

print(create_executor("process", 1).submit(Marked(), sys.argv[1]).result())
"""


def start_script(folder: Path, nap: float) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NAP": str(nap)},
    )


def test_scripts_need_no_guard(tmp_path: Path) -> None:
    script = start_script(tmp_path, 0)

    assert script.communicate(timeout=60)[0] == "marked\n"


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = start_script(tmp_path, 600)
    pid = int(wait_for(tmp_path / "pid"))

    script.kill()
    script.communicate()

    assert wait_until_gone(pid)


def test_what_cannot_be_pickled_is_said_at_once() -> None:
    with ProcessExecutor() as executor:
        for function, args in ((abs, (iter_nothing(),)), (Held(), ())):
            with pytest.raises(ExecutorError, match="can't be sent to another process: TypeError"):
                executor.submit(function, *args)


def iter_nothing() -> Iterator[int]:
    yield from ()


class Held:
    def __init__(self) -> None:
        self.stream = sys.stderr.buffer

    def __call__(self) -> int:
        return self.stream.write(b"")


def test_results_that_cannot_be_pickled_are_errors() -> None:
    with ProcessExecutor() as executor:
        future = executor.submit(iter_nothing)

        with pytest.raises(RuntimeError, match="the result can't be sent back: TypeError"):
            future.result(timeout=60)


class Odd(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")


def raise_odd() -> None:
    raise Odd(7, "sins")


def test_errors_that_cannot_be_made_again_keep_their_text() -> None:
    with ProcessExecutor() as executor:
        future = executor.submit(raise_odd)

        with pytest.raises(RuntimeError, match="Odd: 7 sins"):
            future.result(timeout=60)


def test_arrays_are_mapped_and_changes_stay_in_the_child(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "x": np.arange(100_000.0),
        "empty": np.zeros((0, 3)),
        "odd": np.arange(7, dtype="i1"),
    }
    dump(arrays, tmp_path / "value")
    read = load(tmp_path / "value")
    read["x"][0] = 5.0
    again = load(tmp_path / "value")

    assert (tmp_path / "value").stat().st_size < 2000
    assert again["x"][0] == 0.0
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)


@pytest.mark.parametrize(
    ("environment", "slot", "workers", "gpus", "expected"),
    [
        ({}, 0, 10**6, (), {"OMP_NUM_THREADS": "1"}),
        ({}, 0, 1, (), {"OMP_NUM_THREADS": str(cores())}),
        ({"OMP_NUM_THREADS": "7"}, 0, 2, (), {"OMP_NUM_THREADS": "7"}),
        ({}, 0, 2, (), {"OMP_WAIT_POLICY": "PASSIVE"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, 0, 2, (), {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({}, 2, 4, ("0", "1"), {"CUDA_VISIBLE_DEVICES": "0"}),
        ({}, 3, 4, ("0", "1"), {"CUDA_VISIBLE_DEVICES": "1"}),
        ({"CUDA_VISIBLE_DEVICES": "4, GPU-7"}, 1, 2, None, {"CUDA_VISIBLE_DEVICES": "GPU-7"}),
        ({"CUDA_VISIBLE_DEVICES": ""}, 1, 2, None, {"CUDA_VISIBLE_DEVICES": ""}),
    ],
    ids=str,
)
def test_the_machine_is_shared(
    environment: dict[str, str],
    slot: int,
    workers: int,
    gpus: tuple[str, ...] | None,
    expected: dict[str, str],
) -> None:
    own = child_environment(environment, slot, workers, gpus)

    assert {name: own[name] for name in expected} == expected


def visible(_: Any) -> str:
    time.sleep(0.5)  # so that no child makes two of the calls
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_gpus_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProcessExecutor(3, gpus=("0", "1")) as executor:
        rows = executor.execute_trials(visible, range(3))

    assert sorted(row["result"] for row in rows) == ["0", "0", "1"]


@pytest.mark.parametrize(
    ("code", "said", "text"),
    [
        (-9, "", "of SIGKILL"),
        (-250, "", "with exit code -250"),
        (1, " lost \n", "with exit code 1, having said: lost"),
    ],
    ids=str,
)
def test_ends_in_words(code: int, said: str, text: str) -> None:
    assert how_it_ended(code, said) == text


def test_nothing_is_left_in_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProcessExecutor() as executor:
        folder = executor._folder
        executor.submit(pow, 2, 3).result(timeout=60)
        assert folder.stat().st_mode & 0o077 == 0

    assert not folder.exists()
