"""Architectures: frozen, equal by what they are, the same in every process."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace, Call, Choice, Expression, Layer
from neural_automl.exceptions import SpaceError
from neural_automl.graph import Graph
from neural_automl.primitives import PRIMITIVES
from tests.spaces import image_space
from tests.strategies import architectures


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


DENSE = layer("Dense", units=3)
ADAM = Call("Adam", {"learning_rate": 0.1, "weight_decay": 0.0})
FULL = Architecture(
    (8, 8, 3),
    (
        layer("Conv2D", filters=4, kernel_size=(3, 3)),
        layer("residual", layer("Dense", units=Expression("mul", ("channels", 2)))),
        layer("Flatten"),
        DENSE,
    ),
    loss="mse",
    optimizer=Call("SGD", {"learning_rate": Call("CosineDecay", {"initial_learning_rate": 1})}),
    training={"epochs": 3, "batch_size": 32, "patience": None},
    choices={"layers[0].Conv2D.filters": 4},
    name="Full",
)


# --- equality and hashes -------------------------------------------------------------------------


def changed(**fields: Any) -> Architecture:
    return dataclasses.replace(FULL, **fields)


SAME: dict[str, Architecture] = {
    "a copy": copy.deepcopy(FULL),
    "another name": changed(name="Other"),
    "other choices": changed(choices={}),
    "lists": changed(
        layers=[layer("Conv2D", filters=4, kernel_size=[3, 3]), *FULL.layers[1:]],
        input_shape=[8, 8, 3],
    ),
    "a batch": changed(input_shape=(None, 8, 8, 3)),
    "another order": changed(
        layers=(layer("Conv2D", kernel_size=(3, 3), filters=4), *FULL.layers[1:]),
        training={"patience": None, "batch_size": 32, "epochs": 3},
    ),
    "integral floats": changed(
        layers=(layer("Conv2D", filters=4.0, kernel_size=(3.0, 3)), *FULL.layers[1:]),
        training={"epochs": 3.0, "batch_size": 32, "patience": None},
    ),
    "numbers of numpy": changed(
        layers=(layer("Conv2D", filters=np.int64(4), kernel_size=(3, 3)), *FULL.layers[1:]),
        training={"epochs": np.int32(3), "batch_size": 32, "patience": None},
    ),
    "other places": changed(
        layers=tuple(dataclasses.replace(c, path="x", position=(1, 1)) for c in FULL.layers)
    ),
}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME)
def test_equal_architectures_have_one_hash(other: Architecture) -> None:
    assert other == FULL
    assert hash(other) == hash(FULL)
    assert other.digest == FULL.digest
    assert other.key == FULL.key
    assert len({other, FULL}) == 1


OTHER: dict[str, Architecture] = {
    "input": changed(input_shape=(9, 8, 3)),
    "value": changed(layers=(layer("Conv2D", filters=5, kernel_size=(3, 3)), *FULL.layers[1:])),
    "a boolean for a number": changed(
        layers=(layer("Conv2D", filters=4, kernel_size=(3, 3), groups=True), *FULL.layers[1:])
    ),
    "layers": changed(layers=FULL.layers[:-1]),
    "a block": changed(layers=(*FULL.layers[:1], layer("residual", DENSE), *FULL.layers[2:])),
    "loss": changed(loss=None),
    "optimizer": changed(optimizer=ADAM),
    "schedule": changed(optimizer=Call("SGD", {"learning_rate": 1})),
    "training": changed(training={"epochs": 3}),
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_different_architectures_are_not_equal(other: Architecture) -> None:
    assert other != FULL
    assert other.digest != FULL.digest


def test_an_architecture_equals_nothing_else() -> None:
    assert FULL.to_dict() != FULL
    assert (FULL == 3) is False


IN_PROCESS = """
import json, sys
from neural_automl.architecture import Architecture
found = [Architecture.from_dict(data) for data in json.load(sys.stdin)]
print(json.dumps([[a.digest, hash(a), a.key, repr(a.cost)] for a in found]))
"""


def test_hash_digest_and_key_are_the_same_in_every_process() -> None:
    drawn = [image_space().sample_architecture(seed) for seed in range(20)]
    data = json.dumps([architecture.to_dict() for architecture in [FULL, *drawn]])

    printed = {
        subprocess.run(
            [sys.executable, "-c", IN_PROCESS],
            input=data,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    expected = [[a.digest, hash(a), a.key, repr(a.cost)] for a in [FULL, *drawn]]
    assert [json.loads(text) for text in printed] == [expected]


@settings(max_examples=100)
@given(one=architectures("features"), other=architectures("features"))
def test_equality_is_equality_of_what_is_written(one: Architecture, other: Architecture) -> None:
    def written(architecture: Architecture) -> dict[str, Any]:
        data = architecture.to_dict()
        return {key: data[key] for key in data if key not in ("name", "choices")}

    assert (one == other) == (written(one) == written(other))
    if one == other:
        assert hash(one) == hash(other)
        assert one.layers == other.layers
        assert hash(one.layers) == hash(other.layers)


# --- frozen --------------------------------------------------------------------------------------


def test_architectures_and_layers_are_frozen() -> None:
    for name in ("layers", "loss", "training", "input_shape"):
        with pytest.raises(AttributeError):
            setattr(FULL, name, None)
    for name in ("type", "params", "sublayers"):
        with pytest.raises(AttributeError):
            setattr(DENSE, name, None)


def test_what_was_given_may_change_afterwards() -> None:
    sizes = [3, 3]
    params: dict[str, Any] = {"filters": 4, "kernel_size": sizes}
    training: dict[str, Any] = {"epochs": 3}
    choices: dict[str, Any] = {"a": 1}
    layers = [LayerConfig("Conv2D", params)]
    architecture = Architecture((8, 8, 3), layers, training=training, choices=choices)  # type: ignore[arg-type]
    before = architecture.to_dict()

    params["filters"] = 5
    sizes.append(3)
    training["epochs"] = 5
    choices.clear()
    layers.clear()
    architecture.to_dict()["layers"][0]["params"]["filters"] = 6

    assert architecture.to_dict() == before
    data = copy.deepcopy(before)
    read = Architecture.from_dict(data)
    data["choices"]["a"] = 2
    data["training"]["epochs"] = 9
    assert read.to_dict() == before


def test_architectures_of_one_space_share_nothing() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", Choice(3, 5))])
    one, other = (space.sample_architecture(seed) for seed in (0, 0))

    assert one == other
    assert one.layers[0].params is not other.layers[0].params
    assert one.choices is not other.choices


def test_pickles_are_equal_and_still_work() -> None:
    _ = FULL.graph
    copied = pickle.loads(pickle.dumps(FULL))

    assert (copied, copied.name, copied.choices) == (FULL, "Full", FULL.choices)
    assert copied.cost == FULL.cost


# --- the dictionary form -------------------------------------------------------------------------


def test_the_dictionary_is_in_a_stable_order() -> None:
    data = FULL.to_dict()

    assert list(data) == [
        *("name", "input", "layers", "loss", "optimizer", "training", "choices"),
    ]
    assert data["layers"][1] == {
        "type": "residual",
        "params": {},
        "sublayers": [
            {
                "type": "Dense",
                "params": {"units": {"expr": ["mul", "channels", 2]}},
                "sublayers": [],
            }
        ],
    }
    assert list(Architecture((4,), ()).to_dict()) == ["name", "input", "layers"]
    again = Architecture.from_dict(json.loads(json.dumps(data)))
    assert json.dumps(again.to_dict()) == json.dumps(data)
    assert [config.path for config in again.layers] == [f"layers[{k}]" for k in range(4)]
    assert again.layers[1].sublayers[0].path == "layers[1][0]"


WRONG: dict[str, tuple[Any, str]] = {
    "no dictionary": ([], r"an architecture must be a dictionary but got \[\]"),
    "no layers": ({"input": {"shape": [4]}}, "an architecture needs 'input' with a 'shape', and"),
    "near section": ({"layer": []}, "an architecture has no 'layer'; did you mean layers"),
    "shape": ({"input": {"shape": [4.5]}, "layers": []}, r"an input shape must be .* got \[4.5\]"),
    "layer": (
        {"input": {"shape": [4]}, "layers": [{"params": {}}]},
        r"layers\[0\]: a layer must be a dictionary with a 'type' but got {'params': {}}",
    ),
    "params": (
        {"input": {"shape": [4]}, "layers": [{"type": "Dense", "params": 3}]},
        r"layers\[0\]: 'params' of a layer must be a dictionary and 'sublayers' a list",
    ),
    "an open value": (
        {
            "input": {"shape": [4]},
            "layers": [
                {
                    "type": "residual",
                    "sublayers": [{"type": "Dense", "params": {"units": {"hpo": 1}}}],
                }
            ],
        },
        r"layers\[0\]\[0\]: a value must be plain, an 'expr' or a 'type' but got {'hpo': 1}",
    ),
    "key of a layer": (
        {"input": {"shape": [4]}, "layers": [{"type": "Dense", "parms": {"units": 3}}]},
        r"layers\[0\]: a layer has no 'parms'; did you mean params\?",
    ),
    "optimizer": (
        {"input": {"shape": [4]}, "layers": [], "optimizer": "Adam"},
        "a call must have a 'type' and 'params' but got 'Adam'",
    ),
    "training": (
        {"input": {"shape": [4]}, "layers": [], "training": [1]},
        r"'training' must be a dictionary but got \[1\]",
    ),
    "training value": (
        {"input": {"shape": [4]}, "layers": [], "training": {"epochs": {"x": 1}}},
        "a value must be plain, an 'expr' or a 'type'",
    ),
    "choices": (
        {"input": {"shape": [4]}, "layers": [], "choices": 3},
        "'choices' must be a dictionary but got 3",
    ),
}


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_dictionaries_say_rule_and_value(data: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Architecture.from_dict(data)


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "input": ({"input_shape": (0, 3)}, r"of positive integers but got \(0, 3\)"),
    "loss": ({"loss": "nll"}, "loss must be one of cross_entropy, .* but got 'nll'"),
    "optimizer": (
        {"optimizer": Call("adam")},
        "optimizer must be one of Adam, .* but got 'adam'; did you mean Adam",
    ),
    "an optimizer of another kind": (
        {"optimizer": "Adam"},
        "an optimizer must be a call but got 'Adam'",
    ),
    "optimizer parameter": (
        {"optimizer": Call("Adam", {"lr": 1})},
        "Adam has no parameter 'lr'",
    ),
    "optimizer value": (
        {"optimizer": Call("Adam", {"beta_1": 1})},
        r"'beta_1' must be between 0 and 1 \(1 excluded\) but got 1",
    ),
    "schedule": (
        {"optimizer": Call("Adam", {"learning_rate": Call("Linear")})},
        "a schedule must be one of ExponentialDecay, CosineDecay but got 'Linear'",
    ),
    "schedule value": (
        {
            "optimizer": Call(
                "Adam",
                {"learning_rate": Call("CosineDecay", {"initial_learning_rate": 0})},
            )
        },
        "'initial_learning_rate' must be above 0 but got 0",
    ),
    "arithmetic that is not done": (
        {"optimizer": Call("Adam", {"learning_rate": Expression("div", (1, 0))})},
        "'learning_rate' must be a number or a schedule but got 1 / 0",
    ),
    "training": ({"training": {"epochs": 0}}, "'epochs' must be positive, at least 1 but got 0"),
    "near training": ({"training": {"epoch": 1}}, "training has no parameter 'epoch'; did you"),
}


@pytest.mark.parametrize(("fields", "message"), RULES.values(), ids=RULES)
def test_training_says_rule_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Architecture(**{"input_shape": (4,), "layers": (), **fields})


def test_values_of_training_come_in_one_form() -> None:
    architecture = Architecture(
        (4,),
        (),
        loss="categorical_crossentropy",
        optimizer=Call("Adam", {"learning_rate": np.float64(0.5)}),
        training={"batch_size": 32.0},
    )

    assert architecture.loss == "cross_entropy"
    assert repr(architecture.training) == "{'batch_size': 32}"
    assert architecture.optimizer is not None
    assert repr(architecture.optimizer.params) == "{'learning_rate': 0.5}"


# --- the key -------------------------------------------------------------------------------------

KEYS_EQUAL: dict[str, tuple[LayerConfig, LayerConfig]] = {
    "defaults": (layer("Dense", units=3), layer("Dense", units=3, use_bias=True)),
    "alias": (layer("conv_3x3"), layer("ConvBN", kernel_size=3)),
    "one size for all": (layer("MaxPooling2D"), layer("MaxPooling2D", pool_size=(2, 2), strides=2)),
    "an activation inside": (
        layer("Dense", units=3, activation="relu"),
        layer("sequence", layer("Dense", units=3), layer("ReLU")),
    ),
    "integers for floats": (
        layer("BatchNormalization", epsilon=1),
        layer("BatchNormalization", epsilon=1.0),
    ),
    "a skip": (layer("sequence"), layer("SkipConnection")),
    "width by name": (
        layer("Dense", units=Expression("add", ("channels", 1))),
        layer("Dense", units=4),
    ),
}


@pytest.mark.parametrize(("one", "other"), KEYS_EQUAL.values(), ids=KEYS_EQUAL)
def test_equal_graphs_have_one_key(one: LayerConfig, other: LayerConfig) -> None:
    first, second = (Architecture((4, 4, 3), (config,)) for config in (one, other))

    assert first.graph == second.graph
    assert first.key == second.key


def test_the_key_is_of_the_network_alone() -> None:
    trained = changed(optimizer=ADAM, training={}, name="x", choices={})

    assert trained.key == FULL.key
    assert changed(input_shape=(8, 9, 3)).key != FULL.key
    # What the loss takes over is part of the function all the same.
    softmax = (DENSE, layer("Activation", name="softmax"))
    keys = {Architecture((4,), layers).key for layers in (softmax, softmax[:1])}
    assert len(keys) == 2


@settings(max_examples=100)
@given(one=architectures(), other=architectures())
def test_keys_are_equal_where_graphs_are_and_differ_where_shapes_do(
    one: Architecture, other: Architecture
) -> None:
    space = ArchitectureSpace((1,))
    assume("shape" not in space.violations(one) and "shape" not in space.violations(other))

    if one.graph.nodes == other.graph.nodes:
        assert one.key == other.key
    if one.key == other.key:
        assert one.graph.input_shape == other.graph.input_shape
        assert one.graph.output_shape == other.graph.output_shape


@given(architecture=architectures(), data=st.data())
def test_the_digest_differs_where_any_attribute_does(
    architecture: Architecture, data: st.DataObject
) -> None:
    assume("shape" not in ArchitectureSpace((1,)).violations(architecture))
    graph = architecture.graph
    index = data.draw(st.integers(0, len(graph.nodes) - 1))
    node = graph.nodes[index]
    changes = [dataclasses.replace(node, op="Zeros" if node.op != "Zeros" else "Add")]
    changes += [dataclasses.replace(node, inputs=(*node.inputs, 0))]
    changes += [
        dataclasses.replace(
            node, attributes=tuple("x" if i == k else v for i, v in enumerate(node.attributes))
        )
        for k in range(len(PRIMITIVES[node.op].attributes))
    ]

    for change in changes:
        nodes = (*graph.nodes[:index], change, *graph.nodes[index + 1 :])
        other = Graph(nodes, graph.output, graph.logits, graph.head)
        assert other.digest() != graph.digest()
    assert Graph(graph.nodes, 0, 0).digest() != graph.digest() or graph.output == 0
