"""Hints for texts that break the grammar: what was probably meant, in the language's spelling."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from neural_automl.dsl._errors import near
from neural_automl.dsl._grammar import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark import Token

_OPENS: Final = ("LPAR", "LSQB", "LBRACE")
_CLOSES: Final = ("_RPAR", "_RSQB", "_RBRACE")
_WORDS: Final = ("define", "network", "let", *map(str.lower, SECTIONS))

#: The first word of a piece or the sign that surrounds the fault, what was found there, the hint.
_RULES: Final = (
    ("CHOICE", "LSQB", "a choice of values is written choice(16, 32)"),
    ("LPAR", "BAR", "layers are chosen by choice { ... | ... }, values by choice(16, 32)"),
    ("LPAR", "LBRACE", "a tuple stands in (...) or [...], a choice of layers in choice { ... }"),
    ("LPAR", "_COLON", "a parameter is written name=value"),
    (
        "LBRACE",
        "NUMBER",
        "parameters stand in parentheses: Dense(10); a repetition is Dense(10) * 3",
    ),
    ("LBRACE", "SLASH", "a comment begins with #"),
    ("TRAIN", "_EQUAL", "a setting is written name: value"),
    ("EXECUTION", "_EQUAL", "a setting is written name: value"),
    ("TRAIN", "_COLON", "settings stand in braces: train { ... }"),
    ("EXECUTION", "_COLON", "settings stand in braces: execution { ... }"),
    ("CONSTRAINTS", "_COLON", "limits stand in braces: constraints { params <= 100K }"),
    ("LAYERS", "LBRACE", "layers stand after the colon, without braces: layers: ..."),
    (
        "LAYERS",
        "NUMBER",
        "parameters stand in parentheses: Dense(10); a repetition is Dense(10) * 3",
    ),
    ("LAYERS", "SLASH", "a comment begins with #"),
    ("DEFINE", "_COLON", "a macro's layers stand in braces: define NAME(...) { ... }"),
    ("INPUT", "_COMMA", "a shape stands in parentheses: (32, 32, 3)"),
    ("INPUT", "NAME", "layers stand after 'layers:'"),
    ("AT", "NAME", 'a device is a string: @ "cpu"'),
)


def advise(tokens: Sequence[Token], found: Token | None) -> str:
    """Return a hint for the word that no rule allows, or an empty string.

    Args:
        tokens: The words of the piece that was parsed.
        found: The word, in the piece or right after it; None for the end of the text.
    """
    before = _before(tokens, found)
    for first, second in pairwise(before):
        if first.type == "MAYBE" and second.type == "LPAR":
            return "maybe stands before a layer, without parentheses: maybe Dropout(0.5)"
    if found is None:
        return ""
    around = [before[-1].type] if before else []
    opened = _innermost(before)
    around.append(tokens[0].type if opened is None else before[opened].type)
    if around[-1] == "LBRACE":
        if found.type == "_COLON" and opened:
            return near(before[opened - 1], _WORDS)
        around.append(tokens[0].type)
    for place, kind, hint in _RULES:
        if place in around and kind == found.type:
            return hint
    return ""


def advise_outside(word: Token) -> str:
    """Return a hint for a word where a definition or the network should begin."""
    if word.type in (*SECTIONS, "LET"):
        return "sections and lets stand in network NAME { ... }"
    return near(word, ("define", "network"))


def advise_unreadable(word: Token) -> str:
    """Return a hint for a word that cannot be read."""
    text = str(word)
    if text in "“”‘’„«»":
        return "strings stand in \" or '"
    if word.type == "BAD_NUMBER":
        if text.strip("0123456789.").lower() in ("k", "m", "g", "kb", "mb", "gb"):
            return "the units are K, M, G and KB, MB, GB"
        if ".." in text:
            return "a range is written range(16, 64)"
    return ""


def _before(tokens: Sequence[Token], found: Token | None) -> Sequence[Token]:
    for i, token in enumerate(tokens):
        if token is found:
            return tokens[:i]
    return tokens


def _innermost(tokens: Sequence[Token]) -> int | None:
    """Return the index of the last bracket that is still open."""
    depth = 0
    for i in range(len(tokens) - 1, -1, -1):
        if tokens[i].type in _CLOSES:
            depth += 1
        elif tokens[i].type in _OPENS:
            if depth == 0:
                return i
            depth -= 1
    return None
