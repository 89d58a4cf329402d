"""Architectures that need one training have one identity, and no others do."""

from __future__ import annotations

from typing import Any

import pytest

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.exceptions import ShapeError
from neural_automl.identity import identity_of
from neural_automl.values import Call

DENSE = LayerConfig("Dense", {"units": 3})
COSINE = {"initial_learning_rate": 0.1}


def _identity(*layers: LayerConfig, **options: Any) -> str:
    return identity_of(Architecture((4,), layers or (DENSE,), **options))


def _adam(**params: Any) -> dict[str, Any]:
    return {"optimizer": Call("Adam", params)}


@pytest.mark.parametrize(
    "options",
    [
        _adam(),
        _adam(learning_rate=0.001),
        _adam(beta_1=0.9, weight_decay=0),
        {"training": {"epochs": 10}},
        {"training": {"batch_size": 32, "search_method": "random"}},
        {"training": {"patience": None}},
        {"choices": {"layers[0].units": 3}, "name": "Other"},
    ],
    ids=str,
)
def test_what_means_the_same_has_one_identity(options: dict[str, Any]) -> None:
    assert _identity(**options) == _identity()


@pytest.mark.parametrize(
    "options",
    [
        _adam(learning_rate=0.01),
        _adam(learning_rate=Call("CosineDecay", COSINE)),
        {"optimizer": Call("SGD", {})},
        {"training": {"epochs": 11}},
        {"training": {"batch_size": 16}},
        {"training": {"gradient_clip": 1.0}},
        {"loss": "mse"},
    ],
    ids=str,
)
def test_what_is_trained_otherwise_has_another(options: dict[str, Any]) -> None:
    assert _identity(**options) != _identity()


def test_a_schedule_is_known_by_what_it_means() -> None:
    plain = _adam(learning_rate=Call("CosineDecay", COSINE))
    written = _adam(learning_rate=Call("CosineDecay", {**COSINE, "alpha": 0}))
    other = _adam(learning_rate=Call("CosineDecay", {**COSINE, "alpha": 0.5}))

    assert _identity(**plain) == _identity(**written)
    assert _identity(**plain) != _identity(**other)


def test_it_is_of_the_function_and_not_of_how_it_is_written() -> None:
    skip = LayerConfig("SkipConnection")

    assert _identity(DENSE, skip) == _identity(DENSE)
    assert _identity(DENSE, LayerConfig("ReLU")) != _identity(DENSE)


def test_shapes_that_cannot_follow_have_none() -> None:
    with pytest.raises(ShapeError):
        _identity(LayerConfig("Conv2D", {"filters": 3, "kernel_size": 3}))
