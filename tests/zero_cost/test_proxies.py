"""Zero-cost scores: what they are on networks small enough to do by hand, and every known trap."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost import (
    AZ_NAS,
    DEFAULT_PROXIES,
    check_proxies,
    compute,
    proxy_names,
    register_proxy,
    score,
)
from tests.spaces import SPACES, feasible, many
from tests.test_models import random_inputs

NAMES = proxy_names()
#: Those that say nothing of ids, as they change or derive by the input.
OF_NUMBERS = ("jacov", "epe_nas", "zen", "az_expressivity", "az_progressivity", "az_trainability")
AnyModule = TypeVar("AnyModule", bound=nn.Module)


def images(count: int = 8, seed: int = 0, size: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, size, size, generator=generator)
    return inputs, torch.randint(4, (count,), generator=generator)


def seeded(make: Callable[[], AnyModule]) -> AnyModule:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make()


def convolutional(
    activation: Callable[[], nn.Module] = nn.ReLU, *, norm: bool = True
) -> nn.Sequential:
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            activation(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            activation(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )
    )


# --- by hand ----------------------------------------------------------------------------------


def two_layers() -> tuple[nn.Sequential, Tensor, Tensor]:
    """x -> relu(W x) -> V, with numbers that can be multiplied in one's head."""
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        second.weight.copy_(torch.tensor([[-1.0, 2.0]]))
    return (
        nn.Sequential(first, nn.ReLU(), second),
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([[0.0]]),
    )


def test_gradient_scores_are_those_by_hand() -> None:
    model, x, y = two_layers()
    # relu(W x) = (0, 7); output 14; loss 14^2; d loss / d output = 28.
    of_second = torch.tensor([[0.0, 7.0 * 28]])
    of_first = torch.tensor([[0.0, 0.0], [2.0 * 28, 2.0 * 28]])
    assert compute("grad_norm", model, x, y) == pytest.approx(
        float(of_first.norm() + of_second.norm())
    )
    assert compute("snip", model, x, y) == pytest.approx(7 * 2 * 28 + (3 + 4) * 56)
    assert compute("l2_norm", model, x, y) == pytest.approx(math.sqrt(30) + math.sqrt(5))


def test_synflow_is_the_flow_of_the_absolute_network() -> None:
    model, x, y = two_layers()
    # |W| 1 = (3, 7); output 3 + 14 = 17, and each layer's weights times gradients sum up to it.
    assert compute("synflow", model, x, y) == pytest.approx(math.log10(2 * 17))
    logs = sum(w * math.log1p(g) for w, g in ((1, 3), (2, 7), (1, 1), (2, 1), (3, 2), (4, 2)))
    assert compute("logsynflow", model, x, y) == pytest.approx(logs)


def test_sizes() -> None:
    model = convolutional()
    x, y = images()
    weights = 3 * 8 * 9 + 8 * 8 * 9 + 8 * 4
    assert compute("params", model, x, y) == weights + 4 + 4 * 8
    assert compute("macs", model, x, y) == 64 * (3 * 8 * 9 + 8 * 8 * 9) + 8 * 4
    assert compute("depth", model, x, y) == 3


def test_naswot_counts_units_that_switch_alike() -> None:
    linear = nn.Linear(2, 3, bias=False)
    model = nn.Sequential(linear, nn.ReLU())
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    # Patterns 110, 100, 001: alike in 2, 0 and 1 of 3 units.
    kernel = torch.tensor([[3.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 3.0]])
    expected = float(torch.linalg.slogdet(kernel.double())[1])
    assert compute("naswot", model, x, torch.zeros(3, 3)) == pytest.approx(expected)


def test_jacov_is_larger_where_gradients_differ_more() -> None:
    x, y = images()
    linear = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    wide = seeded(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 4))
    )
    assert compute("jacov", wide, x, y) > compute("jacov", linear, x, y)


def test_zico_is_that_of_two_half_batches() -> None:
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0], [2.0]]))
    x, y = torch.tensor([[1.0], [2.0]]), torch.zeros(2, 2)
    # Loss of a sample: (w1 x)^2 / 2 + (w2 x)^2 / 2; gradients w x^2: (1, 2) and (4, 8).
    score_by_hand = math.log(2.5 / 1.5 + 5.0 / 3.0)
    assert compute("zico", model, x, y) == pytest.approx(score_by_hand)


