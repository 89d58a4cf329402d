from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from neural_automl.dsl import parse, print_network
from neural_automl.exceptions import DSLError
from tests.dsl.texts import paths_of

CASES = json.loads((Path(__file__).parent.parent / "dsl_cases.json").read_text(encoding="utf-8"))
VALID = [pytest.param(case, id=case["id"]) for case in CASES if "expected" in case]
INVALID = [pytest.param(case, id=case["id"]) for case in CASES if "error" in case]


@pytest.mark.parametrize("case", VALID)
def test_valid_text_gives_the_expected_dictionary(case: dict[str, Any]) -> None:
    assert parse(case["text"]).model == case["expected"]


@pytest.mark.parametrize("case", VALID)
def test_valid_text_gives_the_expected_paths(case: dict[str, Any]) -> None:
    assert paths_of(parse(case["text"])) == case["hpo_paths"]


@pytest.mark.parametrize("case", VALID)
def test_the_dictionary_is_json_as_it_stands(case: dict[str, Any]) -> None:
    model = parse(case["text"]).model

    assert json.loads(json.dumps(model)) == model


@pytest.mark.parametrize("case", VALID)
def test_printing_a_case_reads_back(case: dict[str, Any]) -> None:
    printed = print_network(case["expected"])

    assert parse(printed).model == case["expected"]
    assert print_network(parse(printed).model) == printed


@pytest.mark.parametrize("case", INVALID)
def test_invalid_text_is_reported_at_a_given_place(case: dict[str, Any]) -> None:
    with pytest.raises(DSLError) as caught:
        parse(case["text"])

    places = [[error.line, error.column] for error in caught.value.errors]
    assert places
    assert all(place in case["error"]["at"] for place in places)


@pytest.mark.parametrize("case", INVALID)
def test_the_message_says_what_is_wrong(case: dict[str, Any]) -> None:
    with pytest.raises(DSLError) as caught:
        parse(case["text"])

    message = " ".join(error.message for error in caught.value.errors).lower()
    alternatives = re.sub(r"\(suggest.*?\)", "", case["error"]["says"]).lower().split(" / ")
    wanted = [set(re.findall(r"[\w.']+", alternative)) for alternative in alternatives]
    found = set(re.findall(r"[\w.']+", message))
    found |= {word.strip("'") for word in found}
    assert any(words <= found for words in wanted)


def test_two_faults_are_both_reported() -> None:
    case = next(case for case in CASES if case["id"] == "Y11")

    with pytest.raises(DSLError) as caught:
        parse(case["text"])

    assert [[e.line, e.column] for e in caught.value.errors] == case["error"]["at"]
    assert caught.value.errors[0] is caught.value


def test_there_are_28_cases() -> None:
    assert len(CASES) == 28
