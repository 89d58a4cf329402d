"""The names of the Neural DSL: parse, convert, build, search, generate."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace, RandomTrial
from neural_automl.dsl import parse
from neural_automl.exceptions import DataError, DSLError, ShapeError, SpaceError
from neural_automl.neural_dsl import (
    ModelTransformer,
    PytorchGenerator,
    TensorflowGenerator,
    create_dynamic_model,
    optimize_and_return,
)
from tests.strategies import spaces

CASES = json.loads((Path(__file__).parent / "dsl_cases.json").read_text(encoding="utf-8"))
VALID = [pytest.param(case, id=case["id"]) for case in CASES if "expected" in case]
INVALID = [pytest.param(case, id=case["id"]) for case in CASES if "error" in case]

TEXT = """network Small {
  input: (4,)
  layers:
    Dense(HPO(choice(4, 8)), "relu")
    Dropout(HPO(range(0.1, 0.5, step=0.1)))
    Output(2, "softmax")
  loss: "categorical_crossentropy"
  optimizer: Adam(learning_rate=HPO(log_range(1e-3, 1e-1)))
  train { epochs: 2  batch_size: choice(8, 16) }
}
"""


def read(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what the transformer gives; warnings are tested on their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ModelTransformer().parse_network_with_hpo(text)


def data(samples: int = 48) -> tuple[Any, Any]:
    inputs = np.random.default_rng(0).normal(size=(samples, 4)).astype("float32")
    return inputs, (inputs[:, 0] > 0).astype("int64")


# --- parse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", VALID)
def test_a_case_gives_its_dictionary_and_paths(case: dict[str, Any]) -> None:
    model_dict, hpo_params = read(case["text"])

    assert model_dict == case["expected"]
    assert [entry["path"] for entry in hpo_params] == case["hpo_paths"]


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_case_says_where(case: dict[str, Any]) -> None:
    with pytest.raises(DSLError) as caught:
        read(case["text"])

    assert [caught.value.line, caught.value.column] in case["error"]["at"]


def test_shapes_are_not_checked() -> None:
    text = "network N { input: (4,) layers: LSTM(3) }"

    assert read(text)[0]["layers"][0]["type"] == "LSTM"
    with pytest.raises(DSLError):
        ArchitectureSpace.from_dsl(text)


def test_what_has_no_effect_is_warned_about() -> None:
    text = 'network N { input: (4,) layers: Dense(3) @ "cuda:0" }'

    with pytest.warns(UserWarning, match="cuda:0") as caught:
        model_dict, _ = ModelTransformer().parse_network_with_hpo(text)

    assert [str(warning.message) for warning in caught] == list(parse(text).warnings)
    assert model_dict["layers"][0]["device"] == "cuda:0"


def test_a_text_is_a_string() -> None:
    with pytest.raises(TypeError, match="`text` must be a string but got 3"):
        ModelTransformer().parse_network_with_hpo(3)  # type: ignore[arg-type]


# --- convert -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", VALID)
def test_a_case_converts(case: dict[str, Any]) -> None:
    model_dict, hpo_params = read(case["text"])

    space = ArchitectureSpace._convert_from_hpo(model_dict, hpo_params)

    assert space == ArchitectureSpace.from_dict(model_dict)
    assert {*space.decisions()} == {*case["hpo_paths"]}


@given(spaces())
def test_what_is_parsed_agrees_with_itself(space: ArchitectureSpace) -> None:
    model_dict, hpo_params = read(space.to_dsl())

    converted = ArchitectureSpace._convert_from_hpo(model_dict, hpo_params)

    assert converted.get_search_space_size() == space.get_search_space_size()


def test_a_loss_agrees_in_either_spelling() -> None:
    text = TEXT.replace('"categorical_crossentropy"', 'choice("categorical_crossentropy", "mse")')
    model_dict, hpo_params = read(text)

    space = ArchitectureSpace._convert_from_hpo(model_dict, hpo_params)

    assert "loss" in space.decisions()


def test_without_a_list_the_dictionary_says_it_all() -> None:
    model_dict, _ = read(TEXT)

    space = ArchitectureSpace._convert_from_hpo(model_dict, None)

    assert space == ArchitectureSpace.from_dsl(TEXT)


UNITS = {"type": "categorical", "values": [4, 8]}
RATE = {"type": "log_range", "low": 1e-3, "high": 1e-1}


@pytest.mark.parametrize(
    "entry",
    [
        {"layer_type": "Dense", "param_name": "units", "hpo": UNITS, "node": None},
        {"layer_type": "dense", "param_name": "units", "hpo": UNITS},
        {"layer_type": "optimizer", "param_name": "learning_rate", "hpo": RATE},
        {"layer_type": "optimizer", "param_name": "params.learning_rate", "hpo": RATE},
        {
            "layer_type": "training_config",
            "param_name": "batch_size",
            "hpo": {"type": "categorical", "values": [8, 16]},
        },
    ],
    ids=["layer", "lower case", "optimizer", "path in the optimizer", "training"],
)
def test_older_entries_agree(entry: dict[str, Any]) -> None:
    space = ArchitectureSpace._convert_from_hpo(read(TEXT)[0], [entry])

    assert "layers[0].Dense.units" in space.decisions()


def entries(**changes: Any) -> list[dict[str, Any]]:
    first, *rest = read(TEXT)[1]
    return [{**first, **changes}, *rest]


DISAGREE: dict[str, tuple[Any, str]] = {
    "no list": ("all", "hpo_params must be a list but got 'all'"),
    "another path": (
        entries(path="layers[1].Dense.units"),
        "hpo_params[0]: the dictionary leaves nothing open at 'layers[1].Dense.units'; did you",
    ),
    "other values": (
        entries(values=[4, 16]),
        (
            "hpo_params[0]: 'layers[0].Dense.units' offers {'type': 'categorical', 'values': "
            "[4, 1… here but choice(4, 8) in the dictionary"
        ),
    ),
    "one missing": (
        entries()[1:],
        "hpo_params lacks 'layers[0].Dense.units', which the dictionary leaves open",
    ),
    "nothing listed": ([], "hpo_params lacks 'layers[0].Dense.units'"),
    "another kind": (entries(type="range"), "hpo_params[0]: an open value must be categorical"),
    "no entry": ([3], "hpo_params[0]: an entry must have 'path' and 'type', or 'layer_type'"),
    "an older entry with other values": (
        [{"layer_type": "Dense", "param_name": "units", "hpo": {**UNITS, "values": [1]}}],
        (
            "hpo_params[0]: the dictionary leaves no Dense.units open over {'type': 'categorical', "
            "'values': [1]}; it offers choice(4, 8)"
        ),
    ),
    "an older entry of no layer": (
        [{"layer_type": "Conv2D", "param_name": "filters", "hpo": UNITS}],
        "hpo_params[0]: the dictionary leaves no Conv2D.filters open over",
    ),
}


@pytest.mark.parametrize(("hpo_params", "message"), DISAGREE.values(), ids=DISAGREE)
def test_where_the_two_disagree(hpo_params: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        ArchitectureSpace._convert_from_hpo(read(TEXT)[0], hpo_params)

    assert str(caught.value).startswith(message)


# --- build ---------------------------------------------------------------------------------------


def test_a_model_is_what_the_trial_decides() -> None:
    model_dict, hpo_params = read(TEXT)
    trial = optuna.trial.FixedTrial(
        {
            "layers[0].Dense.units": 8,
            "layers[1].Dropout.rate": 0.3,
            "optimizer.learning_rate": 0.01,
            "training.batch_size": 8,
        }
    )

    model = create_dynamic_model(model_dict, trial, hpo_params)

    assert sum(p.numel() for p in model.parameters()) == 4 * 8 + 8 + 8 * 2 + 2
    assert model(torch.zeros(5, 4)).shape == (5, 2)


def test_a_model_of_a_study_without_a_list() -> None:
    model_dict, _ = read(TEXT)
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        model = create_dynamic_model(model_dict, trial)
        return float(sum(p.numel() for p in model.parameters()))

    study.optimize(objective, n_trials=3)

    assert {*study.best_params} == {*ArchitectureSpace.from_dsl(TEXT).decisions()}


WRONG_MODELS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a shape": (
        lambda: create_dynamic_model(
            read("network N { input: (4,) layers: LSTM(3) }")[0], RandomTrial(0)
        ),
        ShapeError,
        "layers[0]: ",
    ),
    "a backend": (
        lambda: create_dynamic_model(read(TEXT)[0], RandomTrial(0), None, "jax"),  # type: ignore[arg-type]
        ValueError,
        "backend must be one of",
    ),
    "a dictionary": (
        lambda: create_dynamic_model({"layers": []}, RandomTrial(0)),
        SpaceError,
        "a space needs 'input'",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), WRONG_MODELS.values(), ids=WRONG_MODELS)
def test_what_cannot_be_built(
    call: Callable[[], object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        call()

    assert str(caught.value).startswith(message)


# --- search --------------------------------------------------------------------------------------


def test_a_search_returns_the_best_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    best = optimize_and_return(TEXT, 2, data(), data(), epochs=1, device="cpu")

    space = ArchitectureSpace.from_dsl(TEXT)
    architecture = space.suggest(optuna.trial.FixedTrial(best))
    assert architecture.choices == best
    assert {*best} == {*space.decisions()}
    assert [*tmp_path.iterdir()] == []


def test_a_search_can_be_kept_and_gone_on_with(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for trials in (1, 2):
        optimize_and_return(TEXT, trials, data(), epochs=1, device="cpu", output_dir=kept)

    study = optuna.load_study(study_name="Small", storage=f"sqlite:///{kept / 'study.db'}")
    assert len(study.trials) == 2


WRONG_SEARCHES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no data": ({"train_data": None}, TypeError, "search needs `train_data`"),
    "other data": (
        {"train_data": (np.zeros((8, 5), "float32"), np.zeros(8, "int64"))},
        DataError,
        "",
    ),
    "no trial": ({"n_trials": 0}, ValueError, "`max_trials` must be at least 1"),
    "a strategy": ({"search_strategy": "guess"}, ValueError, "guess"),
    "a metric": ({"metric": "accuracy"}, ValueError, "did you mean val_accuracy"),
    "a text": ({"text": "network N {"}, DSLError, "1:"),
}


@pytest.mark.parametrize(
    ("changes", "kind", "message"), WRONG_SEARCHES.values(), ids=WRONG_SEARCHES
)
def test_a_search_says_what_is_wrong(
    changes: dict[str, Any], kind: type[Exception], message: str
) -> None:
    arguments = {"text": TEXT, "n_trials": 1, "train_data": data(), "device": "cpu", **changes}

    with pytest.raises(kind) as caught:
        optimize_and_return(**arguments)

    assert message in str(caught.value)


# --- generate ------------------------------------------------------------------------------------

SMALL = Architecture((4,), (LayerConfig("Dense", {"units": 3}),), name="Small")


def test_pytorch_source_runs() -> None:
    source = PytorchGenerator().generate(SMALL)
    names: dict[str, Any] = {}
    exec(source, names)

    assert source == SMALL.to_source("pytorch")
    assert names["Small"]()(torch.zeros(2, 4)).shape == (2, 3)


def test_tensorflow_source_is_that_of_the_architecture() -> None:
    source = TensorflowGenerator().generate(SMALL)

    assert source == SMALL.to_source("tensorflow")
    assert 'keras.Model(inputs, x, name="Small")' in source
