from __future__ import annotations

from collections.abc import Callable
from math import cos, inf, nan, pi
from typing import Any

import pytest
import torch
from torch import nn

from neural_automl.evaluation._batches import TensorBatches
from neural_automl.evaluation._loop import learning_rate
from neural_automl.evaluation._losses import DeviceLosses, HostLosses, Losses, make_losses
from neural_automl.evaluation._optimizers import LOSS_FUNCTIONS, make_optimizer
from neural_automl.evaluation._settings import TrainingSettings, make_schedule
from neural_automl.exceptions import DataError, DivergenceError, EvaluationError
from neural_automl.hyperparameters import LOSSES, OPTIMIZERS
from neural_automl.values import Call
from tests.evaluation.helpers import dense

CPU = torch.device("cpu")


def settings_of(optimizer: Call | None = None, **training: Any) -> TrainingSettings:
    return TrainingSettings.of(dense(optimizer=optimizer, training=training))


def test_what_is_not_given_has_the_schemas_default() -> None:
    settings = settings_of()
    assert (settings.optimizer, settings.learning_rate) == ("Adam", 0.001)
    assert (settings.epochs, settings.batch_size) == (10, 32)
    assert (settings.validation_split, settings.patience) == (0.2, None)
    assert settings.gradient_clip is None


def test_what_is_given_is_taken() -> None:
    settings = settings_of(
        Call("SGD", {"learning_rate": 0.5, "momentum": 0.25}),
        epochs=3,
        batch_size=7,
        validation_split=0.4,
        patience=2,
        gradient_clip=1.5,
    )
    assert (settings.optimizer, settings.learning_rate) == ("SGD", 0.5)
    assert settings.parameters == {"momentum": 0.25, "nesterov": False, "weight_decay": 0.0}
    assert (settings.epochs, settings.batch_size, settings.patience) == (3, 7, 2)
    assert (settings.validation_split, settings.gradient_clip) == (0.4, 1.5)


Maker = Callable[[Any], torch.optim.Optimizer]


@pytest.mark.parametrize(
    ("call", "plain"),
    [
        pytest.param(Call("Adam"), torch.optim.Adam, id="Adam"),
        pytest.param(
            Call("Adam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.6, "epsilon": 0.01}),
            lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.6), eps=0.01),
            id="Adam, all",
        ),
        pytest.param(Call("AdamW"), torch.optim.AdamW, id="AdamW"),
        pytest.param(
            Call("AdamW", {"weight_decay": 0.5}),
            lambda p: torch.optim.AdamW(p, weight_decay=0.5),
            id="AdamW, decay",
        ),
        pytest.param(Call("SGD"), torch.optim.SGD, id="SGD"),
        pytest.param(
            Call("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
            id="SGD, nesterov",
        ),
        pytest.param(
            Call("SGD", {"learning_rate": 0.1, "nesterov": True}),
            lambda p: torch.optim.SGD(p, lr=0.1),
            id="SGD, nesterov without momentum",
        ),
        pytest.param(Call("RMSprop"), torch.optim.RMSprop, id="RMSprop"),
        pytest.param(
            Call("RMSprop", {"rho": 0.5, "momentum": 0.9, "epsilon": 0.1, "weight_decay": 0.1}),
            lambda p: torch.optim.RMSprop(p, alpha=0.5, momentum=0.9, eps=0.1, weight_decay=0.1),
            id="RMSprop, all",
        ),
        pytest.param(Call("Adagrad"), torch.optim.Adagrad, id="Adagrad"),
        pytest.param(
            Call("Adagrad", {"learning_rate": 0.3, "epsilon": 0.1}),
            lambda p: torch.optim.Adagrad(p, lr=0.3, eps=0.1),
            id="Adagrad, all",
        ),
        pytest.param(Call("Adadelta"), torch.optim.Adadelta, id="Adadelta"),
        pytest.param(
            Call("Adadelta", {"rho": 0.5, "epsilon": 0.1}),
            lambda p: torch.optim.Adadelta(p, rho=0.5, eps=0.1),
            id="Adadelta, all",
        ),
        pytest.param(Call("Adamax"), torch.optim.Adamax, id="Adamax"),
        pytest.param(Call("Nadam"), torch.optim.NAdam, id="Nadam"),
        pytest.param(
            Call("Nadam", {"beta_1": 0.5, "weight_decay": 0.1}),
            lambda p: torch.optim.NAdam(p, betas=(0.5, 0.999), weight_decay=0.1),
            id="Nadam, some",
        ),
    ],
)
def test_an_optimizer_steps_as_pytorchs_own_does(call: Call, plain: Maker) -> None:
    weights = []
    for is_ours in (True, False):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Linear(3, 2)
        ours = make_optimizer(model, settings_of(call), CPU)
        optimizer = ours if is_ours else plain(model.parameters())
        for step in range(3):
            optimizer.zero_grad()
            torch.autograd.backward(model(torch.full((4, 3), step + 1.0)).square().mean())
            optimizer.step()
        weights.append(model.weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-7)


