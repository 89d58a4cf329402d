"""An architecture as numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from math import isfinite, log1p
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Call, Cell, Choice, Layer, Maybe
from neural_automl.exceptions import ShapeError
from tests.strategies import architectures

LENGTH = 132
#: Operations, paths, neighbourhoods.
COUNTS = (slice(0, 32), slice(32, 64), slice(64, 128))
NB201 = Path(__file__).parents[1] / "examples" / "zoo" / "nasbench201.neural"


def encoded(*layers: Any, **options: Any) -> list[float]:
    space = ArchitectureSpace((6, 6, 2), layers, **options)
    return space.encode(space.sample_architecture(0))


@settings(max_examples=100)
@given(architecture=architectures())
def test_every_network_has_as_many_finite_numbers(architecture: Architecture) -> None:
    try:
        cost = architecture.cost
    except ShapeError:
        assume(False)
    space = ArchitectureSpace((4,), ["ReLU"])

    numbers = space.encode(architecture)

    assert len(numbers) == LENGTH
    assert all(isfinite(number) and number >= 0 for number in numbers)
    assert numbers[128:] == [
        log1p(cost.params), log1p(cost.macs), log1p(cost.peak_memory_bytes), log1p(cost.depth)
    ]  # fmt: skip


def test_counts_are_of_the_simplified_graph() -> None:
    plain = encoded(Layer("Conv2D", 4, 3), "ReLU", "Flatten", Layer("Dense", 3))
    longer = encoded(
        Layer("Conv2D", 4, 3), "ReLU", "ReLU", "SkipConnection", "Flatten", Layer("Dense", 3)
    )

    assert longer[:128] == plain[:128]


@pytest.mark.parametrize("part", COUNTS, ids=["operations", "paths", "neighbourhoods"])
def test_each_kind_of_count_tells_networks_apart(part: slice) -> None:
    one = encoded(Layer("Conv2D", 4, 3, padding="same"), Layer("Conv2D", 2, 1), "ReLU")
    other = encoded(Layer("Conv2D", 4, 3, padding="same"), "ReLU", Layer("Dense", 2))

    assert one[part] != other[part]


def test_neighbourhoods_see_the_order_that_operations_do_not() -> None:
    layers = [Layer("Conv2D", 2, 1), Layer("Conv2D", 2, 3, padding="same"), "ReLU"]
    one, other = encoded(*layers), encoded(layers[1], layers[0], layers[2])

    assert one[COUNTS[0]] == other[COUNTS[0]]
    assert one[COUNTS[2]] != other[COUNTS[2]]


def test_paths_are_counted_in_every_way_through() -> None:
    cell = Cell(2, [Call("Conv2D", {"filters": 2, "kernel_size": 1})])
    once, thrice = encoded(cell), encoded(cell, cell, cell)

    assert sum(thrice[COUNTS[1]]) > sum(once[COUNTS[1]])


def test_training_and_name_do_not_count() -> None:
    layers = ["Flatten", Layer("Dense", 3)]

    trained = encoded(*layers, hyperparameters={"training": {"epochs": 3}}, name="Other")

    assert trained == encoded(*layers)


def test_cells_of_the_benchmark_differ_and_those_that_are_one_function_do_not() -> None:
    space = ArchitectureSpace.from_dsl(NB201)
    drawn = [space.sample_architecture(seed) for seed in range(25)]
    by_key = {each.key: tuple(space.encode(each)[:128]) for each in drawn}

    assert len(set(by_key.values())) == len(by_key)
    assert all(tuple(space.encode(each)[:128]) == by_key[each.key] for each in drawn)


def test_where_shapes_cannot_follow_there_are_no_numbers() -> None:
    space = ArchitectureSpace((2, 2, 1), [Layer("MaxPooling2D", Choice(2, 5)), Maybe("ReLU")])
    bad = next(a for a in map(_draw(space), range(99)) if space.violations(a))

    with pytest.raises(ShapeError):
        space.encode(bad)


def _draw(space: ArchitectureSpace) -> Any:
    return lambda seed: space.sample_architecture(seed, feasible=False)


def test_another_process_gives_the_same_numbers() -> None:
    code = (
        "import json, sys\n"
        "from neural_automl.architecture_space import ArchitectureSpace\n"
        "space = ArchitectureSpace.from_dsl(sys.argv[1])\n"
        "print(json.dumps(space.encode(space.sample_architecture(3))))\n"
    )
    space = ArchitectureSpace.from_dsl(NB201)

    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(NB201)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(NB201.parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert [json.loads(output) for output in outputs] == [
        space.encode(space.sample_architecture(3))
    ]
