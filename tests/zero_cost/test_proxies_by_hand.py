"""The proxies of activations and features on networks small enough to do in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_automl.architecture_space import ArchitectureSpace, Cell, Layer
from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost import compute

Numbers = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _same_weights_each_time() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield


def dense(*weights: Sequence[Sequence[float]]) -> list[nn.Linear]:
    """Return layers without shifts, a row of weights an output."""
    layers = [nn.Linear(len(rows[0]), len(rows), bias=False) for rows in weights]
    for layer, rows in zip(layers, weights, strict=True):
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(rows))
    return layers


def random_inputs(*shape: int) -> Tensor:
    """Return what proxies of random inputs draw first."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.randn(shape)


def labels(*values: int) -> Tensor:
    return torch.tensor(values)


# --- fisher -----------------------------------------------------------------------------------


def test_fisher_squares_activation_times_gradient_of_each_channel() -> None:
    first, second = dense([[1.0, -2.0], [3.0, 4.0]], [[-1.0, 2.0]])
    x, y = torch.tensor([[1.0, 1.0], [2.0, 0.0]]), torch.tensor([[0.0], [1.0]])
    # Sample 1: W x = (-1, 7), output 14; sample 2: (2, 6), output 10. The loss is the mean of
    # (output - y)^2, its gradient at the outputs output - y: 14 and 9.
    of_output = np.array([[14.0 * 14], [10.0 * 9]])
    of_hidden = np.array([[0.0, 7 * 2 * 14], [2 * -1 * 9, 6 * 2 * 9]])
    by_hand = sum(((products**2).mean(0) / 2).sum() for products in (of_output, of_hidden))
    assert compute("fisher", nn.Sequential(first, nn.ReLU(), second), x, y) == pytest.approx(
        by_hand
    )


def test_fisher_sums_a_channel_over_positions_before_it_squares() -> None:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    x = torch.tensor([[[[1.0, 3.0]]], [[[0.0, -1.0]]]])
    # Activations 2 x; the loss is the mean of their squares over 4, its gradient a / 2.
    sums = np.array([(2 * 1 + 6 * 3), (-2 * -1)], dtype=float)
    model = nn.Sequential(layer, nn.Flatten())
    assert compute("fisher", model, x, torch.zeros(2, 2)) == pytest.approx((sums**2).mean() / 2)


def test_fisher_takes_the_output_of_layers_that_give_more() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.LSTM(3, 5, batch_first=True)
            self.head = nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            found, _ = self.cells(x)
            return torch.as_tensor(self.head(found[:, -1]))

    assert compute("fisher", Recurrent(), torch.randn(4, 6, 3), labels(0, 1, 0, 1)) > 0


# --- epe_nas ----------------------------------------------------------------------------------


def correlations(gradients: Sequence[Sequence[float]]) -> float:
    return float(np.log(np.abs(np.corrcoef(gradients)) + 1e-5).sum())


