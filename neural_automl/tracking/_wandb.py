"""Runs in Weights & Biases, offline unless another mode is asked for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from neural_automl._imports import try_import
from neural_automl.tracking._tracker import TrackedEnd, TrackedRun, TrackedTrial, Tracker

# It reports its own errors to its makers, offline too, unless this is set. Whoever wants that sets
# it to true.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

with try_import() as _imports:
    import wandb

_OFFLINE: Final = "offline"
_MODES: Final = ("online", _OFFLINE, "disabled")


@dataclass(frozen=True)
class WandbTracker(Tracker):
    """Makes a run of Weights & Biases for each trial that is trained.

    Args:
        project: Of the runs; by default the study's name. Runs are grouped by study.
        entity: Who they belong to; by default the account's own.
        mode: ``online``, ``offline`` (files for ``wandb sync``) or ``disabled``; by default what
            the environment variable WANDB_MODE says, or else offline: nothing leaves the machine
            that was not asked to.
        folder: Where the folder ``wandb`` of its files is; by default the current directory.

    Raises:
        ImportError: wandb is not installed.
        ValueError: There is no such mode.
    """

    project: str | None = None
    entity: str | None = None
    mode: Literal["online", "offline", "disabled"] | None = None
    folder: str | Path = "."
    name: str = "wandb"

    def __post_init__(self) -> None:
        _imports.check()
        mode = self.mode or os.environ.get("WANDB_MODE") or _OFFLINE
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(_MODES)} but got {mode!r}")
        object.__setattr__(self, "mode", mode)
        object.__setattr__(self, "folder", Path(self.folder).absolute())

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        """Make a run, or go on with that of an attempt before: a trial's run has one id."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        run_id = trial.run_id or _run_id(trial)
        run = wandb.init(
            project=self.project or _plain(trial.study),
            entity=self.entity,
            group=trial.study,
            name=trial.name,
            id=run_id,
            resume="allow" if trial.run_id else None,
            config=dict(trial.params),
            tags=[],
            dir=str(self.folder),
            mode=self.mode,
            reinit="create_new",  # threads of one search have a run each
            settings=wandb.Settings(silent=True, console="off"),
        )
        run.config.update({"tags": dict(trial.tags)}, allow_val_change=True)
        run.summary.update({**trial.costs, "state": "RUNNING"})
        return _Run(run, run_id)


class _Run(TrackedRun):
    def __init__(self, run: Any, run_id: str) -> None:
        self._run = run
        self.id = run_id

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=epoch)

    def end(self, end: TrackedEnd) -> None:
        summary: dict[str, Any] = {**end.metrics, **end.values, "state": end.state}
        if end.reason:
            summary["reason"] = end.reason
        self._run.summary.update(summary)
        for name, text in end.files.items():
            file = Path(self._run.dir, name)
            file.write_text(text, encoding="utf-8")
            self._run.save(str(file), base_path=self._run.dir, policy="now")
        self._run.finish(exit_code=1 if end.state == "FAIL" else 0)


def _run_id(trial: TrackedTrial) -> str:
    """Return an id of its own: a study of the same name may have had the same trial."""
    return f"{trial.number}-{secrets.token_hex(6)}"


def _plain(name: str) -> str:
    """Return a name that may be a project's."""
    return "".join("-" if character in "/\\#?%:" else character for character in name)[:128]
