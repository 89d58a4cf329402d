"""A child of ``ProcessExecutor``: reads one call from a folder, makes it, writes the result.

The folder is the parent's own, readable by nobody else; nothing is unpickled from anywhere else.
Arrays in the function lie in a file that all children map into memory, each with its own copy of
what it changes. Standard input is a pipe from the parent: a byte in it says that the call shall end
at once. Where it ends without one the parent is dead.
"""

from __future__ import annotations

import _thread
import mmap
import os
import pickle
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cloudpickle

#: What a child runs: as the parent it finds modules, whatever made them findable there.
BOOT: Final = """\
import json, pathlib, sys
sys.path[:] = json.loads(pathlib.Path(sys.argv[1], "paths.json").read_text())
from neural_automl.executor._child import main
sys.exit(main(sys.argv[1:]))
"""
#: What the parent writes to let a call end at once.
END: Final = b"."
#: Seconds that a call has to end after it was asked to.
GRACE: Final = 10.0
#: The same between two signals.
_AGAIN: Final = 0.2
_ALIGNMENT: Final = 64


def dump(value: Any, path: Path) -> None:
    """Write a value to a file, its large buffers (arrays) to another beside it.

    Raises:
        Exception: It can't be pickled; what is raised is its own.
    """
    buffers: list[pickle.PickleBuffer] = []
    data = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    sizes = []
    with path.with_suffix(".arrays").open("wb") as file:
        for buffer in buffers:
            with buffer.raw() as raw:
                sizes.append(raw.nbytes)
                file.write(raw)
                file.write(bytes(-raw.nbytes % _ALIGNMENT))
    path.write_bytes(pickle.dumps((data, sizes)))


def load(path: Path) -> Any:
    """Read what ``dump`` wrote; changes to its arrays stay in this process."""
    data, sizes = pickle.loads(path.read_bytes())
    return pickle.loads(data, buffers=_mapped(path.with_suffix(".arrays"), sizes))


def _mapped(path: Path, sizes: Sequence[int]) -> list[memoryview]:
    if not any(sizes):
        return [memoryview(bytearray()) for _ in sizes]
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    buffers, start = [], 0
    for size in sizes:
        buffers.append(view[start : start + size])
        start += size + -size % _ALIGNMENT
    return buffers


class Interruption:
    """Interrupts the main thread when the parent says so; ends what goes on regardless.

    Where the parent is dead the call gets SIGTERM instead: a training ends its epoch and hands its
    trial back, however long that takes, and what has no handler ends at once.

    A background job of a shell ignores SIGINT, and so would its children: here it is heeded.

    Args:
        folder: The parent's, which a dead one can't remove.

    Attributes:
        done: Set when the call has ended and there is nothing to interrupt any more.
        is_orphan: Whether the parent is dead.
    """

    def __init__(self, folder: Path) -> None:
        self.done = threading.Event()
        self.is_orphan = False
        self._folder = folder
        self._heard = threading.Event()
        signal.signal(signal.SIGINT, self._raise)
        threading.Thread(target=self._wait, name="parent", daemon=True).start()

    def _raise(self, *_: object) -> None:
        self._heard.set()
        raise KeyboardInterrupt

    def _wait(self) -> None:
        # Not by sys.stdin, whose lock a thread that still waits would hold at the end.
        if not os.read(0, 1) and hasattr(signal, "pthread_kill"):
            self.is_orphan = True
            shutil.rmtree(self._folder, ignore_errors=True)
            _interrupt(signal.SIGTERM)
            return
        deadline = time.monotonic() + GRACE
        while not self.done.wait(_AGAIN):
            if time.monotonic() > deadline:
                os._exit(1)
            # A signal that comes just before a wait in the operating system does not end it.
            if not self._heard.is_set():
                _interrupt(signal.SIGINT)


def _interrupt(number: signal.Signals) -> None:
    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        # A real signal, to that thread: it also ends a wait in the operating system.
        signal.pthread_kill(main_thread, number)
    else:
        _thread.interrupt_main(number)


def main(arguments: Sequence[str]) -> int:
    """Make the call and write what became of it.

    Args:
        arguments: The folder, the file of the function in it, and the file of its arguments.
    """
    folder, function, call = Path(arguments[0]), arguments[1], arguments[2]
    interruption = Interruption(folder)
    result, error = None, None
    try:
        result = load(folder / function)(*load(folder / call))
    except (Exception, KeyboardInterrupt) as raised:  # noqa: BLE001 - the parent gets it
        raised.add_note("".join(traceback.format_exception(raised)))
        error = raised
    # It may come twice, from the parent and from whoever ends them all: the result is written.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if interruption.is_orphan:
        return 0
    target = folder / f"{call}.result"
    part = target.with_suffix(".part")
    part.write_bytes(_packed(result, error))
    part.replace(target)
    interruption.done.set()
    return 0


def _packed(result: Any, error: BaseException | None) -> bytes:
    """Return an outcome as bytes that the parent can read."""
    try:
        packed: bytes = cloudpickle.dumps((result, error))
        # Some exceptions are pickled without complaint and can't be made again.
        pickle.loads(packed)
    except Exception as failure:  # noqa: BLE001 - anybody's __reduce__ may raise anything
        what = error or failure
        told = "" if error is not None else "the result can't be sent back: "
        stand_in = RuntimeError(f"{told}{type(what).__name__}: {what}")
        packed = cloudpickle.dumps((None, stand_in))
    return packed
