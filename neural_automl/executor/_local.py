"""Executors in this process: one call after another, or in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, final

from neural_automl.executor._base import BaseExecutor, check_workers


@final
class SequentialExecutor(BaseExecutor):
    """Makes each call at once, in the thread that asks for it.

    Example:
        >>> with SequentialExecutor() as executor:
        ...     executor.submit(pow, 2, 3).result()
        8
    """

    shares_memory: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__("sequential")

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function and return its future, which is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Do nothing: no call outlives ``submit``."""


@final
class ThreadExecutor(BaseExecutor):
    """Makes calls in threads of this process.

    They share its memory and, in Python code, one core; PyTorch's operations run beside each other.
    The random numbers of a training are the process's, so that only a single worker is
    reproducible. A call can't be ended from outside: ``shutdown`` waits for those that run.

    Args:
        max_workers: Threads.

    Raises:
        ValueError: They are fewer than one.

    Example:
        >>> with ThreadExecutor(2) as executor:
        ...     [row["result"] for row in executor.execute_trials(abs, [-1, 2])]
        [1, 2]
    """

    shares_memory: ClassVar[bool] = True

    def __init__(self, max_workers: int = 1) -> None:
        super().__init__("thread")
        self._pool = ThreadPoolExecutor(check_workers(max_workers), thread_name_prefix="worker")

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function in a thread."""
        return self._pool.submit(fn, *args)

    def shutdown(self) -> None:
        """Drop calls that have not begun, and wait for the others."""
        self._pool.shutdown(cancel_futures=True)
