"""Exports to both frameworks and ONNX, from either backend, tried and refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.backends.tensorflow._model import weights_of
from neural_automl.exceptions import ExportError
from neural_automl.export import ModelCard, _check, _export, export_architecture
from neural_automl.export._inputs import batch_for
from neural_automl.export._user_files import SOURCES
from tests.backends.helpers import assert_equal, built
from tests.spaces import SPACES, feasible, many

pytestmark = pytest.mark.slow


def digits(name: str = "Digits") -> Architecture:
    layers = (
        LayerConfig("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
        LayerConfig("BatchNormalization"),
        LayerConfig("ReLU"),
        LayerConfig("Flatten"),
        LayerConfig("Dense", {"units": 3, "activation": "softmax"}),
    )
    return Architecture((8, 8, 2), layers, name=name)


@pytest.mark.parametrize("trained_on", ["pytorch", "tensorflow"])
def test_a_network_goes_home_from_either_backend(trained_on: str, tmp_path: Path) -> None:
    architecture = digits()
    weights: Any = (
        built(architecture).state_dict()
        if trained_on == "pytorch"
        else weights_of(architecture.build("tensorflow"))
    )

    files = export_architecture(
        architecture, tmp_path / "home", formats=["pytorch", "keras"], weights=weights
    )

    assert sorted(file.name for file in files) == [
        *("README.md", "keras_model.py", "keras_weights.safetensors", "model.py"),
        "weights.safetensors",
    ]
    assert (
        'load_file("keras_weights.safetensors")' in (tmp_path / "home/keras_model.py").read_text()
    )
    assert {file.name for file in (tmp_path / "home").iterdir()} == {file.name for file in files}


def test_the_default_is_what_it_was_trained_with(tmp_path: Path) -> None:
    weights = weights_of(digits().build("tensorflow"))

    files = export_architecture(digits(), tmp_path / "home", weights=weights, check=False)

    assert [file.name for file in files] == [
        *("keras_model.py", "network.neural", "architecture.json", "README.md"),
        "keras_weights.safetensors",
    ]


def test_the_card_says_how_to_load_it(tmp_path: Path) -> None:
    architecture = digits("Digits2")
    card = ModelCard({"val_accuracy": 0.9871234567}, "abc", {"study": "a|b", "trial": 3})

    export_architecture(
        architecture,
        tmp_path / "home",
        formats=["pytorch", "json", "dsl"],
        weights=built(architecture).state_dict(),
        card=card,
        check=False,
    )
    text = (tmp_path / "home" / "README.md").read_text()

    for line in (
        "# Digits2",
        "| val_accuracy | 0.987123 |",
        "| fingerprint | abc |",
        "| study | a\\|b |",
        "| `layers[0]` | Pad, Conv 3x3 | (4, 4, 4) | 76 |",
        "These are logits: softmax makes them probabilities. Weights: trained.",
    ):
        assert line in text
    for code in text.split("```python\n")[1:]:
        ran = subprocess.run(
            [sys.executable, "-c", code.partition("```")[0]],
            cwd=tmp_path / "home",
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("pytorch", "(batch, 2, 8, 8), channels first"),
        ("keras", "(batch, 8, 8, 2), channels last"),
    ],
)
def test_card_and_source_say_what_the_inputs_are(name: str, layout: str, tmp_path: Path) -> None:
    card = ModelCard(epochs=2, scaling="values 0 to 16 divided by 16")
    architecture = replace(digits(), training={"epochs": 18, "batch_size": 32})

    export_architecture(architecture, tmp_path / "home", formats=[name], card=card, check=False)
    text = (tmp_path / "home" / "README.md").read_text()
    source = (tmp_path / "home" / SOURCES[name]).read_text()

    assert f", for inputs of shape {layout}:" in text
    assert "Inputs, as in training: values 0 to 16 divided by 16." in text
    assert "| epochs | 2 |" in text
    assert "18" not in text.partition("## Training")[2].partition("## Network")[0]
    told = " ".join(source.split('"""')[1].split())
    assert f"Input {layout}, values 0 to 16 divided by 16; output" in told


# --- what is refused -----------------------------------------------------------------------------


def broken(name: str, text: str) -> Any:
    """Return what writes one file other than it should be."""
    contents = _export._contents

    def write(architecture: Architecture, formats: Any, scaling: str) -> dict[str, str]:
        made = contents(architecture, formats, scaling)
        return made | {name: text.join(made[name].split("nn.ReLU()"))}

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nn.GELU()", "the outputs of model.py differ from the network's by"),
        ("nn.NoSuch()", "model.py does not run in a process of its own: AttributeError"),
        ("__import__('neural_automl') and nn.ReLU()", "it loads neural_automl"),
    ],
    ids=["other outputs", "does not run", "not alone"],
)
def test_a_file_that_is_not_the_network_is_no_export(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_export, "_contents", broken("model.py", text))

    with pytest.raises(ExportError, match=message):
        export_architecture(digits(), tmp_path / "home", weights=built(digits()).state_dict())

    assert not (tmp_path / "home").exists()


def test_outputs_of_another_shape_are_told() -> None:
    with pytest.raises(ExportError, match=r"gives outputs of shape \(3, 2\), not \(3, 4\)"):
        _check._compare(np.zeros((3, 2)), np.zeros((3, 4)), "keras")
    with pytest.raises(ExportError, match="differ from the network's by nan"):
        _check._compare(np.full((3, 4), np.nan), np.zeros((3, 4)), "keras")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ["tf"]}, ValueError, "must be one of pytorch, keras, onnx, dsl, json but got"),
        ({"formats": ["onnx"]}, ExportError, "holds the weights, but none are given"),
        ({"weights": {"x.weight": torch.zeros(1)}}, ExportError, "the weights do not fit"),
        ({"weights": {"x/kernel": torch.zeros(1)}}, ExportError, "the weights do not fit"),
        (
            {"weights": {"x/kernel": torch.zeros(1)}, "formats": ["pytorch"]},
            ExportError,
            "the weights of Conv are another architecture's",
        ),
    ],
    ids=["format", "onnx without weights", "of PyTorch", "of Keras", "carried over"],
)
def test_what_cannot_be_exported_leaves_nothing(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        export_architecture(digits(), tmp_path / "home", **options)

    assert not (tmp_path / "home").exists()


# --- ONNX ----------------------------------------------------------------------------------------

ONNX = {
    f"{name}{index}": architecture
    for seed, (name, count) in enumerate((("image", 60), ("sequence", 20), ("text", 20)))
    for index, architecture in enumerate(islice(feasible(SPACES[name](), seed + 20), many(count)))
}


@pytest.mark.parametrize("case", ONNX)
def test_onnx_gives_the_same_outputs_for_batches_of_any_size(case: str, tmp_path: Path) -> None:
    import onnxruntime

    architecture = ONNX[case]
    model = built(architecture)

    export_architecture(
        architecture, tmp_path / "home", formats=["onnx"], weights=model.state_dict(), check=False
    )

    session = onnxruntime.InferenceSession(str(tmp_path / "home" / "model.onnx"))
    for size in (1, 5):
        inputs = batch_for(architecture, "onnx", size)
        (outputs,) = session.run(None, {"inputs": inputs})
        with torch.no_grad():
            assert_equal(np.asarray(outputs), model(torch.from_numpy(inputs)).numpy())


def test_onnx_is_tried_as_the_others_are(tmp_path: Path) -> None:
    files = export_architecture(
        digits(), tmp_path / "home", formats=["onnx"], weights=built(digits()).state_dict()
    )

    assert [file.name for file in files] == ["README.md", "weights.safetensors", "model.onnx"]
