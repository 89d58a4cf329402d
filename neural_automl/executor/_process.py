"""The executor of processes: each call in a child of its own, begun anew if the child dies."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, final

from neural_automl.exceptions import ExecutorError
from neural_automl.executor._base import BaseExecutor, Result, check_workers, collect
from neural_automl.executor._child import BOOT, END, GRACE, dump

_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# How threads of PyTorch wait for each other.
_WAITING: Final = "OMP_WAIT_POLICY"
_GPUS: Final = "CUDA_VISIBLE_DEVICES"
#: Characters of what a dead child wrote that its error quotes.
_QUOTED: Final = 2000


@final
class ProcessExecutor(BaseExecutor):
    """Makes each call in a child process.

    Functions and arguments may be defined anywhere, also in a notebook or a script without an
    ``if __name__ == "__main__":``; they travel as cloudpickle writes them, in a folder that only
    this user can read. NumPy arrays in the function are mapped into the children's memory and so
    are there once. Children share the machine's cores between them, and its GPUs in turn. A child
    that dies (out of memory, a crash of a driver, a kill) does not take the others with it: its
    call is made again in a new one. Where this process dies its children get SIGTERM, on which a
    training ends after its epoch.

    Args:
        max_workers: Children at once.
        max_restarts: How often one call is begun anew after its child died.
        gpus: Names of GPUs as ``CUDA_VISIBLE_DEVICES`` has them; None takes those of that
            variable, or else all that PyTorch sees. Child ``i`` gets number ``i`` modulo their
            number.

    Raises:
        ValueError: ``max_workers`` is below 1, or ``max_restarts`` below 0.

    Example:
        >>> with ProcessExecutor(2) as executor:
        ...     executor.submit(pow, 2, 3).result()
        8
    """

    def __init__(
        self,
        max_workers: int = 1,
        *,
        max_restarts: int = 3,
        gpus: Sequence[str] | None = None,
    ) -> None:
        super().__init__("process")
        check_workers(max_workers)
        if max_restarts < 0:
            raise ValueError(f"`max_restarts` must be at least 0 but got {max_restarts}.")
        self._max_restarts = max_restarts
        self._folder = Path(tempfile.mkdtemp(prefix="neural_automl_"))
        self._names = itertools.count()
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(max_workers):
            self._slots.put(slot)
        self._environments = [
            child_environment(os.environ, slot, max_workers, gpus) for slot in range(max_workers)
        ]
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._is_down = False
        self._hand_backs = 0
        self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix="supervisor")

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function in a child.

        Raises:
            ExecutorError: The function or an argument can't be pickled.
        """
        return self._submit(self._pack(fn), args)

    def execute_trials(
        self, trial_fn: Callable[[Any], Any], configs: Sequence[Any], **kwargs: Any
    ) -> list[Result]:
        """Call a function, which is written once, with each of some configurations."""
        if kwargs:
            raise TypeError(f"the executor {self.name} takes no option '{next(iter(kwargs))}'")
        function = self._pack(trial_fn)
        return collect([self._submit(function, (config,)) for config in configs], configs)

    def shutdown(self) -> None:
        """Interrupt the children, end those that go on for 10 s, and remove the folder."""
        with self._lock:
            self._is_down = True
            for child in self._children:
                _close_pipe(child, END)
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def hand_back(self) -> bool:
        """Send SIGTERM to the children, which end their epochs and hand their trials back.

        One that dies of it, as it has not begun its call yet, is not replaced, and no call begins
        that was submitted before.
        """
        with self._lock:
            self._hand_backs += 1
            for child in self._children:
                child.terminate()
        return True

    def _pack(self, value: Any) -> str:
        name = str(next(self._names))
        try:
            dump(value, self._folder / name)
        except FileNotFoundError as error:
            raise ExecutorError("the executor was shut down") from error
        except Exception as error:  # anybody's __reduce__ may raise anything
            raise ExecutorError(
                f"{type(value).__name__} can't be sent to another process: "
                f"{type(error).__name__}: {error}"
            ) from error
        return name

    def _submit(self, function: str, args: Sequence[Any]) -> Future[Any]:
        call = self._pack(tuple(args))
        (self._folder / "paths.json").write_text(json.dumps(sys.path))
        return self._pool.submit(self._supervise, function, call, self._hand_backs)

    def _supervise(self, function: str, call: str, hand_backs: int) -> Any:
        """Make a call in one child after another until one of them lives to its end.

        Args:
            function: File of the function.
            call: File of its arguments.
            hand_backs: How often children had been told to end when the call was submitted.
        """
        slot, ended = self._slots.get(), ""
        try:
            for _ in range(self._max_restarts + 1):
                if self._hand_backs > hand_backs:
                    raise ExecutorError("the worker was told to end before its call began")
                ended = self._run(function, call, slot)
                target = self._folder / f"{call}.result"
                if target.exists():
                    result, error = pickle.loads(target.read_bytes())
                    if error is not None:
                        raise error
                    return result
                if self._is_down:
                    raise ExecutorError("the executor was shut down")
        finally:
            self._slots.put(slot)
        raise ExecutorError(
            f"the worker died {self._max_restarts + 1} times, the last time {ended}"
        )

    def _run(self, function: str, call: str, slot: int) -> str:
        """Run one child to its end and return how it ended."""
        log = self._folder / f"{call}.log"
        with log.open("wb") as errors:
            with self._lock:
                if self._is_down:
                    return "by the shutdown"
                child = subprocess.Popen(
                    [sys.executable, "-c", BOOT, str(self._folder), function, call],
                    stdin=subprocess.PIPE,
                    stderr=errors,
                    env=self._environments[slot],
                    # Ctrl-C in a terminal is for the parent: it tells the children itself.
                    start_new_session=True,
                )
                self._children.add(child)
            try:
                code = self._wait(child)
            finally:
                with self._lock:
                    self._children.discard(child)
                    _close_pipe(child)
        said = log.read_text(errors="replace") if log.exists() else ""
        sys.stderr.write(said)
        return how_it_ended(code, said)

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        while not self._is_down:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(1.0)
        try:
            return child.wait(GRACE + 5.0)  # it ends itself after GRACE, if it still can
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _close_pipe(child: subprocess.Popen[bytes], said: bytes = b"") -> None:
    if child.stdin is not None and not child.stdin.closed:
        with contextlib.suppress(BrokenPipeError), child.stdin as pipe:  # it may be dead by now
            pipe.write(said)


