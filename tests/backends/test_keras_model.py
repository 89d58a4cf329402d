"""Keras models: what goes in, how weights begin, layers of a user's own, weights of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.backends import transfer_weights, weights_for
from neural_automl.backends.tensorflow._model import load_weights, weights_of
from neural_automl.exceptions import ExportError
from neural_automl.layers import register_layer, unregister_layer
from tests.backends.helpers import assert_equal, inputs_for, run_keras, run_torch

pytestmark = pytest.mark.slow


def layer(kind: str, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params)


def test_a_model_is_functional_named_and_takes_channels_last() -> None:
    layers = (layer("Conv2D", filters=4, kernel_size=3), layer("Flatten"))
    model = Architecture((8, 6, 2), layers, name="Digits 2").build("tensorflow")

    assert model.name == "Digits_2"
    assert model.input_shape == (None, 8, 6, 2)
    assert model.output_shape == (None, 6 * 4 * 4)
    assert model.get_layer("conv1").filters == 4


def test_a_head_that_belongs_to_the_loss_is_left_out() -> None:
    model = Architecture((4,), (layer("Dense", units=3, activation="softmax"),)).build("tensorflow")

    outputs = run_keras(model, np.full((2, 4), 5.0, np.float32))

    assert not np.allclose(outputs.sum(axis=1), 1)


def test_a_network_without_layers_passes_its_input_on() -> None:
    model = Architecture((4,), ()).build("tensorflow")

    assert run_keras(model, np.eye(4, dtype=np.float32)).tolist() == np.eye(4).tolist()


INITIAL: dict[str, tuple[tuple[int, ...], LayerConfig]] = {
    "dense": ((300,), layer("Dense", units=400)),
    "conv": ((9, 9, 40), layer("Conv2D", filters=200, kernel_size=3)),
    "groups": ((9, 9, 200), layer("Conv2D", filters=200, kernel_size=3, groups=2)),
    "depthwise": ((9, 9, 900), layer("DepthwiseConv2D", kernel_size=3)),
    "embedding": ((5,), layer("Embedding", input_dim=200, output_dim=100)),
    "gru": ((5, 60), layer("GRU", units=200)),
    "lstm": ((5, 60), layer("LSTM", units=200)),
}


@pytest.mark.parametrize(("shape", "config"), INITIAL.values(), ids=INITIAL)
def test_weights_begin_with_the_spread_of_pytorch(
    shape: tuple[int, ...], config: LayerConfig
) -> None:
    architecture = Architecture(shape, (config,))
    torch.manual_seed(0)
    expected = weights_for("tensorflow", architecture.build("pytorch").state_dict(), architecture)

    found = weights_of(architecture.build("tensorflow"))

    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.std() == pytest.approx(float(expected[name].std()), rel=0.15), name
        assert abs(value.mean()) < value.std() / 5


def test_attention_begins_with_the_spread_of_pytorch_but_for_its_output() -> None:
    architecture = Architecture((5, 200), (layer("MultiHeadAttention", num_heads=4),))
    module = architecture.build("pytorch").state_dict()
    expected = weights_for("tensorflow", module, architecture)

    found = weights_of(architecture.build("tensorflow"))

    for name in ("query", "key", "value"):
        spread = float(expected[f"attention1/{name}/kernel"].std())
        assert found[f"attention1/{name}/kernel"].std() == pytest.approx(spread, rel=0.05)
    output = "attention1/attention_output/kernel"
    assert found[output].std() / expected[output].std() == pytest.approx(1.5**0.5, rel=0.05)
    assert all((value == 0).all() for name, value in found.items() if name.endswith("bias"))


def test_two_models_share_nothing_and_differ() -> None:
    architecture = Architecture((4,), (layer("Dense", units=3),))

    one, other = (weights_of(architecture.build("tensorflow")) for _ in range(2))

    assert not np.array_equal(one["dense1/kernel"], other["dense1/kernel"])
    # Nor is a bias the beginning of the matrix that it stands with.
    assert not np.isin(one["dense1/bias"], one["dense1/kernel"]).any()


# Keras 3 asks TensorFlow's tensors for an array in a way that NumPy 2 has deprecated.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_model_is_saved_and_loaded_by_keras(tmp_path: Any) -> None:
    layers = (
        layer("AveragePooling2D", pool_size=3, strides=2, padding=1),
        layer("Zero", strides=2),
        layer("SqueezeExcitation", ratio=2),
        layer("Flatten"),
    )
    architecture = Architecture((9, 8, 4), layers)
    model, inputs = architecture.build("tensorflow"), inputs_for(architecture)

    model.save(tmp_path / "model.keras")

    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(run_keras(again, inputs), run_keras(model, inputs))


# --- weights -------------------------------------------------------------------------------------


def test_weights_of_another_network_are_refused() -> None:
    small, large = (Architecture((4,), (layer("Dense", units=n),)) for n in (2, 3))
    module, model = large.build("pytorch"), small.build("tensorflow")

    with pytest.raises(ExportError, match="the target is another architecture's: dense1/kernel"):
        transfer_weights(module, model, large)
    with pytest.raises(ExportError, match="the target is another architecture's"):
        transfer_weights(model, module, small)
    with pytest.raises(ExportError, match=r"layers\[0\]: the weights of GRU are another"):
        transfer_weights(module, model, Architecture((4, 2), (layer("GRU", units=2),)))
    with pytest.raises(TypeError, match=r"a keras\.Model but got Linear and int"):
        transfer_weights(nn.Linear(1, 1), 3, small)
    with pytest.raises(ValueError, match=r"missing: dense1/bias, dense1/kernel; .* model: x/y"):
        load_weights(model, {"x/y": np.zeros(1)})


def test_a_second_bias_is_added_to_the_first() -> None:
    architecture = Architecture((5, 3), (layer("LSTM", units=2),))
    module, back = architecture.build("pytorch"), architecture.build("pytorch")
    model = architecture.build("tensorflow")

    transfer_weights(module, model, architecture)
    transfer_weights(model, back, architecture)

    state, returned = module.state_dict(), back.state_dict()
    total = state["lstm1.bias_ih_l0"] + state["lstm1.bias_hh_l0"]
    torch.testing.assert_close(returned["lstm1.bias_ih_l0"], total)
    assert (returned["lstm1.bias_hh_l0"] == 0).all()


# --- layers of a user's own ----------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Scale(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, width: int, in_channels: int, name: str) -> None:
        super().__init__(name=name)
        self.dense = keras.layers.Dense(width, use_bias=False, name="inside")

    def call(self, x: Any) -> Any:
        return self.dense(x)


def make_scale(values: Any, input_shape: tuple[int, ...], name: str) -> Any:
    return Scale(values["width"], input_shape[-1], name=name)


def make_torch(values: Any, input_shape: tuple[int, ...]) -> nn.Module:
    return nn.Linear(input_shape[-1], values["width"], bias=False)


MINE: dict[str, Any] = {
    "parameters": {"width": 3},
    "shape": lambda values, x: (*x[:-1], values["width"]),
    "params": lambda values, x: x[-1] * values["width"],
    "macs": lambda values, x: x[-1] * values["width"],
    "pytorch": make_torch,
    "layout": "channels_last",
}
OWN = Architecture((4,), (layer("Mine"), layer("Mine", width=2)))


@pytest.fixture(autouse=True)
def _without_mine() -> Iterator[None]:
    yield
    from neural_automl.layers import REGISTERED

    if "Mine" in REGISTERED:
        unregister_layer("Mine")


@pytest.mark.parametrize("made_by", [Scale, make_scale], ids=["class", "function"])
def test_a_layer_of_a_users_own_is_built_and_named(made_by: Any) -> None:
    register_layer("Mine", **MINE, keras=made_by)

    model = OWN.build("tensorflow")

    assert set(weights_of(model)) == {"mine1/inside/kernel", "mine2/inside/kernel"}
    assert run_keras(model, np.zeros((5, 4), np.float32)).shape == (5, 2)


def test_how_the_weights_of_a_users_layer_correspond_is_not_known() -> None:
    register_layer("Mine", **MINE, keras=Scale)

    with pytest.raises(ExportError, match=r"layers\[0\]: the weights of Mine can't be carried"):
        transfer_weights(OWN.build("pytorch"), OWN.build("tensorflow"), OWN)


def test_a_users_layer_without_weights_is_no_hindrance() -> None:
    register_layer(
        "Mine",
        parameters={},
        shape=lambda values, x: x,
        params=lambda values, x: 0,
        macs=lambda values, x: 0,
        pytorch=lambda values, x: nn.ReLU(),
        keras=lambda values, x, name: keras.layers.ReLU(name=name),
    )
    architecture = Architecture((4,), (layer("Dense", units=3), layer("Mine")))
    module, model = architecture.build("pytorch"), architecture.build("tensorflow")

    transfer_weights(module, model, architecture)

    inputs = inputs_for(architecture)
    assert_equal(run_torch(module, inputs), run_keras(model, inputs))


ONE = keras.layers.Dense(3, name="mine1")
WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no layer": (
        lambda values, x, name: "no layer",
        TypeError,
        r"layers\[0\]: 'keras' of Mine must give a layer but gave str",
    ),
    "no name": (
        lambda values, x, name: keras.layers.Dense(3),
        ValueError,
        "must pass `name` on to the layer: its name must be 'mine1' but is 'dense",
    ),
    "another shape": (
        lambda values, x, name: keras.layers.Dense(7, name=name),
        ValueError,
        r"'shape' of Mine says that its layer gives \(3,\) but it gives \(7,\), both without",
    ),
    "no tensor": (
        lambda values, x, name: Pair(name=name),
        TypeError,
        "the layer of Mine must return a tensor but returned",
    ),
}


class Pair(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return [x, x]


@pytest.mark.parametrize(("made_by", "error", "message"), WRONG.values(), ids=WRONG)
def test_what_a_users_function_may_not_make(
    made_by: Any, error: type[Exception], message: str
) -> None:
    register_layer("Mine", **MINE, keras=made_by)

    with pytest.raises(error, match=message):
        OWN.build("tensorflow")


def test_a_layer_that_was_given_before_is_refused() -> None:
    def again(values: Any, x: Any, name: str) -> Any:
        ONE.name = name
        return ONE

    register_layer("Mine", **MINE, keras=again)
    twice = Architecture((3,), (layer("Mine"), layer("Mine")))

    with pytest.raises(ValueError, match="'keras' of Mine must make a new layer each time"):
        twice.build("tensorflow")
