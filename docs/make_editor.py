"""Write docs/editor/neural.tmLanguage.json, the colours of `.neural` files, from the tables.

    python docs/make_editor.py

A test checks that the file and the tables agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neural_automl import dsl
from neural_automl.dsl._evaluate import CONSTANTS, OPEN_VALUES
from neural_automl.hyperparameters import CONSTRAINT_METRICS, OPTIMIZERS, SCHEDULES, TRAINING
from neural_automl.layers import ALIASES, LAYERS

TARGET = Path(__file__).parent / "editor" / "neural.tmLanguage.json"
GRAMMAR = Path(dsl.__file__).with_name("_grammar.lark")
NAME = "[A-Za-z_][A-Za-z0-9_]*"
NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?:[KMG]B?)?"


def keywords() -> list[str]:
    """Return the words that the grammar itself knows."""
    text = GRAMMAR.read_text(encoding="utf-8")
    return re.findall(r'^[A-Z]+: "([a-z]+)"$', text, flags=re.MULTILINE)


def layer_names() -> list[str]:
    return [name for name in (*LAYERS, *ALIASES) if name not in ("sequence", *CONSTANTS)]


def any_of(words: Iterable[str]) -> str:
    return rf"\b(?:{'|'.join(sorted(words, key=lambda word: (-len(word), word)))})\b"


def rule(scope: str, match: str) -> dict[str, Any]:
    return {"name": f"{scope}.neural", "match": match}


def named(word: str, scope: str) -> dict[str, Any]:
    """Return the rule of a word that is followed by a name of the user's."""
    return {
        "match": rf"\b({word})\s+({NAME})",
        "captures": {
            "1": {"name": "keyword.control.neural"},
            "2": {"name": f"{scope}.neural"},
        },
    }


def string(quote: str, kind: str) -> dict[str, Any]:
    return {
        "name": f"string.quoted.{kind}.neural",
        "begin": quote,
        "end": rf"{quote}|$",
        "patterns": [rule("constant.character.escape", r"\\[\"'\\nt]")],
    }


def grammar() -> dict[str, Any]:
    """Return the TextMate grammar; of rules that match at one place the first counts."""
    settings = [*(parameter.name for parameter in TRAINING), "device"]
    patterns = [
        rule("comment.line.number-sign", "#.*$"),
        string('"', "double"),
        string("'", "single"),
        rule("constant.numeric", rf"(?<![A-Za-z0-9_.]){NUMBER}(?![A-Za-z0-9_.])"),
        rule("variable.parameter", rf"\b{NAME}(?=\s*=)"),
        named("define", "entity.name.function"),
        named("network", "entity.name.section"),
        named("let", "variable.other.constant"),
        rule("keyword.control", any_of(keywords())),
        rule("support.type.property-name", rf"{any_of(settings)}(?=\s*:)"),
        rule("support.type.property-name", rf"{any_of(CONSTRAINT_METRICS)}(?=\s*[<>])"),
        rule("support.function", any_of(word for word in OPEN_VALUES if word not in keywords())),
        rule("variable.language", any_of(["channels"])),
        rule("constant.language", any_of(CONSTANTS)),
        rule("support.class.layer", any_of(layer_names())),
        rule("support.class.optimizer", any_of([*OPTIMIZERS, *SCHEDULES])),
        rule("entity.name.function", rf"\b{NAME}(?=\s*\()"),
        rule("keyword.operator", r"<=|>=|[-+*/=<>|@]"),
    ]
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Neural",
        "scopeName": "source.neural",
        "fileTypes": ["neural"],
        "patterns": patterns,
    }


def page() -> str:
    return json.dumps(grammar(), indent=2) + "\n"


def main() -> None:
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
