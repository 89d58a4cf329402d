"""Checkpoints: what a training needs to go on where it was cut off, kept epoch by epoch."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import TrialState

from neural_automl.exceptions import CheckpointError, FallbackWarning
from neural_automl.workers._leases import ATTEMPTS
from neural_automl.workers._packing import compress, decompress, pack, unpack

if TYPE_CHECKING:
    from types import TracebackType

    import optuna
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial, Trial

#: Attribute of a trial: which artifact its last checkpoint is, of which epoch, and its digest.
CHECKPOINT: Final = "checkpoint"
#: The reason why a trial kept no checkpoint.
NO_CHECKPOINT: Final = "no_checkpoint"
# Written in turns, so that the one that the trial names is never the one being written.
_SLOTS: Final = 2


class Checkpoints:
    """Keeps the last state of one trial in an artifact store, from a thread of its own.

    A state is written whole before the trial names it, so that a worker that dies at any instant
    leaves the one before. What can't be written is said once, and the training goes on.

    Args:
        store: Where it is kept.
        trial: Whose state it is; running.
        quota: Bytes that the checkpoints of the study may take together; None is no limit.

    Example::

        with Checkpoints(store, trial) as checkpoints:
            state = checkpoints.load()
            ...
            checkpoints.save(epoch, state)  # returns before it is written
    """

    def __init__(self, store: ArtifactStore, trial: Trial, *, quota: int | None = None) -> None:
        if quota is not None and quota < 1:
            raise ValueError(f"`quota` must be at least 1 byte but got {quota}")
        self._store = store
        self._trial = trial
        self._quota = quota
        self._others: int | None = None  # bytes that other trials' checkpoints take
        self._slot = int(trial.user_attrs.get(CHECKPOINT, {}).get("slot", -1))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._failed = False

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.flush()
        self._writer.shutdown()

    def load(self) -> dict[str, Any] | None:
        """Return the last state that the trial kept, or None.

        Raises:
            CheckpointError: The store gives something else than what was written.
        """
        return load_checkpoint(self._store, self._trial.user_attrs.get(CHECKPOINT))

    def save(self, epoch: int, state: Mapping[str, Any]) -> None:
        """Keep a state instead of the one before; of two that wait to be written, the later.

        Args:
            epoch: That the training has ended, from 1.
            state: What ``pack`` takes. It is read before this returns.

        Raises:
            CheckpointError: There is something in it that can't be kept.
        """
        if self._failed:
            return
        content = pack(state)
        if self._pending is not None:
            self._pending.cancel()  # if it was not begun
        self._pending = self._writer.submit(self._write, epoch, content)

    def flush(self) -> None:
        """Wait until the last state is written."""
        if self._pending is not None and not self._pending.cancelled():
            self._pending.result()
        self._pending = None

    def _write(self, epoch: int, content: bytes) -> None:
        body = compress(content)
        slot = (self._slot + 1) % _SLOTS
        name = _artifact(self._trial, slot)
        try:
            self._check_quota(len(body))
            self._store.write(name, io.BytesIO(body))
        except Exception as error:  # noqa: BLE001 - a store raises what its maker chose
            self._failed = True
            reason = f"no checkpoint after epoch {epoch}: {error}"
            self._trial.set_user_attr(NO_CHECKPOINT, reason)
            warnings.warn(f"trial {self._trial.number}: {reason}", FallbackWarning, stacklevel=2)
            return
        digest = hashlib.sha256(body).hexdigest()
        kept = {"id": name, "slot": slot, "epoch": epoch, "bytes": len(body), "sha256": digest}
        self._trial.set_user_attr(CHECKPOINT, kept)
        self._slot = slot

    def _check_quota(self, size: int) -> None:
        if self._quota is None:
            return
        if self._others is None:
            trials = self._trial.study.get_trials(deepcopy=False)
            self._others = sum(
                trial.user_attrs.get(CHECKPOINT, {}).get("bytes", 0)
                for trial in trials
                if not trial.state.is_finished() and trial.number != self._trial.number
            )
        # Two of each trial: the last and the one that is being written.
        if _SLOTS * (self._others + size) > self._quota:
            raise CheckpointError(
                f"the checkpoints of the study would take {_SLOTS * (self._others + size):,} "
                f"bytes, above the quota of {self._quota:,}"
            )


class Leftovers:
    """The checkpoints of trials that this process has trained: removed once a trial was told."""

    def __init__(self) -> None:
        self._trials: dict[_Leftover, None] = {}  # a set in order, which threads may share

    def note(self, store: ArtifactStore, trial: Trial) -> None:
        """Remember a trial that keeps checkpoints."""
        self._trials[_Leftover(store, trial.study, trial._trial_id)] = None

    def remove(self) -> None:
        """Remove the checkpoints of trials that have ended."""
        _remove(self._trials)

    def __reduce__(self) -> tuple[type[Leftovers], tuple[()]]:
        return Leftovers, ()  # those of another process are its own


@dataclass(frozen=True, slots=True, eq=False)
class _Leftover:
    store: ArtifactStore
    study: optuna.Study
    trial_id: int


def _remove(trials: dict[_Leftover, None]) -> None:
    for leftover in tuple(trials):
        trial = leftover.study._storage.get_trial(leftover.trial_id)
        if trial.state == TrialState.RUNNING:
            continue
        if trial.state.is_finished():
            remove_checkpoints(leftover.store, leftover.study, trial)
        trials.pop(leftover, None)  # one that waits is whoever's takes it up


def load_checkpoint(store: ArtifactStore, kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the state that a trial's attribute ``checkpoint`` names, None for no attribute.

    Raises:
        CheckpointError: The store has lost it, or gives something else than what was written.
    """
    if not kept:
        return None
    try:
        with store.open_reader(kept["id"]) as reader:
            body = reader.read()
    except ArtifactNotFound as error:
        raise CheckpointError(f"the checkpoint {kept['id']} is not in the store") from error
    if hashlib.sha256(body).hexdigest() != kept["sha256"]:
        raise CheckpointError(f"the checkpoint {kept['id']} is not what was written")
    return unpack(decompress(body))


def remove_checkpoints(store: ArtifactStore, study: optuna.Study, trial: FrozenTrial) -> None:
    """Remove what a trial kept, of all its attempts; what is not there is not missed."""
    names = (
        _name(study.study_name, trial._trial_id, attempt, slot)
        for attempt in range(int(trial.user_attrs.get(ATTEMPTS, 0)) + 1)
        for slot in range(_SLOTS)
    )
    for name in names:
        try:
            store.remove(name)
        except ArtifactNotFound:
            continue


def remove_leftovers(store: ArtifactStore, study: optuna.Study) -> None:
    """Remove the checkpoints of all trials that have ended, those of workers that died too."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and CHECKPOINT in trial.user_attrs:
            remove_checkpoints(store, study, trial)


def _artifact(trial: Trial, slot: int) -> str:
    # An attempt writes to its own: a worker that was taken for dead, and is not, can't do harm.
    attempt = int(trial.user_attrs.get(ATTEMPTS, 0))
    return _name(trial.study.study_name, trial._trial_id, attempt, slot)


def _name(study: str, trial_id: int, attempt: int, slot: int) -> str:
    # The name of a study may hold what no file name may.
    of_study = hashlib.sha256(study.encode()).hexdigest()[:12]
    return f"checkpoint-{of_study}-{trial_id}-{attempt}-{slot}"
