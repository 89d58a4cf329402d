"""Runs as each tracker's own reader finds them, in one form."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Seen:
    """One run.

    Attributes:
        params: As text.
        curves: By metric: step and value.
        results: What is there once.
        tags: As text.
        state: As the trial has it.
        status: As the tracker has it.
        files: Contents by name.
    """

    params: dict[str, str] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    results: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    state: str = ""
    status: str = ""
    files: dict[str, str] = field(default_factory=dict)


def options(name: str, folder: Path) -> dict[str, Any]:
    """Return what keeps all of a tracker in one folder."""
    return {
        "mlflow": {
            "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
            "artifact_location": (folder / "files").as_uri(),
        },
        "tensorboard": {"folder": str(folder / "events")},
        "wandb": {"folder": str(folder), "mode": "offline"},
    }[name]


def read(name: str, folder: Path, study: str) -> list[Seen]:
    """Return the runs of a study, in order of their trials; nothing but the tracker's files."""
    found = {"mlflow": _mlflow, "tensorboard": _tensorboard, "wandb": _wandb}[name](folder, study)
    return sorted(found, key=lambda run: int(run.tags["trial"]))


def _mlflow(folder: Path, study: str) -> list[Seen]:
    mlflow: Any = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(options("mlflow", folder)["tracking_uri"])
    experiment = client.get_experiment_by_name(study)
    runs = []
    for run in client.search_runs([experiment.experiment_id]):
        data, key = run.data, run.info.run_id
        curves = {
            metric: [(row.step, row.value) for row in client.get_metric_history(key, metric)]
            for metric in data.metrics
        }
        names = [file.path for file in client.list_artifacts(key)]
        place = folder / "files" / key / "artifacts"
        runs.append(
            Seen(
                dict(data.params),
                curves,
                dict(data.metrics),
                dict(data.tags),
                data.tags["state"],
                run.info.status,
                {each: (place / each).read_text(encoding="utf-8") for each in names},
            )
        )
    return runs


def _tensorboard(folder: Path, study: str) -> list[Seen]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    runs = []
    for place in sorted((folder / "events" / study).iterdir()):
        events = EventAccumulator(str(place)).Reload()
        scalars = {
            tag: [(row.step, row.value) for row in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        texts = {
            tag.removesuffix("/text_summary"): events.Tensors(tag)[-1].tensor_proto.string_val[0]
            for tag in events.Tags()["tensors"]
        }
        words = {tag: text.decode() for tag, text in texts.items()}
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        hparams = HParamsPluginData.FromString(content).session_start_info.hparams
        plain = {
            tag: "\n".join(line.removeprefix("    ") for line in text.split("\n"))
            for tag, text in words.items()
            if not tag.startswith("tags/")
        }
        runs.append(
            Seen(
                {key: _text(value) for key, value in hparams.items() if key != "state"},
                {tag: rows for tag, rows in scalars.items() if not tag.startswith("hparam/")},
                {
                    tag.removeprefix("hparam/"): rows[-1][1]
                    for tag, rows in scalars.items()
                    if tag.startswith("hparam/")
                },
                {tag[5:]: text for tag, text in words.items() if tag.startswith("tags/")},
                plain["state"],
                "",
                {key: text for key, text in plain.items() if "." in key},
            )
        )
    return runs


def _text(value: Any) -> str:
    kind = value.WhichOneof("kind")
    found = getattr(value, kind)
    return f"{found:g}" if kind == "number_value" else str(found)


def _wandb(folder: Path, study: str) -> list[Seen]:
    from wandb.proto.wandb_internal_pb2 import Record

    runs = []
    for file in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        seen, config = Seen(), dict[str, str]()
        for record in _whole(file, Record):
            for item in [*record.run.config.update, *record.config.update]:
                config[item.key] = item.value_json
            row = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
            for key, text in row.items():
                if not key.startswith("_"):
                    seen.curves.setdefault(key, []).append((int(row["_step"]), float(text)))
            for item in [*record.run.summary.update, *record.summary.update]:
                key, value = item.key or item.nested_key[0], json.loads(item.value_json)
                if key == "state":
                    seen.state = value
                elif isinstance(value, int | float):
                    seen.results[key] = value
            if record.HasField("exit"):
                seen.status = str(record.exit.exit_code)
        for each in (file.parent / "files").glob("[cm]*.*"):
            if each.suffix in (".py", ".json") and "-" not in each.name:
                seen.files[each.name] = each.read_text(encoding="utf-8")
        seen.tags = json.loads(config.pop("tags"))
        seen.params = {
            key: f"{value:g}" if isinstance(value, float) else str(value)
            for key, text in config.items()
            if not key.startswith("_")
            for value in [json.loads(text)]
        }
        if seen.tags["study"] == study:
            runs.append(seen)
    return runs


def _whole(file: Path, kind: Any) -> list[Any]:
    """Return the records of a run once its last is there: another process writes them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = [kind.FromString(data) for data in _log_records(file.read_bytes())]
        if any(record.HasField("exit") for record in records):
            return records
        time.sleep(0.2)
    raise AssertionError(f"{file} does not end")


def _log_records(content: bytes) -> Iterator[bytes]:
    """Return the records of a log as LevelDB writes it, behind a head of 7 bytes."""
    place, held = 7, b""
    while place + 7 <= len(content):
        room = 32768 - place % 32768
        if room < 7:  # no record begins there
            place += room
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        held += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield held
            held = b""
