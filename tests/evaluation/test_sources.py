from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from neural_automl.data import hash_arrays
from neural_automl.evaluation._batches import Batches, Form, TensorBatches
from neural_automl.evaluation._sources import (
    ArraySource,
    BatchSource,
    DatasetSource,
    Source,
    open_source,
)
from neural_automl.exceptions import DataError
from tests.evaluation.helpers import blobs, images

CPU = torch.device("cpu")
FORM = Form("none", integers=False, classes=3)


class Samples(Dataset[Any]):
    """A map-style data set, with an alteration that is random or none."""

    def __init__(self, count: int = 20, noise: float = 0.0, shift: float = 0.0) -> None:
        self.x, self.y = blobs(count)
        self.noise = noise
        self.x = self.x + np.float32(shift)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        x = torch.from_numpy(self.x[index])
        return x + torch.randn(4) * self.noise, int(self.y[index])


class Stream(IterableDataset[Any]):
    """Samples one after the other."""

    def __iter__(self) -> Iterator[Any]:
        yield from zip(*blobs(70), strict=True)


class Repeatable:
    """Batches of arrays, again and again, of unknown number."""

    def __init__(self, sizes: tuple[int, ...] = (8, 8, 4)) -> None:
        self.sizes = sizes

    def __iter__(self) -> Iterator[Any]:
        x, y = blobs(sum(self.sizes))
        start = 0
        for size in self.sizes:
            yield x[start : start + size], y[start : start + size]
            start += size


def sizes(batches: Iterator[tuple[Tensor, Tensor]]) -> list[int]:
    return [len(x) for x, _ in batches]


def epoch(batches: Batches, size: int, seed: int = 0) -> list[int]:
    return sizes(batches.training(size, torch.Generator().manual_seed(seed)))


X, Y = blobs(20)


@pytest.mark.parametrize(
    ("data", "kind", "count"),
    [
        pytest.param((X, Y), ArraySource, 20, id="arrays"),
        pytest.param((torch.from_numpy(X), torch.from_numpy(Y)), ArraySource, 20, id="tensors"),
        pytest.param((X.tolist(), Y.tolist()), ArraySource, 20, id="lists"),
        pytest.param(
            TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
            ArraySource,
            20,
            id="tensor set",
        ),
        pytest.param(Samples(20), DatasetSource, 20, id="data set"),
        pytest.param(DataLoader(Samples(20), batch_size=6), BatchSource, 20, id="loader"),
        pytest.param([(X[:12], Y[:12]), (X[12:], Y[12:])], BatchSource, 20, id="list of batches"),
        pytest.param(((X[:12], Y[:12]), (X[12:], Y[12:])), BatchSource, 20, id="tuple of batches"),
        pytest.param(Repeatable(), BatchSource, 20, id="iterable"),
        pytest.param(Stream(), BatchSource, 70, id="stream"),
    ],
)
def test_every_form_of_data_gives_the_same_samples(data: Any, kind: type, count: int) -> None:
    source = open_source(data, "training")
    assert isinstance(source, kind)
    assert source.description.sample_shape == (4,)
    assert source.description.integer_targets
    batches = list(source.place(CPU, FORM).whole(8))
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    expected_x, expected_y = blobs(count)
    assert torch.equal(x, torch.from_numpy(expected_x))
    assert y.tolist() == expected_y.tolist()
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param((X, Y[:-1]), "'training inputs' holds 20 samples but .* 19", id="lengths"),
        pytest.param((X * np.nan, Y), "'training inputs' holds 80 values that are NaN", id="NaN"),
        pytest.param((X, Y - 1), "'training targets' must hold the labels 0 to C-1", id="labels"),
        pytest.param((X[:0], Y[:0]), "'training inputs' is empty", id="empty"),
        pytest.param((), "the training data is empty", id="nothing"),
        pytest.param([], "the training data is empty", id="no batches"),
        pytest.param(iter([(X, Y)]), "can be read again, but is a list_iterator", id="once"),
        pytest.param(((X, Y) for _ in range(2)), "but is a generator", id="generator"),
        pytest.param(5, "but is a int", id="number"),
        pytest.param(([[1.0], [1.0, 2.0]], [0, 1]), "data is not an array", id="ragged"),
        pytest.param([X, Y], r"pairs \(inputs, targets\) but gave a ndarray", id="list of arrays"),
        pytest.param([(X, Y, Y)], r"but gave a tuple of 3", id="triples"),
        pytest.param([(X * np.nan, Y)], "NaN", id="NaN in the first batch"),
    ],
)
def test_data_that_breaks_a_rule_is_refused(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(data, "training")


def test_neither_arrays_nor_tensors_are_changed() -> None:
    x, y = images(shape=(6, 6, 3))
    x_before, y_before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    form = Form("channels_to_front", integers=False, classes=3)
    for data in ((x, y), [(x, y)]):
        batches = open_source(data, "training").place(CPU, form)
        for batch, _ in batches.training(8, torch.Generator()):
            batch.add_(1)
    assert np.array_equal(x, x_before)
    assert np.array_equal(y, y_before)


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        pytest.param(12, 4, [4, 4, 4], id="even"),
        pytest.param(14, 4, [4, 4, 4, 2], id="rest"),
        pytest.param(13, 4, [4, 4, 4], id="a rest of one is left out"),
        pytest.param(3, 1, [1, 1, 1], id="size one"),
        pytest.param(1, 4, [1], id="one sample"),
        pytest.param(5, 100, [5], id="one batch"),
    ],
)
def test_an_epoch_has_every_sample_but_a_last_one_alone(
    count: int, size: int, expected: list[int]
) -> None:
    batches = TensorBatches(torch.arange(count), torch.arange(count), CPU)
    assert epoch(batches, size) == expected
    assert batches.steps(size) == len(expected)
    seen = torch.cat([x for x, _ in batches.training(size, torch.Generator())]).tolist()
    assert len(set(seen)) == sum(expected)
    assert sizes(batches.whole(size)) == [size] * (count // size) + [count % size] * (
        count % size > 0
    )


