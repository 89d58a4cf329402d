"""Models and source code: names, format, errors, and what is loaded for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from neural_automl.architecture import Architecture, Backend, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.backends import BACKENDS, ArchitectureBuilder
from neural_automl.backends._plan import class_name
from neural_automl.backends.pytorch import make_plan
from neural_automl.exceptions import ShapeError
from tests.spaces import SPACES, feasible


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


def load(source: str) -> ModuleType:
    module = ModuleType("exported")
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module


RELU = layer("ReLU")
DENSE = layer("Dense", units=3)
SMALL = Architecture((4,), (DENSE,))

# --- the name of the class -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("Network", "Network"),
        ("digits_2", "digits_2"),
        ("", "Network"),
        ("my net", "my_net"),
        ("2fast", "Network_2fast"),
        ("Größe", "Gr__e"),
        ("class", "Network_class"),
        ("None", "Network_None"),
        ("torch", "Network_torch"),
        ("Tensor", "Network_Tensor"),
        ("super", "Network_super"),
        ("l", "Network_l"),
        ("O", "Network_O"),
        ("__debug__", "Network___debug__"),
        ('"""', "___"),
        ("a\nb", "a_b"),
        ("N" * 100, "N" * 40),
    ],
)
def test_class_names(name: str, cleaned: str) -> None:
    assert class_name(name) == cleaned


@given(name=st.text(max_size=60))
def test_any_name_gives_a_class_that_works(name: str) -> None:
    architecture = Architecture((4,), (DENSE,), name=name)

    module = load(architecture.to_source())

    model = getattr(module, class_name(name))()
    assert model(torch.zeros(2, 4)).shape == (2, 3)
    assert repr(architecture.build()).startswith(f"{class_name(name)}(")


# --- the source ----------------------------------------------------------------------------------


def wide(merge: str, branches: int, units: int = 4) -> LayerConfig:
    return layer("parallel", *[layer("Dense", units=units)] * branches, merge=merge)


#: What does not fit on a line of 88, in every way there is.
LONG: dict[str, tuple[tuple[int, ...], list[LayerConfig]]] = {
    "sum on one line": ((4,), [wide("add", 11)]),
    "sum in brackets": ((4,), [wide("add", 14)]),
    "sum on a line each": ((4,), [wide("add", 40)]),
    "join on one line": ((4,), [wide("concat", 10)]),
    "join with arguments below": ((4,), [wide("concat", 13)]),
    "join on a line each": ((4,), [wide("concat", 40)]),
    "constructor": (
        (30, 30, 8),
        [
            layer(
                "Conv2D",
                filters=1234567890,
                kernel_size=(3, 2),
                strides=(1, 2),
                padding=(1, 0),
                groups=2,
                use_bias=False,
            ),
        ],
    ),
    "constructor on a line each": (
        (3000, 3000, 80000000),
        [
            layer(
                "Conv2D",
                filters=12345678901234567890,
                kernel_size=(300, 200),
                strides=(100, 200),
                padding=(100, 99),
                groups=2,
                use_bias=False,
            )
        ],
    ),
    "huge shapes": ((10**30, 10**30, 10**30), [RELU, layer("Activation", name="softmax")]),
    "nothing": ((4,), []),
    "no module": ((4,), [layer("Activation", name="exponential")]),
    "padding alone": ((9, 9, 2), [layer("ZeroPadding2D", padding=(1, 2))]),
    "pools that are cut": (
        (9, 8, 2),
        [layer("AveragePooling2D", pool_size=2, strides=1, padding="same")],
    ),
    "zeros": (
        (9, 8, 2),
        [layer("Zero", strides=2), layer("Dense", units=2), layer("Zero", strides=2)],
    ),
    "sequences": (
        (7, 4),
        [
            layer("LSTM", units=4, return_sequences=True),
            layer("TransformerEncoder", num_heads=2, ff_dim=8, dropout=0.1),
            layer("GRU", units=3),
        ],
    ),
    "one filter": ((4, 4, 2), [layer("FactorizedReduce", filters=1)]),
    "layouts": (
        (4, 4, 2),
        [
            layer("LayerNormalization"),
            layer("Conv2D", filters=2, kernel_size=1),
            layer("Dense", units=2),
        ],
    ),
}


