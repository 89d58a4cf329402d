"""A network drawn: which boxes there are, and that they do not lie on each other."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from neural_automl.architecture_space import ArchitectureSpace, Layer, Parallel, Repeat, Residual
from neural_automl.report._boxes import boxes_of
from neural_automl.report._drawing import MOST_BOXES, draw, draw_alone
from tests.house.repository import ROOT
from tests.report.studies import branched

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

ZOO = sorted((ROOT / "examples").rglob("*.neural"))


def net(*layers: Any, shape: tuple[int, ...] = (6, 6, 2)) -> Architecture:
    return ArchitectureSpace(shape, list(layers)).sample_architecture(seed=0)


CONV = Layer("Conv2D", 2, 3, padding="same")


def _titles(architecture: Architecture) -> list[str]:
    return [box.title for box in boxes_of(architecture)]


@pytest.mark.parametrize(
    ("layers", "titles"),
    [
        ([CONV], ["input", "Conv2D 3×3"]),
        ([CONV, Layer("BatchNormalization"), Layer("ReLU")], ["input", "Conv2D 3×3"]),
        ([Layer("ReLU"), CONV], ["input", "ReLU", "Conv2D 3×3"]),
        ([Layer("Conv2D", 4, (1, 3), strides=2, padding="same")], ["input", "Conv2D 1×3 /2"]),
        ([Residual([CONV])], ["input", "Conv2D 3×3", "+"]),
        (
            [Residual([Layer("Conv2D", 4, 3, padding="same")])],
            ["input", "Conv2D 3×3", "projection 1×1", "+"],
        ),
        (
            [Parallel([[CONV], [Layer("MaxPooling2D", 1)]])],
            ["input", "Conv2D 3×3", "MaxPooling2D", "concatenate"],
        ),
        ([Layer("SqueezeExcitation", 2)], ["input", "SqueezeExcitation", "×"]),
        ([Layer("GlobalAveragePooling2D")], ["input", "GlobalAvgPooling2D"]),
    ],
    ids=["one", "followers", "before", "stride", "residual", "projection", "parallel", "gate",
         "short"],
)  # fmt: skip
def test_boxes(layers: list[Any], titles: list[str]) -> None:
    assert _titles(net(*layers)) == titles


def test_small_layers_stand_in_the_box_before_them() -> None:
    layers = [CONV, Layer("BatchNormalization"), Layer("Activation", "gelu"), Layer("Dropout", 0.1)]

    assert boxes_of(net(*layers))[1].followers == ("BatchNorm", "gelu", "Dropout")


def test_operations_of_a_cell_are_boxes_of_their_own() -> None:
    boxes = boxes_of(branched())

    edges = {box.path.rpartition(".")[2] for box in boxes if "edge" in box.path}
    assert edges <= {"edge_0_1", "edge_0_2", "edge_1_2"}
    assert edges


def _examples() -> list[Any]:
    """Return networks of every example, and one with every kind of branch."""
    found = [pytest.param(branched(), id="branched")]
    for file in ZOO:
        space = ArchitectureSpace.from_dsl(file)
        for seed in range(2 if space.get_search_space_size() > 1 else 1):
            name = f"{file.stem}-{seed}"
            found.append(pytest.param(space.sample_architecture(seed=seed), id=name))
    return found


@pytest.mark.parametrize("architecture", _examples())
def test_boxes_hold_the_whole_network(architecture: Architecture) -> None:
    boxes = boxes_of(architecture)

    assert sum(box.params for box in boxes) == architecture.cost.params
    assert boxes[-1].shape == architecture.graph.output_shape
    for place, box in enumerate(boxes):
        assert all(source < place for source in box.inputs)
        assert bool(box.inputs) == (place > 0)


def _rectangles(svg: str) -> list[tuple[float, float, float, float]]:
    found = []
    for group in ET.fromstring(svg).iter():
        if group.tag.endswith("rect") and group.get("rx"):
            x, y, w, h = (float(group.get(name, "nan")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _check(architecture: Architecture) -> None:
    svg = draw(architecture)
    rectangles = _rectangles(svg)
    _, _, width, height = map(float, ET.fromstring(svg).get("viewBox", "").split())

    assert len(rectangles) == min(len(boxes_of(architecture)), MOST_BOXES)
    assert not any(_overlap(a, b) for a, b in itertools.combinations(rectangles, 2))
    assert all(
        x >= 0 and y >= 0 and right <= width and low <= height for x, y, right, low in rectangles
    )


@pytest.mark.parametrize("architecture", _examples())
def test_no_box_lies_on_another_or_outside(architecture: Architecture) -> None:
    _check(architecture)


def test_every_edge_is_drawn() -> None:
    # input to convolution, convolution to sum, and the way past it, in two pieces.
    assert draw(net(Residual([CONV]))).count("net-edge") == 4


def test_what_passes_by_takes_a_lane_of_its_own() -> None:
    svg = draw(net(Residual([CONV, CONV])))
    width = float(ET.fromstring(svg).get("width", "0"))

    assert width < 2 * 168  # two lanes, one of them narrow


def test_a_huge_network_is_drawn_in_part_and_says_so() -> None:
    count = MOST_BOXES + 30
    huge = net(Repeat([Layer("Dense", 2)], count), shape=(2,))

    svg = draw(huge)

    assert svg.count("<rect") == MOST_BOXES
    assert f"and {count + 1 - MOST_BOXES} more" in svg


def test_a_drawing_alone_is_a_file_of_svg() -> None:
    svg = draw_alone(branched())

    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<style>" in svg


def test_names_are_escaped() -> None:
    evil = ArchitectureSpace((2,), [Layer("Dense", 2)], name="a<b>'\"").sample_architecture(seed=0)

    assert "a<b>" not in draw(evil)
    ET.fromstring(draw(evil))