def test_epe_nas_is_of_the_correlations_within_classes() -> None:
    rows = [[1.0, 0.0, 2.0], [0.0, 3.0, -1.0], [-1.0, 1.0, 0.5]]
    first, second = dense(rows, [[1.0, -2.0, 4.0]])
    x = torch.tensor(
        [[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [-2.0, 1.0, 0.0], [-1.0, -1.0, -1.0], [0.0, 1.0, 9.0]]
    )
    on = (x.numpy() @ np.array(rows).T) > 0
    jacobian = (on * np.array([1.0, -2.0, 4.0])) @ np.array(rows)
    assert on.tolist() == [
        [True, True, True], [True, False, False], [False, True, True], [False, False, False],
        [True, False, True],
    ]  # fmt: skip
    # The fourth is on nowhere: without it, classes of two, and one of one that counts nothing.
    kept, classes = [0, 1, 2, 4], labels(0, 0, 1, 1)
    model = nn.Sequential(first, nn.ReLU(), second)
    by_hand = abs(correlations(jacobian[[0, 1]])) + abs(correlations(jacobian[[2, 4]]))
    assert compute("epe_nas", model, x[kept], classes) == pytest.approx(by_hand, rel=1e-4)
    alone = abs(correlations(jacobian[[0, 1, 2]]))
    assert compute("epe_nas", model, x[kept], labels(3, 3, 3, 1)) == pytest.approx(alone, rel=1e-4)
    with pytest.raises(ProxyError, match="is not defined where a sample's gradient is the same"):
        compute("epe_nas", model, x, labels(0, 0, 0, 0, 0))


def test_epe_nas_of_more_than_100_classes_compares_classes() -> None:
    rows = [[1.0, 0.0, 2.0], [0.0, 3.0, -1.0]]
    first, second = dense(rows, [[1.0, 1.0]] + [[0.0, 0.0]] * 100)
    x = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [3.0, 1.0, 1.0]])
    on = (x.numpy() @ np.array(rows).T) > 0
    jacobian = on @ np.array(rows)
    means = [correlations(jacobian[:2]) / 2, correlations(jacobian[2:]) / 2]
    found = compute("epe_nas", nn.Sequential(first, nn.ReLU(), second), x, labels(0, 0, 7, 7))
    assert found == pytest.approx(2 * abs(means[0] - means[1]) / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(3, 2), "needs the labels of classes"),
        (torch.zeros(3, 2, dtype=torch.int64), "needs the labels of classes"),
        (labels(0, 1, 2), "no label comes twice"),
    ],
    ids=["values", "several labels", "each once"],
)
def test_epe_nas_needs_classes(targets: Tensor, message: str) -> None:
    model = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3))
    with pytest.raises(ProxyError, match=message):
        compute("epe_nas", model, torch.randn(3, 4), targets)


# --- swap -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "patterns"),
    [
        ([[1.0], [2.0], [5.0]], 2),
        ([[1.0], [-2.0]], 2),
        ([[1.0, 0.0], [0.0, 1.0]], 4),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 6),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 8),
    ],
    ids=["one side", "two sides", "quadrants", "three lines of a plane", "octants"],
)
def test_swap_counts_the_regions_that_units_may_leave(
    samples: list[list[float]], patterns: int
) -> None:
    # Signs of w x over all w: 2, or by Cover (1965) twice the sum of binomials.
    x = torch.tensor(samples)
    model = nn.Sequential(nn.Linear(x.shape[1], 500), nn.ReLU())
    assert compute("swap", model, x, x) == patterns


def test_swap_is_the_mean_over_draws() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    found = compute("swap", model, torch.eye(2), torch.zeros(2, 1))
    assert found == 1.0  # one unit has one pattern, whichever
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    found = compute("swap", model, torch.eye(2), torch.zeros(2, 2))
    assert 1 < found < 2
    assert found * 32 == int(found * 32)


def test_swap_takes_16_samples() -> None:
    x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(8, 300), nn.ReLU())
    assert compute("swap", model, x, x) == compute("swap", model, x[:16], x)


def test_swap_needs_units_that_switch() -> None:
    with pytest.raises(ProxyError, match="units that switch, as ReLU's do, but the network has"):
        compute("swap", nn.Linear(3, 3), torch.randn(4, 3), torch.zeros(4, 3))


# --- zen --------------------------------------------------------------------------------------


def test_zen_of_a_linear_network_is_that_of_its_random_weights() -> None:
    model = nn.Linear(300, 200, bias=False)
    found = compute("zen", model, torch.zeros(16, 300), torch.zeros(16, 200))
    # The norm of normal weights times a normal step of 0.01.
    assert found == pytest.approx(math.log(0.01 * math.sqrt(300 * 200)), abs=0.05)


def convolutions(norm: type[nn.Module] | None = None, **options: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (3, 16):
        layers.append(nn.Conv2d(inputs, 16, 3, padding=1, bias=False))
        if norm is not None:
            layers.append(norm(16, **options))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


@pytest.mark.parametrize("tracks", [True, False], ids=["running statistics", "none"])
def test_zen_takes_back_what_batch_normalisation_divides_by(tracks: bool) -> None:
    x, y = torch.zeros(16, 3, 12, 12), torch.zeros(16, 16, 12, 12)
    bare = compute("zen", convolutions(), x, y)
    normalised = convolutions(nn.BatchNorm2d, track_running_stats=tracks)
    assert bare > 1
    assert compute("zen", normalised, x, y) == pytest.approx(bare, abs=0.2)


def test_zen_is_of_the_map_before_pooling() -> None:
    x, y = torch.zeros(16, 3, 12, 12), labels(*range(16))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 16))
    with_head = compute("zen", nn.Sequential(convolutions(), *head), x, y)
    assert with_head == pytest.approx(compute("zen", convolutions(), x, y), abs=0.1)
    pooled = nn.Sequential(nn.Flatten(), nn.Linear(432, 16))
    assert compute("zen", pooled, x, y) < with_head


