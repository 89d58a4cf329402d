"""What cannot be exported: a clear error, and no half of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.exceptions import ExportError
from neural_automl.export import _export, export_architecture
from neural_automl.layers import register_layer, unregister_layer
from neural_automl.studies import open_storage
from tests.test_cli import SMALL, cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study of a pruned, a failed and a running trial, and an empty one."""
    folder = tmp_path_factory.mktemp("studies")
    storage = open_storage(folder / "study.db")
    mixed = optuna.create_study(storage=storage, study_name="mixed", direction="maximize")
    empty = optuna.create_study(storage=storage, study_name="empty", direction="maximize")
    for study in (mixed, empty):
        study.set_user_attr("space", SMALL)
    for state in (TrialState.PRUNED, TrialState.FAIL):
        mixed.add_trial(create_trial(state=state))
    mixed.ask()
    (folder / "there").mkdir()
    (folder / "there" / "mine.txt").write_text("mine")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "mixed", "--trial", "0"], "trial 0 is PRUNED; only a COMPLETE one has a"),
        (["--study", "mixed", "--trial", "1"], "trial 1 is FAIL; only a COMPLETE one has a"),
        (["--study", "mixed", "--trial", "2"], "trial 2 is RUNNING; only a COMPLETE one has a"),
        (["--study", "mixed", "--trial", "3"], "the study 'mixed' has no trial 3"),
        (["--study", "mixed"], "no trial of the study 'mixed' completed"),
        (["--study", "empty"], "no trial of the study 'empty' completed"),
        (["--study", "other"], "there is no study 'other' in the storage; it holds: empty, mixed"),
    ],
    ids=["pruned", "failed", "running", "no such trial", "none completed", "no trial", "no study"],
)
def test_a_trial_without_a_trained_network(
    folder: Path, arguments: list[str], message: str
) -> None:
    ran = cli("export", "--storage", "study.db", "-o", "out", *arguments, cwd=folder)

    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (folder / "out").exists()


def dense() -> Architecture:
    return Architecture((4,), (LayerConfig("Dense", {"units": 3}),))


def test_a_folder_that_is_there_is_left_as_it_is(folder: Path) -> None:
    with pytest.raises(ExportError, match="is there already; choose a new folder"):
        export_architecture(dense(), folder / "there", formats=["pytorch"])

    assert [file.name for file in (folder / "there").iterdir()] == ["mine.txt"]


def make_torch(values: Any, input_shape: tuple[int, ...]) -> Any:
    raise AssertionError("no test here builds it")


@pytest.mark.parametrize(
    "formats", [["keras"], ["pytorch", "keras"], ["dsl", "keras"]], ids=",".join
)
def test_a_layer_of_ones_own_without_a_form_for_keras(formats: list[str], tmp_path: Path) -> None:
    register_layer(
        "OnlyTorch",
        parameters={},
        shape=lambda values, x: x,
        params=lambda values, x: 0,
        macs=lambda values, x: 0,
        pytorch=make_torch,
    )
    try:
        architecture = Architecture((4,), (LayerConfig("OnlyTorch"),))
        with pytest.raises(
            ExportError, match=r"OnlyTorch has no form for tensorflow; register it with `keras`"
        ):
            export_architecture(architecture, tmp_path / "out", formats=formats)
    finally:
        unregister_layer("OnlyTorch")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk", "ctrl-c"]
)
def test_an_export_that_is_cut_off_leaves_no_folder(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(_export, "_write_weights", fail)

    with pytest.raises(type(error)):
        export_architecture(
            dense(), tmp_path / "out", weights=dense().build("pytorch").state_dict()
        )

    assert not (tmp_path / "out").exists()
