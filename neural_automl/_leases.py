"""Signs of life: a worker renews a number in its trial, and others tell by it who is alive."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from types import TracebackType

    from optuna.trial import FrozenTrial, Trial

ATTRIBUTE: Final = "lease"
#: Seconds between two renewals, and after how many without one a worker is taken for dead.
PERIOD: Final = 15.0
PATIENCE: Final = 60.0
_LONG_AGO: Final = 3600.0

_log = logging.getLogger(__name__)


class Lease:
    """Renews a trial's lease from a thread of its own while a ``with`` block runs.

    Args:
        trial: The trial that is being worked on.
        period: Seconds between two renewals.
    """

    def __init__(self, trial: Trial, period: float = PERIOD) -> None:
        self._trial = trial
        self._period = period
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
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

    def _renew(self) -> None:
        while not self._ended.wait(self._period):
            try:
                self._trial.set_user_attr(ATTRIBUTE, time.time())
            except (OptunaError, SQLAlchemyError, OSError) as error:
                # The training must not die of a database that is away for a moment: the lease is
                # renewed at the next turn.
                _log.warning("the lease of trial %d was not renewed: %s", self._trial.number, error)


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
        self._seen: dict[int, tuple[object, float]] = {}

    def is_alive(self, trial: FrozenTrial) -> bool:
        """Return whether a running trial's lease was renewed of late."""
        lease = trial.user_attrs.get(ATTRIBUTE)
        if isinstance(lease, int | float) and time.time() - lease > _LONG_AGO:
            return False  # no clock is so wrong: it died before this worker looked
        known, since = self._seen.get(trial.number, (None, 0.0))
        if trial.number not in self._seen or known != lease:
            known, since = lease, self._clock()
            self._seen[trial.number] = known, since
        return self._clock() - since <= self._patience
