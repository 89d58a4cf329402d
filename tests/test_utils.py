"""The helpers: hash, similarity, check, table, text."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.dsl import parse
from neural_automl.exceptions import ExportError, ShapeError, SpaceError
from neural_automl.utils import (
    compare_architectures,
    create_architecture_summary,
    export_architecture_to_dsl,
    hash_architecture,
    validate_architecture,
)
from tests.house.repository import ROOT
from tests.spaces import image_space
from tests.strategies import architectures


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


def net(*layers: LayerConfig, shape: tuple[int, ...] = (8, 8, 3), **rest: Any) -> Architecture:
    return Architecture(shape, layers, **rest)


def chain(*widths: int) -> Architecture:
    return net(*(layer("Dense", units=width) for width in widths), shape=(4,))


def feasible(architecture: Architecture) -> Architecture:
    try:
        _ = architecture.graph
    except SpaceError:
        assume(False)
    return architecture


# --- hash ----------------------------------------------------------------------------------------


def test_the_hash_is_the_key() -> None:
    assert hash_architecture(chain(3)) == chain(3).key != hash_architecture(chain(4))


def test_the_hash_leaves_training_and_name_aside() -> None:
    other = dataclasses.replace(chain(3), name="Other", training={"epochs": 7})

    assert hash_architecture(other) == hash_architecture(chain(3))


# --- similarity ----------------------------------------------------------------------------------


@given(architectures("image"), architectures("image"))
def test_similarity_is_symmetric_and_one_for_equal_keys_alone(
    a: Architecture, b: Architecture
) -> None:
    alike = compare_architectures(feasible(a), feasible(b))

    assert alike == compare_architectures(b, a)
    assert 0 <= alike <= 1
    assert (alike == 1) == (a.key == b.key)


@given(architectures())
def test_an_architecture_is_like_itself(a: Architecture) -> None:
    same = Architecture.from_dict(feasible(a).to_dict())

    assert compare_architectures(a, same) == 1


@given(st.lists(st.integers(1, 5), min_size=3, max_size=8), st.data())
def test_one_more_change_is_no_more_alike_on_average(
    widths: list[int], data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(len(widths))))
    changed, alike = [*widths], [1.0]
    for number, place in enumerate(places):
        changed[place] = 10 + number
        alike.append(compare_architectures(chain(*widths), chain(*changed)))

    half = len(alike) // 2
    assert sum(alike[:half]) / half > sum(alike[half:]) / len(alike[half:])
    assert alike[0] > alike[1] > alike[-1]


def test_what_is_far_apart_is_told_apart() -> None:
    # Both have equal labels within two steps: the swapped layers stand among equal neighbours.
    a, b = chain(5, 5, 5, 5, 5, 7, 5, 5, 5, 5, 5, 5), chain(5, 5, 5, 5, 5, 5, 7, 5, 5, 5, 5, 5)

    assert 0.95 < compare_architectures(a, b) < 1


def test_the_order_of_a_sum_does_not_count_for_labels() -> None:
    branches = layer("Conv2D", filters=4, kernel_size=1), layer("Dense", units=4)
    a, b = (net(layer("parallel", *pair, merge="add")) for pair in (branches, branches[::-1]))
    concatenated = [
        net(layer("parallel", *pair, merge="concat")) for pair in (branches, branches[::-1])
    ]

    assert compare_architectures(a, b) > compare_architectures(*concatenated)


def test_nothing_in_common_is_nothing_alike() -> None:
    assert compare_architectures(chain(3), net(layer("Flatten"), shape=(2, 2, 2))) == 0


def test_similarity_needs_shapes_that_follow() -> None:
    with pytest.raises(ShapeError, match=r"^layers\[0\]: "):
        compare_architectures(chain(3), net(layer("LSTM", units=3)))


# --- check ---------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Any, list[str]]] = {
    "nothing": (chain(3), []),
    "a dictionary": (chain(3).to_dict(), []),
    "an unknown layer": (
        net(layer("Dnse")),
        ["layers[0]: unknown layer 'Dnse'; did you mean Dense"],
    ),
    "several": (
        net(layer("Dense", units=-1), layer("residual", layer("Dropout", rate=2)), layer("Dense")),
        [
            "layers[0]: 'units' must be positive, at least 1 but got -1",
            "layers[1][0]: 'rate' must be between 0 and 1 (1 excluded) but got 2",
            "layers[2]: Dense requires 'units'",
        ],
    ),
    "a shape": (net(layer("LSTM", units=3)), ["layers[0]: "]),
    "no dictionary": ([1], ["an architecture must be a dictionary but got [1]"]),
    "no layers": ({"input": {"shape": [3]}}, ["an architecture needs 'input'"]),
    "an unknown loss": ({**chain(3).to_dict(), "loss": "best"}, ["loss must be one of"]),
    "an open value": (
        {
            "input": {"shape": [3]},
            "layers": [{"type": "Dense", "params": {"units": {"hpo": {}}}}],
        },
        ["layers[0]: "],
    ),
}


@pytest.mark.parametrize(("architecture", "problems"), WRONG.values(), ids=WRONG)
def test_validate_lists_what_is_wrong(architecture: Any, problems: list[str]) -> None:
    found = validate_architecture(architecture)

    assert len(found) == len(problems)
    assert all(text.startswith(start) for text, start in zip(found, problems, strict=True))


@given(architectures())
def test_valid_is_what_can_be_lowered(architecture: Architecture) -> None:
    try:
        _ = architecture.graph
    except SpaceError:
        assert validate_architecture(architecture)
    else:
        assert validate_architecture(architecture) == []


# --- table ---------------------------------------------------------------------------------------


def test_the_table_of_a_small_network() -> None:
    architecture = net(
        layer("residual", layer("Conv2D", filters=4, kernel_size=3, padding="same")),
        layer("SkipConnection"),
        layer("Flatten"),
        layer("Dense", units=10, activation="softmax"),
    )

    assert create_architecture_summary(architecture).splitlines() == [
        "layer           type            output     params    MACs",
        "---------------------------------------------------------",
        "input                           (8, 8, 3)",
        "layers[0]       residual        (8, 8, 4)      20     768",
        "  layers[0][0]  Conv2D          (8, 8, 4)     112   6,912",
        "layers[1]       SkipConnection  (8, 8, 4)       0       0",
        "layers[2]       Flatten         (256,)          0       0",
        "layers[3]       Dense           (10,)       2,570   2,560",
        "---------------------------------------------------------",
        "total                           (10,)       2,702  10,240",
    ]


@given(architectures())
def test_the_rows_add_up_to_the_cost(architecture: Architecture) -> None:
    lines = create_architecture_summary(feasible(architecture)).splitlines()
    counts = [
        [int(number.replace(",", "")) for number in line.split(")")[-1].split()]
        for line in lines[3:-2]
    ]

    cost = architecture.cost
    assert [sum(row[0] for row in counts), sum(row[1] for row in counts)] == [
        cost.params,
        cost.macs,
    ]
    assert re.findall(r"[\d,]+$", lines[-1]) == [f"{cost.macs:,}"]


def test_the_table_follows_a_published_network() -> None:
    space = ArchitectureSpace.from_dsl(ROOT / "examples" / "zoo" / "resnet18.neural")
    table = create_architecture_summary(space.sample_architecture(seed=0))

    assert "11,689,512" in table.splitlines()[-1]
    assert "(7, 7, 512)" in table


def test_a_layer_that_stands_twice_has_two_rows() -> None:
    twice = LayerConfig("Dense", {"units": 4}, path="layers[0]")
    table = create_architecture_summary(net(twice, twice, shape=(4,)))

    assert table.count("layers[0]") == 2
    assert table.splitlines()[-1].split()[-2:] == ["40", "32"]


def test_the_table_needs_shapes_that_follow() -> None:
    with pytest.raises(ShapeError):
        create_architecture_summary(net(layer("LSTM", units=3)))


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_text_reads_back(seed: int) -> None:
    architecture = image_space().sample_architecture(seed)

    model = parse(export_architecture_to_dsl(architecture)).model

    assert Architecture.from_dict(model) == architecture


def test_a_file_is_written_once(tmp_path: Path) -> None:
    file = tmp_path / "best.neural"

    text = export_architecture_to_dsl(chain(3), file)

    assert file.read_text(encoding="utf-8") == text == chain(3).to_dsl()
    with pytest.raises(ExportError, match="is there already; choose a new file"):
        export_architecture_to_dsl(chain(4), str(file))
    assert file.read_text(encoding="utf-8") == text


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="can't be written: No such file"):
        export_architecture_to_dsl(chain(3), tmp_path / "none" / "best.neural")
