"""The networks and spaces of examples/zoo against the figures that others have published."""

from __future__ import annotations

import random
from functools import cache
from itertools import islice, product
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import optuna
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.cli import main
from tests.spaces import feasible

if TYPE_CHECKING:
    from torch import nn

    from neural_automl.architecture import Architecture

ZOO = Path(__file__).parents[2] / "examples" / "zoo"
FILES = sorted(ZOO.glob("*.neural"))

FIXED = ("lenet5", "vgg11", "resnet18", "mobilenet_v2", "vision_transformer", "lstm_text")
OPEN = {"nasbench201": 15_625, "darts": 8**12}

PARAMS = {
    "lenet5": 61_706,
    "vgg11": 132_863_336,
    "resnet18": 11_689_512,
    "mobilenet_v2": 3_504_872,
}
MEGA_MACS = {"vgg11": 7_609.1, "resnet18": 1_814.1, "mobilenet_v2": 300.8}

#: Three architectures of each space, and each network that has nothing open.
NETWORKS = [
    *((name, 0) for name in FIXED),
    *((name, place) for name in OPEN for place in range(3)),
]
#: All but the one whose weights fill half a gigabyte.
SMALL = [(name, place) for name, place in NETWORKS if name != "vgg11"]

EDGES = tuple(f"cell.edge_{edge}" for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"))
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

STEM_201 = 9 * 3 * 16 + 2 * 16
# Two 3x3 convolutions with BN, and a 1x1 convolution that has none, to 32 and to 64 channels.
REDUCTIONS_201 = sum((9 * c // 2 * c + 2 * c) + (9 * c * c + 2 * c) + c // 2 * c for c in (32, 64))
HEAD_201 = 2 * 64 + 64 * 10 + 10


@cache
def space(name: str) -> ArchitectureSpace:
    return ArchitectureSpace.from_dsl(ZOO / f"{name}.neural")


@cache
def network(name: str, place: int = 0) -> Architecture:
    return next(islice(feasible(space(name), 0), place, None))


def inputs(architecture: Architecture, batch: int = 2) -> torch.Tensor:
    """Return a batch on the current device: word numbers where an embedding reads them."""
    shape = architecture.input_shape
    if len(shape) == 3:
        shape = (shape[-1], *shape[:-1])
    first = architecture.layers[0]
    if first.type == "Embedding":
        return torch.randint(first.params["input_dim"], (batch, *shape))
    return torch.randn(batch, *shape)


def parameter_shapes(model: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in model.parameters()]


def resnet18_shapes() -> list[tuple[int, ...]]:
    """Return the shapes of torchvision's resnet18, in its order."""

    def convolution(width: int, before: int, kernel: int) -> list[tuple[int, ...]]:
        return [(width, before, kernel, kernel), (width,), (width,)]  # and BN's weight and bias

    before = 64
    shapes = convolution(before, 3, 7)
    for width in (64, 128, 256, 512):
        for _ in range(2):
            shapes += convolution(width, before, 3) + convolution(width, width, 3)
            if width != before:
                shapes += convolution(width, before, 1)
            before = width
    return [*shapes, (1000, 512), (1000,)]


def test_the_zoo_is_what_is_tested() -> None:
    assert {file.stem for file in FILES} == {*FIXED, *OPEN}


@pytest.mark.parametrize(("name", "params"), PARAMS.items(), ids=PARAMS)
def test_params_are_the_published_ones(name: str, params: int) -> None:
    assert network(name).cost.params == params


@pytest.mark.parametrize(("name", "millions"), MEGA_MACS.items(), ids=MEGA_MACS)
def test_macs_are_the_published_ones(name: str, millions: float) -> None:
    assert round(network(name).cost.macs / 1e6, 1) == millions


@pytest.mark.parametrize(("name", "place"), NETWORKS)
def test_cost_is_that_of_the_module(name: str, place: int) -> None:
    architecture = network(name, place)
    with torch.device("meta"):
        model = architecture.build("pytorch").train()
        batch = inputs(architecture)

    with FlopCounterMode(display=False) as counter:
        model(batch)

    assert architecture.cost.params == sum(map(prod, parameter_shapes(model)))
    assert architecture.cost.macs * 2 * len(batch) == counter.get_total_flops()


@pytest.mark.parametrize(("name", "place"), SMALL)
def test_model_runs_forward(name: str, place: int) -> None:
    architecture = network(name, place)
    torch.manual_seed(0)
    model = architecture.build("pytorch").eval()

    with torch.no_grad():
        outputs = model(inputs(architecture))

    assert outputs.shape == (2, *architecture.graph.output_shape)
    assert outputs.isfinite().all()


@pytest.mark.parametrize(("name", "place"), NETWORKS)
def test_source_alone_has_the_same_weights(name: str, place: int) -> None:
    architecture = network(name, place)
    source = architecture.to_source("pytorch")
    exported = ModuleType("exported")
    exec(compile(source, "model.py", "exec"), exported.__dict__)

    with torch.device("meta"):
        ours = architecture.build("pytorch").state_dict()
        theirs = getattr(exported, space(name).name)().state_dict()

    assert "neural_automl" not in source
    assert {key: value.shape for key, value in theirs.items()} == {
        key: value.shape for key, value in ours.items()
    }


def test_resnet18_is_torchvisions_tensor_for_tensor() -> None:
    with torch.device("meta"):
        model = network("resnet18").build("pytorch")

    assert parameter_shapes(model) == resnet18_shapes()


@pytest.mark.parametrize(
    ("name", "size"), [*((name, 1) for name in FIXED), *OPEN.items()], ids=[*FIXED, *OPEN]
)
def test_size_of_a_space(name: str, size: int) -> None:
    assert space(name).get_search_space_size() == size


def test_params_of_nasbench201_are_its_closed_form(verify: bool) -> None:
    cells = list(product(OPERATIONS, repeat=len(EDGES)))
    if not verify:
        cells = random.Random(0).sample(cells, 500)
    rest = STEM_201 + REDUCTIONS_201 + HEAD_201

    wrong = {}
    for cell in cells:
        trial = optuna.trial.FixedTrial(dict(zip(EDGES, cell, strict=True)))
        params = space("nasbench201").suggest(trial).cost.params
        ones, threes = cell.count("nor_conv_1x1"), cell.count("nor_conv_3x3")
        expected = rest + sum(
            5 * (ones * (c * c + 2 * c) + threes * (9 * c * c + 2 * c)) for c in (16, 32, 64)
        )
        if params != expected:
            wrong[cell] = (params, expected)

    assert wrong == {}


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str]:
    """Run a command; return its code and what it printed, to both streams."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    streams = capsys.readouterr()
    return code, streams.out + streams.err


def test_validate_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(capsys, "validate", *FILES)

    assert code == 0
    assert [line.rsplit(": ", 1)[1].split(",")[0] for line in printed.splitlines()] == [
        "valid" for _ in FILES
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_describe_shows_size_and_cost(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(capsys, "describe", file)

    size = space(file.stem).get_search_space_size()
    assert code == 0
    assert f"{size:,} architecture" in printed
    assert f"100% of the {min(size, 500)} looked at are feasible" in printed
