from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from neural_automl.architecture import LayerConfig
from neural_automl.data import Task
from neural_automl.evaluation._batches import Form
from neural_automl.evaluation._fit import Description, check_targets, find_move
from neural_automl.evaluation._settings import resolve_loss, task_of
from neural_automl.exceptions import DataError
from tests.evaluation.helpers import dense

Layout = Literal["auto", "channels_last", "channels_first"]


def labels(largest: int, columns: int | None = None) -> Description:
    return Description((4,), True, columns, 0, largest)


def values(columns: int | None = None, smallest: float = 0, largest: float = 1) -> Description:
    return Description((4,), False, columns, smallest, largest)


@pytest.mark.parametrize(
    ("sample", "wanted", "layout", "move"),
    [
        pytest.param((8, 8, 1), (8, 8, 1), "auto", "channels_to_front", id="gray, last"),
        pytest.param((1, 8, 8), (8, 8, 1), "auto", "none", id="gray, first"),
        pytest.param((8, 8), (8, 8, 1), "auto", "add_front", id="gray, no channel"),
        pytest.param((32, 24, 3), (32, 24, 3), "auto", "channels_to_front", id="color, last"),
        pytest.param((3, 32, 24), (32, 24, 3), "auto", "none", id="color, first"),
        pytest.param((3, 3, 3), (3, 3, 3), "channels_first", "none", id="cube, said first"),
        pytest.param((3, 3, 3), (3, 3, 3), "channels_last", "channels_to_front", id="cube, last"),
        pytest.param((1, 1, 1), (1, 1, 1), "auto", "none", id="one pixel lies both ways"),
        pytest.param((20, 5), (20, 5), "auto", "none", id="sequence"),
        pytest.param((5, 5), (5, 5), "auto", "none", id="square sequence"),
        pytest.param((20,), (20, 1), "auto", "add_back", id="sequence, no channel"),
        pytest.param((4,), (4,), "auto", "none", id="features"),
        pytest.param((), (1,), "auto", "add_back", id="one number"),
    ],
)
def test_a_sample_that_fits_is_brought_into_place(
    sample: tuple[int, ...], wanted: tuple[int, ...], layout: Layout, move: str
) -> None:
    assert find_move(sample, wanted, layout) == move


