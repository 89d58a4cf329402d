"""What every executor is: two methods, each of which is defined by the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

from neural_automl.exceptions import ExecutorError

if TYPE_CHECKING:
    from types import TracebackType


class Result(TypedDict):
    """What became of one call.

    Attributes:
        trial_id: Place of its configuration in the list, from 0.
        config: The configuration.
        result: What the function returned; None where it raised.
        success: Whether it returned.
        error: What it raised, as ``ValueError: message``; None where it returned.
    """

    trial_id: int
    config: Any
    result: Any
    success: bool
    error: str | None


class BaseExecutor(ABC):
    """Calls functions, some at once.

    An executor of your own must define ``shutdown``, and ``submit`` or ``execute_trials``: the one
    that it leaves out follows from the other. It calls ``super().__init__(name)``.

    Args:
        name: For messages.

    Attributes:
        shares_memory: Whether functions run in this process. Of a class that says so, the
            engine's callbacks are called in the workers.
        fallback: Where it stands for another one that can't be had, why; else None.

    Raises:
        TypeError: A subclass defines neither of the two methods.

    Example:
        ::

            class MyExecutor(BaseExecutor):
                def __init__(self):
                    super().__init__("my_executor")

                def execute_trials(self, trial_fn, configs, **kwargs):
                    return [
                        {"trial_id": i, "config": c, "result": trial_fn(c), "success": True}
                        for i, c in enumerate(configs)
                    ]

                def shutdown(self):
                    pass
    """

    shares_memory: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        kind = type(self)
        if (
            kind.submit is BaseExecutor.submit
            and kind.execute_trials is BaseExecutor.execute_trials
        ):
            raise TypeError(f"{kind.__name__} must define `submit` or `execute_trials`")
        self.name = name
        self.fallback: str | None = None

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function, perhaps later and elsewhere.

        Returns:
            A future of what it returns or raises.
        """
        future: Future[Any] = Future()
        row = self.execute_trials(_Spread(fn), [args])[0]
        if row.get("success", True):
            future.set_result(row["result"])
        else:
            future.set_exception(ExecutorError(str(row.get("error"))))
        return future

    def execute_trials(
        self, trial_fn: Callable[[Any], Any], configs: Sequence[Any], **kwargs: Any
    ) -> list[Result]:
        """Call a function with each of some configurations.

        Args:
            trial_fn: Takes one configuration.
            configs: One a call.
            **kwargs: For executors of your own; those of this package take none.

        Returns:
            What became of each, in the order of the configurations. A call that raises does not
            keep the others from being made.
        """
        if kwargs:
            raise TypeError(f"the executor {self.name} takes no option '{next(iter(kwargs))}'")
        return collect([self.submit(trial_fn, config) for config in configs], configs)

    def hand_back(self) -> bool:
        """Let the trainings end after their epoch, as SIGTERM does, and say whether it can."""
        return False

    @abstractmethod
    def shutdown(self) -> None:
        """End what is running and let go of everything; no call can be made any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()


class _Spread:
    """Calls a function with the members of one configuration."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def __call__(self, args: Sequence[Any]) -> Any:
        return self._fn(*args)


def collect(futures: Sequence[Future[Any]], configs: Sequence[Any]) -> list[Result]:
    """Wait for futures and return what became of each."""
    rows: list[Result] = []
    for index, (future, config) in enumerate(zip(futures, configs, strict=True)):
        error = future.exception()
        rows.append(
            {
                "trial_id": index,
                "config": config,
                "result": None if error is not None else future.result(),
                "success": error is None,
                "error": None if error is None else describe(error),
            }
        )
    return rows


def describe(error: BaseException) -> str:
    """Return an error in one text."""
    return f"{type(error).__name__}: {error}"


def check_workers(max_workers: int) -> int:
    """Return how many workers there shall be.

    Raises:
        ValueError: They are fewer than one.
    """
    if max_workers < 1:
        raise ValueError(f"`max_workers` must be at least 1 but got {max_workers}.")
    return max_workers