def test_operations_count_what_pooling_and_normalisation_do() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2),
        nn.MaxPool2d(3, 1, 1),
    )  # fmt: skip
    x, y = images()
    convolution, element, pooled = 64 * 3 * 4 * 9, 4 * 64, 4 * 16
    expected = convolution + 2 * element + element + 4 * pooled + 9 * pooled
    assert compute("flops", model, x, y) == expected
    assert compute("macs", model, x, y) == convolution


def test_second_order_scores_are_those_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(3.0)
    x, y = torch.tensor([[2.0]]), torch.tensor([[1.0]])
    # Loss (2 w - 1)^2: gradient 4 (2 w - 1) = 20, second derivative 8.
    assert compute("plain", model, x, y) == pytest.approx(3 * 20)
    assert compute("grasp", model, x, y) == pytest.approx(-3 * 8 * 20)


# --- traps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_network_and_the_random_numbers_stay_as_they_are(name: str) -> None:
    model = convolutional()
    model.eval()
    model[0].weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    x, y = images()
    copies = x.clone(), y.clone()
    state = torch.get_rng_state()
    compute(name, model, x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not model.training
    assert [p.requires_grad for p in model.parameters()].count(False) == 1
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(x, copies[0])
    assert torch.equal(y, copies[1])
    assert not model[0]._forward_hooks
    assert "forward" not in vars(model[1])


@pytest.mark.parametrize("name", NAMES)
def test_equal_networks_score_alike_whatever_was_drawn_before(name: str) -> None:
    model = nn.Sequential(convolutional(), nn.Dropout(0.5), seeded(lambda: nn.Linear(4, 4)))
    x, y = images()
    first = compute(name, model, x, y)
    torch.rand(7)
    assert compute(name, model, x, y) == first


@pytest.mark.parametrize("name", NAMES)
def test_activations_in_place_score_as_others(name: str) -> None:
    x, y = images()
    plain = compute(name, convolutional(), x, y)
    assert compute(name, convolutional(lambda: nn.ReLU(inplace=True)), x, y) == plain


class Functional(nn.Module):
    """One that calls a function instead of a module, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = convolutional(nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        for k, layer in enumerate(self.layers):
            x = layer(x)
            if k in (2, 5):
                x = functional.relu_(x)
        return x


@pytest.mark.parametrize("name", NAMES)
def test_functions_in_place_count_as_modules_do(name: str) -> None:
    x, y = images()
    assert compute(name, Functional(), x, y) == compute(name, convolutional(), x, y)


@pytest.mark.parametrize("name", ["naswot", "swap", "az_expressivity", "az_trainability"])
def test_a_shared_activation_counts_at_each_use(name: str) -> None:
    relu = nn.ReLU()
    x, y = images()
    shared = convolutional(lambda: relu)
    assert compute(name, shared, x, y) == compute(name, convolutional(), x, y)


class SharedInput(nn.Module):
    """Two ReLUs of one tensor, the second in place, and one of what that left."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.linear = seeded(lambda: nn.Linear(5, 64))
        self.again = again

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        y = functional.relu(x)
        if self.again:
            return functional.relu(y + functional.relu_(x)) + functional.relu(x)
        return y


def test_units_that_several_paths_switch_count_for_each() -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    once = compute("naswot", SharedInput(again=False), x, torch.zeros(4, 64))
    # The same units four times: each entry of the kernel is 4 times as large.
    found = compute("naswot", SharedInput(again=True), x, torch.zeros(4, 64))
    assert found == pytest.approx(once + 4 * math.log(4))


def test_modules_that_are_copied_by_the_short_way_keep_what_they_share() -> None:
    model = convolutional()
    model[3].weight = model[0].weight = nn.Parameter(torch.randn(8, 8, 3, 3))
    tied = nn.Sequential(nn.Conv2d(3, 8, 1), *list(model)[3:])
    hooked = convolutional()
    hooked[2].register_forward_hook(lambda module, args, output: output * 0)
    x, y = images()
    assert compute("depth", tied, x, y) == 3
    assert compute("grad_norm", hooked, x, y) < compute("grad_norm", convolutional(), x, y)
    assert math.isfinite(compute("snip", tied, x, y))


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.ReLU6, nn.LeakyReLU, nn.ELU])
@pytest.mark.parametrize("name", NAMES)
def test_networks_of_other_activations_score(name: str, activation: type[nn.Module]) -> None:
    x, y = images()
    assert math.isfinite(compute(name, convolutional(activation), x, y))


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(inplace=True), nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )  # fmt: skip
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or inputs != 4 * width:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.path(x) + self.skip(x), inplace=True)