@pytest.mark.parametrize(
    ("sample", "wanted", "layout"),
    [
        pytest.param((8, 8, 3), (8, 8, 1), "auto", id="channels"),
        pytest.param((8, 9, 1), (8, 8, 1), "auto", id="width"),
        pytest.param((8, 8), (8, 8, 3), "auto", id="no channel of three"),
        pytest.param((32, 24, 3), (24, 32, 3), "auto", id="height and width"),
        pytest.param((3, 24, 32), (32, 24, 3), "auto", id="width and height, first"),
        pytest.param((1, 8, 8), (8, 8, 1), "channels_last", id="first, said last"),
        pytest.param((8, 8, 1), (8, 8, 1), "channels_first", id="last, said first"),
        pytest.param((5, 20), (20, 5), "auto", id="sequence turned"),
        pytest.param((64,), (8, 8, 1), "auto", id="flattened"),
        pytest.param((5,), (4,), "auto", id="features"),
        pytest.param((4, 1), (4,), "auto", id="features with a channel"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused_with_both_shapes(
    sample: tuple[int, ...], wanted: tuple[int, ...], layout: Layout
) -> None:
    with pytest.raises(DataError) as caught:
        find_move(sample, wanted, layout)
    assert f"{sample}" in str(caught.value)
    assert f"{wanted}" in str(caught.value)


def test_a_sample_that_fits_in_two_ways_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"both with the channels last and .* `data_layout`"):
        find_move((3, 3, 3), (3, 3, 3))


PIXELS = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)  # N, H, W, C


@pytest.mark.parametrize(
    ("move", "x", "expected"),
    [
        pytest.param("channels_to_front", PIXELS, PIXELS.movedim(3, 1), id="last"),
        pytest.param("none", PIXELS, PIXELS, id="first"),
        pytest.param("add_front", PIXELS[..., 0], PIXELS[..., 0].unsqueeze(1), id="no channel"),
        pytest.param("add_back", PIXELS[:, 0, :, 0], PIXELS[:, 0, :, :1], id="sequence"),
    ],
)
def test_every_pixel_comes_to_its_place(move: Any, x: Tensor, expected: Tensor) -> None:
    assert torch.equal(Form(move, integers=False, classes=None).inputs(x), expected)


@pytest.mark.parametrize(
    ("x", "integers", "dtype", "largest"),
    [
        pytest.param(
            torch.full((2, 3, 3), 255, dtype=torch.uint8), False, torch.float32, 1, id="8"
        ),
        pytest.param(torch.full((2, 3), 255, dtype=torch.uint8), False, torch.float32, 255, id="r"),
        pytest.param(torch.full((2, 3), 7), True, torch.int64, 7, id="tokens"),
        pytest.param(torch.full((2, 3), 7), False, torch.float32, 7, id="integers"),
        pytest.param(torch.full((2, 3), 0.5).double(), False, torch.float32, 0.5, id="doubles"),
    ],
)
def test_inputs_get_the_type_that_the_network_takes(
    x: Tensor, integers: bool, dtype: torch.dtype, largest: float
) -> None:
    formed = Form("none", integers, None).inputs(x)
    assert formed.dtype == dtype
    assert formed.max() == largest


@pytest.mark.parametrize(
    ("y", "classes", "expected"),
    [
        pytest.param(torch.tensor([1, 0]), 2, torch.tensor([1, 0]), id="labels"),
        pytest.param(torch.tensor([[1], [0]]), 2, torch.tensor([1, 0]), id="column of labels"),
        pytest.param(torch.tensor([1, 0]), None, torch.tensor([[1.0], [0.0]]), id="as values"),
        pytest.param(torch.tensor([[1.5, 2]]), None, torch.tensor([[1.5, 2.0]]), id="values"),
    ],
)
def test_targets_get_the_form_that_the_loss_takes(
    y: Tensor, classes: int | None, expected: Tensor
) -> None:
    formed = Form("none", False, classes).targets(y)
    assert torch.equal(formed, expected)
    assert formed.dtype == expected.dtype


@pytest.mark.parametrize(
    ("data", "output", "loss"),
    [
        pytest.param(labels(2), (3,), "cross_entropy", id="three classes"),
        pytest.param(labels(1), (3,), "cross_entropy", id="room to spare"),
        pytest.param(labels(1), (1,), "binary_crossentropy", id="two classes, one output"),
        pytest.param(labels(1, 4), (4,), "binary_crossentropy", id="several labels"),
        pytest.param(values(), (1,), "binary_crossentropy", id="probabilities"),
        pytest.param(values(), (1,), "mse", id="one value"),
        pytest.param(values(3), (3,), "mae", id="three values"),
        pytest.param(labels(9), (1,), "huber", id="integers as values"),
    ],
)
def test_targets_that_fit_pass(data: Description, output: tuple[int, ...], loss: str) -> None:
    check_targets(data, output, loss, "training")


@pytest.mark.parametrize(
    ("data", "output", "loss", "message"),
    [
        pytest.param(
            labels(5), (5,), "cross_entropy", r"label 5 but .*\(5,\), has room .* 0 to 4", id="many"
        ),
        pytest.param(values(), (3,), "cross_entropy", "are floating-point", id="values"),
        pytest.param(
            labels(1, 3), (3,), "cross_entropy", r"integers of shape \(N, 3\)", id="columns"
        ),
        pytest.param(labels(2), (4, 4, 3), "cross_entropy", r"ends in \(4, 4, 3\)", id="image"),
        pytest.param(
            labels(2), (3,), "binary_crossentropy", r"shape \(1,\) but ends in \(3,\)", id="3 out"
        ),
        pytest.param(labels(2), (1,), "binary_crossentropy", "go from 0 to 2", id="three classes"),
        pytest.param(
            values(smallest=-0.5), (1,), "binary_crossentropy", "from -0.5 to 1", id="negative"
        ),
        pytest.param(values(2), (1,), "mse", r"hold 2 values .* ends in \(1,\)", id="columns too"),
        pytest.param(values(), (4, 1), "mse", r"\(1,\) but ends in \(4, 1\)", id="sequence out"),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    data: Description, output: tuple[int, ...], loss: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_targets(data, output, loss, "training")


def ends_in(units: int, activation: str | None, loss: str | None = None) -> Any:
    architecture = dense(units, loss=loss)
    if activation is None:
        return architecture
    last = LayerConfig("Dense", {"units": units, "activation": activation})
    return type(architecture)((4,), (*architecture.layers[:-1], last), loss=loss)


@pytest.mark.parametrize(
    ("architecture", "task", "data_task", "classes", "loss"),
    [
        pytest.param(ends_in(3, None), None, "classification", 3, "cross_entropy", id="labels"),
        pytest.param(ends_in(1, None), None, "regression", None, "mse", id="values"),
        pytest.param(
            ends_in(1, None), None, "classification", 2, "binary_crossentropy", id="two classes"
        ),
        pytest.param(ends_in(2, None), None, "classification", 2, "cross_entropy", id="two out"),
        pytest.param(ends_in(1, None), "regression", "classification", 9, "mse", id="task said"),
        pytest.param(
            ends_in(3, "softmax"), None, "classification", 3, "cross_entropy", id="softmax"
        ),
        pytest.param(
            ends_in(1, "sigmoid"), None, "regression", None, "binary_crossentropy", id="sigmoid"
        ),
        pytest.param(ends_in(1, None, "mae"), None, "classification", 3, "mae", id="loss said"),
        pytest.param(
            ends_in(1, "sigmoid", "mse"), "regression", "regression", None, "mse", id="kept sigmoid"
        ),
        pytest.param(
            ends_in(3, None, "sparse_categorical_crossentropy"),
            None,
            "classification",
            3,
            "cross_entropy",
            id="alias",
        ),
    ],
)
def test_the_loss_is_the_architectures_the_heads_or_the_tasks(
    architecture: Any, task: Task | None, data_task: Task, classes: int | None, loss: str
) -> None:
    found = resolve_loss(architecture.loss, architecture.graph, task, data_task, classes)
    assert found == loss


@pytest.mark.parametrize(
    ("loss", "task"),
    [("mse", "classification"), ("cross_entropy", "regression"), ("huber", "classification")],
)
def test_a_loss_for_another_task_is_refused(loss: str, task: Task) -> None:
    with pytest.raises(DataError, match=f"the loss {loss} is for a {task_of(loss)} but .* {task}"):
        resolve_loss(loss, dense().graph, task, task, None)


def test_a_description_knows_task_and_classes() -> None:
    assert (labels(4).task, labels(4).classes) == ("classification", 5)
    assert (labels(1, 7).task, labels(1, 7).classes) == ("classification", 7)
    assert (values(2).task, values(2).classes) == ("regression", None)
    assert np.isclose(values(largest=2.5).largest, 2.5)
