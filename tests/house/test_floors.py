from __future__ import annotations

import pytest

from tests.house.floors import FLOORS, LAZY, Import, floor_of, read_imports, violations
from tests.house.repository import modules


def test_imports_go_down() -> None:
    found = [
        line for name, path in modules().items() for line in violations(name, path.read_text())
    ]

    assert found == []


def test_every_exception_is_taken() -> None:
    taken = {
        (Import(name, 0).part, found.scope, found.part)
        for name, path in modules().items()
        for found in read_imports(path.read_text())
    }

    assert LAZY - taken == set()


def test_no_part_is_on_two_floors() -> None:
    parts = [part for row in FLOORS.values() for part in row]

    assert len(parts) == len(set(parts))


ALLOWED = {
    "same floor": ("graph", "from neural_automl.primitives import PRIMITIVES"),
    "down": ("engine", "from neural_automl.objective import ArchitectureObjective"),
    "version": ("objective", "from neural_automl import __version__"),
    "within a folder": ("dsl._parser", "from neural_automl.dsl._lexer import lex"),
    "standard library": ("graph", "import collections.abc"),
    "lark for the text": ("dsl._parser", "import lark"),
    "types alone": (
        "architecture",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import nn",
    ),
    "listed method": (
        "architecture",
        "class Architecture:\n    def build(self):\n        import neural_automl.backends",
    ),
    "text knows space": ("dsl", "from neural_automl.architecture_space import ArchitectureSpace"),
    "side to side": ("samplers.a", "from neural_automl.samplers._define_by_run import record"),
    "side to errors": ("samplers.a", "from neural_automl.exceptions import NeuralAutoMLError"),
    "side to host": ("pruners.a._pruner", "import optuna\nimport numpy as np"),
    "floor 3 to side": ("registry", "from neural_automl.samplers.a import ASampler"),
}


@pytest.mark.parametrize(("part", "source"), ALLOWED.values(), ids=ALLOWED)
def test_checker_lets_pass(part: str, source: str) -> None:
    assert violations(f"neural_automl.{part}", source) == []


PLANTED = {
    "up": ("graph", "from neural_automl.engine import AutoMLEngine", "of floor 4"),
    "up by the package": ("graph", "from neural_automl import engine", "of floor 4"),
    "up by plain import": ("cost", "import neural_automl.evaluation", "of floor 2"),
    "up by string": (
        "cost",
        "import importlib\nimportlib.import_module('neural_automl.cli')",
        "of floor 5",
    ),
    "up inside a function": (
        "architecture",
        "class Architecture:\n    def cost(self):\n        import neural_automl.backends",
        "of floor 2",
    ),
    "up for types": (
        "graph",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import neural_automl.engine",
        "of floor 4",
    ),
    "listed method, other part": (
        "architecture",
        "class Architecture:\n    def build(self):\n        import neural_automl.engine",
        "of floor 4",
    ),
    "space to text": ("architecture_space", "import neural_automl.dsl", "stands on it"),
    "private space to text": ("_space_size", "import neural_automl.dsl", "stands on it"),
    "facade": ("engine", "from neural_automl import ArchitectureSpace", "is no part"),
    "relative": ("engine", "from .cli import main", "relative import"),
    "torch low": ("cost", "import torch", "floor 0 loads torch"),
    "optuna low": ("architecture_space", "from optuna import Trial", "floor 1 loads optuna"),
    "torch low in a function": ("graph", "def f():\n    import torch.nn", "loads torch.nn"),
    "side to ours": ("samplers.a", "import neural_automl.registry", "sampler or pruner"),
    "side to torch": ("pruners.a", "import torch", "sampler or pruner"),
    "side, relative": ("samplers.a", "from ._sampler import A", "sampler or pruner"),
    "low to side": ("evaluation", "import neural_automl.samplers", "floor 2 imports"),
    "no floor": ("helpers", "", "is on no floor"),
}


@pytest.mark.parametrize(("part", "source", "message"), PLANTED.values(), ids=PLANTED)
def test_checker_finds(part: str, source: str, message: str) -> None:
    (found,) = violations(f"neural_automl.{part}", source)

    assert message in found


def test_private_parts_of_the_space_are_on_its_floor() -> None:
    assert floor_of("_space_nodes") == 1
    assert floor_of("spaceship") is None


def test_reader_tells_where_an_import_stands() -> None:
    source = "import a.b\nclass C:\n    def f(self):\n        from c import d"

    assert read_imports(source) == [Import("a.b", 1), Import("c", 4, "C.f")]