def resnet101(narrow: int = 1) -> nn.Module:
    inputs = 64 // narrow
    layers: list[nn.Module] = [nn.Conv2d(3, inputs, 7, 2, 3, bias=False), nn.BatchNorm2d(inputs)]
    for k, count in enumerate((3, 4, 23, 3)):
        width = (64 << k) // narrow
        for number in range(count):
            layers.append(Bottleneck(inputs, width, 2 if k and not number else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def test_synflow_of_resnet101_is_finite_and_too_large_for_float32() -> None:
    model = seeded(resnet101)
    x, y = images(1, size=16)
    found = compute("synflow", model, x, y)
    assert math.isfinite(found)
    assert found > math.log10(torch.finfo(torch.float32).max)


@pytest.mark.parametrize(
    "name", ["epe_nas", "fisher", "meco", "az_expressivity", "az_progressivity", "az_trainability"]
)
def test_other_scores_of_resnet101_are_finite(name: str) -> None:
    x, _ = images(4, size=16)
    found = compute(name, seeded(resnet101), x, torch.tensor([0, 0, 1, 1]))
    assert math.isfinite(found)


@pytest.mark.parametrize("norm", [True, False], ids=["normalised", "not"])
@pytest.mark.parametrize("name", ["zen", "swap"])
def test_normal_weights_do_not_overflow_in_the_depth_of_resnet101(name: str, norm: bool) -> None:
    model = seeded(lambda: resnet101(narrow=16))
    if not norm:
        for module in list(model.modules()):
            for child_name, child in list(module.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(module, child_name, nn.Identity())
    x, y = images(2, size=16)
    assert math.isfinite(compute(name, model, x, y))


@pytest.mark.parametrize("name", ["epe_nas", "swap"])
def test_equal_images_have_a_score(name: str) -> None:
    x, y = images()
    different = compute(name, convolutional(), x, y)
    x[1:] = x[0]
    assert 0 <= compute(name, convolutional(), x, y) < different


def test_equal_images_leave_naswot_without_a_value() -> None:
    x, y = images()
    x[1] = x[0]
    with pytest.raises(ProxyError, match="two samples of the batch switch every unit alike"):
        compute("naswot", convolutional(norm=False), x, y)
    assert math.isnan(score(convolutional(norm=False), x, y, ["naswot"])["naswot"])
    assert math.isfinite(compute("jacov", convolutional(), x, y))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_scores_or_says_why_not(name: str) -> None:
    x, y = images(1)
    if name in ("jacov", "zico", "epe_nas", "swap"):
        with pytest.raises(ProxyError, match="at least 2 samples"):
            compute(name, convolutional(), x, y)
    else:
        assert math.isfinite(compute(name, convolutional(), x, y))


def test_batch_normalization_of_one_value_says_so() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    with pytest.raises(ProxyError, match="needs a larger batch for batch normalization"):
        compute("snip", model, torch.randn(1, 3), torch.tensor([0]))


class NoPath(nn.Module):
    """Its output knows nothing of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = convolutional()
        self.head = seeded(lambda: nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.layers(x).detach() * 0))


class Cut(nn.Module):
    """Its layers see nothing of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = convolutional()

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(x * 0))


@pytest.mark.parametrize(
    ("name", "model"),
    [("jacov", NoPath), ("epe_nas", NoPath), ("zen", Cut)],
    ids=["jacov", "epe_nas", "zen"],
)
def test_no_path_from_input_to_output(name: str, model: Callable[[], nn.Module]) -> None:
    x, y = images()
    with pytest.raises(ProxyError, match=f"{name} needs a path from the input to the output"):
        compute(name, model(), x, y)


@pytest.mark.parametrize("name", ["fisher", "meco", "swap", "az_expressivity", "az_trainability"])
def test_where_there_is_no_path_other_scores_are_finite(name: str) -> None:
    x, y = images()
    assert all(math.isfinite(compute(name, model(), x, y)) for model in (NoPath, Cut))


class Unused(nn.Module):
    """One that has a layer too many."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = convolutional()
        self.unused = seeded(lambda: nn.Linear(5, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(x))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_nothing_uses_do_no_harm(name: str) -> None:
    x, y = images()
    found, without = compute(name, Unused(), x, y), compute(name, convolutional(), x, y)
    if name in ("params", "depth", "l2_norm"):
        assert found > without
    elif name in ("swap", "zen"):  # weights are drawn for them, too
        assert found == pytest.approx(without, rel=0.05)
    else:
        assert found == pytest.approx(without)


@pytest.mark.parametrize(
    "name",
    ["grad_norm", "snip", "synflow", "logsynflow", "l2_norm", "zico", "fisher", "meco"],
)
def test_a_network_without_weights_has_no_score(name: str) -> None:
    x, y = images()
    with pytest.raises(ProxyError, match="no weights to score"):
        compute(name, nn.Sequential(nn.Flatten(), nn.ReLU()), x, y)


def test_ids_of_an_embedding_score_where_that_makes_sense() -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Embedding(20, 6), nn.Flatten(), nn.Linear(30, 8), nn.ReLU(),
                              nn.Linear(8, 3))
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(20, (6, 5), generator=generator)
    found = score(model, x, torch.randint(3, (6,), generator=generator), NAMES)
    assert all(math.isnan(found.pop(name)) for name in OF_NUMBERS)
    assert all(math.isfinite(value) for value in found.values())
    for name in OF_NUMBERS:
        with pytest.raises(ProxyError, match=f"{name} needs .*not the ids of an embedding"):
            compute(name, model, x, torch.zeros(6, dtype=torch.int64))


def test_a_regression_scores() -> None:
    model = convolutional()
    x, _ = images()
    found = score(model, x, torch.randn(8, 4), NAMES)
    assert math.isnan(found.pop("epe_nas"))  # there are no classes
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("kind", list(SPACES))
def test_every_network_of_a_space_has_scores_or_reasons(kind: str) -> None:
    for seed, network in enumerate(islice(feasible(SPACES[kind](), 0), many(30))):
        model = network.build()
        x = random_inputs(network, 4)
        y = torch.randn(model(x).shape)
        # What is no reason to have none is raised.
        found = score(model, x, y, NAMES)
        assert math.isfinite(found["l2_norm"]), seed


def test_attention_has_a_second_derivative() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.MultiheadAttention(6, 2, batch_first=True)
            self.head = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            found, _ = self.heads(x, x, x, need_weights=False)
            return torch.as_tensor(self.head(found.mean(1)))

    x, y = torch.randn(4, 5, 6), torch.tensor([0, 1, 2, 0])
    assert math.isfinite(compute("grasp", Attention(), x, y))


def test_counts_beyond_float16_are_exact() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 70_000), nn.ReLU()))
    assert math.isfinite(compute("naswot", model, torch.randn(3, 3), torch.zeros(3, 70_000)))


# --- names ------------------------------------------------------------------------------------


def test_unknown_names_list_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"there is no proxy 'synflw'; there are: params, macs"):
        check_proxies(["synflw"])
    with pytest.raises(ValueError, match="at least one proxy"):
        check_proxies([])


def test_the_default_set_is_there() -> None:
    assert set(DEFAULT_PROXIES) <= set(NAMES)
    x, y = images()
    assert tuple(score(convolutional(), x, y)) == DEFAULT_PROXIES


def test_a_proxy_of_the_users_own() -> None:
    @register_proxy("outputs_of_the_test")
    def outputs(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        return float(model(inputs).shape[1])

    x, y = images()
    assert score(convolutional(), x, y, ["outputs_of_the_test"]) == {"outputs_of_the_test": 4.0}
    with pytest.raises(ValueError, match="there is a proxy 'outputs_of_the_test' already"):
        register_proxy("outputs_of_the_test")(outputs)
    with pytest.raises(ValueError, match="must be an identifier but is 'a b'"):
        register_proxy("a b")
    with pytest.raises(ValueError, match="there is a proxy 'az_nas' already"):
        register_proxy("az_nas")


def test_a_name_may_stand_for_several() -> None:
    assert check_proxies(["az_nas"]) == AZ_NAS
    assert check_proxies(["macs", "az_nas", "macs"]) == ("macs", *AZ_NAS[:-1])
    x, y = images()
    assert tuple(score(convolutional(), x, y, ["az_nas"])) == AZ_NAS
