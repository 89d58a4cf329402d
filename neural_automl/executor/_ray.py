"""The executor on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, final

from neural_automl._imports import try_import
from neural_automl.exceptions import ExecutorError
from neural_automl.executor._base import BaseExecutor, Result, check_workers, collect

with try_import() as _imports:
    import ray
    from ray.exceptions import RayError, RayTaskError


@final
class RayExecutor(BaseExecutor):
    """Makes calls as tasks of a Ray cluster.

    Functions travel as cloudpickle writes them, once to each machine. A task whose worker dies is
    run again by Ray.

    Args:
        max_workers: Calls at once, and the processors of a cluster on this machine.
        address: Of a cluster, ``auto`` or ``ray://host:10001``; None takes the one that this
            process is connected to, or else makes one on this machine.
        num_cpus: Processors that Ray sets apart for each call.
        num_gpus: GPUs that it sets apart for each call.
        retries: How often a call whose worker died is made again.

    Raises:
        ImportError: ``ray`` is not installed.
        ValueError: ``max_workers`` is below 1.
        ExecutorError: The cluster can't be reached.
    """

    def __init__(
        self,
        max_workers: int = 1,
        *,
        address: str | None = None,
        num_cpus: float = 1,
        num_gpus: float = 0,
        retries: int = 3,
    ) -> None:
        _imports.check()
        super().__init__("ray")
        check_workers(max_workers)
        self._owns_cluster = not ray.is_initialized()
        if self._owns_cluster:
            _connect(address, max_workers, num_cpus)
        self._task = ray.remote(
            num_cpus=num_cpus, num_gpus=num_gpus, max_retries=retries, retry_exceptions=False
        )(_call)
        self._running: set[Any] = set()

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function in a task."""
        return self._submit(_put(fn), args)

    def execute_trials(
        self, trial_fn: Callable[[Any], Any], configs: Sequence[Any], **kwargs: Any
    ) -> list[Result]:
        """Call a function, which is sent once, with each of some configurations."""
        if kwargs:
            raise TypeError(f"the executor {self.name} takes no option '{next(iter(kwargs))}'")
        function = _put(trial_fn)
        return collect([self._submit(function, (config,)) for config in configs], configs)

    def shutdown(self) -> None:
        """Interrupt what runs, and end the cluster if it was made here."""
        for reference in list(self._running):
            ray.cancel(reference)
        self._running.clear()
        if self._owns_cluster:
            ray.shutdown()

    def _submit(self, function: Any, args: Sequence[Any]) -> Future[Any]:
        reference = self._task.remote(function, args)
        self._running.add(reference)
        future: Future[Any] = Future()

        def finish(done: Future[Any]) -> None:
            self._running.discard(reference)
            error = done.exception()
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(_as_ours(error))

        reference.future().add_done_callback(finish)
        return future


def _call(fn: Callable[..., Any], args: Sequence[Any]) -> Any:
    return fn(*args)


def _connect(address: str | None, max_workers: int, num_cpus: float) -> None:
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "address": "local",
            "num_cpus": max(1, int(max_workers * num_cpus)),
            "include_dashboard": False,
        }
    try:
        ray.init(log_to_driver=False, configure_logging=False, **options)
    except Exception as error:  # a bare one where its node is slow to start
        where = address or "on this machine"
        raise ExecutorError(f"the Ray cluster {where} can't be reached: {error}") from error


def _put(fn: Callable[..., Any]) -> Any:
    try:
        return ray.put(fn)
    except (TypeError, ValueError, AttributeError, RayError) as error:
        raise ExecutorError(
            f"{type(fn).__name__} can't be sent to Ray: {type(error).__name__}: {error}"
        ) from error


def _as_ours(error: BaseException) -> BaseException:
    """Return what the function raised, or that the cluster failed."""
    if isinstance(error, RayTaskError):
        return error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, RayError):
        return ExecutorError(f"the Ray cluster lost the call: {error}")
    return error