# Every width around the place where a line must be wrapped.
LONG |= {f"{m} of {n}": ((4,), [wide(m, n)]) for m in ("add", "concat") for n in range(9, 20)}
LONG |= {
    f"filters of {digits} digits": (
        (9, 9, 4),
        [layer("Conv2D", filters=10**digits, kernel_size=(3, 2), strides=(1, 2), use_bias=False)],
    )
    for digits in range(1, 50)
}


def sources(backend: Backend) -> dict[str, str]:
    found = {name: Architecture(shape, tuple(layers)) for name, (shape, layers) in LONG.items()}
    for name, space in SPACES.items():
        for index, architecture in enumerate(islice(feasible(space(), 11), 20)):
            found[f"{name} {index}"] = architecture
    found["long name"] = Architecture((4,), (DENSE,), name="N" * 99)
    return {name: architecture.to_source(backend) for name, architecture in found.items()}


def write_all(sources: dict[str, str], folder: Path) -> Path:
    for index, source in enumerate(sources.values()):
        (folder / f"model{index:03}.py").write_text(source)
    return folder


SOURCES = sources("pytorch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(SOURCES, tmp_path_factory.mktemp("sources"))


def ruff(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_source_is_formatted(folder: Path) -> None:
    found = ruff("format", "--diff", "--line-length", "88", str(folder))

    assert found.returncode == 0, found.stdout


def test_source_passes_the_linter(folder: Path) -> None:
    found = ruff("check", "--select", "E,F,I", str(folder))

    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", SOURCES)
def test_source_needs_torch_alone(name: str) -> None:
    tree = ast.parse(SOURCES[name])

    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert modules <= {"__future__", "torch", "torch.nn"}
    assert max(map(len, SOURCES[name].split("\n"))) <= 88


def test_source_says_what_it_is() -> None:
    layers = (layer("Flatten"), layer("Dense", units=3, activation="softmax"))
    source = Architecture((8, 9, 2), layers, name="Digits").to_source()

    assert source.startswith(
        '"""Digits, found by neural architecture search.\n\n'
        "Input (batch, 2, 8, 9), scaled as in training; output (batch, 3), logits: apply softmax\n"
        "for probabilities.\n"
        "435 parameters, 432 multiply-adds for one sample.\n\n"
        "With trained weights:\n\n"
        "    from safetensors.torch import load_file\n\n"
        "    model = Digits()\n"
        '    model.load_state_dict(load_file("weights.safetensors"))\n'
        '    model.eval()\n"""\n'
    )
    assert 'class Digits(nn.Module):\n    """(batch, 3) from (batch, 2, 8, 9)."""\n' in source
    assert "Softmax" not in source


@pytest.mark.parametrize("name", ["sum on a line each", "join on a line each", "zeros", "layouts"])
def test_wrapped_source_computes_what_the_model_does(name: str) -> None:
    shape, layers = LONG[name]
    architecture = Architecture(shape, tuple(layers))
    torch.manual_seed(0)
    model = architecture.build().eval()
    exported = load(SOURCES[name]).Network().eval()
    exported.load_state_dict(model.state_dict())
    inputs = torch.randn(2, *((shape[-1], *shape[:-1]) if len(shape) == 3 else shape))

    torch.testing.assert_close(exported(inputs), model(inputs), rtol=0, atol=0)


# --- building ------------------------------------------------------------------------------------


def test_a_final_activation_is_left_to_the_loss_or_built() -> None:
    layers = (DENSE, layer("Activation", name="softmax"))
    inputs = torch.randn(5, 4)

    logits = Architecture((4,), layers, loss="cross_entropy").build()
    kept = Architecture((4,), layers, loss="mse").build()

    assert [type(module).__name__ for module in logits.children()] == ["Linear"]
    assert [type(module).__name__ for module in kept.children()] == ["Linear", "Softmax"]
    torch.testing.assert_close(kept(inputs).sum(1), torch.ones(5))


def test_softmax_is_over_the_channels_in_either_layout() -> None:
    softmax = layer("Activation", name="softmax")
    image = torch.randn(2, 3, 4, 5)

    first = Architecture((4, 5, 3), (softmax, RELU)).build()
    last = Architecture((4, 5, 3), (layer("Dense", units=3), softmax, RELU)).build()

    torch.testing.assert_close(first(image).sum(1), torch.ones(2, 4, 5))
    torch.testing.assert_close(last(image).sum(1), torch.ones(2, 4, 5))


@pytest.mark.parametrize(
    ("momentum", "torchs"), [(0.9, 0.1), (0.999, 0.001), (0, 1.0), (1 - 1e-13, 1e-13)]
)
def test_a_momentum_next_to_one_is_not_zero(momentum: float, torchs: float) -> None:
    layer = LayerConfig("BatchNormalization", {"momentum": momentum})

    (norm,) = Architecture((4,), (layer,)).build("pytorch").children()

    assert norm.momentum == pytest.approx(torchs, rel=1e-3)


def test_flattening_keeps_torchs_order() -> None:
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    last = (layer("LayerNormalization"), layer("Flatten"))

    assert Architecture((3, 4, 2), (layer("Flatten"),)).build()(image).tolist() == [list(range(24))]
    flat = Architecture((3, 4, 2), last).build()(image)
    torch.testing.assert_close(flat.reshape(2, 12).mean(0), torch.zeros(12))


@pytest.mark.parametrize("backend", ["keras", "", "PyTorch"])
def test_backends_are_named(backend: str) -> None:
    message = f"backend must be one of {', '.join(BACKENDS)} but got {backend!r}"
    with pytest.raises(ValueError, match=message):
        ArchitectureBuilder(backend)
    with pytest.raises(ValueError, match=message):
        SMALL.build(backend)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=message):
        SMALL.to_source(backend)  # type: ignore[arg-type]


def test_a_builder_takes_a_space_and_a_trial() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", Choice(3, 5))])
    trial = FixedTrial({"layers[0].Dense.units": 5})
    builder = ArchitectureBuilder()

    assert builder.build(space, trial)(torch.zeros(1, 4)).shape == (1, 5)
    assert builder.build(SMALL, trial)(torch.zeros(1, 4)).shape == (1, 3)
    with pytest.raises(TypeError, match="space and a trial, but got ArchitectureSpace alone"):
        builder.build(space)
    with pytest.raises(TypeError, match="space and a trial, but got int and a trial"):
        builder.build(3, trial)  # type: ignore[arg-type]


def test_building_what_cannot_follow_names_the_layer() -> None:
    wrong = Architecture((4,), (RELU, layer("LSTM", units=3)))

    for make in (wrong.build, wrong.to_source):
        with pytest.raises(ShapeError, match=r"layers\[1\]: needs an input of shape"):
            make()


def test_a_plan_permutes_each_value_once() -> None:
    # Both branches want channels last; the image comes channels first.
    image = (4, 4, 2)
    plan = make_plan(Architecture(image, (wide("add", 2, 2),)).graph)
    permuted = [s for s in plan.steps if getattr(s.form.forward, "function", "") == "torch.permute"]

    assert [step.inputs for step in permuted] == [(0,), (plan.output - 1,)]
    assert plan.last_uses()[plan.output] == len(plan.steps)


def test_models_of_one_architecture_share_nothing() -> None:
    one, other = SMALL.build(), SMALL.build()

    with torch.no_grad():
        for parameter in one.parameters():
            parameter.zero_()

    assert one(torch.ones(1, 4)).abs().sum() == 0
    assert other(torch.ones(1, 4)).abs().sum() > 0


# --- what is loaded ------------------------------------------------------------------------------

LIGHT = """
import sys
from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Cell, Choice, Layer, Repeat
space = ArchitectureSpace(
    (8, 8, 3),
    [Layer("Conv2D", Choice(4, 8), 3), Cell(3, ["none", "conv_3x3"]), "Flatten", Layer("Dense", 3)],
    constraints={"params": 100_000},
)
space.check()
architecture = space.sample_architecture(0)
architecture.cost, architecture.key, architecture.to_source(), space.describe()
print([name for name in ("torch", "optuna", "numpy", "tensorflow") if name in sys.modules])
"""


def test_spaces_costs_keys_and_source_load_no_framework() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True
    )

    assert found.stdout == "[]\n"


@pytest.mark.parametrize(("shape", "told"), [((4,), True), ((4, 3), False)])
def test_source_for_a_table_says_what_it_lacks(shape: tuple[int, ...], told: bool) -> None:
    source = Architecture(shape, (LayerConfig("Dense", {"units": 2}),)).to_source()

    assert ("the order of its columns, their means" in source) == told
    assert max(map(len, source.splitlines())) <= 88
