"""What a tracker is, and what it is told of a trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["COMPLETE", "PRUNED", "FAIL", "INTERRUPTED"]


@dataclass(frozen=True, slots=True)
class TrackedTrial:
    """A trial before its training.

    Attributes:
        study: Name of the study.
        number: Of the trial.
        params: The architecture's choices by name.
        costs: ``params``, ``macs``, ``peak_memory_bytes`` and ``depth``, as far as they are known.
        tags: Texts that runs are found by: study, trial, architecture_key, worker, device, ...
        run_id: Of the run of an attempt at this trial that was cut off; None where there is none.
    """

    study: str
    number: int
    params: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None

    @property
    def name(self) -> str:
        """What a run is called."""
        return f"{self.study}-{self.number}"


@dataclass(frozen=True, slots=True)
class TrackedEnd:
    """How a training ended.

    Attributes:
        state: That of the trial; INTERRUPTED where it was cut off, and may go on in this run.
        values: What was told to the study, by the name of the metric; empty but for COMPLETE.
        metrics: Of the last epoch and of the best one, as the trial keeps them.
        reason: Why it did not complete.
        files: Texts by file name: ``model.py`` and ``curve.json``.
    """

    state: State
    values: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


class TrackedRun(ABC):
    """One run, open for a training; used by one thread.

    Attributes:
        id: What the tracker finds it by again; empty where it needs nothing.
    """

    id: str = ""

    @abstractmethod
    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of an epoch, from 1; called after each."""

    @abstractmethod
    def end(self, end: TrackedEnd) -> None:
        """Write how it ended, and close it; called once."""


class Tracker(ABC):
    """Where runs go. It is pickled to the workers of a search: it holds settings, no connection.

    Whatever a tracker raises while a search runs costs its run, not the training: see
    ``ArchitectureObjective``.

    Attributes:
        name: What it is called in messages, and in what a trial keeps of it.
    """

    name: str = "tracker"

    @abstractmethod
    def begin(self, trial: TrackedTrial) -> TrackedRun:
        """Open the run of a trial that is about to be trained, in any worker and thread."""

    def prepare(self, study: str) -> None:  # noqa: B027 - a hook, which may do nothing
        """Make what all runs share; called once, before the workers of a search begin.

        Whatever it raises ends the search before it begins.

        Args:
            study: Name of the study.
        """
