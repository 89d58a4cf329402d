"""The executor on a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Final, final

from neural_automl._imports import try_import
from neural_automl.exceptions import ExecutorError
from neural_automl.executor._base import BaseExecutor, Result, check_workers, collect, describe

with try_import() as _imports:
    import psutil
    from distributed import Client, Status
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError
    from distributed.deploy.subprocess import SubprocessCluster
    from distributed.scheduler import KilledWorker

#: Seconds that a scheduler has to answer.
_TIMEOUT: Final = 10
#: The same for the first worker of a cluster on this machine.
_START: Final = 120


@final
class DaskExecutor(BaseExecutor):
    """Makes calls on the workers of a Dask cluster.

    Functions travel as cloudpickle writes them, once to each worker. A call whose worker dies is
    made again on another one. A cluster on this machine runs in processes of its own, also where
    the script has no ``if __name__ == "__main__":``.

    Args:
        max_workers: Calls at once; also the workers of a cluster on this machine.
        address: Of a scheduler, ``tcp://host:8786``; None makes a cluster on this machine.
        client: A ``distributed.Client`` instead of an address; it is left open.
        retries: How often a call whose worker died is made again, on this machine's own cluster;
            any other has it in its settings (``distributed.scheduler.allowed-failures``).

    Raises:
        ImportError: ``distributed`` is not installed.
        ValueError: ``max_workers`` is below 1, or both an address and a client are given.
        ExecutorError: The scheduler can't be reached.
    """

    def __init__(
        self,
        max_workers: int = 1,
        *,
        address: str | None = None,
        client: Client | None = None,
        retries: int = 3,
    ) -> None:
        _imports.check()
        super().__init__("dask")
        check_workers(max_workers)
        if address is not None and client is not None:
            raise ValueError("give an `address` or a `client`, not both")
        self._retries = retries
        self._cluster: Any = None
        self._owns_client = client is None
        self._where = address or "on this machine"
        self._client = client or self._connect(address, max_workers)
        # Each thread waits for one call: so no more than so many run at once.
        self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix="dask")

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function on a worker of the cluster."""
        return self._pool.submit(self._call, self._scatter(fn), args)

    def execute_trials(
        self, trial_fn: Callable[[Any], Any], configs: Sequence[Any], **kwargs: Any
    ) -> list[Result]:
        """Call a function, which is sent once, with each of some configurations."""
        if kwargs:
            raise TypeError(f"the executor {self.name} takes no option '{next(iter(kwargs))}'")
        function = self._scatter(trial_fn)
        futures = [self._pool.submit(self._call, function, (config,)) for config in configs]
        return collect(futures, configs)

    def shutdown(self) -> None:
        """End the cluster if it is our own; of another, drop the calls that have not begun."""
        if self._cluster is not None:
            self._client.close()
            _close(self._cluster)
        self._pool.shutdown(cancel_futures=True)
        if self._cluster is None and self._owns_client:
            self._client.close()

    def _connect(self, address: str | None, max_workers: int) -> Client:
        try:
            if address is None:
                self._cluster = SubprocessCluster(
                    n_workers=max_workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    scheduler_kwargs={"allowed_failures": self._retries},
                )
            client = Client(self._cluster or address, timeout=_TIMEOUT, set_as_default=False)
            if self._cluster is not None:
                client.wait_for_workers(1, timeout=_START)
            return client
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:
            raise ExecutorError(
                f"the Dask scheduler {self._where} can't be reached: {error}"
            ) from error

    def _scatter(self, fn: Callable[..., Any]) -> Any:
        try:
            return self._client.scatter(_Function(fn), hash=False)
        except TimeoutError as error:
            raise ExecutorError(
                f"the Dask scheduler {self._where} has no worker: {error}"
            ) from error
        except (OSError, CommClosedError, CancelledError) as error:
            raise self._gone(error) from error
        except Exception as error:  # anybody's __reduce__ may raise anything
            raise ExecutorError(
                f"{type(fn).__name__} can't be sent to Dask: {type(error).__name__}: {error}"
            ) from error

    def _call(self, function: Any, args: Sequence[Any]) -> Any:
        try:
            future = self._client.submit(_call, function, args, pure=False)
            return future.result()
        except KilledWorker as error:
            raise ExecutorError(f"the workers that made the call died: {error}") from error
        except (
            CommClosedError,
            CancelledError,
            FutureCancelledError,
            asyncio.CancelledError,
        ) as error:
            raise self._gone(error) from error

    def _gone(self, error: BaseException) -> ExecutorError:
        return ExecutorError(f"the Dask scheduler {self._where} is gone: {describe(error)}")


def _close(cluster: Any) -> None:
    """End a cluster of this machine, also one whose scheduler is gone."""
    if cluster.scheduler.process.returncode is None:
        cluster.close()
        return
    # The cluster would ask its scheduler to let the workers go: end their processes ourselves.
    for part in cluster.workers.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(part.process.pid)
            for each in (*process.children(recursive=True), process):
                each.kill()
    cluster.status = Status.closed


class _Function:
    """A function that Dask takes for data: it would call or copy a bare one."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn


def _call(function: _Function, args: Sequence[Any]) -> Any:
    return function.fn(*args)
