"""Ctrl-C between two trainings: it waits until no trial is being begun or ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from neural_automl.studies import load_study
from neural_automl.workers import _interruption
from neural_automl.workers._interruption import REQUESTED, Interrupts, ends_on_sigterm


@pytest.fixture(autouse=True)
def _heeds_ctrl_c() -> Iterator[None]:
    # A background job of a shell, as these tests may be, ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_is_held_until_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with Interrupts().held() as interrupts:
            interrupt()
            assert interrupts.is_pending
            done.append("told")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["told"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_is_let_through_at_once() -> None:
    done = []

    def work() -> None:
        with Interrupts().held() as interrupts:
            done.append("begun")
            with interrupts.let_through():
                interrupt()
                done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["begun"]


def test_what_is_held_ends_the_next_training_before_it_begins() -> None:
    interrupts = Interrupts()
    with interrupts.held():
        interrupt()
        with pytest.raises(KeyboardInterrupt), interrupts.let_through():
            raise AssertionError("it began")
        assert not interrupts.is_pending


def test_it_ends_a_wait() -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    def wait() -> None:
        with Interrupts().held() as interrupts:
            interrupts.sleep(60)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert time.monotonic() - start < 30


def test_who_asks_again_later_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_interruption, "_HELD", 0.0)
    done = []

    def work() -> None:
        with Interrupts().held():
            interrupt()
            done.append("held")
            time.sleep(0.01)
            interrupt()
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["held"]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, "own"])
def test_a_handler_of_the_users_is_the_one_that_hears(handler: object) -> None:
    heard: list[int] = []
    own = (lambda number, _: heard.append(number)) if handler == "own" else signal.SIG_IGN
    signal.signal(signal.SIGINT, own)
    with Interrupts().held():
        interrupt()

    assert heard == ([signal.SIGINT] if handler == "own" else [])
    assert signal.getsignal(signal.SIGINT) is own


def test_another_thread_holds_nothing() -> None:
    seen: list[object] = []

    def hold() -> None:
        with Interrupts().held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_search_inside_another_leaves_sigterm_to_it() -> None:
    with ends_on_sigterm():
        with ends_on_sigterm():
            signal.raise_signal(signal.SIGTERM)
        assert REQUESTED.is_set()
    assert not REQUESTED.is_set()


SEARCH = """\
import pathlib, signal, sys, threading, time
from optuna.storages import RDBStorage
from tests.executors.searches import SlowEvaluator, search

signal.signal(signal.SIGINT, signal.default_int_handler)
folder, method = pathlib.Path(sys.argv[1]), sys.argv[2]
call, calls = getattr(RDBStorage, method), []

def interrupted(self, *args, **kwargs):
    calls.append(method)
    result = call(self, *args, **kwargs)
    if len(calls) == 3:
        signal.raise_signal(signal.SIGINT)
    return result

setattr(RDBStorage, method, interrupted)
import neural_automl.workers._patience as patience
setattr(patience.PatientDatabase, method, interrupted)
print(search(folder, 6, SlowEvaluator(folder, 0.01)).stop_reason)
"""


@pytest.mark.parametrize("method", ["_create_new_trial", "set_trial_state_values"])
def test_a_trial_that_is_being_begun_or_ended_does_not_stay_running(
    tmp_path: Path, method: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SEARCH, str(tmp_path), method],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "interrupted\n", ran.stderr
    trials = load_study(tmp_path / "study.db").get_trials(deepcopy=False)
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) >= 2
