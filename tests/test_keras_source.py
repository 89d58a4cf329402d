"""Keras source and the order of its features: all that needs no TensorFlow."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.backends import backend_of
from neural_automl.backends._orders import feature_orders
from neural_automl.backends.pytorch import make_plan as plan_pytorch
from neural_automl.backends.tensorflow import make_plan, user_modules
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import ExportError, ShapeError, UnknownLayerError
from neural_automl.export import export_architecture
from neural_automl.layers import register_layer, unregister_layer
from neural_automl.primitives import PRIMITIVES
from tests.evaluation.helpers import blobs
from tests.spaces import SPACES, feasible
from tests.test_backends import layer, ruff, sources, write_all

SOURCES = sources("tensorflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(SOURCES, tmp_path_factory.mktemp("sources"))


def test_source_is_formatted_and_passes_the_linter(folder: Path) -> None:
    formatted = ruff("format", "--diff", "--line-length", "88", str(folder))
    linted = ruff("check", "--select", "E,F,I", str(folder))

    assert formatted.returncode == 0, formatted.stdout
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("name", SOURCES)
def test_source_needs_keras_alone(name: str) -> None:
    tree = ast.parse(SOURCES[name])

    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert modules <= {"__future__", "typing", "keras"}
    assert max(map(len, SOURCES[name].split("\n"))) <= 88


def test_source_is_what_a_person_would_write() -> None:
    layers = (
        layer("Conv2D", filters=4, kernel_size=3, strides=2, padding=1),
        layer("Flatten"),
        layer("Dense", units=3, activation="softmax"),
    )

    source = Architecture((8, 9, 2), layers, name="Digits").to_source("tensorflow")

    assert (
        source
        == '''"""Digits, found by neural architecture search.

Input (batch, 8, 9, 2), scaled as in training; output (batch, 3), logits: apply softmax
for probabilities.
319 parameters, 1,680 multiply-adds for one sample.

With trained weights:

    from safetensors.numpy import load_file

    model = build_model()
    weights = load_file("weights.safetensors")
    for variable in model.weights:
        variable.assign(weights[variable.path])
