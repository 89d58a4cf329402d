"""Leaving a trial in the middle: it waits again, and whoever takes it goes on from there."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Final

#: Set when this process shall end: each training stops after its epoch, and is handed back.
REQUESTED: Final = threading.Event()


class HandedBack(BaseException):
    """Leaves a trial that is no longer this worker's, without an end that Optuna would write.

    Not an ``Exception``: Optuna would tell the trial, which waits or is another's, as failed.
    """


@contextlib.contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, as Slurm and Kubernetes send it, end this process in order.

    In a thread other than the main one, where Python takes no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: REQUESTED.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        REQUESTED.clear()