def test_a_loaded_epoch_leaves_a_single_sample_out_too() -> None:
    loaded = open_source(Repeatable((8, 8, 1)), "training").place(CPU, FORM)
    assert epoch(loaded, 99) == [8, 8]
    assert sizes(loaded.whole(99)) == [8, 8, 1]
    assert epoch(open_source(Samples(9), "training").place(CPU, FORM), 4) == [4, 4]
    assert epoch(open_source(Samples(3), "training").place(CPU, FORM), 1) == [1, 1, 1]


def test_inputs_and_targets_stay_together() -> None:
    batches = TensorBatches(torch.arange(50), torch.arange(50) * 2, CPU)
    for x, y in batches.training(7, torch.Generator().manual_seed(1)):
        assert torch.equal(x * 2, y)


def test_each_epoch_has_an_order_of_its_own_that_the_seed_repeats() -> None:
    batches = TensorBatches(torch.arange(50), torch.arange(50), CPU)

    def orders() -> list[list[int]]:
        generator = torch.Generator().manual_seed(3)
        return [
            torch.cat([x for x, _ in batches.training(8, generator)]).tolist() for _ in range(2)
        ]

    assert orders() == orders()
    assert orders()[0] != orders()[1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("where", ["last", "first"])
def test_images_lie_in_memory_with_their_channels_last_on_the_cpu(
    channels: int, where: str
) -> None:
    x, y = images(shape=(6, 6, channels))
    data = (x, y) if where == "last" else (np.ascontiguousarray(x.transpose(0, 3, 1, 2)), y)
    form = Form("channels_to_front" if where == "last" else "none", integers=False, classes=3)
    placed = open_source(data, "training").place(CPU, form)
    batch, _ = next(placed.training(8, torch.Generator()))
    assert batch.shape == (8, channels, 6, 6)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    whole, _ = next(placed.whole(len(x)))
    assert np.array_equal(whole.numpy(), x.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        pytest.param((X, Y), 3, id="arrays"),
        pytest.param(Samples(20), 3, id="data set"),
        pytest.param(DataLoader(Samples(20), batch_size=5), 4, id="loader"),
        pytest.param([(X, Y), (X, Y)], 2, id="list"),
        pytest.param(Repeatable(), None, id="iterable"),
        pytest.param(Stream(), None, id="stream"),
    ],
)
def test_the_number_of_steps_is_known_where_it_can_be(data: Any, steps: int | None) -> None:
    assert open_source(data, "training").place(CPU, FORM).steps(8) == steps


