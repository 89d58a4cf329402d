"""Several processes on one database propose nothing twice, and leave nothing out."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from neural_automl.samplers._define_by_run._claims import _every_trial
from neural_automl.samplers.feasible import FeasibleSampler
from neural_automl.samplers.grid import ExhaustiveSampler
from tests.samplers.spaces import cells, cells_value


def _few_a(cell: tuple[str, ...]) -> bool:
    return cell.count("a") <= 1  # 48 of 81


def _sampler(name: str) -> BaseSampler:
    if name == "grid":
        return ExhaustiveSampler(cells, feasible=_few_a, seed=0)
    return FeasibleSampler(TPESampler(seed=0), suggest=cells, feasible=_few_a, seed=0)


def _storage(kind: str, folder: Path) -> BaseStorage:
    if kind == "journal":
        return JournalStorage(JournalFileBackend(str(folder / "study.log")))
    return optuna.storages.get_storage(f"sqlite:///{folder}/study.db")


def _work(kind: str, folder: Path, name: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        storage=_storage(kind, folder), study_name="shared", sampler=_sampler(name)
    )
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "tpe"])
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_processes_share_the_work(tmp_path: Path, kind: str, name: str) -> None:
    optuna.create_study(storage=_storage(kind, tmp_path), study_name="shared")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(kind, tmp_path, name)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = optuna.load_study(storage=_storage(kind, tmp_path), study_name="shared")
    trained = [tuple(t.params.items()) for t in study.trials if t.state is TrialState.COMPLETE]

    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(trained) == len(set(trained)) == 48
    assert study.user_attrs == {"stop_reason": "space exhausted"}
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


def late_storage(*, misses: int) -> tuple[optuna.Study, list[int]]:
    """A study of three trials whose storage shows the second one only after some reads."""
    study = optuna.create_study()
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    storage, lengths = study._storage, list[int]()
    whole = storage.get_all_trials

    def get_all_trials(*arguments: Any, **options: Any) -> list[FrozenTrial]:
        trials = whole(*arguments, **options)
        if len(lengths) < misses:
            trials = [trial for trial in trials if trial.number != 1]
        lengths.append(len(trials))
        return trials

    storage.get_all_trials = get_all_trials  # type: ignore[method-assign]
    return study, lengths


def test_a_trial_that_another_thread_is_about_to_enter_is_waited_for() -> None:
    study, lengths = late_storage(misses=2)
    assert [trial.number for trial in _every_trial(study)] == [0, 1, 2]
    assert lengths == [2, 2, 3]


def test_a_trial_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neural_automl.samplers._define_by_run._claims._PAUSE", 0.0)
    study, _ = late_storage(misses=10**6)
    with pytest.raises(RuntimeError, match=r"holds 2 trials .* but the last has the number 2"):
        _every_trial(study)