"""

from __future__ import annotations

import keras
from keras import layers


def uniform(fan_in: float, *names: str) -> dict[str, keras.Initializer]:
    """Draw weights and biases as PyTorch does: uniform, up to 1 / sqrt(fan_in)."""
    limit = fan_in**-0.5
    return {
        f"{name}_initializer": keras.initializers.RandomUniform(-limit, limit)
        for name in names or ("kernel", "bias")
    }


def build_model() -> keras.Model:
    """(batch, 3) from (batch, 8, 9, 2)."""
    inputs = keras.Input((8, 9, 2))
    x = layers.ZeroPadding2D(1)(inputs)
    x = layers.Conv2D(4, 3, strides=2, name="conv1", **uniform(18))(x)
    x = layers.Flatten()(x)
    x = layers.Dense(3, name="dense1", **uniform(80))(x)
    return keras.Model(inputs, x, name="Digits")
'''
    )


def test_source_counts_the_biases_that_keras_has() -> None:
    architecture = Architecture((5, 3), (layer("LSTM", units=4), layer("LSTM", units=2)))

    with pytest.raises(ShapeError):
        architecture.to_source("tensorflow")
    architecture = Architecture((5, 3), (layer("LSTM", units=4),))
    assert architecture.cost.params == 144
    assert "\n128 parameters" in architecture.to_source("tensorflow")


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES)
def test_layers_with_weights_have_the_names_of_pytorch(name: str) -> None:
    for architecture in islice(feasible(SPACES[name](), 7), 30):
        in_pytorch = {s.node: s.name for s in plan_pytorch(architecture.graph).steps if s.name}

        for step in make_plan(architecture.graph).steps:
            if step.name:
                assert in_pytorch[step.node] == step.name


DENSE = layer("Dense", units=2)
ORDERS: dict[str, tuple[list[LayerConfig], bool]] = {
    "dense": ([DENSE], True),
    "all that keeps an order": (
        [
            layer("BatchNormalization"),
            layer("LayerNormalization"),
            layer("ReLU"),
            layer("Activation", name="softmax"),
            layer("Dropout", rate=0.1),
            DENSE,
        ],
        True,
    ),
    "two readers": ([layer("parallel", DENSE, layer("Dense", units=3))], True),
    "output": ([], False),
    "output behind an activation": ([layer("ReLU")], False),
    "reshape": ([layer("Reshape", shape=(2, 12)), layer("Flatten"), DENSE], False),
    "another flatten, which does nothing": ([layer("Flatten"), DENSE], True),
    "a sum": ([layer("residual", layer("ReLU")), DENSE], False),
}


@pytest.mark.parametrize(("behind", "natural"), ORDERS.values(), ids=ORDERS)
def test_images_are_flattened_as_they_lie_where_only_dense_layers_see_it(
    behind: list[LayerConfig], natural: bool
) -> None:
    architecture = Architecture((3, 4, 2), (layer("Flatten"), *behind))

    orders = feature_orders(architecture.graph)

    assert (1 in orders) == natural
    assert set(orders.values()) <= {(3, 4, 2)}
    assert ("layers.Permute((3, 1, 2))" in architecture.to_source("tensorflow")) != natural


@pytest.mark.parametrize("shape", [(1, 1, 5), (3, 4, 1), (6, 4), (7,)])
def test_what_lies_in_one_order_anyhow_is_not_turned(shape: tuple[int, ...]) -> None:
    architecture = Architecture(shape, (layer("Flatten"),))

    assert feature_orders(architecture.graph) == {}
    assert "Permute" not in architecture.to_source("tensorflow")


def test_every_primitive_but_the_permutation_has_a_form() -> None:
    assert {row.name for row in PRIMITIVES.values() if row.keras is None} == {"Permute"}


FORMS: dict[str, tuple[tuple[int, ...], LayerConfig, str]] = {
    "padding that is same": (
        (8, 8, 3),
        layer("Conv2D", filters=2, kernel_size=3, padding=1),
        'layers.Conv2D(2, 3, padding="same", name',
    ),
    "padding that is not": (
        (8, 8, 3),
        layer("Conv2D", filters=2, kernel_size=3, padding=(1, 0)),
        "layers.ZeroPadding2D((1, 0))(inputs)",
    ),
    "odd pixel": (
        (8, 8, 3),
        layer("Conv2D", filters=2, kernel_size=3, strides=2, padding="same"),
        "layers.ZeroPadding2D(((0, 1), (0, 1)))(inputs)",
    ),
    "odd step": (
        (8, 3),
        layer("Conv1D", filters=2, kernel_size=3, strides=2, padding="same"),
        "layers.ZeroPadding1D((0, 1))(inputs)",
    ),
    "depthwise": (
        (8, 8, 3),
        layer("DepthwiseConv2D", kernel_size=3),
        'layers.DepthwiseConv2D(3, name="conv1", **uniform(9, "depthwise", "bias"))',
    ),
    "several filters a channel": (
        (8, 4),
        layer("Conv1D", filters=8, kernel_size=3, groups=4),
        "layers.DepthwiseConv1D(",
    ),
    "groups": (
        (8, 8, 4),
        layer("Conv2D", filters=4, kernel_size=1, groups=2),
        'layers.Conv2D(4, 1, groups=2, name="conv1", **uniform(2))',
    ),
    "unequal strides have no depthwise form": (
        (8, 8, 3),
        layer("DepthwiseConv2D", kernel_size=3, strides=(1, 2)),
        "layers.Conv2D(3, 3, strides=(1, 2), groups=3, ",
    ),
    "pool": ((8, 8, 3), layer("MaxPooling2D", pool_size=2), "layers.MaxPooling2D(2)(inputs)"),
    "pool with its pixel behind": (
        (8, 8, 3),
        layer("AveragePooling2D", pool_size=3, strides=2, padding="same"),
        'layers.AveragePooling2D(3, strides=2, padding="same")(inputs)',
    ),
    "pool with pixels on both sides": (
        (8, 8, 3),
        layer("AveragePooling2D", pool_size=3, strides=2, padding=1),
        "average_pool(inputs, 3, 2, ((0, 0), (1, 1), (1, 1), (0, 0)))",
    ),
    "leaky": ((4,), layer("Activation", name="leaky_relu"), "layers.LeakyReLU(0.01)(inputs)"),
    "ids": (
        (6,),
        layer("Embedding", input_dim=9, output_dim=3),
        'inputs = keras.Input((6,), dtype="int32")',
    ),
    "batch norm": (
        (4,),
        layer("BatchNormalization"),
        'layers.BatchNormalization(momentum=0.9, epsilon=1e-05, name="norm1")',
    ),
}


@pytest.mark.parametrize(("shape", "config", "expected"), FORMS.values(), ids=FORMS)
def test_forms(shape: tuple[int, ...], config: LayerConfig, expected: str) -> None:
    assert expected in Architecture(shape, (config,)).to_source("tensorflow")


# --- layers of a user's own ----------------------------------------------------------------------


def make_torch(values: Any, input_shape: tuple[int, ...]) -> Any:
    raise AssertionError("no test here builds it")


def make_keras(values: Any, input_shape: tuple[int, ...], name: str) -> Any:
    raise AssertionError("no test here builds it")


class Scaled:
    def __init__(self, width: int, in_channels: int, name: str) -> None:
        raise AssertionError("no test here builds it")


MINE: dict[str, Any] = {
    "parameters": {"width": 3},
    "shape": lambda values, x: (*x[:-1], values["width"]),
    "params": lambda values, x: 0,
    "macs": lambda values, x: 0,
    "pytorch": make_torch,
}


@pytest.mark.parametrize(
    ("made_by", "call"),
    [
        (make_keras, 'make_keras({"width": 3}, (4,), name="mine1")(inputs)'),
        (Scaled, 'Scaled(in_channels=4, width=3, name="mine1")(inputs)'),
    ],
    ids=["function", "class"],
)
def test_a_layer_of_a_users_own_is_imported(made_by: Any, call: str) -> None:
    register_layer("Mine", **MINE, keras=made_by)
    architecture = Architecture((4,), (layer("Mine"),))
    try:
        source = architecture.to_source("tensorflow")

        assert f"from {__name__} import {made_by.__name__}" in source
        assert call in source
        assert user_modules(architecture) == [__name__]
    finally:
        unregister_layer("Mine")
    with pytest.raises(UnknownLayerError, match="Mine is no layer any more"):
        make_plan(architecture.graph)


def test_a_layer_without_a_form_is_refused_with_its_place(tmp_path: Path) -> None:
    register_layer("Mine", **MINE)
    architecture = Architecture((4,), (layer("ReLU"), layer("Mine")))
    try:
        message = r"layers\[1\]: Mine has no form for tensorflow; register it with `keras`"
        for make in (architecture.to_source, architecture.build):
            with pytest.raises(ExportError, match=message):
                make("tensorflow")
        with pytest.raises(ExportError, match=message):
            export_architecture(architecture, tmp_path / "out", formats=["keras"])
        assert not (tmp_path / "out").exists()
    finally:
        unregister_layer("Mine")


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"keras": make_torch}, TypeError, r"can't be called with \(values, input_shape\), name"),
        ({"keras": 3}, TypeError, r"'keras' must be a class of layers or a function .* but got 3"),
        (
            {"keras": make_keras, "parameters": {"name": "a"}},
            ValueError,
            "'name' can't be a parameter of a layer with 'keras'",
        ),
    ],
    ids=["no name", "no function", "parameter name"],
)
def test_what_cannot_be_registered(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        register_layer("Mine", **{**MINE, **changed})


# --- without TensorFlow --------------------------------------------------------------------------


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "neural_automl.backends.tensorflow._model", raising=False)
    monkeypatch.delitem(sys.modules, "neural_automl.backends.tensorflow._helpers", raising=False)
    architecture = Architecture((4,), (DENSE,))

    with pytest.raises(ImportError, match=r"neural-automl\[tensorflow\]"):
        architecture.build("tensorflow")
    with pytest.raises(ImportError, match=r"neural-automl\[tensorflow\]"):
        ArchitectureEvaluator(blobs(9), blobs(9), backend="tensorflow")
    assert "keras.Model" in architecture.to_source("tensorflow")


def test_planning_and_source_load_no_framework() -> None:
    code = (
        "import sys; from neural_automl.architecture import Architecture, LayerConfig; "
        "a = Architecture((4,), (LayerConfig('Dense', {'units': 2}),)); a.to_source('tensorflow'); "
        "print([n for n in ('torch', 'numpy', 'keras', 'tensorflow') if n in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    ("names", "backend"),
    [
        (["conv1/kernel", "attention1/query/bias"], "tensorflow"),
        (["conv1.weight", "mine1.a/b"], "pytorch"),
        (["mine1.a/b"], "pytorch"),
        (["block1.mine1.a/b"], "pytorch"),
        (["blocks1.0.block2.conv1/kernel", "dense1/bias"], "tensorflow"),
        (["blocks1.0.block2.conv1.weight"], "pytorch"),
        ([], "pytorch"),
        (["anything"], "pytorch"),
    ],
)
def test_weights_tell_their_backend_by_their_names(names: list[str], backend: str) -> None:
    assert backend_of(dict.fromkeys(names)) == backend