@pytest.mark.parametrize("data", [(X, Y), Samples(20)], ids=["arrays", "data set"])
def test_a_share_is_held_out_the_same_each_time(data: Any) -> None:
    def labels_of(source: Source) -> list[list[float]]:
        return [row for x, _ in source.place(CPU, FORM).whole(99) for row in x.tolist()]

    source = open_source(data, "training")
    kept, held_out = source.split(0.25, seed=0)
    again = source.split(0.25, seed=0)
    assert len(labels_of(kept)) == 15
    assert labels_of(held_out) == labels_of(again[1])
    assert sorted(labels_of(kept) + labels_of(held_out)) == sorted(X.tolist())
    assert labels_of(source.split(0.25, seed=1)[1]) != labels_of(held_out)


def test_batches_cannot_be_split() -> None:
    with pytest.raises(DataError, match="give validation data of its own"):
        open_source(Repeatable(), "training").split(0.2, seed=0)


def test_a_label_out_of_range_is_found_in_a_later_batch() -> None:
    data = [(X, Y), (X, np.full(20, 3))]
    batches = open_source(data, "training").place(CPU, FORM)
    with pytest.raises(DataError, match=r"labels from 3 to 3 .* room for the labels 0 to 2"):
        epoch(batches, 8)


def fingerprint(data: Any) -> str:
    return hash_arrays(open_source(data, "training").arrays())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param((X, Y), (X.copy(), Y.copy()), True, id="equal arrays"),
        pytest.param((X, Y), (torch.from_numpy(X), torch.from_numpy(Y)), True, id="tensors"),
        pytest.param((X, Y), (X + 1, Y), False, id="other inputs"),
        pytest.param((X, Y), (X, (Y + 1) % 3), False, id="other targets"),
        pytest.param(Samples(), Samples(), True, id="equal sets"),
        pytest.param(Samples(noise=1.0), Samples(noise=1.0), True, id="altered by torch"),
        pytest.param(Samples(), Samples(shift=1.0), False, id="other samples"),
        pytest.param(Samples(20), Samples(23), False, id="other length"),
        pytest.param(
            DataLoader(Samples(), batch_size=4, shuffle=True),
            DataLoader(Samples(), batch_size=4, shuffle=True),
            True,
            id="shuffled loaders",
        ),
        pytest.param(
            DataLoader(Samples(), batch_size=4),
            DataLoader(Samples(), batch_size=5),
            False,
            id="batch size of a loader",
        ),
        pytest.param(Repeatable(), Repeatable(), True, id="equal batches"),
        pytest.param(Repeatable((8, 8)), Repeatable((8, 4)), False, id="other batches"),
        pytest.param(Stream(), Stream(), True, id="streams"),
    ],
)
def test_a_fingerprint_tells_data_apart(first: Any, second: Any, same: bool) -> None:
    assert (fingerprint(first) == fingerprint(second)) is same


def test_looking_at_data_draws_none_of_the_callers_random_numbers() -> None:
    before = torch.get_rng_state()
    for data in (Samples(noise=1.0), DataLoader(Samples(noise=1.0), shuffle=True)):
        fingerprint(data)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("where", ["loader", "sampler"])
def test_a_loaders_own_generator_starts_from_our_seed_and_is_put_back(where: str) -> None:
    own = torch.Generator().manual_seed(8)
    samples = Samples(20)
    loader = (
        DataLoader(samples, batch_size=4, shuffle=True, generator=own)
        if where == "loader"
        else DataLoader(samples, batch_size=4, sampler=RandomSampler(samples, generator=own))
    )
    batches = open_source(loader, "training").place(CPU, FORM)
    before = own.get_state()

    def order(seed: int) -> list[float]:
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([x[:, 0] for x, _ in batches.training(4, generator)]).tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert torch.equal(own.get_state(), before)


def test_half_precision_tensors_are_read() -> None:
    x = torch.from_numpy(X)
    for dtype in (torch.bfloat16, torch.float16):
        source = open_source((x.to(dtype), torch.from_numpy(Y)), "training")
        placed, _ = next(source.place(CPU, FORM).whole(20))
        assert torch.equal(placed, x.to(dtype).float())
