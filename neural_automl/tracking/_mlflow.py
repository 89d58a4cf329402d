"""Runs in MLflow, by its client: nothing of MLflow's global state is touched."""

from __future__ import annotations

import os
import posixpath
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from neural_automl._imports import try_import
from neural_automl.studies import absolute_url
from neural_automl.tracking._tracker import TrackedEnd, TrackedRun, TrackedTrial, Tracker

# MLflow reports its use to its makers unless this is set, which it reads at each call. Whoever
# wants that sets it to false.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

with try_import() as _imports:
    import mlflow
    from mlflow.entities import Metric, Param, RunTag

_STATUS: Final = {
    "COMPLETE": "FINISHED",
    "PRUNED": "KILLED",
    "FAIL": "FAILED",
    "INTERRUPTED": "KILLED",
}
_LONGEST_PARAM: Final = 6000
_LONGEST_TAG: Final = 5000
#: How many of them a server takes at once.
_AT_ONCE: Final = 100


@dataclass(frozen=True)
class MLflowTracker(Tracker):
    """Makes a run of MLflow for each trial that is trained.

    Choices are params, with ``layers[0].units`` as ``layers.0.units``, since MLflow takes no
    brackets. A pruned or interrupted trial's run is KILLED; the tag ``state`` says which.

    Args:
        tracking_uri: Of a server, or of a database: ``sqlite:///mlflow.db``. By default what
            MLflow says: its environment variable, what was set in this process, or a file
            ``mlflow.db`` in the current directory.
        experiment: Name of the experiment; by default the study's.
        artifact_location: Where an experiment that is made keeps files; by default MLflow decides.

    Raises:
        ImportError: MLflow is not installed.
    """

    tracking_uri: str | None = None
    experiment: str | None = None
    artifact_location: str | None = None
    name: str = "mlflow"

    def __post_init__(self) -> None:
        _imports.check()
        # Workers may have another current directory, and know nothing of what was set here.
        uri = absolute_url(self.tracking_uri or mlflow.get_tracking_uri())
        object.__setattr__(self, "tracking_uri", uri)

    def prepare(self, study: str) -> None:
        """Make the experiment, and the tables of a new database, before several do so at once."""
        self._experiment_id(self._client(), study)

    def begin(self, trial: TrackedTrial) -> TrackedRun:
        """Make a run, or go on with that of an attempt before."""
        client = self._client()
        tags = {**trial.tags, "state": "RUNNING"}
        if trial.run_id is None:
            run = client.create_run(
                self._experiment_id(client, trial.study),
                run_name=trial.name,
                tags={name: text[:_LONGEST_TAG] for name, text in tags.items()},
            )
            found = _Run(client, run.info.run_id)
            found.describe(trial)
            return found
        client.update_run(trial.run_id, "RUNNING")
        client.set_tag(trial.run_id, "state", "RUNNING")
        return _Run(client, trial.run_id)

    def _client(self) -> Any:
        return mlflow.MlflowClient(self.tracking_uri)

    def _experiment_id(self, client: Any, study: str) -> str:
        name = self.experiment or study
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self.artifact_location))


class _Run(TrackedRun):
    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._logged: set[str] = set()
        self.id = run_id

    def describe(self, trial: TrackedTrial) -> None:
        params = [
            Param(mlflow_name(name), str(value)[:_LONGEST_PARAM])
            for name, value in trial.params.items()
        ]
        for start in range(0, len(params), _AT_ONCE):
            self._client.log_batch(self.id, params=params[start : start + _AT_ONCE])
        self.log(0, trial.costs)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        rows = [Metric(mlflow_name(name), value, now, epoch) for name, value in metrics.items()]
        self._logged.update(metrics)
        if rows:
            self._client.log_batch(self.id, metrics=rows)

    def end(self, end: TrackedEnd) -> None:
        # What is told to the study has a name of its own: a metric's holds its epochs.
        values = {f"value.{name}": value for name, value in end.values.items()}
        rest = {name: end.metrics[name] for name in end.metrics if name not in self._logged}
        self.log(0, {**rest, **values})
        tags = [RunTag("state", end.state)]
        if end.reason:
            tags.append(RunTag("reason", end.reason[:_LONGEST_TAG]))
        self._client.log_batch(self.id, tags=tags)
        for name, text in end.files.items():
            self._client.log_text(self.id, text, name)
        self._client.set_terminated(self.id, _STATUS[end.state])


def mlflow_name(name: str) -> str:
    """Return a name as MLflow takes it.

    Example:
        >>> mlflow_name("layers[2][0].kernel_size"), mlflow_name("a*b")
        ('layers.2.0.kernel_size', 'a_b')
    """
    dotted = re.sub(r"\[(\w+)\]", r".\1", name)
    plain = re.sub(r"[^\w\-. :/]", "_", dotted, flags=re.ASCII)
    # MLflow may make a file of it, and takes no name that another is the same file as.
    if posixpath.normpath(plain) != plain or plain.startswith(("/", "..")) or plain == ".":
        plain = plain.replace("/", "_")
        return plain if plain.strip(".") else plain.replace(".", "_")
    return plain
