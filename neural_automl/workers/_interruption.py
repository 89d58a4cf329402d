"""Leaving a trial in the middle: it waits again, and whoever takes it goes on from there."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

#: Set when this process shall end: each training stops after its epoch, and is handed back.
REQUESTED: Final = threading.Event()


class HandedBack(BaseException):
    """Leaves a trial that is no longer this worker's, without an end that Optuna would write.

    Not an ``Exception``: Optuna would tell the trial, which waits or is another's, as failed.
    """


#: Seconds after which a second Ctrl-C is not held back any more: what is waited for is away.
_HELD: Final = 5.0


class Interrupts:
    """Holds Ctrl-C back but where it is let through.

    Between two trainings Optuna begins and ends trials: one that is cut off there would stay
    RUNNING, with nobody who trains it.

    Attributes:
        is_pending: Whether one is held back.
    """

    def __init__(self) -> None:
        self.is_pending = False
        self._first = 0.0
        self._is_open = False
        self._before: Callable[[int, FrameType | None], object] = signal.default_int_handler

    @contextlib.contextmanager
    def held(self) -> Iterator[Interrupts]:
        """Hold it back in a block; what is still held in the end is raised then.

        Where the signal is ignored, and in a thread other than the main one, it does nothing.

        Raises:
            KeyboardInterrupt: One was held back.
        """
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            yield self
            return
        self._before = before
        signal.signal(signal.SIGINT, self._hear)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)
        self.check()

    def sleep(self, seconds: float) -> None:
        """Wait; Ctrl-C ends that."""
        with self.let_through():
            time.sleep(seconds)

    @contextlib.contextmanager
    def let_through(self) -> Iterator[None]:
        """Let it interrupt a block.

        Raises:
            KeyboardInterrupt: One came, or was held back before.
        """
        self._is_open = True
        try:
            self.check()
            yield
        finally:
            self._is_open = False

    def check(self) -> None:
        """Raise what was held back.

        Raises:
            KeyboardInterrupt: Something was.
        """
        if self.is_pending:
            self._raise(signal.SIGINT, None)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._is_open or (self.is_pending and now - self._first > _HELD):
            self._raise(number, frame)
        elif not self.is_pending:
            self.is_pending, self._first = True, now

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.is_pending = False
        self._before(number, frame)


@contextlib.contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, as Slurm and Kubernetes send it, end this process in order.

    In a thread other than the main one, where Python takes no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _request)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        if before is not _request:  # a search inside another leaves it to that one
            REQUESTED.clear()


def _request(*_: object) -> None:
    REQUESTED.set()
