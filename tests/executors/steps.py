"""An evaluator whose training is a chain of numbers, and that notes each epoch of it in a file."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext

#: So many that a checkpoint takes a while to be packed and written.
_NUMBERS = 20_000


def start(seed: int) -> torch.Tensor:
    """Return the state before the first epoch."""
    return torch.rand(_NUMBERS, generator=torch.Generator().manual_seed(seed))


def step(x: torch.Tensor) -> torch.Tensor:
    """Return the state an epoch later: the logistic map, which forgets no bit of what it was."""
    return 3.9 * x * (1 - x)


def state_after(seed: int, epochs: int) -> torch.Tensor:
    """Return the state after so many epochs in one go."""
    x = start(seed)
    for _ in range(epochs):
        x = step(x)
    return x


def value_of(width: int, x: torch.Tensor) -> float:
    """Return the metric of a network in a state."""
    return width / 100 + float(x.mean()) / 100


@dataclass
class StepEvaluator:
    """Trains a chain of numbers that a checkpoint continues exactly.

    Attributes:
        log: One line for each event: network, what, epoch, process. `train` is an epoch that was
            trained, `kept` one whose checkpoint is whole and named by its trial, `resumed` the one
            that an attempt goes on from.
        seconds: Of one epoch.
    """

    log: Path
    seconds: float = 0.05

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        width = int(architecture.layers[0].params["units"])

        def note(what: str, epoch: int) -> None:
            line = f"{width} {what} {epoch} {os.getpid()}\n"
            file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, line.encode())  # one call, so that lines of processes do not mix
            os.close(file)

        kept = context.load_checkpoint()
        epoch = 0 if kept is None else int(kept["epoch"])
        x = start(context.seed) if kept is None else kept["x"]
        if not torch.equal(x, state_after(context.seed, epoch)):
            note("broken", epoch)
        note("resumed", epoch)
        value = value_of(width, x)  # killed after its last epoch, it has nothing left to train
        while epoch == 0 or not (epoch >= context.epochs or context.should_stop()):
            time.sleep(self.seconds)
            epoch, x = epoch + 1, step(x)
            note("train", epoch)
            value = value_of(width, x)
            context.report(epoch, {"val_accuracy": value})
            context.save_checkpoint({"epoch": epoch, "x": x})
            _when_written(context, note, epoch)
        return {"val_accuracy": value}


def _when_written(context: EvaluationContext, note: Any, epoch: int) -> None:
    checkpoints = context.save_checkpoint.__self__._checkpoints  # type: ignore[attr-defined]
    writing: Future[None] = checkpoints._pending

    def tell(done: Future[None]) -> None:
        if not done.cancelled() and not checkpoints._failed:
            note("kept", epoch)

    writing.add_done_callback(tell)


@dataclass(frozen=True)
class Event:
    what: str
    epoch: int
    process: int


def read_log(log: Path) -> dict[int, list[Event]]:
    """Return what happened to each network, in order."""
    events: dict[int, list[Event]] = defaultdict(list)
    for line in log.read_text().splitlines() if log.exists() else ():
        width, what, epoch, process = line.split()
        events[int(width)].append(Event(what, int(epoch), int(process)))
    return dict(events)


def check_log(log: Path) -> int:
    """Check that no kept epoch was trained again, and return how many attempts went on.

    Returns:
        How many attempts began after an epoch above 0.
    """
    went_on = 0
    for width, events in read_log(log).items():
        kept = 0
        for event in events:
            assert event.what != "broken", (width, events)
            if event.what == "kept":
                kept = max(kept, event.epoch)
            elif event.what == "train":
                assert event.epoch > kept, (width, events)
            elif event.what == "resumed":
                assert event.epoch >= kept, (width, events)
                went_on += event.epoch > 0
    return went_on
