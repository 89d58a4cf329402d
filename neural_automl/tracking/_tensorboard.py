"""Runs as event files of TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neural_automl._imports import try_import
from neural_automl.tracking._tracker import TrackedEnd, TrackedRun, TrackedTrial, Tracker

with try_import() as _imports:
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

_FENCE = "    "


@dataclass(frozen=True)
class TensorBoardTracker(Tracker):
    """Writes a folder of event files for each trial that is trained: ``FOLDER/STUDY/NUMBER``.

    The metrics of the epochs are scalars, choices and results are hyperparameters (the tab
    HPARAMS), and tags, state, source and curve are texts.

    Args:
        folder: What ``tensorboard --logdir`` is given; by default ``runs`` in the current
            directory.

    Raises:
        ImportError: TensorBoard is not installed.
    """

    folder: str | Path = "runs"
    name: str = "tensorboard"

    def __post_init__(self) -> None:
        _imports.check()
        object.__setattr__(self, "folder", Path(self.folder).absolute())

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        """Open an event file; an attempt after another adds one to the same folder."""
        # A study's name may hold anything; a folder's name may not lead out of its parent.
        study = quote(trial.study, safe=" ").replace(".", "%2E")
        return _Run(trial, Path(self.folder) / study / f"{trial.number:05d}")


class _Run(TrackedRun):
    def __init__(self, trial: TrackedTrial, folder: Path) -> None:
        self._trial = trial
        self._writer: Any = SummaryWriter(str(folder))
        for name, text in trial.tags.items():
            self._writer.add_text(f"tags/{name}", text)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, end: TrackedEnd) -> None:
        try:
            results = {f"hparam/{name}": value for name, value in self._results(end).items()}
            params = {name: _simple(value) for name, value in self._trial.params.items()}
            for summary in hparams({**params, "state": end.state}, results):
                self._writer.file_writer.add_summary(summary)
            for name, value in results.items():
                self._writer.add_scalar(name, value)
            for name, text in {"state": end.state, "reason": end.reason, **end.files}.items():
                if text:
                    # As Markdown has code: what a file holds is shown, not rendered.
                    lines = "\n".join(_FENCE + line for line in text.splitlines())
                    self._writer.add_text(name, lines)
        finally:
            self._writer.close()

    def _results(self, end: TrackedEnd) -> dict[str, float]:
        return {**self._trial.costs, **end.metrics, **end.values}


def _simple(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)
