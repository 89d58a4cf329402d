"""The colours of `.neural` files: made from the tables, and read as an editor reads them."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from typing import Any

import pytest

from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES
from neural_automl.layers import ALIASES, LAYERS
from tests.house.repository import ROOT

FOLDER = ROOT / "docs" / "editor"
GRAMMAR: dict[str, Any] = json.loads((FOLDER / "neural.tmLanguage.json").read_text())
MADE = runpy.run_path(str(ROOT / "docs" / "make_editor.py"))


def tokens(line: str) -> Iterator[tuple[str, str]]:
    """Yield the coloured parts of a line with their scopes, as TextMate finds them.

    The nearest match counts, of several at one place the first rule's.
    """
    at = 0
    while at < len(line):
        rules = [(re.compile(rule.get("match") or rule["begin"]), rule) for rule in patterns()]
        matches = [(m, rule) for pattern, rule in rules if (m := pattern.search(line, at))]
        if not matches:
            return
        match, rule = min(matches, key=lambda pair: pair[0].start())
        if "begin" in rule:
            end = _end_of_string(line, match.end(), rule)
            yield line[match.start() : end], rule["name"]
            at = end
            continue
        for number, captured in rule.get("captures", {}).items():
            yield match[int(number)], captured["name"]
        if "name" in rule:
            yield match[0], rule["name"]
        assert match.end() > at
        at = match.end()


def _end_of_string(line: str, at: int, rule: dict[str, Any]) -> int:
    escape, end = re.compile(rule["patterns"][0]["match"]), re.compile(rule["end"])
    while True:
        closing, escaped = end.search(line, at), escape.search(line, at)
        assert closing is not None
        if escaped is None or closing.start() < escaped.start():
            return closing.end()
        at = escaped.end()


def patterns() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = GRAMMAR["patterns"]
    return found


def scope_of(word: str, line: str) -> str:
    return next(scope for text, scope in tokens(line) if text == word).removesuffix(".neural")


def test_the_grammar_is_that_of_the_tables() -> None:
    assert (FOLDER / "neural.tmLanguage.json").read_text(encoding="utf-8") == MADE["page"]()


def test_the_folder_is_an_extension() -> None:
    package = json.loads((FOLDER / "package.json").read_text())["contributes"]
    (language,), (grammar,) = package["languages"], package["grammars"]

    assert grammar["scopeName"] == GRAMMAR["scopeName"]
    assert grammar["language"] == language["id"]
    assert (FOLDER / grammar["path"]).is_file()
    assert language["extensions"] == [f".{kind}" for kind in GRAMMAR["fileTypes"]]
    assert json.loads((FOLDER / language["configuration"]).read_text())["comments"]


def test_every_scope_is_of_this_language() -> None:
    names = re.findall(r'"name": "([a-z.-]+)"', json.dumps(patterns()))

    assert len(names) > 10
    assert [name for name in names if not name.endswith(".neural")] == []


@pytest.mark.parametrize("word", MADE["keywords"]())
def test_every_word_of_the_grammar_is_a_keyword(word: str) -> None:
    assert scope_of(word, f"  {word} X {{") == "keyword.control"


def test_the_words_of_the_grammar_are_all_there() -> None:
    assert {"define", "network", "layers", "choice", "maybe", "execute"} <= set(MADE["keywords"]())


@pytest.mark.parametrize("name", sorted({*LAYERS, *ALIASES} - {"sequence", "none"}))
def test_every_layer_is_coloured(name: str) -> None:
    assert scope_of(name, f"    {name}(16) ReLU()") == "support.class.layer"


@pytest.mark.parametrize("name", [*OPTIMIZERS, *SCHEDULES])
def test_every_optimizer_and_schedule_is_coloured(name: str) -> None:
    assert scope_of(name, f"optimizer: {name}()") == "support.class.optimizer"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "define Block(w, kernel=3) {",
            ("keyword.control entity.name.function variable.parameter keyword.operator "
            "constant.numeric"),
        ),
        (
            "  let w = choice(16, 32)",
            ("keyword.control variable.other.constant keyword.operator keyword.control "
            "constant.numeric constant.numeric"),
        ),
        (
            '  Conv2D(w, 3, padding="same")  # 3 by 3',
            ("support.class.layer constant.numeric variable.parameter keyword.operator "
            "string.quoted.double comment.line.number-sign"),
        ),
        (
            "  Block(64) * range(1, 4)",
            ("entity.name.function constant.numeric keyword.operator support.function "
            "constant.numeric constant.numeric"),
        ),
        (
            "  train { epochs: 20 }",
            "keyword.control support.type.property-name constant.numeric",
        ),
        (
            "  constraints { params <= 200K  peak_memory < 16MB }",
            ("keyword.control support.type.property-name keyword.operator constant.numeric "
            "support.type.property-name keyword.operator constant.numeric"),
        ),
        (
            "  Dense(channels / 2, none)",
            ("support.class.layer variable.language keyword.operator constant.numeric "
            "constant.language"),
        ),
        (r'  x "a\"# b" # c', "string.quoted.double comment.line.number-sign"),
        ("  'it\" is' 1e-4 .5 -2.5K x2 3x", "string.quoted.single " + "constant.numeric " * 2
         + "keyword.operator constant.numeric"),
        ('  ReLU @ "cuda:0', "support.class.layer keyword.operator string.quoted.double"),
    ],
    ids=["macro", "let", "layer", "call", "settings", "limits", "width", "escapes", "numbers",
         "a string that is not closed"],
)  # fmt: skip
def test_lines_are_coloured(line: str, expected: str) -> None:
    assert [scope.removesuffix(".neural") for _, scope in tokens(line)] == expected.split()
