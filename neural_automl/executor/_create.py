"""Names for executors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final, TypeVar

from neural_automl._options import check_options, lookup
from neural_automl.exceptions import FallbackWarning
from neural_automl.executor._base import BaseExecutor, check_workers
from neural_automl.executor._local import SequentialExecutor, ThreadExecutor
from neural_automl.executor._process import ProcessExecutor

Factory = Callable[..., BaseExecutor]
Kind = TypeVar("Kind", bound=Factory)


def _sequential(max_workers: int = 1) -> BaseExecutor:
    if max_workers != 1:
        raise ValueError(
            f"the sequential executor has one worker but `max_workers` is {max_workers}; use "
            "thread or process"
        )
    return SequentialExecutor()


def _dask(
    max_workers: int = 1, *, address: str | None = None, client: Any = None, retries: int = 3
) -> BaseExecutor:
    from neural_automl.executor._dask import DaskExecutor

    return DaskExecutor(max_workers, address=address, client=client, retries=retries)


def _ray(
    max_workers: int = 1,
    *,
    address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    retries: int = 3,
) -> BaseExecutor:
    from neural_automl.executor._ray import RayExecutor

    return RayExecutor(
        max_workers, address=address, num_cpus=num_cpus, num_gpus=num_gpus, retries=retries
    )


_EXECUTORS: Final[dict[str, Factory]] = {
    "sequential": _sequential,
    "thread": ThreadExecutor,
    "process": ProcessExecutor,
    "dask": _dask,
    "ray": _ray,
}

#: The names of this package's own executors.
EXECUTOR_NAMES: Final = tuple(_EXECUTORS)


def check_executor(name: str, max_workers: int, options: dict[str, Any]) -> Factory:
    """Return what makes the executor of a name, without making it.

    Raises:
        ValueError: There is no such name, or the workers are fewer than one.
        TypeError: The executor has no such option.
    """
    factory = lookup("executor", name, _EXECUTORS)
    check_options(name, options, factory, hidden=("max_workers",))
    check_workers(max_workers)
    if factory is _sequential:
        _sequential(max_workers)
    return factory


def create_executor(
    name: str | BaseExecutor, max_workers: int = 1, *, strict: bool = False, **options: Any
) -> BaseExecutor:
    """Return the executor of a name; an executor is returned as it is.

    Where the package of ``dask`` or ``ray`` is not installed, the calls are made one after another
    instead, with a ``FallbackWarning``; the engine also writes it into the study.

    Args:
        name: ``sequential``; ``thread`` (threads of this process); ``process`` (child processes);
            ``dask`` and ``ray`` (a cluster, by default one on this machine); or a name given by
            ``register_executor``.
        max_workers: Calls at once.
        strict: Raise instead of falling back.
        **options: Of the executor, checked by name: ``process`` takes ``max_restarts`` and
            ``gpus``; ``dask`` takes ``address`` or ``client``, and ``retries``; ``ray`` takes
            ``address``, ``num_cpus`` and ``num_gpus`` a worker, and ``retries``.

    Raises:
        ValueError: There is no such name, or a number is out of its range.
        TypeError: The executor has no such option.
        ImportError: ``strict``, and the executor's package is not installed.
        ExecutorError: The cluster can't be reached.

    Example:
        >>> with create_executor("thread", 2) as executor:
        ...     executor.submit(pow, 2, 3).result()
        8
    """
    if isinstance(name, BaseExecutor):
        if options:
            raise TypeError("an executor that is made already takes no options")
        return name
    factory = check_executor(name, max_workers, options)
    try:
        return factory(max_workers=max_workers, **options)
    except ImportError as error:
        if strict or name not in ("dask", "ray"):
            raise
        reason = f"{name} was replaced by sequential: {error}"
        warnings.warn(reason, FallbackWarning, stacklevel=2)
        executor = SequentialExecutor()
        executor.fallback = reason
        return executor


def register_executor(name: str) -> Callable[[Kind], Kind]:
    """Give an executor of one's own a name for ``create_executor`` and the engine.

    Args:
        name: A new one.

    Returns:
        A decorator for a class, or a function, that returns an executor and takes ``max_workers``.

    Raises:
        ValueError: The name is taken.

    Example:
        ::

            @register_executor("slurm")
            class SlurmExecutor(BaseExecutor):
                def __init__(self, max_workers=1, *, partition="gpu"): ...
    """
    if name in _EXECUTORS:
        raise ValueError(f"there is an executor {name!r} already")

    def register(kind: Kind) -> Kind:
        if not callable(kind):
            raise TypeError(f"an executor must be a class or a function but got {kind!r}")
        _EXECUTORS[name] = kind
        return kind

    return register
