"""Generated source as a reader sees it: blocks for what repeats, short functions, clean types."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from runpy import run_path
from typing import Any

import pytest
import torch

from neural_automl.architecture import Architecture, Backend, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.backends._outline import outline
from neural_automl.backends.pytorch import make_plan
from tests.spaces import SPACES, feasible, many

ROOT = Path(__file__).parents[1]
ZOO = sorted((ROOT / "examples" / "zoo").glob("*.neural"))
BACKENDS: tuple[Backend, ...] = ("pytorch", "tensorflow")
TWINS = sorted((ROOT / "tests" / "twins").glob("*.py"))


@cache
def zoo(name: str) -> Architecture:
    path = ROOT / "examples" / "zoo" / f"{name}.neural"
    return ArchitectureSpace.from_dsl(path).sample_architecture(seed=1)


def drawn() -> dict[str, Architecture]:
    """Draw networks of every space; most are of many different layers."""
    found = {path.stem: zoo(path.stem) for path in ZOO}
    found["fashion"] = ArchitectureSpace.from_dsl(
        ROOT / "examples" / "fashion.neural"
    ).sample_architecture(seed=0)
    for seed, (name, space) in enumerate(SPACES.items()):
        for index, architecture in enumerate(islice(feasible(space(), seed + 40), many(150))):
            found[f"{name}{index}"] = architecture
    return found


DRAWN = drawn()


def functions(source: str) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]


def length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", DRAWN)
def test_no_function_is_over_forty_lines(name: str, backend: Backend) -> None:
    for function in functions(DRAWN[name].to_source(backend)):
        assert length(function) <= 40, function.name


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_types_and_format_are_clean(backend: Backend, tmp_path: Path) -> None:
    names = [*(path.stem for path in ZOO), "fashion", "image0", "sequence0", "text0"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(DRAWN[name].to_source(backend))
    # Keras has no types of its own.
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = true\n[mypy-keras.*]\nignore_missing_imports = true\n"
    )

    for command in (
        ["ruff", "format", "--diff", "--line-length", "88", "."],
        ["ruff", "check", "--select", "E,F,I", "."],
        ["mypy", "--config-file", "mypy.ini", "."],
    ):
        ran = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


# --- beside what a person wrote ------------------------------------------------------------------


@pytest.mark.parametrize("path", TWINS, ids=lambda path: path.stem)
def test_source_is_at_most_half_as_long_again_as_a_persons(path: Path) -> None:
    written = len(path.read_text().splitlines())
    generated = len(zoo(path.stem).to_source("pytorch").splitlines())

    assert generated <= 1.5 * written


def both(name: str, class_name: str, folder: Path) -> tuple[Any, Any]:
    """Return the generated network and a person's."""
    file = folder / "model.py"
    file.write_text(zoo(name).to_source("pytorch"))
    paths = (file, ROOT / "tests" / "twins" / f"{name}.py")
    generated, twin = (run_path(str(path))[class_name]().eval() for path in paths)
    return generated, twin


def test_the_twin_of_resnet18_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generated, twin = both("resnet18", "ResNet18", tmp_path)
    values = generated.state_dict().values()
    # By order: the names are others.
    twin.load_state_dict(dict(zip(twin.state_dict(), values, strict=True)))
    x = torch.rand(1, 3, 64, 64)

    with torch.no_grad():
        assert torch.equal(generated(x), twin(x))


def test_the_twin_of_vgg11_has_the_same_layers(tmp_path: Path) -> None:
    # Without its half a gigabyte of weights.
    with torch.device("meta"):
        generated, twin = both("vgg11", "VGG11", tmp_path)

    def layers(model: Any) -> list[str]:
        return [repr(module) for module in model.modules() if not list(module.children())]

    assert layers(generated) == layers(twin)


def torchvision_resnet18() -> list[tuple[str, tuple[int, ...]]]:
    """List torchvision's ``resnet18().state_dict()``: names and shapes in order."""

    def norm(name: str, width: int) -> list[tuple[str, tuple[int, ...]]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return [*((f"{name}.{p}", (width,)) for p in parts), (f"{name}.num_batches_tracked", ())]

    found: list[tuple[str, tuple[int, ...]]] = [("conv1.weight", (64, 3, 7, 7)), *norm("bn1", 64)]
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            found += [(f"{name}.conv1.weight", (width, before, 3, 3)), *norm(f"{name}.bn1", width)]
            found += [(f"{name}.conv2.weight", (width, width, 3, 3)), *norm(f"{name}.bn2", width)]
            if width != before:
                found.append((f"{name}.downsample.0.weight", (width, before, 1, 1)))
                found += norm(f"{name}.downsample.1", width)
            before = width
    return [*found, ("fc.weight", (1000, 512)), ("fc.bias", (1000,))]


def test_torchvisions_weights_of_resnet18_load_by_order(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(zoo("resnet18").to_source("pytorch"))
    model = run_path(str(tmp_path / "model.py"))["ResNet18"]()
    theirs = {name: torch.rand(shape) for name, shape in torchvision_resnet18()}

    assert [tuple(value.shape) for value in model.state_dict().values()] == [
        shape for _, shape in torchvision_resnet18()
    ]
    model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)))
    assert torch.equal(model.dense1.weight, theirs["fc.weight"])