def test_every_optimizer_and_loss_of_the_table_can_be_made() -> None:
    for name in OPTIMIZERS:
        make_optimizer(nn.Linear(2, 2), settings_of(Call(name)), CPU)
    assert set(LOSS_FUNCTIONS) == set(LOSSES)


def test_a_network_without_weights_cannot_be_trained() -> None:
    with pytest.raises(EvaluationError, match="no trainable parameter"):
        make_optimizer(nn.Flatten(), settings_of(), CPU)


EXPONENTIAL = Call(
    "ExponentialDecay", {"initial_learning_rate": 0.8, "decay_steps": 10, "decay_rate": 0.25}
)


@pytest.mark.parametrize(
    ("schedule", "total", "step", "rate"),
    [
        pytest.param(EXPONENTIAL, None, 0, 0.8, id="exponential, start"),
        pytest.param(EXPONENTIAL, 5, 5, 0.4, id="exponential, between"),
        pytest.param(EXPONENTIAL, 5, 20, 0.05, id="exponential, twice"),
        pytest.param(
            Call("CosineDecay", {"initial_learning_rate": 0.8}), 10, 0, 0.8, id="cosine, start"
        ),
        pytest.param(
            Call("CosineDecay", {"initial_learning_rate": 0.8}), 10, 5, 0.4, id="cosine, half"
        ),
        pytest.param(
            Call("CosineDecay", {"initial_learning_rate": 0.8}), 10, 10, 0.0, id="cosine, end"
        ),
        pytest.param(
            Call("CosineDecay", {"initial_learning_rate": 1, "decay_steps": 4}),
            100,
            1,
            0.5 * (1 + cos(pi / 4)),
            id="cosine, own steps",
        ),
        pytest.param(
            Call("CosineDecay", {"initial_learning_rate": 0.8, "decay_steps": 4, "alpha": 0.25}),
            None,
            50,
            0.2,
            id="cosine, floor",
        ),
    ],
)
def test_a_schedule_follows_its_formula(
    schedule: Call, total: int | None, step: int, rate: float
) -> None:
    assert make_schedule(schedule, total)(step) == pytest.approx(rate)


def test_a_cosine_over_data_of_unknown_length_needs_its_steps() -> None:
    with pytest.raises(DataError, match="give decay_steps"):
        make_schedule(Call("CosineDecay", {"initial_learning_rate": 0.1}), None)


def test_a_cosine_falls_over_the_whole_training() -> None:
    settings = settings_of(
        Call("SGD", {"learning_rate": Call("CosineDecay", {"initial_learning_rate": 1.0})}),
        batch_size=5,
    )
    batches = TensorBatches(torch.zeros(10, 4), torch.zeros(10), CPU)
    rate = learning_rate(settings, batches, epochs=2)
    assert rate is not None
    rates = [rate(step) for step in range(4)]
    assert rates == pytest.approx([0.5 * (1 + cos(pi * step / 4)) for step in range(4)])


def test_a_constant_rate_is_left_alone() -> None:
    settings = settings_of(Call("SGD", {"learning_rate": 0.125}))
    batches = TensorBatches(torch.zeros(10, 4), torch.zeros(10), CPU)
    assert learning_rate(settings, batches, epochs=2) is None
    optimizer = make_optimizer(nn.Linear(1, 1), settings, CPU)
    assert optimizer.param_groups[0]["lr"] == 0.125


@pytest.fixture(params=["host", "device"])
def losses(request: pytest.FixtureRequest) -> Losses:
    return HostLosses(epoch=4) if request.param == "host" else DeviceLosses(4, CPU)


def test_the_mean_loss_counts_samples_and_not_batches(losses: Losses) -> None:
    losses.add(torch.tensor(1.0), 30)
    losses.add(torch.tensor(4.0), 10)
    assert losses.mean() == pytest.approx(1.75)


def test_no_batch_has_no_mean(losses: Losses) -> None:
    with pytest.raises(DataError, match="no batch"):
        losses.mean()


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_loss_that_is_not_finite_is_seen_soon(losses: Losses, bad: float) -> None:
    def add_sixteen() -> None:
        for value in (1.0, bad, *[1.0] * 14):
            losses.add(torch.tensor(value), 1)

    with pytest.raises(DivergenceError, match=r"epoch 4.* after \d+ samples"):
        add_sixteen()


def test_a_loss_on_the_cpu_is_seen_at_once() -> None:
    losses = make_losses(CPU, epoch=1)
    losses.add(torch.tensor(1.0), 8)
    with pytest.raises(DivergenceError, match="became nan in epoch 1 after 8 samples"):
        losses.add(torch.tensor(nan), 8)


def test_the_last_losses_of_an_epoch_are_looked_at_too() -> None:
    losses = DeviceLosses(1, CPU)
    losses.add(torch.tensor(nan), 1)
    with pytest.raises(DivergenceError):
        losses.mean()


def test_an_accelerator_adds_its_losses_up_itself() -> None:
    assert isinstance(make_losses(torch.device("cpu"), 1), HostLosses)
    assert isinstance(make_losses(torch.device("meta"), 1), DeviceLosses)
