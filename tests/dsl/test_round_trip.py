from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from neural_automl.dsl import parse, print_network
from tests.dsl.strategies import models


@given(models())
def test_reading_what_was_printed_gives_the_same(model: dict[str, Any]) -> None:
    assert parse(print_network(model)).model == model


@given(models())
def test_printing_what_was_read_gives_the_same_text(model: dict[str, Any]) -> None:
    printed = print_network(model)

    assert print_network(parse(printed).model) == printed


@given(models())
def test_what_was_read_is_json(model: dict[str, Any]) -> None:
    parsed = parse(print_network(model))

    assert json.loads(json.dumps(parsed.model)) == parsed.model
    assert json.loads(json.dumps(parsed.hpo_params)) == parsed.hpo_params


@given(models())
def test_paths_are_unique_and_belong_to_what_is_open(model: dict[str, Any]) -> None:
    paths = [entry["path"] for entry in parse(print_network(model)).hpo_params]

    assert len(set(paths)) == len(paths)
    assert bool(paths) == _is_open(model)


def _is_open(data: Any) -> bool:
    if isinstance(data, list):
        return any(map(_is_open, data))
    if not isinstance(data, dict):
        return False
    if "hpo" in data or data.get("type") in ("choice", "maybe"):
        return True
    if data.get("type") == "cell" and "operations" in data["params"]:
        return True
    return any(map(_is_open, data.values()))


@given(models())
def test_every_layer_has_a_position_in_the_text(model: dict[str, Any]) -> None:
    printed = print_network(model)
    lines = printed.split("\n")
    parsed = parse(printed)

    for key in [(i,) for i in range(len(parsed.model["layers"]))]:
        line, column = parsed.positions[key]
        assert lines[line - 1][column - 1].strip()
