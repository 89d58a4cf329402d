"""Nothing that a study or its files hold is executed."""

from __future__ import annotations

import ast
import io
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from safetensors import SafetensorError

from neural_automl.artifacts import WEIGHTS, load_weights
from neural_automl.checkpoints import Checkpoints
from neural_automl.exceptions import CheckpointError
from neural_automl.studies import open_storage
from tests.house.repository import modules

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where a process hands a function to its own child, through a folder that only it can read.
OWN_CHILDREN = ("neural_automl.executor",)
READERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
#: Calls by their last name that read pickles, or run what a file says.
RUNNERS = {"read_pickle", "unsafe_load", "Unpickler", "load_module", "run_path"}


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.target),)


def bombs(target: Path) -> dict[str, bytes]:
    """Return files that make a folder where pickle reads them."""
    buffer = io.BytesIO()
    torch.save({"a": Bomb(target)}, buffer)
    return {"pickle": pickle.dumps(Bomb(target)), "torch": buffer.getvalue()}


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(tmp_path / "study.db"))


def test_a_bomb_goes_off_where_pickle_reads_it(tmp_path: Path) -> None:
    pickle.loads(bombs(tmp_path / "made")["pickle"])

    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_weights_are_never_unpickled(tmp_path: Path, study: optuna.Study, kind: str) -> None:
    store = FileSystemArtifactStore(tmp_path)
    trial = study.ask()
    (tmp_path / WEIGHTS).write_bytes(bombs(tmp_path / "made")[kind])
    upload_artifact(artifact_store=store, file_path=str(tmp_path / WEIGHTS), study_or_trial=trial)
    study.tell(trial, 1.0)

    with pytest.raises(SafetensorError):
        load_weights(store, study, study.trials[0])

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_checkpoints_are_never_unpickled(tmp_path: Path, study: optuna.Study, kind: str) -> None:
    store = FileSystemArtifactStore(tmp_path)
    trial = study.ask()
    with Checkpoints(store, trial) as checkpoints:
        checkpoints.save(1, {"a": torch.zeros(2)})
        checkpoints.flush()
        kept = study.trials[0].user_attrs["checkpoint"]
        bomb = bombs(tmp_path / "made")[kind]
        (tmp_path / kept["id"]).write_bytes(bomb)
        # The worst case: its record was forged too.
        import hashlib

        forged = {**kept, "bytes": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest()}
        trial.set_user_attr("checkpoint", forged)

        with pytest.raises(CheckpointError):
            Checkpoints(store, trial).load()

    assert not (tmp_path / "made").exists()


def _reads(tree: ast.AST) -> list[str]:
    """Return what in a file can run what it reads: imports of pickles, and calls that use one."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.split(".")[0] in READERS]
            case ast.ImportFrom(module=str(name)) if name.split(".")[0] in READERS:
                found.append(name)
            case ast.Call(func=ast.Attribute(attr="load", value=ast.Name(id="torch"))):
                safe = [k for k in node.keywords if k.arg == "weights_only"]
                if not (safe and ast.unparse(safe[0].value) == "True"):
                    found.append("torch.load")
            case ast.Call(func=ast.Attribute(attr=name)) if name in RUNNERS:
                found.append(name)
            case ast.keyword(arg="safe_mode", value=value) if ast.unparse(value) != "True":
                found.append("safe_mode")
            case ast.keyword(arg="allow_pickle", value=value) if ast.unparse(value) != "False":
                found.append("allow_pickle")
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                found.append(name)
    return found


def test_no_part_reads_a_pickle_or_runs_a_text() -> None:
    found = {
        name: reads
        for name, path in modules().items()
        if not name.startswith(OWN_CHILDREN)
        and (reads := _reads(ast.parse(path.read_text(encoding="utf-8"))))
    }

    assert found == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from joblib import load", ["joblib"]),
        ("torch.load(x)", ["torch.load"]),
        ("torch.load(x, weights_only=False)", ["torch.load"]),
        ("torch.load(x, weights_only=True)", []),
        ("np.load(x, allow_pickle=True)", ["allow_pickle"]),
        ("np.load(x, allow_pickle=False)", []),
        ("import cloudpickle", ["cloudpickle"]),
        ("pd.read_pickle(x)", ["read_pickle"]),
        ("yaml.unsafe_load(x)", ["unsafe_load"]),
        ("load_model(x, safe_mode=False)", ["safe_mode"]),
        ("eval(x)", ["eval"]),
        ("model.eval()", []),
    ],
)
def test_the_search_finds(code: str, found: list[str]) -> None:
    assert _reads(ast.parse(code)) == found