# --- meco -------------------------------------------------------------------------------------


def test_meco_adds_least_eigenvalues_of_correlations() -> None:
    first, second = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 3, 1)
    model = nn.Sequential(first, nn.ReLU(), second)
    x = random_inputs(4, 2, 32, 32)  # as many positions as 64 x 64
    with torch.no_grad():
        maps = [first(x), model(x)]
    by_hand = sum(
        np.linalg.eigvalsh(np.corrcoef(m.movedim(1, 0).flatten(1).double().numpy()))[0]
        for m in maps
    )
    given = torch.zeros(20, 2, 32, 32)
    assert compute("meco", model, given, given[:, :1]) == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(1, 2, 1),  # two channels of one
        lambda: nn.Conv2d(1, 4, 2, stride=2),  # four channels, one position
        lambda: nn.Conv2d(1, 2, 2, padding=4, dilation=9),  # what it reads is all padding
    ],
    ids=["alike", "few positions", "constant"],
)
def test_meco_of_channels_that_depend_on_one_another_is_0(make: type[nn.Module]) -> None:
    found = compute("meco", nn.Sequential(make()), torch.zeros(1, 1, 2, 2), torch.zeros(1))
    assert 0 <= found < 1e-5


# --- AZ-NAS -----------------------------------------------------------------------------------


def entropy(rows: Numbers) -> float:
    shares = np.linalg.eigvalsh(np.cov(rows.T)).clip(0)
    shares = shares / shares.sum()
    return float(-(shares * np.log(shares + 1e-8)).sum())


def test_az_nas_spread_is_the_entropy_of_principal_components() -> None:
    layers = dense(
        [[1.0, 0.5, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.2, 1.0]],
        [[1.0, 1.0]],
    )  # fmt: skip
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.Tanh(), layers[2])
    x = random_inputs(50, 3)
    with torch.no_grad():
        first = model[1](model[0](x))
        second = model[3](model[2](first))
    entropies = [entropy(f.double().numpy()) for f in (first, second)]
    given, y = torch.zeros(50, 3), torch.zeros(50, 1)
    found = compute("az_expressivity", model, given, y)
    assert found == pytest.approx(sum(entropies), rel=1e-4)
    found = compute("az_progressivity", model, given, y)
    assert found == pytest.approx(entropies[1] - entropies[0], rel=1e-4)


def test_az_expressivity_of_fewer_samples_than_channels() -> None:
    model = nn.Sequential(nn.Linear(5, 40), nn.Linear(40, 2))
    with torch.no_grad():
        rows = model[0](random_inputs(4, 5)).double().numpy()
    found = compute("az_expressivity", model, torch.zeros(4, 5), torch.zeros(4, 2))
    assert found == pytest.approx(entropy(rows), rel=1e-4)


@pytest.mark.parametrize("weight", [0.5, 1.0, -4.0])
def test_az_trainability_is_best_where_gradients_keep_their_size(weight: float) -> None:
    model = nn.Sequential(*dense([[3.0]], [[weight]], [[2.0]]))
    found = compute("az_trainability", model, torch.zeros(6, 1), torch.zeros(6, 1))
    assert found == pytest.approx(2 - abs(weight) - 1 / abs(weight), abs=1e-5)


def picking(*place: int, stride: int) -> nn.Conv2d:
    """Return a convolution that takes one pixel of each window."""
    layer = nn.Conv2d(1, 1, stride, stride=stride, bias=False)
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.weight[(0, 0, *place)] = 1.0
    return layer


