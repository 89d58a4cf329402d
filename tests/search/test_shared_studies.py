"""Several processes search one study by name: nothing twice, nothing left out."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Maybe
from neural_automl.identity import identity_of
from neural_automl.search_strategies import create_sampler

WORKERS = 3


def space() -> ArchitectureSpace:
    """Return a space of 48 networks, of which 28 keep the limit and 14 of these differ."""
    return ArchitectureSpace(
        (4,),
        [
            Layer("Dense", Choice(2, 3, 4), activation=Choice(None, "relu")),
            Maybe("ReLU"),
            Maybe([Layer("Dense", Choice(2, 3, 4))]),
            Layer("Dense", 2),
        ],
        constraints={"params": 34},
    )


def _work(storage: str, name: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        storage=storage,
        study_name="shared",
        sampler=create_sampler(name, space=space(), seed=0, n_startup_trials=4),
    )
    study.optimize(lambda trial: float(space().suggest(trial).cost.params), n_trials=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bayesian", "evolutionary", "regularized_evolution"])
def test_processes_share_a_search(tmp_path: Path, name: str) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=storage, study_name="shared")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(storage, name)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = optuna.load_study(storage=storage, study_name="shared")
    trained = [t for t in study.trials if t.state is TrialState.COMPLETE]
    identities = [identity_of(space().suggest(FixedTrial(trial.params))) for trial in trained]
    every = [space().sample_architecture(seed, feasible=False) for seed in range(3000)]
    feasible = {identity_of(each) for each in every if not space().violations(each)}

    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert len(identities) == len(set(identities))
    assert set(identities) == feasible
    assert study.user_attrs["stop_reason"] == "space exhausted"
