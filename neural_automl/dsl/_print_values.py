"""Values of the dictionary form as text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from neural_automl.dsl._evaluate import CONSTANTS, OPEN_VALUES
from neural_automl.dsl._grammar import SECTIONS
from neural_automl.dsl._tables import is_layer
from neural_automl.exceptions import excerpt

_KEYWORDS: Final = frozenset(
    [*("define", "network", "let", "choice", "maybe"), *map(str.lower, SECTIONS)]
)
_SIGNS: Final = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}
_SUFFIXES: Final = (("G", 10**9), ("M", 10**6), ("K", 10**3))
_BYTES: Final = (("GB", 2**30), ("MB", 2**20), ("KB", 2**10))


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a network."""
    word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", text)
    return word is not None and text not in _KEYWORDS


def _is_let_name(text: str) -> bool:
    reserved = text in (*CONSTANTS, *OPEN_VALUES, "channels") or is_layer(text)
    return is_name(text) and not reserved


def number_text(number: int | float) -> str:
    """Return a number as a word that reads back as the same number.

    Raises:
        ValueError: It is not finite.
    """
    if not math.isfinite(number):
        raise ValueError(f"a number must be finite to be printed but is {number}")
    return repr(number)


def limit_text(metric: str, limit: int | float) -> str:
    """Return a limit with the largest unit that leaves it whole."""
    units = _BYTES if metric == "peak_memory" else _SUFFIXES
    if isinstance(limit, int):
        for suffix, unit in units:
            if limit >= unit and limit % unit == 0:
                return f"{limit // unit}{suffix}"
    return number_text(limit)


def string_text(text: str) -> str:
    """Return a string in quotes.

    Raises:
        ValueError: It holds a control character.
    """
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    escaped = escaped.replace("\t", r"\t")
    if re.search(r"[\x00-\x1f\x7f]", escaped):
        raise ValueError(f"a string must hold no control character but is {excerpt(text)}")
    return f'"{escaped}"'


class ValuePrinter:
    """Prints values; open values named ``let.x`` become lets, kept in ``lets``."""

    def __init__(self) -> None:
        self.lets: dict[str, str] = {}
        self._forms: dict[str, Mapping[str, Any]] = {}

    def value(self, value: Any) -> str:
        """Return a value as text."""
        if value is None or isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return number_text(value)
        if isinstance(value, str):
            return string_text(value)
        if isinstance(value, Sequence):
            return self._items(value)
        if isinstance(value, Mapping) and "hpo" in value:
            return self._open(value["hpo"])
        if isinstance(value, Mapping) and "expr" in value:
            return self._expression(value)[0]
        if isinstance(value, Mapping) and "type" in value:
            return self.call(value["type"], value.get("params", {}))
        raise ValueError(f"a value must be plain, 'hpo', 'expr' or a call but is {excerpt(value)}")

    def call(self, name: str, params: Mapping[str, Any], positional: int = 0) -> str:
        """Return a call, its first parameters by position."""
        texts = [
            self.value(value) if i < positional else f"{key}={self.value(value)}"
            for i, (key, value) in enumerate(params.items())
        ]
        return f"{name}({', '.join(texts)})"

    def operations(self, operations: Sequence[Any]) -> str:
        """Return a cell's operations as a list: bare names and calls."""
        texts = (op if isinstance(op, str) else self.value(op) for op in operations)
        return f"[{', '.join(texts)}]"

    def options(self, options: Mapping[str, Any]) -> str:
        """Return the options of a choice or maybe, with a blank before each."""
        texts = []
        for key, value in options.items():
            text = f"[{', '.join(map(string_text, value))}]" if key == "labels" else None
            texts.append(f" {key}={text or self.value(value)}")
        return "".join(texts)

    def count(self, count: Any) -> str:
        """Return the count of a repetition."""
        text = self.value(count)
        is_expression = isinstance(count, Mapping) and "expr" in count
        return f"({text})" if is_expression else text

    def _items(self, items: Sequence[Any]) -> str:
        texts = [self.value(item) for item in items]
        if not texts:
            return "[]"
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"

    def _open(self, hpo: Mapping[str, Any]) -> str:
        name = hpo.get("name")
        let = name[4:] if isinstance(name, str) and name.startswith("let.") else ""
        if not _is_let_name(let):
            return self._open_call(hpo, name)
        if self._forms.setdefault(let, hpo) != hpo:
            return self._open_call(hpo, name)
        if let not in self.lets:
            self.lets[let] = self._open_call(hpo, None)
        return let

    def _open_call(self, hpo: Mapping[str, Any], name: str | None) -> str:
        if hpo["type"] == "categorical":
            word, texts = "choice", [self.value(value) for value in hpo["values"]]
        else:
            word = hpo["type"]
            ends = ("start", "end") if word == "range" else ("low", "high")
            texts = [number_text(hpo[end]) for end in ends]
            if hpo.get("step") is not None:
                texts.append(f"step={number_text(hpo['step'])}")
        if name is not None:
            texts.append(f"name={string_text(name)}")
        return f"{word}({', '.join(texts)})"

    def _expression(self, value: Any) -> tuple[str, int]:
        """Return arithmetic with its precedence; 3 binds tightest."""
        if value == "channels":
            return "channels", 3
        if not (isinstance(value, Mapping) and "expr" in value):
            return self.value(value), 3
        operator, *operands = value["expr"]
        if operator == "channels":
            steps = ", ".join(map(str, operands))
            return (f"channels({steps})" if steps else "channels"), 3
        if operator == "neg":
            return f"-{self._operand(operands[0], 3)}", 3
        sign, precedence = _SIGNS[operator]
        left = self._operand(operands[0], precedence)
        right = self._operand(operands[1], precedence + 1)
        return f"{left} {sign} {right}", precedence

    def _operand(self, operand: Any, least: int) -> str:
        text, precedence = self._expression(operand)
        return text if precedence >= least else f"({text})"
