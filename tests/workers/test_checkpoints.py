"""Checkpoints in an artifact store: whole, the last one, and gone at the end."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore

from neural_automl.checkpoints import (
    CHECKPOINT,
    NO_CHECKPOINT,
    Checkpoints,
    load_checkpoint,
    remove_checkpoints,
    remove_leftovers,
)
from neural_automl.exceptions import CheckpointError, FallbackWarning

if TYPE_CHECKING:
    from optuna.trial import Trial


class SlowStore(FileSystemArtifactStore):
    """Waits before it writes, and can refuse to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.may_write = threading.Event()
        self.begun = threading.Event()
        self.error: Exception | None = None
        self.written: list[str] = []

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self.begun.set()
        self.may_write.wait(timeout=30)
        if self.error is not None:
            super().write(artifact_id, io.BytesIO(content_body.read()[:10]))
            raise self.error
        super().write(artifact_id, content_body)
        self.written.append(artifact_id)


def state_of(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "weights": {"w": torch.full((4,), float(epoch))}}


def write_out(checkpoints: Checkpoints, epoch: int) -> None:
    """Save a state and wait: a thread writes it, whose warning may come at once."""
    checkpoints.save(epoch, state_of(epoch))
    checkpoints.flush()


def asked(study: optuna.Study | None = None) -> Trial:
    return (study or optuna.create_study()).ask()


def kept(trial: Trial) -> dict[str, Any] | None:
    frozen = trial.study.trials[trial.number]
    return frozen.user_attrs.get(CHECKPOINT)


def test_the_last_state_is_kept_and_takes_no_more_than_two_files(tmp_path: Path) -> None:
    store, trial = FileSystemArtifactStore(tmp_path), asked()
    with Checkpoints(store, trial) as checkpoints:
        assert checkpoints.load() is None
        for epoch in range(1, 6):
            checkpoints.save(epoch, state_of(epoch))
            checkpoints.flush()
            found = load_checkpoint(store, kept(trial))
            assert found is not None
            assert found["epoch"] == epoch
            assert torch.equal(found["weights"]["w"], torch.full((4,), float(epoch)))
    assert len(list(tmp_path.iterdir())) == 2
    remove_checkpoints(store, trial.study, trial.study.trials[0])
    assert not list(tmp_path.iterdir())
    remove_checkpoints(store, trial.study, trial.study.trials[0])  # nothing is missed


def test_of_states_that_wait_only_the_last_is_written(tmp_path: Path) -> None:
    store, trial = SlowStore(tmp_path), asked()
    checkpoints = Checkpoints(store, trial)
    checkpoints.save(1, state_of(1))
    assert store.begun.wait(timeout=30)
    for epoch in (2, 3, 4):
        checkpoints.save(epoch, state_of(epoch))
    assert kept(trial) is None  # none is named before it is whole
    store.may_write.set()
    with checkpoints:
        pass
    assert len(store.written) == 2
    assert (kept(trial) or {})["epoch"] == 4


def test_one_that_is_cut_off_leaves_the_one_before(tmp_path: Path) -> None:
    store, trial = SlowStore(tmp_path), asked()
    store.may_write.set()
    with Checkpoints(store, trial) as checkpoints:
        checkpoints.save(1, state_of(1))
        checkpoints.flush()
        store.error = OSError("No space left on device")
        with pytest.warns(FallbackWarning, match="no checkpoint after epoch 2: No space left"):
            write_out(checkpoints, 2)
        checkpoints.save(3, state_of(3))  # said once, and not tried again
        found = load_checkpoint(store, kept(trial))
    assert found is not None
    assert found["epoch"] == 1
    assert "No space left" in trial.study.trials[0].user_attrs[NO_CHECKPOINT]


def test_the_next_attempt_goes_on_from_it_in_files_of_its_own(tmp_path: Path) -> None:
    store, trial = FileSystemArtifactStore(tmp_path), asked()
    with Checkpoints(store, trial) as checkpoints:
        checkpoints.save(3, state_of(3))
    trial.set_user_attr("attempts", 1)
    again = optuna.trial.Trial(trial.study, trial._trial_id)
    with Checkpoints(store, again) as checkpoints:
        found = checkpoints.load()
        assert found is not None
        assert found["epoch"] == 3
        checkpoints.save(4, state_of(4))
    found = load_checkpoint(store, kept(again))
    assert found is not None
    assert found["epoch"] == 4
    names = {file.name.rpartition("-")[0][-1] for file in tmp_path.glob("checkpoint-*-?-?")}
    assert names == {"0", "1"}  # one set of files an attempt
    remove_checkpoints(store, trial.study, trial.study.trials[0])
    assert not list(tmp_path.iterdir())


def test_what_dead_workers_left_is_removed_once_their_trials_have_ended(tmp_path: Path) -> None:
    store, study = FileSystemArtifactStore(tmp_path), optuna.create_study()
    for _ in range(3):
        with Checkpoints(store, study.ask()) as checkpoints:
            checkpoints.save(1, state_of(1))
    study.tell(0, 1.0)
    study.tell(1, state=optuna.trial.TrialState.FAIL)
    remove_leftovers(store, study)
    (left,) = tmp_path.iterdir()
    assert left.name == study.trials[2].user_attrs[CHECKPOINT]["id"]


@pytest.mark.parametrize("change", ["lose", "cut", "flip"])
def test_a_file_that_changed_is_not_read(tmp_path: Path, change: str) -> None:
    store, trial = FileSystemArtifactStore(tmp_path), asked()
    with Checkpoints(store, trial) as checkpoints:
        checkpoints.save(1, state_of(1))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    if change == "lose":
        file.unlink()
    elif change == "cut":
        file.write_bytes(content[:-1])
    else:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"is not in the store|is not what was written"):
        load_checkpoint(store, kept(trial))


def test_a_quota_holds_for_all_trials_together(tmp_path: Path) -> None:
    store, study = FileSystemArtifactStore(tmp_path), optuna.create_study()
    first, second = study.ask(), study.ask()
    with Checkpoints(store, first, quota=1 << 20) as checkpoints:
        checkpoints.save(1, state_of(1))
    size = (kept(first) or {})["bytes"]
    checkpoints = Checkpoints(store, second, quota=3 * size)
    with pytest.warns(FallbackWarning, match="above the quota of"):
        write_out(checkpoints, 1)
    assert kept(second) is None
    study.tell(first, 1.0)  # its checkpoint no longer counts
    third = study.ask()
    with Checkpoints(store, third, quota=3 * size) as checkpoints:
        checkpoints.save(1, state_of(1))
    assert kept(third) is not None


def test_an_impossible_quota_and_a_state_that_cannot_be_kept_are_errors(tmp_path: Path) -> None:
    store, trial = FileSystemArtifactStore(tmp_path), asked()
    with pytest.raises(ValueError, match="`quota` must be at least 1 byte but got 0"):
        Checkpoints(store, trial, quota=0)
    with Checkpoints(store, trial) as checkpoints, pytest.raises(CheckpointError):
        checkpoints.save(1, {"model": object()})
