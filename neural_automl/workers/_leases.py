"""Signs of life: a worker renews a number in its trial, and others tell by it who is alive."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from optuna.exceptions import OptunaError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from types import TracebackType

    from optuna.trial import FrozenTrial, Trial

#: Attributes of a trial: who runs it, when that was last renewed, how often it was given back.
WORKER: Final = "worker"
LEASE: Final = "lease"
ATTEMPTS: Final = "attempts"
#: Seconds between two renewals, and after how many without one a worker is taken for dead.
PERIOD: Final = 15.0
PATIENCE: Final = 60.0
#: The same between two looks at whether a trial that was taken up again is still one's own.
RETAKEN: Final = 1.0
_LONG_AGO: Final = 3600.0

_log = logging.getLogger(__name__)


class Lease:
    """Renews a trial's lease from a thread of its own while a ``with`` block runs.

    Args:
        trial: The trial that is being worked on.
        worker: The name that the trial is signed with.
        period: Seconds between two renewals.
        patience: Seconds without one after which others may take the trial.
        look: Called at each turn, beside the training: looks after the trials of others.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        trial: Trial,
        worker: str,
        *,
        period: float = PERIOD,
        patience: float = PATIENCE,
        look: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trial = trial
        self._worker = worker
        self._period = period
        self._look = look
        self._clock = clock
        self._renewed = clock()
        # One that was taken up again may be set back once more, by a watcher that was slow.
        self._trusted = RETAKEN if trial.user_attrs.get(ATTEMPTS) else patience / 2
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._renewed = self._clock()
        if self._trial.user_attrs.get(WORKER) != self._worker:
            self._trial.set_user_attr(WORKER, self._worker)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def is_lost(self) -> bool:
        """Return whether the trial was taken from this worker, which was taken for dead.

        The storage is asked only where the last renewal is so long ago that it may have been.
        """
        if not self._lost and self._clock() - self._renewed > self._trusted:
            self._renew()
        return self._lost

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            try:
                self._renew()
                self._look()
            except (OptunaError, SQLAlchemyError, OSError) as error:
                # The training must not die of a database that is away for a moment: the lease is
                # renewed at the next turn.
                _log.warning("the lease of trial %d was not renewed: %s", self._trial.number, error)

    def _renew(self) -> None:
        asked = self._clock()
        now = self._trial.study._storage.get_trial(self._trial._trial_id)
        if now.state != TrialState.RUNNING or now.user_attrs.get(WORKER) != self._worker:
            self._lost = True
        if not self._lost:
            self._trial.set_user_attr(LEASE, time.time())
            self._renewed = asked


class Watch:
    """Tells whether the workers of other trials are alive, by whether their leases move.

    Clocks of two machines differ, so that it is the watcher's own clock that counts.

    Args:
        patience: Seconds without a renewal after which a worker is taken for dead.
        clock: Seconds, rising.
    """

    def __init__(
        self, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._seen: dict[int, tuple[tuple[object, ...], float]] = {}

    def is_alive(self, trial: FrozenTrial) -> bool:
        """Return whether a running trial's lease was renewed of late."""
        lease = trial.user_attrs.get(LEASE)
        if isinstance(lease, int | float) and time.time() - lease > _LONG_AGO:
            return False  # no clock is so wrong: it died before this worker looked
        sign = (lease, trial.user_attrs.get(WORKER), trial.user_attrs.get(ATTEMPTS))
        known, since = self._seen.get(trial.number, (None, 0.0))
        if known != sign:
            since = self._clock()
            self._seen[trial.number] = sign, since
        return self._clock() - since <= self._patience
