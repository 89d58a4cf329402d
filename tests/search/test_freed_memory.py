"""A trial that was stopped leaves no network and no weights in memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import TrialState

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.objective import ArchitectureObjective
from tests.evaluation.helpers import blobs

SPACE = ArchitectureSpace((4,), [Layer("Dense", Choice(5, 6, 7, 8)), "ReLU", Layer("Dense", 3)])


def make_evaluator() -> ArchitectureEvaluator:
    return ArchitectureEvaluator(blobs(60), blobs(30, seed=1), device="cpu")


class Stops(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return True


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let the collector of cycles rest: what is freed is freed by itself."""
    # PyTorch imports parts of itself at the first training, and keeps the frames in a cycle.
    make_evaluator().evaluate(SPACE.sample_architecture(seed=0), EvaluationContext(1, 0))
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("how", ["pruner", "rung", "divergence"])
def test_memory_is_free_when_the_next_trial_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    built: list[weakref.ref[Any]] = []
    build = Architecture.build

    def spy(self: Architecture, backend: Any = "pytorch") -> Any:
        assert all(ref() is None for ref in built), "a network of an earlier trial is still there"
        model = build(self, backend)
        if how == "divergence":
            next(iter(model.parameters())).data.fill_(float("nan"))
        built.append(weakref.ref(model))
        built.extend(weakref.ref(tensor) for tensor in model.parameters())
        return model

    monkeypatch.setattr(Architecture, "build", spy)
    objective = ArchitectureObjective(
        SPACE,
        make_evaluator(),
        artifact_store=FileSystemArtifactStore(tmp_path),
        **({"rungs": [1, 2]} if how == "rung" else {"epochs": 2}),
    )
    study = optuna.create_study(
        direction="maximize", pruner=Stops(), sampler=optuna.samplers.RandomSampler(seed=0)
    )

    def check(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        assert built
        assert all(ref() is None for ref in built)

    study.optimize(objective, n_trials=2, callbacks=[check])

    assert {trial.state for trial in study.trials} == {TrialState.PRUNED}
    # The weights that a training gives away are in no cycle either.
    tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
    assert not [
        each for each in tensors if tuple(each.shape) in {(width, 4) for width in range(5, 9)}
    ]
