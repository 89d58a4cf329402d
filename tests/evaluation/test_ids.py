"""Data that an embedding looks up, and batches that are only seen while a network trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch.utils.data import DataLoader

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.engine import AutoMLEngine
from neural_automl.evaluation import ArchitectureEvaluator, EvaluationContext
from neural_automl.exceptions import DataError
from neural_automl.objective import ArchitectureObjective

TOKENS = np.arange(60).reshape(20, 3) % 9
LABELS = np.arange(20) % 2
GOOD = (torch.tensor([[0, 1, 2], [3, 4, 8]]), torch.tensor([0, 1]))


def space(sizes: str) -> ArchitectureSpace:
    return ArchitectureSpace.from_dsl(
        f"network Ids {{ input: (3,) layers: Embedding(input_dim={sizes}, output_dim=2) "
        "Flatten() Dense(2) }"
    )


def evaluator(data: Any = None) -> ArchitectureEvaluator:
    return ArchitectureEvaluator(data or (TOKENS, LABELS), (TOKENS, LABELS), device="cpu", epochs=1)


def test_a_choice_with_too_little_room_for_the_ids_is_infeasible() -> None:
    objective = ArchitectureObjective(
        space("HPO(choice(4, 9))"), evaluator(), metrics=("val_accuracy",)
    )
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=8)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in study.trials:
        if trial.state == TrialState.PRUNED:
            assert "the integers 0 to 8 but the Embedding" in trial.user_attrs["infeasible"]
            assert trial.constraints["training"] > 0


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        pytest.param("HPO(choice(4, 9))", True, id="one fits"),
        pytest.param("HPO(choice(4, 5, 6, 7, 8, 9))", True, id="one of many fits"),
        pytest.param("HPO(choice(4, 8))", False, id="none fits"),
        pytest.param("8", False, id="fixed"),
    ],
)
def test_a_search_begins_only_where_some_option_has_room(sizes: str, fits: bool) -> None:
    engine = AutoMLEngine(device="cpu")
    if fits:
        engine.check(space(sizes), evaluator())
    else:
        with pytest.raises(DataError, match="the integers 0 to 8 but the Embedding"):
            engine.check(space(sizes), evaluator())


@pytest.mark.parametrize(
    ("second", "message"),
    [
        pytest.param(
            (torch.tensor([[0, 1, 9]]), torch.tensor([0])), "integers 0 to 9 but", id="too large"
        ),
        pytest.param(
            (torch.tensor([[0, -1, 2]]), torch.tensor([0])), "integers -1 to 2 but", id="below 0"
        ),
        pytest.param(
            (torch.tensor([[0, 1]]), torch.tensor([0])),
            r"samples of shape \(2,\) but the first one \(3,\)",
            id="another length",
        ),
        pytest.param(([[0, 1, 2], [3]], [0, 1]), "cannot be read as arrays", id="ragged"),
        pytest.param(
            (torch.tensor([[0, 1, 2]]), torch.tensor([0, 1])), "1 inputs but 2 targets", id="pairs"
        ),
    ],
)
def test_a_later_batch_that_breaks_a_rule_is_an_error_of_the_data(
    second: Any, message: str
) -> None:
    layers = (
        LayerConfig("Embedding", {"input_dim": 9, "output_dim": 2}),
        LayerConfig("Flatten"),
        LayerConfig("Dense", {"units": 2}),
    )
    architecture = Architecture((3,), layers)
    with pytest.raises(DataError, match=message):
        evaluator([GOOD, second]).evaluate(architecture, EvaluationContext(epochs=1, seed=0))
    assert evaluator([GOOD]).evaluate(architecture, EvaluationContext(epochs=1, seed=0))


def test_samples_that_a_loader_cannot_stack_are_an_error_of_the_data() -> None:
    samples: Any = [(torch.zeros(3), 0), (torch.zeros(3), 1), (torch.zeros(3), 0)]
    samples.append((torch.zeros(2), 1))
    architecture = Architecture((3,), (LayerConfig("Dense", {"units": 2}),))
    data = (np.zeros((4, 3), np.float32), LABELS[:4])
    made = ArchitectureEvaluator(DataLoader(samples, batch_size=2), data, device="cpu")
    with pytest.raises(DataError, match="the samples of a batch have different shapes"):
        made.evaluate(architecture, EvaluationContext(epochs=1, seed=0))