def child_environment(
    environment: Mapping[str, str], slot: int, workers: int, gpus: Sequence[str] | None
) -> dict[str, str]:
    """Return a child's environment: its share of the cores, where nobody said otherwise, its GPU.

    Args:
        environment: The parent's.
        slot: Which child, from 0.
        workers: How many there are.
        gpus: Names of GPUs; None finds them out.
    """
    own = dict(environment)
    for name in _THREADS:
        own.setdefault(name, str(max(1, cores() // workers)))
    own.setdefault(_WAITING, "PASSIVE")  # awake they would take the cores from other children
    devices = _visible_gpus(environment) if gpus is None else list(gpus)
    if devices:
        own[_GPUS] = devices[slot % len(devices)]
    return own


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _visible_gpus(environment: Mapping[str, str]) -> list[str]:
    if _GPUS in environment:
        return [name.strip() for name in environment[_GPUS].split(",") if name.strip()]
    torch = sys.modules.get("torch")
    # Who trains on a GPU has loaded torch by now; to load it in order to count would take a second.
    return [] if torch is None else [str(index) for index in range(torch.cuda.device_count())]


def how_it_ended(code: int, said: str) -> str:
    """Return the end of a process in words."""
    how = f"with exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):  # a signal without a name
            how = f"of {signal.Signals(-code).name}"
    text = said.strip()
    return f"{how}, having said: {text[-_QUOTED:]}" if text else how
