"""Cutting a text into definitions and sections, each to be parsed on its own.

One pass over the words matches brackets, so that a missing one is reported with the place of its
partner and the depth of the text is known before anything recurses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from neural_automl.dsl import _limits
from neural_automl.dsl._advice import advise_outside, advise_unreadable
from neural_automl.dsl._errors import Position, Problems, near, place, quoted
from neural_automl.dsl._grammar import SECTIONS, UNREADABLE, words
from neural_automl.dsl._tree import at

if TYPE_CHECKING:
    from lark import Token

_CLOSES: Final = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
_OPENS: Final = {"_RPAR": "LPAR", "_RSQB": "LSQB", "_RBRACE": "LBRACE"}
_SEPARATORS: Final = ("_COMMA", "_SEMICOLON")
_WORDS: Final = [word.lower() for word in SECTIONS]


@dataclass(slots=True)
class Piece:
    """The words of one definition or section.

    Args:
        kind: The first word's terminal; ``UNKNOWN`` for what is not parsed.
        first: The first word.
        tokens: All words.
        broken: Whether a bracket or a character is wrong in it, and reported.
    """

    kind: str
    first: Token
    tokens: list[Token] = field(default_factory=list)
    broken: bool = False
    after: Token | None = None


@dataclass(slots=True)
class Pieces:
    """A text in pieces: its definitions, the network's name, the network's sections."""

    pieces: list[Piece]
    name: Token | None
    end: Position


def scan(text: str, problems: Problems) -> Pieces:
    """Return the text in pieces; what is wrong with its brackets and characters is recorded.

    Raises:
        DSLError: The text is beyond a limit, and is not looked at any further.
    """
    if len(text) > _limits.TEXT:
        problems.add(f"a text is limited to {_limits.TEXT:,} characters, this has more", (1, 1))
        problems.raise_any()
    tokens: list[Token] = []
    for token in words(text):
        if len(tokens) == _limits.WORDS:
            problems.add(f"a text is limited to {_limits.WORDS:,} words, this has more", at(token))
            problems.raise_any()
        tokens.append(token)
    return _Scanner(tokens, problems).run()


class _Scanner:
    def __init__(self, tokens: list[Token], problems: Problems) -> None:
        self._tokens = tokens
        self._problems = problems
        self._open: list[Token] = []
        self._pieces: list[Piece] = []
        self._piece: Piece | None = None
        self._network: Token | None = None  # the brace of the network that is open
        self._name: Token | None = None
        self._seen: dict[str, Position] = {}
        self._next = 0
        # After a bracket that closes another kind it is a guess what is open: errors about that
        # would be consequences.
        self._guessing = False

    def run(self) -> Pieces:
        """Look at every word once."""
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            if token.type in UNREADABLE or not self._short(token):
                self._unreadable(token)
            elif not self._begins(token):
                self._goes_on(token)
        end = self._end()
        if self._open and not self._guessing:
            self._fault(f"unexpected end of input, {self._missing()}", end)
        return Pieces(self._pieces, self._name, end)

    def _end(self) -> Position:
        if not self._tokens:
            return (1, 1)
        last = self._tokens[-1]
        return (last.end_line or 1, last.end_column or 1)

    def _follows(self, kind: str) -> bool:
        return self._next < len(self._tokens) and self._tokens[self._next].type == kind

    def _short(self, token: Token) -> bool:
        return token.type not in ("NAME", "NUMBER") or len(token) <= _limits.WORD_LENGTH

    def _missing(self) -> str:
        opened = self._open[-1]
        return f"missing '{_CLOSES[opened.type]}' (opened at {place(at(opened))})"

    def _fault(self, message: str, where: Position, hint: str = "") -> None:
        """Record a bracket or character error; more of them in one piece are consequences."""
        if self._piece is None or not self._piece.broken:
            self._problems.add(message, where, hint)
        if self._piece is not None:
            self._piece.broken = True

    def _unreadable(self, token: Token) -> None:
        if token.type == "BAD_CHARACTER":
            message = f"unexpected character {str(token)!r}"
        elif token.type in UNREADABLE:
            message = f"{quoted(token)} is {UNREADABLE[token.type]}"
        else:
            message = f"a name or number is limited to {_limits.WORD_LENGTH} characters"
        if self._piece is None:
            self._start("UNKNOWN", token)
        self._fault(message, at(token), advise_unreadable(token))

    # --- where pieces begin ---------------------------------------------------------------

    def _start(self, kind: str, token: Token) -> None:
        if self._piece is not None:
            self._piece.after = token
        self._piece = Piece(kind, token, [token])
        self._pieces.append(self._piece)

    def _begins(self, token: Token) -> bool:
        """Begin a piece if the word does so where it stands."""
        if self._follows("_EQUAL"):
            return False  # the name of an argument
        if token.type in ("DEFINE", "NETWORK"):
            self._close_before(token, 0)
            self._network = None
            if token.type == "NETWORK":
                self._begin_network(token)
            else:
                self._start("DEFINE", token)
            return True
        if self._network is None:
            return False
        if token.type in SECTIONS:
            self._close_before(token, 1)
            self._begin_section(token)
            return True
        in_layers = self._piece is not None and self._piece.kind == "LAYERS"
        if len(self._open) == 1 and token.type == "LET" and not in_layers:
            self._start("LET", token)
            return True
        if len(self._open) == 1 and token.type == "NAME" and self._follows("_COLON"):
            hint = near(token, _WORDS)
            self._problems.add(f"unknown section {quoted(token)}", at(token), hint)
            self._start("UNKNOWN", token)
            return True
        return False

    def _close_before(self, token: Token, depth: int) -> None:
        if len(self._open) > depth:
            self._fault(f"before '{token}': {self._missing()}", at(token))
            del self._open[depth:]

    def _begin_section(self, token: Token) -> None:
        word = "execution" if token.type == "EXECUTE" else str(token)
        if word in self._seen:
            first = place(self._seen[word])
            self._problems.add(f"section '{word}' is given twice (first at {first})", at(token))
        self._seen.setdefault(word, at(token))
        self._start(token.type, token)

    def _begin_network(self, token: Token) -> None:
        if self._piece is not None:
            self._piece.after = token
        self._piece = None
        wanted = {"NAME": "a name", "LBRACE": "'{'"}
        for kind, word in wanted.items():
            if not self._follows(kind):
                after = self._next < len(self._tokens)
                found = quoted(self._tokens[self._next]) if after else "end of input"
                where = at(self._tokens[self._next]) if after else self._end()
                self._problems.add(f"expected {word} after 'network', found {found}", where)
                self._start("UNKNOWN", token)
                self._name = self._name or token
                return
            self._next += 1
        if self._name is not None:
            self._problems.add("a text holds exactly one network, this is a second", at(token))
            self._start("UNKNOWN", token)
        self._name = self._name or self._tokens[self._next - 2]
        if self._piece is None:
            self._network = self._tokens[self._next - 1]
        self._open.append(self._tokens[self._next - 1])

    # --- all other words ------------------------------------------------------------------

    def _goes_on(self, token: Token) -> None:
        outside = not self._open or (self._network is not None and len(self._open) == 1)
        if token.type in _OPENS:
            self._close(token)
            return
        if self._piece is None:
            if outside and token.type in _SEPARATORS:
                return
            wanted = "a section" if self._network else "'define' or 'network'"
            if not self._guessing:
                hint = "" if self._network else advise_outside(token)
                self._problems.add(f"expected {wanted}, found {quoted(token)}", at(token), hint)
            self._start("UNKNOWN", token)
            self._pieces[-1].broken = True
        else:
            self._piece.tokens.append(token)
        if token.type in _CLOSES:
            self._open.append(token)
            if len(self._open) > _limits.NESTING:
                self._problems.add(f"nesting is limited to {_limits.NESTING}", at(token))
                self._problems.raise_any()

    def _close(self, token: Token) -> None:
        kind = _OPENS[token.type]
        if not any(opened.type == kind for opened in self._open):
            if self._piece is None:
                self._start("UNKNOWN", token)
            if not self._guessing:
                self._fault(f"'{token}' closes nothing", at(token))
            return
        if self._open[-1].type != kind:
            self._fault(f"before '{token}': {self._missing()}", at(token))
            self._guessing = True
            while self._open[-1].type != kind:
                self._open.pop()
        closed = self._open.pop()
        if closed is self._network:
            self._network = None
            self._leave(token)
            return
        if self._piece is not None:
            self._piece.tokens.append(token)
            if not self._open and token.type == "_RBRACE":
                self._leave(token)

    def _leave(self, after: Token) -> None:
        if self._piece is not None:
            self._piece.after = after
        self._piece = None
