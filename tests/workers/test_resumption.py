"""A trial that was cut off goes on from its last epoch, and ends as if it had lived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.artifacts import load_weights
from neural_automl.checkpoints import CHECKPOINT, NO_CHECKPOINT
from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import FallbackWarning
from neural_automl.objective import ArchitectureObjective
from neural_automl.studies import artifact_store_of
from neural_automl.workers import _leases
from neural_automl.workers._interruption import REQUESTED, HandedBack, ends_on_sigterm
from neural_automl.workers._leases import WORKER, Watch
from neural_automl.workers._recovery import hand_back, recover
from tests.search.fakes import CurveEvaluator, small_space

EPOCHS = 4


def digits_space() -> ArchitectureSpace:
    layers = ["Flatten", Layer("Dense", Choice(8, 16)), "ReLU", Layer("Dropout", 0.2)]
    return ArchitectureSpace((8, 8, 1), [*layers, Layer("Dense", 10)])


@dataclass
class Dying:
    """Trains, and kills its process after an epoch if a file says so."""

    inner: ArchitectureEvaluator
    deadly: Path
    log: Path

    def evaluate(
        self, architecture: Architecture, context: EvaluationContext
    ) -> Mapping[str, float]:
        def report(step: int, metrics: Mapping[str, float]) -> None:
            context.report(step, metrics)
            with self.log.open("a") as lines:
                lines.write(f"{step}\n")

        def save(state: Mapping[str, object]) -> None:
            context.save_checkpoint(state)
            if self.deadly.exists() and state["epoch"] == int(self.deadly.read_text()):
                run = context.save_checkpoint.__self__  # type: ignore[attr-defined]
                run._checkpoints.flush()
                os.kill(os.getpid(), signal.SIGKILL)

        seen = EvaluationContext(
            context.epochs,
            context.seed,
            context.device,
            report=report,
            should_stop=context.should_stop,
            load_checkpoint=context.load_checkpoint,
            save_checkpoint=save,
            keep_weights=context.keep_weights,
        )
        return self.inner.evaluate(architecture, seen)


def study_in(folder: Path) -> optuna.Study:
    return optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name="s",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )


def objective_in(folder: Path) -> ArchitectureObjective:
    evaluator = ArchitectureEvaluator(load_data("digits"), device="cpu", threads=1)
    dying = Dying(evaluator, folder / "deadly", folder / "log")
    return ArchitectureObjective(digits_space(), dying, epochs=EPOCHS, seed=7)


def die(folder: Path, epoch: int) -> None:
    """Run a trial in a process that is killed after an epoch."""
    (folder / "deadly").write_text(str(epoch))
    code = (
        "import sys; from pathlib import Path; from tests.workers.test_resumption import *; "
        "folder = Path(sys.argv[1]); study_in(folder).optimize(objective_in(folder), n_trials=1)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder / "deadly").unlink()


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_trial_ends_as_if_it_had_lived(tmp_path: Path, epoch: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    study_in(whole).optimize(objective_in(whole), n_trials=1)
    die(cut, epoch)
    study = study_in(cut)
    (dead,) = study.trials
    assert dead.state == TrialState.RUNNING
    assert dead.user_attrs[CHECKPOINT]["epoch"] == epoch
    assert len(recover(study, Watch())) == 1
    objective = objective_in(cut)
    study.optimize(objective, n_trials=1)

    (trial,), (lived,) = study.trials, study_in(whole).trials
    assert trial.state == TrialState.COMPLETE
    assert trial.values == lived.values
    assert trial.intermediate_values == lived.intermediate_values
    assert trial.user_attrs["resumed_at"] == epoch
    assert trial.user_attrs["attempts"] == 1
    assert (cut / "log").read_text().split() == [str(k) for k in range(1, EPOCHS + 1)]
    weights = [
        load_weights(store, folder_study, folder_study.trials[0])
        for folder_study in (study, study_in(whole))
        if (store := artifact_store_of(folder_study)) is not None
    ]
    assert len(weights) == 2
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    objective.tidy()
    assert not list(cut.glob("**/checkpoint-*"))


def test_a_search_takes_up_what_a_killed_one_held(tmp_path: Path) -> None:
    die(tmp_path, 2)
    engine = AutoMLEngine(
        search_strategy="random",
        early_stopping="none",
        storage=tmp_path / "study.db",
        study_name="s",
        seed=7,
    )
    evaluator = objective_in(tmp_path).evaluator
    result = engine.search(
        digits_space(), evaluator=evaluator, max_trials=1, max_epochs_per_trial=EPOCHS
    )
    (trial,) = result.study.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["resumed_at"] == 2
    assert (tmp_path / "log").read_text().split() == ["1", "2", "3", "4"]


def test_a_checkpoint_that_is_lost_is_said_and_the_trial_begins_anew(tmp_path: Path) -> None:
    die(tmp_path, 2)
    study = study_in(tmp_path)
    recover(study, Watch())
    for file in tmp_path.glob("**/checkpoint-*"):
        file.unlink()
    with pytest.warns(FallbackWarning, match="trial 0 begins anew: the checkpoint .* is not in"):
        study.optimize(objective_in(tmp_path), n_trials=1)
    (trial,) = study.trials
    assert trial.state == TrialState.COMPLETE
    assert "is not in the store" in trial.user_attrs[NO_CHECKPOINT]
    assert (tmp_path / "log").read_text().split() == ["1", "2", "1", "2", "3", "4"]


def test_each_trial_tidies_up_after_the_one_before(tmp_path: Path) -> None:
    study, objective = study_in(tmp_path), objective_in(tmp_path)
    study.optimize(objective, n_trials=1)
    assert list(tmp_path.glob("**/checkpoint-*"))
    objective.tidy()
    assert not list(tmp_path.glob("**/checkpoint-*"))


def test_nothing_is_kept_where_it_is_not_wanted(tmp_path: Path) -> None:
    objective = objective_in(tmp_path)
    objective.keeping.checkpoints = False
    study = study_in(tmp_path)
    study.optimize(objective, n_trials=1)
    assert not list(tmp_path.glob("**/checkpoint-*"))
    assert CHECKPOINT not in study.trials[0].user_attrs


# --- handed back ------------------------------------------------------------------------------


def test_a_process_that_shall_end_hands_its_trial_back_after_the_epoch(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    objective = ArchitectureObjective(
        digits_space(),
        ArchitectureEvaluator(load_data("digits"), device="cpu"),
        epochs=EPOCHS,
        seed=7,
    )
    with ends_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        assert REQUESTED.is_set()
        with pytest.raises(HandedBack, match="trial 0 was handed back"):
            study.optimize(objective, n_trials=1)
    assert not REQUESTED.is_set()
    (trial,) = study.trials
    assert trial.state == TrialState.WAITING
    assert trial.user_attrs[CHECKPOINT]["epoch"] == 1
    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["resumed_at"] == 1
    assert "deaths" not in trial.user_attrs


def test_a_worker_that_was_taken_for_dead_reports_and_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_leases, "PATIENCE", 0.0)
    study = optuna.create_study(direction="maximize")

    def taken(architecture: Architecture, epoch: int) -> float:
        if epoch == 2:  # by a watcher, while this one slept
            hand_back(study, 0)
            study._storage.set_trial_state_values(0, TrialState.RUNNING)
            study._storage.set_trial_user_attr(0, WORKER, "another")
        return 0.5

    objective = ArchitectureObjective(small_space(), CurveEvaluator(taken), epochs=4)
    lease = _leases.Lease.__init__
    monkeypatch.setattr(
        _leases.Lease,
        "__init__",
        lambda self, *args, **options: lease(self, *args, **{**options, "patience": 0.0}),
    )
    with pytest.raises(HandedBack, match="trial 0 was taken over by another worker"):
        study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == TrialState.RUNNING
    assert list(trial.intermediate_values) == [1]


def test_an_evaluator_without_checkpoints_reports_its_epochs_once(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    trial = study.ask()
    small_space().suggest(trial)
    trial.report(0.123, 1)
    trial.set_user_attr("attempts", 1)
    hand_back(study, trial._trial_id)
    evaluator = CurveEvaluator(lambda architecture, epoch: epoch / 10)
    study.optimize(ArchitectureObjective(small_space(), evaluator, epochs=3), n_trials=1)
    (done,) = study.trials
    assert done.state == TrialState.COMPLETE
    assert done.intermediate_values == {1: 0.123, 2: 0.2, 3: 0.3}


def test_the_constraints_of_a_trial_are_written_once(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    limits = {"params": 10**6}
    sigterm = [1]

    def end_once(architecture: Architecture, epoch: int) -> float:
        if sigterm and epoch == sigterm.pop():
            os.kill(os.getpid(), signal.SIGTERM)
        return epoch / 10

    objective = ArchitectureObjective(
        small_space(constraints=limits), CurveEvaluator(end_once), epochs=3, max_latency=60.0
    )
    with ends_on_sigterm(), pytest.raises(HandedBack):
        study.optimize(objective, n_trials=1)
    (waiting,) = study.trials
    before = {**waiting.constraints, "measured": waiting.user_attrs["latency"]}
    assert waiting.state == TrialState.WAITING
    assert {"params <= 1,000,000", "latency"} <= before.keys()

    study.optimize(objective, n_trials=1)  # a warning of Optuna's is an error here

    (done,) = study.trials
    assert done.state == TrialState.COMPLETE
    assert {**done.constraints, "measured": done.user_attrs["latency"]} == before


def test_a_quota_is_kept(tmp_path: Path) -> None:
    objective = objective_in(tmp_path)
    objective.keeping.quota = 100
    study = study_in(tmp_path)
    with pytest.warns(FallbackWarning, match="above the quota of 100"):
        study.optimize(objective, n_trials=1)
    assert study.trials[0].state == TrialState.COMPLETE
    assert not list(tmp_path.glob("**/checkpoint-*"))
