"""The parser of the grammar file, and its expectations in words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from lark import Lark, Token, UnexpectedToken
from lark.lark import PostLex

from neural_automl.dsl._tree import Builder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Set

    from lark.parsers.lalr_interactive_parser import InteractiveParser

#: Start rule of each section word.
SECTIONS: Final = {
    "INPUT": "named",
    "LAYERS": "layers",
    "LOSS": "named",
    "OPTIMIZER": "named",
    "TRAIN": "settings",
    "EXECUTION": "settings",
    "EXECUTE": "settings",
    "CONSTRAINTS": "constraints",
}
#: Terminals of what no rule takes, with the words for it.
UNREADABLE: Final = {
    "BAD_NUMBER": "not a number",
    "BAD_STRING": "a string that is not closed on its line, or holds a control character or an "
    "unknown escape",
    "BAD_CHARACTER": "unexpected character",
}
_PUNCTUATION: Final = {
    "_COMMA": "','",
    "_RPAR": "')'",
    "_RSQB": "']'",
    "_RBRACE": "'}'",
    "BAR": "'|'",
    "_COLON": "':'",
    "_EQUAL": "'='",
    "LPAR": "'('",
    "LBRACE": "'{'",
}


class _Unreadable(PostLex):
    """Keeps the catch-all terminals, which Lark would drop as no rule takes them."""

    always_accept = tuple(UNREADABLE)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _lark() -> Lark:
    starts = ["define", "let", "quoted", *dict.fromkeys(SECTIONS.values())]
    return Lark.open(
        "_grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="basic",
        start=starts,
        transformer=Builder(),
        postlex=_Unreadable(),
    )


def words(text: str) -> Iterator[Token]:
    """Yield the words of a text; what cannot be read comes as one of ``UNREADABLE``."""
    return _lark().lex(text)


class SyntaxFault(Exception):
    """A word that no rule allows where it stands.

    Args:
        expected: What is allowed there, in words.
        token: The word; None for the end of what was parsed.
    """

    def __init__(self, expected: str, token: Token | None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.token = token


def parse_words(tokens: list[Token], start: str) -> object:
    """Return the node of some words.

    Raises:
        SyntaxFault: The words do not follow the grammar.
    """
    parser = _lark().parse_interactive(start=start)
    last = [Token("$START", ""), Token("$START", "")]
    try:
        for token in tokens:
            parser.feed_token(token)
            last = [last[1], token]
        end = Token.new_borrow_pos("$END", "", tokens[-1])
        return parser.feed_token(end)
    except UnexpectedToken as fault:
        end = fault.token.type == "$END"
        if last[0].type == "CHOICE" and last[1].type == "NAME":
            # It was read as the name of an option; more likely the braces were forgotten.
            raise SyntaxFault("'{'", last[1]) from None
        raise SyntaxFault(_in_words(_accepted(parser)), None if end else fault.token) from None


def _accepted(parser: InteractiveParser) -> set[str]:
    """Return the terminals that may come next; unlike ``expected`` of an error, these are exact."""
    accepts: Callable[[], set[str]] = parser.accepts
    return accepts()


def _in_words(accepts: Set[str]) -> str:
    """Return the allowed terminals as a reader would name them."""
    expected = []
    if accepts == {"LPAR", "_EQUAL"}:
        return "'('"  # after the word choice in a value; '=' would make it an argument's name
    if {"NUMBER", "STRING"} <= accepts:
        expected.append("a value")
    elif "NUMBER" in accepts:
        expected.append("a count")
    elif "STRING" in accepts:
        expected.append("a string")
    elif {"NAME", "CHOICE"} <= accepts:
        expected.append("a layer")
    elif "NAME" in accepts:
        expected.append("a name")
    if "AT_MOST" in accepts:
        expected.append("'<=', '<', '>=' or '>'")
    starts = bool(expected)
    for terminal, sign in _PUNCTUATION.items():
        # A separator before a layer, or a group where a layer may stand, goes without saying.
        if terminal in accepts and not (starts and terminal in ("_COMMA", "LBRACE", "LPAR")):
            expected.append(sign)
    if "a value" in expected:
        expected = [word for word in expected if word in ("a value", "')'", "']'")]
    if "$END" in accepts:
        expected.append("the next section")
    if not expected:
        expected.append("something else")
    return " or ".join(filter(None, [", ".join(expected[:-1]), expected[-1]]))
