"""Costs against torch's own counters, and source against the built model."""

from __future__ import annotations

import copy
import pickle
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.backends.pytorch._module import GraphModule
from tests.spaces import COUNTS, SPACES, feasible, many

if TYPE_CHECKING:
    from collections.abc import Iterator

from neural_automl.layers import ALIASES, LAYERS
from neural_automl.primitives import Shape


def torch_shape(shape: Shape) -> Shape:
    return (shape[-1], *shape[:-1]) if len(shape) == 3 else shape


def random_inputs(architecture: Architecture, batch: int) -> torch.Tensor:
    """Return a batch on the current device: integers where an embedding reads them."""
    shape = (batch, *torch_shape(architecture.input_shape))
    first = architecture.graph.nodes[1]
    if first.op == "Embedding":
        if torch.get_default_device().type == "meta":
            return torch.empty(shape, dtype=torch.int64)
        return torch.randint(0, first.attribute_values()["input_dim"], shape)
    return torch.randn(shape)


def architectures() -> Iterator[tuple[str, Architecture]]:
    for seed, (name, space) in enumerate(SPACES.items()):
        for index, architecture in enumerate(islice(feasible(space(), seed), many(COUNTS[name]))):
            yield f"{name}{index}", architecture


CASES = dict(architectures())


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    case: Architecture = request.param
    return case


def load(source: str) -> ModuleType:
    module = ModuleType("exported")
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module


def test_params_are_those_of_the_module(architecture: Architecture) -> None:
    model = architecture.build("pytorch")

    counted = sum(p.numel() for p in model.parameters() if p.requires_grad)

    assert architecture.cost.params == counted


def test_results_of_steps_are_those_of_the_forward_pass(architecture: Architecture) -> None:
    model = architecture.build("pytorch").eval()
    assert isinstance(model, GraphModule)
    x = random_inputs(architecture, 2)
    places = [model.plan.output, 0, len(model.plan.steps)]
    output, given, last = model.values(x, places)
    assert given is x
    assert torch.equal(output, model(x))
    assert len(last) == 2


def test_macs_are_half_of_what_torch_counts(architecture: Architecture) -> None:
    batch = 2  # batch normalisation over one pixel needs more than one sample
    with torch.device("meta"):
        model = architecture.build("pytorch").train()
        inputs = random_inputs(architecture, batch)

    with FlopCounterMode(display=False) as counter:
        model(inputs)

    assert architecture.cost.macs * 2 * batch == counter.get_total_flops()


def test_model_runs_forward_and_backward(architecture: Architecture) -> None:
    torch.manual_seed(0)
    model = architecture.build("pytorch").train()
    inputs = random_inputs(architecture, 3)

    outputs = model(inputs)
    outputs.square().mean().backward()

    assert outputs.shape == (3, *architecture.graph.output_shape)
    # Nothing flows back through zeros.
    has_zeros = any(node.op == "Zeros" for node in architecture.graph.nodes)
    assert has_zeros or all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("shape", "before"),
    [
        ((9, 8, 3), LayerConfig("Reshape", {"shape": (6, 6, 6)})),
        ((9, 8, 3), LayerConfig("LayerNormalization")),
        ((6,), LayerConfig("Reshape", {"shape": (1, 1, 6)})),
        ((36,), LayerConfig("Reshape", {"shape": (6, 6, 1)})),
    ],
    ids=["image", "gradient", "one pixel", "one channel"],
)
def test_groups_are_normalised_of_any_memory_format(shape: Shape, before: LayerConfig) -> None:
    architecture = Architecture(shape, (before, LayerConfig("GroupNormalization", {"groups": 1})))
    model = architecture.build("pytorch").train()

    # Where the input needs no gradient, PyTorch ends the process if it lies channels last.
    model(random_inputs(architecture, 3)).square().mean().backward()

    assert all(p.grad is not None for p in model.parameters())
    assert "torch.reshape(torch.flatten(x, 1), (-1, " in architecture.to_source()


def test_source_alone_gives_the_same_outputs(architecture: Architecture) -> None:
    torch.manual_seed(0)
    source = architecture.to_source("pytorch")
    model = architecture.build("pytorch").eval()
    inputs = random_inputs(architecture, 3)

    exported = load(source).Network().eval()
    exported.load_state_dict(model.state_dict())

    assert "neural_automl" not in source
    with torch.no_grad():
        torch.testing.assert_close(exported(inputs), model(inputs), rtol=0, atol=0)


def test_copies_of_a_model_are_their_own() -> None:
    architecture = next(feasible(SPACES["image"](), 3))
    model = architecture.build("pytorch").eval()
    inputs = torch.randn(2, *torch_shape(architecture.input_shape))

    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    expected = model(inputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()

    for copied in copies:
        torch.testing.assert_close(copied.eval()(inputs), expected)


@pytest.mark.parametrize(
    ("size", "kernel", "strides"),
    [(8, 3, 2), (7, 3, 2), (8, 2, 1), (9, 4, 3), (5, 5, 2), (7, 2, 3), (6, 1, 2)],
)
@pytest.mark.parametrize("kind", ["conv", "max", "average"])
def test_same_padding_is_tensorflows(kind: str, size: int, kernel: int, strides: int) -> None:
    # Written out by hand: pad the odd pixel at the end, then slide.
    windows = -(-size // strides)
    total = max(0, (windows - 1) * strides + kernel - size)
    before = total // 2
    data = torch.randn(size, generator=torch.Generator().manual_seed(size))
    slices = []
    for window in range(windows):
        start = window * strides - before
        slices.append(data[max(0, start) : min(size, start + kernel)])
    expected = {
        "conv": [part.sum() for part in slices],
        "max": [part.max() for part in slices],
        "average": [part.mean() for part in slices],
    }[kind]
    layer = {
        "conv": LayerConfig(
            "Conv1D",
            {
                "filters": 1,
                "kernel_size": kernel,
                "strides": strides,
                "padding": "same",
                "use_bias": False,
            },
        ),
        "max": LayerConfig(
            "MaxPooling1D", {"pool_size": kernel, "strides": strides, "padding": "same"}
        ),
        "average": LayerConfig(
            "AveragePooling1D", {"pool_size": kernel, "strides": strides, "padding": "same"}
        ),
    }[kind]
    model = Architecture((size, 1), (layer,)).build("pytorch")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1)
        outputs = model(data.reshape(1, size, 1))

    torch.testing.assert_close(outputs.flatten(), torch.stack(expected))


def test_the_spaces_use_every_layer_and_operation() -> None:
    def named(layers: list[dict[str, Any]]) -> Iterator[str]:
        for layer in layers:
            yield layer["type"]
            yield from layer["params"].get("operations", ())
            yield from named(layer["sublayers"])

    used = {name for space in SPACES.values() for name in named(space().to_dict()["layers"])}
    # What an alias stands for is used with it, and a pool of a cell under its NAS names alone.
    used |= {ALIASES[name][0] for name in used if name in ALIASES}

    # "sequence" is how the dictionary form groups layers; nobody names it.
    assert set(LAYERS) - used <= {"sequence"}
