"""Signals to a search of several processes: its trials wait, and nobody counts them as deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from neural_automl.exceptions import ExecutorError
from neural_automl.executor import ProcessExecutor
from neural_automl.studies import load_study
from tests.executors.test_process import tell_pid_and_sleep, wait_for, wait_until_gone

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ROOT = Path(__file__).parents[2]
SEARCH = (
    *("search", str(ROOT / "examples/digits.neural"), "--data", "digits", "--epochs", "200"),
    *("--early-stopping", "none", "--trials", "2", "--workers", "2", "--output", "results"),
)


def start_search(folder: Path) -> subprocess.Popen[str]:
    (folder / "temporary").mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "neural_automl", *SEARCH],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def trials_of(folder: Path) -> list[FrozenTrial]:
    return load_study(folder / "results" / "study.db").trials


def wait_for_checkpoints(search: subprocess.Popen[str], folder: Path) -> list[int]:
    """Wait until two children have each kept an epoch, and return their process ids."""
    # Not before: of the study's database half may be there.
    while search.poll() is None and not list(folder.glob("results/*/checkpoint-*")):
        time.sleep(0.1)
    while search.poll() is None:
        trials = trials_of(folder)
        if sum("checkpoint" in trial.user_attrs for trial in trials) == 2:
            return [int(trial.user_attrs["worker"].split(":")[1]) for trial in trials]
        time.sleep(0.2)
    raise AssertionError(search.communicate())


def check_handed_back(folder: Path) -> None:
    trials = trials_of(folder)
    assert [trial.state.name for trial in trials] == ["WAITING"] * 2
    for trial in trials:
        assert trial.user_attrs["checkpoint"]["epoch"] == trial.last_step
        assert trial.user_attrs["worker"] is None
        assert not {"deaths", "error", "interrupted"} & trial.user_attrs.keys()
    assert not list((folder / "temporary").glob("neural_automl_*"))


@pytest.mark.slow
@pytest.mark.parametrize("reaches", ["leader", "all"])
def test_sigterm_of_the_command_hands_its_trials_back(tmp_path: Path, reaches: str) -> None:
    search = start_search(tmp_path)
    children = wait_for_checkpoints(search, tmp_path)

    for process in [search.pid, *(children if reaches == "all" else ())]:
        os.kill(process, signal.SIGTERM)
    output, errors = search.communicate(timeout=120)

    assert search.returncode == 130, errors
    assert "Interrupted; the same command goes on." in output
    assert all(map(wait_until_gone, children))
    check_handed_back(tmp_path)


@pytest.mark.slow
def test_children_of_a_killed_command_hand_their_trials_back(tmp_path: Path) -> None:
    search = start_search(tmp_path)
    children = wait_for_checkpoints(search, tmp_path)

    search.kill()
    search.communicate(timeout=120)

    assert all(map(wait_until_gone, children))
    check_handed_back(tmp_path)


def test_what_is_told_to_end_before_its_call_is_not_begun_again(tmp_path: Path) -> None:
    with ProcessExecutor() as executor:
        first = executor.submit(tell_pid_and_sleep, tmp_path / "pid")
        second = executor.submit(pow, 2, 3)  # waits for the only child
        pid = int(wait_for(tmp_path / "pid"))

        assert executor.hand_back()

        for future in (first, second):  # a sleep does not heed SIGTERM: it is as if not begun
            with pytest.raises(ExecutorError, match="told to end before its call began"):
                future.result(timeout=60)
        assert wait_until_gone(pid)
        assert executor.submit(pow, 2, 4).result(timeout=60) == 16


class Late:
    """Gets a second SIGTERM while it is written: from who ends a whole job, after the parent's."""

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        os.kill(os.getpid(), signal.SIGTERM)
        return str, ("handed back",)


def test_a_result_is_written_whatever_comes_after_it() -> None:
    with ProcessExecutor(max_restarts=0) as executor:
        assert executor.submit(Late).result(timeout=60) == "handed back"
