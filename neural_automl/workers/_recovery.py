"""Trials of workers that died: they go back into the queue under their own number.

A worker signs the trials that it runs, and renews their leases (`_leases`). A trial whose worker is
gone is set back to WAITING, which keeps its parameters, reports and attributes; the next worker
that asks for a trial gets it, and goes on from its last checkpoint.

No storage of Optuna's has "set back if it is still so", and two watchers that do it one after the
other take the trial from whoever took it up between them. So they agree by Fischer's mutual
exclusion, which needs attributes alone: each writes its token, waits longer than a write takes, and
goes on if the token is still its own.

Source: Fischer's algorithm, in Lamport, "A Fast Mutual Exclusion Algorithm", ACM TOCS 5(1), 1987.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from neural_automl.checkpoints import CHECKPOINT
from neural_automl.workers._leases import ATTEMPTS, LEASE, WORKER, Watch

if TYPE_CHECKING:
    import optuna

#: Attribute of a trial: how often in a row workers died of it, and after which epoch.
DEATHS: Final = "deaths"
#: So many workers may die of a trial at one epoch before it is given up.
MAX_RETRY: Final = 3
#: Attribute of a trial: which watcher sets it back.
RESCUER: Final = "rescuer"
#: Seconds within which a watcher that has read a trial has written to it.
SETTLE: Final = 1.0


@cache
def _machine() -> str:
    """Return what differs between machines, and between containers of one machine."""
    parts = [socket.gethostname()]
    for file in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        if Path(file).is_file():
            parts.append(Path(file).read_text(encoding="utf-8").strip())
            break
    namespace = Path("/proc/self/ns/pid")
    if namespace.exists():
        parts.append(str(namespace.stat().st_ino))
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> str | None:
    """Return when a process of this machine was started; None where that can't be known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]  # Z: it ended, and its parent did not ask yet


def own_name() -> str:
    """Return the name that this process signs its trials with: host:process:machine:start."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_machine()}:{_started(pid) or ''}"


def is_gone(worker: object) -> bool:
    """Return whether a worker ran on this machine and is certainly dead.

    False for workers of other machines, and where processes can't be looked up: their leases tell.
    """
    parts = worker.rsplit(":", 3) if isinstance(worker, str) else []
    if len(parts) != 4 or parts[2] != _machine() or not parts[3]:
        return False
    return _started(int(parts[1])) != parts[3]


def recover(
    study: optuna.Study,
    watch: Watch,
    *,
    max_retry: int = MAX_RETRY,
    sleep: Callable[[float], object] = time.sleep,
) -> list[FrozenTrial]:
    """Set back the running trials whose workers are gone, and return them.

    Args:
        study: Whose trials are looked at.
        watch: Kept from call to call: it tells who is alive by whether leases move.
        max_retry: Deaths in a row, at one epoch, after which a trial is marked FAIL instead.
        sleep: Waits some seconds, where there is such a trial.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    gone = [t for t in running if is_gone(t.user_attrs.get(WORKER)) or not watch.is_alive(t)]
    token = uuid.uuid4().hex[:16]
    claimed = [trial for trial in gone if _claim(study, trial, token)]
    if claimed:
        sleep(SETTLE)
    return [trial for trial in claimed if _set_back(study, trial, token, max_retry)]


def _claim(study: optuna.Study, trial: FrozenTrial, token: str) -> bool:
    """Write a token into a trial, if it is as it was when its worker was found gone."""
    if not _is_as(study._storage.get_trial(trial._trial_id), trial):
        return False  # another watcher was faster
    try:
        study._storage.set_trial_user_attr(trial._trial_id, RESCUER, token)
    except UpdateFinishedTrialError:
        return False
    return True


def _is_as(now: FrozenTrial, before: FrozenTrial) -> bool:
    return now.state == TrialState.RUNNING and all(
        now.user_attrs.get(sign) == before.user_attrs.get(sign) for sign in (WORKER, LEASE)
    )


def _set_back(study: optuna.Study, trial: FrozenTrial, token: str, max_retry: int) -> bool:
    storage, trial_id = study._storage, trial._trial_id
    now = storage.get_trial(trial_id)
    if not _is_as(now, trial) or now.user_attrs.get(RESCUER) != token:
        return False
    epoch = now.user_attrs.get(CHECKPOINT, {}).get("epoch", 0)
    before = now.user_attrs.get(DEATHS, {})
    deaths = before.get("count", 0) + 1 if before.get("epoch") == epoch else 1
    try:
        # First, so that no other watcher finds the trial as it was.
        storage.set_trial_user_attr(trial_id, WORKER, None)
        storage.set_trial_user_attr(trial_id, DEATHS, {"epoch": epoch, "count": deaths})
        attempts = int(now.user_attrs.get(ATTEMPTS, 0)) + 1
        storage.set_trial_user_attr(trial_id, ATTEMPTS, attempts)
        if deaths < max_retry:
            storage.set_trial_state_values(trial_id, TrialState.WAITING)
            return True
        reason = f"its worker died {deaths} times in a row after epoch {epoch}"
        storage.set_trial_user_attr(trial_id, "error", reason)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:  # told at this very moment
        return False
    return True


def hand_back(study: optuna.Study, trial_id: int) -> None:
    """Put a running trial back into the queue, with everything that it holds.

    Raises:
        optuna.exceptions.UpdateFinishedTrialError: It was told.
    """
    # Nobody's: whoever takes it signs it only a moment after it is RUNNING again.
    study._storage.set_trial_user_attr(trial_id, WORKER, None)
    study._storage.set_trial_state_values(trial_id, TrialState.WAITING)
