"""Trials whose workers died: who notices, and what becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from neural_automl.checkpoints import CHECKPOINT
from neural_automl.workers import _recovery
from neural_automl.workers._leases import ATTEMPTS, LEASE, WORKER, Lease, Watch
from neural_automl.workers._recovery import DEATHS, hand_back, is_gone, own_name, recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.trial import FrozenTrial, Trial

ELSEWHERE = "elsewhere:17:0123abcd:99"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recovery, "SETTLE", 0.0)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    storages: dict[str, Callable[[], object]] = {
        "memory": lambda: None,
        "sqlite": lambda: f"sqlite:///{tmp_path / 'study.db'}",
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "journal"))),
    }
    return optuna.create_study(storage=storages[request.param](), study_name="s")  # type: ignore[arg-type]


def sign(trial: Trial, worker: str = ELSEWHERE) -> Trial:
    trial.set_user_attr(WORKER, worker)
    return trial


def frozen(study: optuna.Study, number: int = 0) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]


def a_dead_worker() -> str:
    """Return the name of a process of this machine that has ended."""
    code = "from neural_automl.workers._recovery import own_name; print(own_name())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_trial_of_a_process_that_ended_goes_back_with_all_it_holds(study: optuna.Study) -> None:
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    trial.set_user_attr("note", "kept")
    sign(trial, a_dead_worker())
    assert [t.number for t in recover(study, Watch())] == [0]
    assert frozen(study).state == TrialState.WAITING
    again = study.ask()
    assert again.number == 0
    assert again.suggest_float("x", 0, 1) == x
    assert frozen(study).intermediate_values == {1: 0.5}
    assert frozen(study).user_attrs["note"] == "kept"
    assert frozen(study).user_attrs[ATTEMPTS] == 1
    assert recover(study, Watch()) == []  # nobody's yet, and not for long
    study.tell(again, 1.0)
    assert len(study.trials) == 1


def test_a_trial_of_another_machine_goes_back_when_its_lease_stands_still(
    study: optuna.Study,
) -> None:
    clock = Clock()
    watch = Watch(patience=60, clock=clock)
    trial = sign(study.ask())
    assert recover(study, watch) == []
    clock.now += 59
    trial.set_user_attr(LEASE, time.time())
    assert recover(study, watch) == []
    clock.now += 60
    assert recover(study, watch) == []
    clock.now += 1
    assert [t.number for t in recover(study, watch)] == [0]
    # Taken up again without a lease yet: it is given as long anew.
    study.ask()
    clock.now += 50
    assert recover(study, watch) == []


def test_the_trial_of_a_living_process_stays(study: optuna.Study) -> None:
    sign(study.ask(), own_name())
    assert recover(study, Watch()) == []
    assert frozen(study).state == TrialState.RUNNING


def test_two_watchers_set_a_trial_back_once(study: optuna.Study) -> None:
    sign(study.ask(), a_dead_worker())
    stale = frozen(study)
    assert len(recover(study, Watch())) == 1
    taken = sign(study.ask(), own_name())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "get_trials", lambda **_: [stale])  # as the slower one had read it
        assert recover(study, Watch()) == []
    assert frozen(study).state == TrialState.RUNNING
    study.tell(taken, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "get_trials", lambda **_: [stale])
        assert recover(study, Watch()) == []


def test_of_watchers_that_read_the_same_the_last_to_claim_sets_back(study: optuna.Study) -> None:
    dead = a_dead_worker()
    sign(study.ask(), dead)
    others: list[FrozenTrial] = []
    found = recover(study, Watch(), sleep=lambda _: others.extend(recover(study, Watch())))
    assert found == []
    assert [trial.number for trial in others] == [0]
    assert frozen(study).user_attrs[ATTEMPTS] == 1


def test_a_slow_watcher_does_not_take_a_trial_from_who_took_it_up(study: optuna.Study) -> None:
    sign(study.ask(), a_dead_worker())

    def meanwhile(_: float) -> None:
        recover(study, Watch())
        sign(study.ask(), own_name())

    assert recover(study, Watch(), sleep=meanwhile) == []
    assert frozen(study).state == TrialState.RUNNING
    assert frozen(study).user_attrs[WORKER] == own_name()


def test_a_trial_that_is_told_while_a_watcher_waits_stays_told(study: optuna.Study) -> None:
    trial = sign(study.ask(), a_dead_worker())
    assert recover(study, Watch(), sleep=lambda _: study.tell(trial, 1.0)) == []
    assert frozen(study).state == TrialState.COMPLETE


def test_what_kills_its_worker_thrice_at_one_epoch_is_given_up(study: optuna.Study) -> None:
    dead = a_dead_worker()
    for death in range(1, 4):
        sign(study.ask(), dead)
        assert len(recover(study, Watch())) == 1
        assert frozen(study).user_attrs[DEATHS] == {"epoch": 0, "count": death}
    assert frozen(study).state == TrialState.FAIL
    assert frozen(study).user_attrs["error"] == "its worker died 3 times in a row after epoch 0"


def test_deaths_with_progress_between_them_do_not_add_up(study: optuna.Study) -> None:
    dead = a_dead_worker()
    for epoch in range(6):
        trial = sign(study.ask(), dead)
        trial.set_user_attr(CHECKPOINT, {"epoch": epoch})
        recover(study, Watch())
    assert frozen(study).state == TrialState.WAITING
    assert frozen(study).user_attrs[ATTEMPTS] == 6


def test_a_trial_handed_back_counts_no_death(study: optuna.Study) -> None:
    trial = sign(study.ask(), own_name())
    hand_back(study, trial._trial_id)
    assert frozen(study).state == TrialState.WAITING
    assert DEATHS not in frozen(study).user_attrs
    study.ask()
    study.tell(0, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        hand_back(study, trial._trial_id)


@pytest.mark.parametrize(
    "name",
    [None, "", 5, "host:1", ELSEWHERE, own_name().rpartition(":")[0] + ":", own_name()],
    ids=["none", "empty", "number", "short", "other_machine", "no_start", "alive"],
)
def test_only_what_is_certainly_dead_is_gone(name: object) -> None:
    assert not is_gone(name)


def test_a_process_that_got_the_number_of_a_dead_one_is_not_it() -> None:
    assert is_gone(own_name() + "1")


def test_a_killed_process_is_gone_at_once() -> None:
    code = (
        "import time; from neural_automl.workers._recovery import own_name; "
        "print(own_name(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert not is_gone(name)
        os.kill(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not is_gone(name) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert is_gone(name)  # before its parent has asked how it ended
    assert is_gone(name)


# --- the lease --------------------------------------------------------------------------------


def test_a_worker_finds_out_that_its_trial_was_taken(study: optuna.Study) -> None:
    clock = Clock()
    trial = study.ask()
    with Lease(trial, own_name(), period=3600, clock=clock) as lease:
        assert frozen(study).user_attrs[WORKER] == own_name()
        hand_back(study, trial._trial_id)  # by a watcher that took it for dead
        assert not lease.is_lost()  # not asked: it can't have been, so soon
        clock.now += 31
        assert lease.is_lost()


def test_a_worker_that_slept_and_kept_its_trial_goes_on(study: optuna.Study) -> None:
    clock = Clock()
    trial = study.ask()
    with Lease(trial, own_name(), period=3600, clock=clock) as lease:
        clock.now += 31
        assert not lease.is_lost()
        assert LEASE in frozen(study).user_attrs  # renewed on the way
        study.tell(trial, 1.0)
        clock.now += 31
        assert lease.is_lost()


def test_a_trial_that_was_taken_up_again_is_looked_at_more_often(study: optuna.Study) -> None:
    clock = Clock()
    trial = study.ask()
    trial.set_user_attr(ATTEMPTS, 1)
    with Lease(trial, own_name(), period=3600, clock=clock) as lease:
        hand_back(study, trial._trial_id)  # by a second watcher, slower than the first
        assert not lease.is_lost()
        clock.now += 2
        assert lease.is_lost()


def test_a_lease_is_renewed_and_looks_after_others(study: optuna.Study) -> None:
    looked: list[float] = []
    trial = study.ask()
    with Lease(trial, own_name(), period=0.001, look=lambda: looked.append(1.0)):
        deadline = time.monotonic() + 30
        while not looked and time.monotonic() < deadline:
            time.sleep(0.01)
    assert looked
    assert LEASE in frozen(study).user_attrs
