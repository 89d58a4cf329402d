"""The device: which one, its random numbers, its threads, and running out of its memory."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import torch

from neural_automl.exceptions import OutOfMemoryError

Result = TypeVar("Result")

# What allocators say that raise a plain RuntimeError: the CPU's, MPS's, and cuDNN's.
_NO_MEMORY: Final = ("can't allocate memory", "out of memory", "CUDNN_STATUS_ALLOC_FAILED")


def choose_device(name: str = "auto") -> torch.device:
    """Return a device that is there; ``auto`` is the first of cuda, mps and cpu.

    Raises:
        ValueError: The device is unknown, or this machine does not have it.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(_refusal(name)) from error
    present = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}
    if _index(device) >= present.get(device.type, 0):
        raise ValueError(_refusal(name))
    return device


def _index(device: torch.device) -> int:
    # PyTorch's own annotation leaves out that the index of a plain "cuda" is None.
    index: int | None = device.index
    return 0 if index is None else index


def _refusal(name: str) -> str:
    return f"the device '{name}' is not available here; use 'auto', or one of cpu, cuda, mps"


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators of the CPU and of the device, and put them back at the end.

    The generators are the process's: of two threads that do this at once, neither is reproducible.
    """
    # Not torch.manual_seed, which would seed every device of the machine.
    if device.type == "cuda":
        index = _index(device)
        with torch.random.fork_rng(devices=[index]), torch.cuda.device(index):
            torch.default_generator.manual_seed(seed)
            torch.cuda.manual_seed(seed)
            yield
    elif device.type == "mps":
        with torch.random.fork_rng(devices=[0], device_type="mps"):
            torch.default_generator.manual_seed(seed)
            torch.mps.manual_seed(seed)
            yield
    else:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield


@contextlib.contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads, and put the number back at the end."""
    if threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_memory(needed: int, device: torch.device) -> None:
    """Refuse what no memory can hold before any of it is asked for.

    An operating system may grant more than there is, and kill the process when it is used.

    Args:
        needed: Bytes.

    Raises:
        OutOfMemoryError: The device has less than that, with everything else removed.
    """
    total = _total_memory(device)
    if total is not None and needed > total:
        raise OutOfMemoryError(
            f"no memory for the network on {device}: it needs at least {needed / 2**30:.1f} GiB "
            f"of {total / 2**30:.1f}"
        )


def _total_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    if device.type == "cpu" and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def guard_memory(run: Callable[[], Result], device: torch.device) -> Result:
    """Call a function; where it finds no memory, free what it held and raise our own error.

    Raises:
        OutOfMemoryError: The device, or the machine, has no room.
    """
    try:
        return run()
    except (torch.OutOfMemoryError, MemoryError) as error:
        message = str(error)
    except RuntimeError as error:
        message = str(error)
        if not any(text in message for text in _NO_MEMORY):
            raise
    # Not raised from the error that was caught: its traceback's frames hold the network and its
    # gradients, which would stay in memory as long as ours is being handled.
    gc.collect()
    release(device)
    first_line = message.splitlines()[0] if message else "no memory"
    raise OutOfMemoryError(f"no memory for the network on {device}: {first_line}")


def release(device: torch.device) -> None:
    """Give the device's unused memory back, for the other processes that share it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