@pytest.mark.parametrize("size", [8, 7], ids=["even", "odd"])
def test_az_trainability_folds_positions_where_a_block_strides(size: int) -> None:
    # A gradient of norm 1 at one pixel of four: the fold keeps it, a mean would not.
    head = nn.Linear((size // 2) ** 2, 2)
    model = nn.Sequential(picking(0, 0, stride=1), picking(1, 0, stride=2), nn.Flatten(), head)
    found = compute("az_trainability", model, torch.zeros(3, 1, size, size), labels(0, 1, 0))
    assert found == pytest.approx(0, abs=1e-5)


def test_az_trainability_where_positions_become_more() -> None:
    up = nn.ConvTranspose2d(1, 1, 2, stride=2, bias=False)
    nn.init.constant_(up.weight, 1.0)
    model = nn.Sequential(picking(0, 0, stride=1), up, nn.Flatten(), nn.Linear(64, 2))
    found = compute("az_trainability", model, torch.zeros(200, 1, 4, 4), torch.zeros(200, 2))
    # The gradient is the sum of four signs: its products with each are 1 in the mean, the norm 2.
    assert found == pytest.approx(2 - 2 - 1 / 2, abs=0.1)


def test_blocks_of_a_space_are_its_layers() -> None:
    space = ArchitectureSpace(
        (8, 8, 3),
        [Layer("Conv2D", 6, 3), "BatchNormalization", "ReLU", Layer("Conv2D", 5, 3, padding="same"),
         "ReLU", "Flatten", Layer("Dense", 2)],
    )  # fmt: skip
    built = space.sample_architecture(0).build()
    conv1, norm, relu1, conv2, relu2, head = built.children()
    plain = nn.Sequential(conv1, norm, relu1, conv2, relu2, nn.Flatten(), head)
    x, y = torch.zeros(5, 3, 8, 8), labels(0, 1, 0, 1, 0)
    for name in ("az_expressivity", "az_progressivity", "az_trainability"):
        assert compute(name, built, x, y) == pytest.approx(compute(name, plain, x, y))


def test_a_cell_is_one_block() -> None:
    cell = Cell(3, ("nor_conv_1x1", "nor_conv_3x3"), name="cell")
    layers = [Layer("Conv2D", 4, 3, padding="same"), cell, cell, "ReLU", "GlobalAveragePooling2D"]
    space = ArchitectureSpace((8, 8, 3), [*layers, Layer("Dense", 2)])
    model = space.sample_architecture(0).build()
    # The entropy of 4 channels is log 4 at most: there are 3 features, that of the second over 2.
    found = compute("az_expressivity", model, torch.zeros(8, 3, 8, 8), labels(*[0, 1] * 4))
    assert 2 * math.log(4) < found < 3 * math.log(4)


def test_a_network_of_ours_in_a_wrapper_has_blocks() -> None:
    cell = Cell(3, ("nor_conv_1x1", "nor_conv_3x3"), name="cell")
    layers = [Layer("Conv2D", 4, 3, padding="same"), cell, cell, "ReLU", "GlobalAveragePooling2D"]
    space = ArchitectureSpace((8, 8, 3), [*layers, Layer("Dense", 2)])
    wrapped = nn.Sequential(nn.Identity(), space.sample_architecture(0).build())
    found = compute("az_expressivity", wrapped, torch.zeros(8, 3, 8, 8), labels(*[0, 1] * 4))
    assert found > 2 * math.log(4)


def test_blocks_of_a_wrapped_network_are_its_own() -> None:
    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.inner(x)).softmax(1)

    inner = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    x, y = torch.zeros(9, 3), labels(*range(9))
    for name in ("az_expressivity", "az_trainability"):
        assert compute(name, Wrapped(Wrapped(inner)), x, y) == compute(name, inner, x, y)


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("az_expressivity", 1, "at least 1 blocks, the last not counted, but the network has 0"),
        ("az_progressivity", 2, "at least 2 blocks, the last not counted, but the network has 1"),
        ("az_trainability", 2, "at least 2 blocks, the last not counted, but the network has 1"),
    ],
)
def test_a_network_of_too_few_blocks(name: str, layers: int, message: str) -> None:
    model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers)))
    with pytest.raises(ProxyError, match=message):
        compute(name, model, torch.zeros(4, 3), torch.zeros(4, 3))


def test_az_trainability_needs_blocks_that_lead_to_one_another() -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = (nn.Linear(3, 3) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.head(self.first(x) * self.second(x)))

    with pytest.raises(ProxyError, match="blocks that lead to one another but has none"):
        compute("az_trainability", Apart(), torch.zeros(4, 3), torch.zeros(4, 3))
