"""The syntax tree of a text, built while it is parsed.

Nodes hold what was written and where, nothing more. The parser calls the builder bottom-up, so
that no depth of text can exhaust Python's stack here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lark import Token, Transformer

if TYPE_CHECKING:
    from neural_automl.dsl._errors import Position


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: int | float
    at: Position


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str
    at: Position


@dataclass(frozen=True, slots=True)
class Name:
    """A word that stands for a value: ``true``, a let, a parameter, an operation."""

    text: str
    at: Position


@dataclass(frozen=True, slots=True)
class Items:
    """A tuple or a list."""

    items: tuple[Expression, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands of equal precedence with the operators between them."""

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Negative:
    """An operand with one or more minus signs."""

    operand: Expression
    signs: int
    at: Position


@dataclass(frozen=True, slots=True)
class Argument:
    """A value in parentheses, by position (``name`` is None) or by name."""

    name: str | None
    value: Expression
    at: Position


@dataclass(frozen=True, slots=True)
class Call:
    """A name with arguments: an open value, a layer, a macro, an optimizer, a schedule."""

    name: str
    arguments: tuple[Argument, ...]
    at: Position


Expression = Number | Text | Name | Items | Chain | Negative | Call


@dataclass(frozen=True, slots=True)
class Block:
    """``{ ... }``: its alternatives, one unless ``|`` divides it, and where the bars are."""

    alternatives: tuple[tuple[Entry, ...], ...]
    bars: tuple[Position, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Choice:
    """``choice`` at a layer's place, with its alternatives in a block or in the arguments."""

    options: tuple[Argument, ...]
    block: Block | None
    at: Position


@dataclass(frozen=True, slots=True)
class Suffix:
    """A count (``*``) or a device (``@``)."""

    sign: str
    value: Expression
    at: Position


@dataclass(frozen=True, slots=True)
class Item:
    """A layer, a choice or a group; ``maybe`` holds its options where it may be left out."""

    core: Call | Choice | Block
    suffixes: tuple[Suffix, ...]
    at: Position
    maybe: tuple[Argument, ...] | None = None
    block: Block | None = None


@dataclass(frozen=True, slots=True)
class Let:
    """A name bound to a value in the network."""

    name: str
    value: Expression
    at: Position


Entry = Item | Let


@dataclass(frozen=True, slots=True)
class MacroParameter:
    """A parameter of a macro."""

    name: str
    default: Expression | None
    at: Position


@dataclass(frozen=True, slots=True)
class Macro:
    """A ``define``."""

    name: str
    parameters: tuple[MacroParameter, ...]
    body: Block
    at: Position


@dataclass(frozen=True, slots=True)
class Setting:
    """``name: value`` in train or execution, ``name <= value`` in constraints."""

    name: str
    value: Expression
    at: Position
    operator: str = ":"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the network: a value, settings, or the items of ``layers``."""

    kind: str
    at: Position
    value: Expression | None = None
    settings: tuple[Setting, ...] = ()
    entries: tuple[Entry, ...] = ()


_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
_POWERS: Final = {
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "KB": 2**10,
    "MB": 2**20,
    "GB": 2**30,
}


def at(token: Token) -> Position:
    """Return the place of a token's first character."""
    return (token.line or 1, token.column or 1)


def read_number(text: str) -> int | float:
    """Return the number that a word stands for; ``inf`` where it is too large for a float."""
    digits = text.rstrip("KMGB")
    scale = _POWERS.get(text[len(digits) :], 1)
    if digits.isdecimal():
        return int(digits) * scale
    scaled = float(digits) * scale
    return int(scaled) if scale > 1 and scaled.is_integer() else scaled


def read_string(text: str) -> str:
    """Return the characters of a quoted string."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], text[1:-1])


class Builder(Transformer[Token, Any]):
    """Builds the nodes above; the methods bear the names of the grammar's rules."""

    def number(self, children: list[Any]) -> Number:
        return Number(read_number(children[0]), at(children[0]))

    def negative_number(self, children: list[Any]) -> Number:
        return Number(-read_number(children[1]), at(children[0]))

    def string(self, children: list[Any]) -> Text:
        return Text(read_string(children[0]), at(children[0]))

    def name(self, children: list[Any]) -> Name:
        return Name(str(children[0]), at(children[0]))

    def paren(self, children: list[Any]) -> Any:
        return children[1]

    def sequence(self, children: list[Any]) -> Items:
        return Items((*children[1:],), at(children[0]))

    def chain(self, children: list[Any]) -> Chain:
        operators = (*map(str, children[1::2]),)
        return Chain((*children[::2],), operators, children[0].at)

    def negative(self, children: list[Any]) -> Negative:
        return Negative(children[-1], len(children) - 1, at(children[0]))

    def arg(self, children: list[Any]) -> Argument:
        value = children[-1]
        if len(children) == 1:
            return Argument(None, value, value.at)
        return Argument(str(children[0]), value, at(children[0]))

    option = arg

    def args(self, children: list[Any]) -> Any:
        return (*children[1:],)

    def call(self, children: list[Any]) -> Call:
        return Call(str(children[0]), children[1], at(children[0]))

    def layer(self, children: list[Any]) -> Call:
        return Call(str(children[0]), children[1] if len(children) > 1 else (), at(children[0]))

    def no_options(self, children: list[Any]) -> Any:
        return []

    def options(self, children: list[Any]) -> Any:
        children[0].append(children[1])
        return children[0]

    def choice(self, children: list[Any]) -> Choice:
        block = children[2] if len(children) > 2 else None
        return Choice((*children[1],), block, at(children[0]))

    def suffix(self, children: list[Any]) -> Suffix:
        sign, value = children
        if isinstance(value, Token):
            value = Text(read_string(value), at(value))
        return Suffix(str(sign), value, at(sign))

    def item(self, children: list[Any]) -> Item:
        return Item(children[0], (*children[1:],), children[0].at)

    def maybe(self, children: list[Any]) -> Item:
        word, options, core, *suffixes = children
        return Item(core, (*suffixes,), at(word), maybe=(*options,))

    def items(self, children: list[Any]) -> Any:
        return (*children,)

    def block(self, children: list[Any]) -> Block:
        bars = (*map(at, children[2::2]),)
        return Block((*children[1::2],), bars, at(children[0]))

    def let(self, children: list[Any]) -> Let:
        return Let(str(children[1]), children[2], at(children[1]))

    def parameter(self, children: list[Any]) -> MacroParameter:
        default = children[1] if len(children) > 1 else None
        return MacroParameter(str(children[0]), default, at(children[0]))

    def parameters(self, children: list[Any]) -> Any:
        return (*children,)

    def define(self, children: list[Any]) -> Macro:
        parameters = children[3] if len(children) > 4 else ()
        return Macro(str(children[1]), parameters, children[-1], at(children[1]))

    def named(self, children: list[Any]) -> Section:
        return Section(str(children[0]), at(children[0]), value=children[1])

    def quoted(self, children: list[Any]) -> Any:
        return children[0]

    def layers(self, children: list[Any]) -> Section:
        return Section("layers", at(children[0]), entries=children[1])

    def setting(self, children: list[Any]) -> Setting:
        return Setting(str(children[0]), children[1], at(children[0]))

    def limit(self, children: list[Any]) -> Setting:
        return Setting(str(children[0]), children[2], at(children[0]), str(children[1]))

    def settings(self, children: list[Any]) -> Section:
        return Section(str(children[0]), at(children[0]), settings=(*children[2:],))

    constraints = settings
