"""Both backends compute the same: random networks of every layer, weights carried both ways."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.backends import transfer_weights
from neural_automl.backends.tensorflow._model import count_params, weights_of
from tests.backends.helpers import (
    architectures,
    assert_equal,
    built,
    inputs_for,
    run_keras,
    run_torch,
)

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

pytestmark = [
    pytest.mark.slow,
    # A drawn network may well take a softmax over one channel.
    pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning"),
]

CASES = architectures(seed=0)
ZOO = Path(__file__).parents[2] / "examples" / "zoo"

#: Loads each file alone, gives it weights, and keeps what it puts out.
ALONE = """
import sys
from pathlib import Path
from runpy import run_path

import numpy as np
from safetensors.numpy import load_file

for path in sorted(Path(sys.argv[1]).glob("*.py")):
    model = run_path(str(path))["build_model"]()
    weights = load_file(path.with_suffix(".safetensors"))
    assert {variable.path for variable in model.weights} == set(weights)
    for variable in model.weights:
        variable.assign(weights[variable.path])
    inputs = np.load(path.with_suffix(".npy"))
    np.save(path.with_suffix(".out.npy"), np.asarray(model(inputs, training=False)))
assert "neural_automl" not in sys.modules and "torch" not in sys.modules
"""


def lstm_units(architecture: Architecture) -> int:
    nodes = architecture.graph.built_nodes()
    return sum(node.attribute_values()["units"] for node in nodes if node.op == "LSTM")


@pytest.mark.parametrize("case", CASES)
def test_both_backends_give_the_same_outputs(case: str) -> None:
    architecture = CASES[case]
    inputs = inputs_for(architecture)
    module, model = built(architecture), architecture.build("tensorflow")

    transfer_weights(module, model, architecture)
    outputs = run_keras(model, inputs)

    assert_equal(run_torch(module, inputs), outputs)
    assert count_params(model) == architecture.cost.params - 4 * lstm_units(architecture)
    back = architecture.build("pytorch").eval()
    transfer_weights(model, back, architecture)
    assert_equal(run_torch(back, inputs), outputs)


def test_files_alone_give_the_same_outputs(tmp_path: Path) -> None:
    expected = {}
    for case, architecture in CASES.items():
        inputs, model = inputs_for(architecture), architecture.build("tensorflow")
        (tmp_path / f"{case}.py").write_text(architecture.to_source("tensorflow"))
        save_file(weights_of(model), tmp_path / f"{case}.safetensors")
        np.save(tmp_path / f"{case}.npy", inputs)
        expected[case] = run_keras(model, inputs)

    _run_alone(tmp_path)

    for case, outputs in expected.items():
        assert_equal(np.load(tmp_path / f"{case}.out.npy"), outputs)


def _run_alone(folder: Path) -> None:
    script = folder.parent / "alone.py"
    script.write_text(ALONE)
    found = subprocess.run(
        [sys.executable, str(script), str(folder)],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def _environment() -> Mapping[str, str]:
    import os

    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


# --- the zoo -------------------------------------------------------------------------------------

#: vgg11 has half a gigabyte of weights; its layers are those of the others.
NETWORKS = (
    *("darts", "lenet5", "lstm_text", "mobilenet_v2", "nasbench201", "resnet18"),
    "vision_transformer",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_zoo_in_both_backends(name: str) -> None:
    architecture = ArchitectureSpace.from_dsl(ZOO / f"{name}.neural").sample_architecture(seed=1)
    inputs: Any = inputs_for(architecture, batch=1)
    module, model = built(architecture), architecture.build("tensorflow")

    transfer_weights(module, model, architecture)

    assert_equal(run_torch(module, inputs), run_keras(model, inputs))
    assert count_params(model) == architecture.cost.params - 4 * lstm_units(architecture)