# --- blocks --------------------------------------------------------------------------------------


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


def stack(count: int) -> Architecture:
    layers = [
        part
        for index in range(count)
        for part in (
            layer("Conv2D", filters=8 * (index + 1), kernel_size=3, padding="same"),
            layer("BatchNormalization"),
            layer("ReLU"),
        )
    ]
    return Architecture((8, 8, 3), (*layers, layer("Flatten"), layer("Dense", units=3)), name="Net")


def test_what_repeats_is_a_class_with_its_numbers_as_parameters() -> None:
    source = stack(6).to_source("pytorch")

    assert source.count("nn.Conv2d(") == 1
    assert "def __init__(self, in_channels: int, out_channels: int) -> None:" in source
    assert "            ConvBlock(8, 16),\n            ConvBlock(16, 24),\n" in source
    assert "        x = self.activation1(self.norm1(self.conv1(x)))\n" in source


def test_in_keras_it_is_a_function() -> None:
    source = stack(6).to_source("tensorflow")

    assert source.count("layers.Conv2D(") == 1
    assert "def conv_block(x: Any, filters: int, fan_in: int, name: str) -> Any:" in source
    assert '    x = conv_block(x, 16, 72, name="blocks1.1")\n' in source
    assert 'name=f"{name}.conv1"' in source


def test_what_repeats_too_little_is_written_out() -> None:
    source = stack(2).to_source("pytorch")

    assert source.count("class ") == 1
    assert "self.conv2 = nn.Conv2d(8, 16, 3, padding=1)" in source


@pytest.mark.parametrize("name", ["resnet18", "image0", "image1", "nasbench201"])
def test_the_built_model_has_the_names_of_the_source(name: str, tmp_path: Path) -> None:
    architecture = DRAWN[name]
    (tmp_path / "model.py").write_text(architecture.to_source("pytorch"))
    made = run_path(str(tmp_path / "model.py"))
    (own,) = (
        v for v in made.values() if isinstance(v, type) and v.__doc__ and "from (" in v.__doc__
    )

    assert list(own().state_dict()) == list(architecture.build("pytorch").state_dict())


@pytest.mark.parametrize("name", DRAWN)
def test_every_step_stands_in_the_place_of_its_node(name: str) -> None:
    graph = DRAWN[name].graph
    places = outline(graph).places
    steps = make_plan(graph).steps

    assert sorted(places) == list(range(1, len(graph.built_nodes())))
    named = [step.name for step in steps if step.name]
    assert len(set(named)) == len(named)
    for step in steps:
        if step.name:
            assert step.name == places[step.node].name


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_leaves_short_residuals_whole(seed: int) -> None:
    rng = Random(seed)
    inner = (
        layer("Conv2D", filters=8, kernel_size=3, padding="same"),
        layer("Conv2D", filters=8, kernel_size=1, use_bias=False),
        layer("BatchNormalization"),
        layer("ReLU"),
        layer("Dropout", rate=0.1),
    )
    layers = [
        layer("residual", *(rng.choice(inner) for _ in range(rng.randint(1, 6))))
        for _ in range(rng.randint(6, 9))
    ]
    first = layer("Conv2D", filters=8, kernel_size=3, padding="same")

    source = Architecture((8, 8, 3), (first, *layers)).to_source("pytorch")

    assert "x2: Tensor" not in source
    assert "tuple[Tensor" not in source


def test_parts_that_give_many_values_are_told_by_place() -> None:
    branches = [layer("Dense", units=4, use_bias=index % 2 == 0) for index in range(40)]
    architecture = Architecture((4,), (layer("parallel", *branches, merge="add"),), name="Wide")

    source = architecture.to_source("pytorch")

    compile(source, "model.py", "exec")
    assert max(map(len, source.splitlines())) <= 88
