"""Text to syntax tree: every definition and section is parsed on its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from neural_automl.dsl._advice import advise
from neural_automl.dsl._errors import Position, Problems, quoted
from neural_automl.dsl._grammar import SECTIONS, SyntaxFault, parse_words
from neural_automl.dsl._scan import Piece, Pieces, scan
from neural_automl.dsl._tree import Let, Macro, Section, at


@dataclass(slots=True)
class Program:
    """The syntax tree of a text.

    Args:
        name: The network's.
        at: Of the network's name.
        macros: In text order.
        lets: Those that stand outside ``layers``.
        sections: By their word; ``execute`` counts as ``execution``.
    """

    name: str
    at: Position
    macros: list[Macro] = field(default_factory=list)
    lets: list[Let] = field(default_factory=list)
    sections: dict[str, Section] = field(default_factory=dict)


def read(text: str, problems: Problems) -> Program:
    """Return the syntax tree of a text.

    Raises:
        DSLError: The text breaks the grammar somewhere.
    """
    scanned = scan(text, problems)
    program = Program("", (1, 1))
    if scanned.name is not None:
        program = Program(str(scanned.name), at(scanned.name))
    for piece in scanned.pieces:
        if not piece.broken and piece.kind != "UNKNOWN":
            _read_piece(piece, scanned, program, problems)
    if scanned.name is None and not problems:
        problems.add("unexpected end of input, expected 'network'", scanned.end)
    problems.raise_any()
    return program


def _read_piece(piece: Piece, scanned: Pieces, program: Program, problems: Problems) -> None:
    tokens = piece.tokens
    while tokens[-1].type in ("_COMMA", "_SEMICOLON") and piece.kind != "LAYERS":
        tokens.pop()
    try:
        node = parse_words(tokens, SECTIONS.get(piece.kind, piece.kind.lower()))
    except SyntaxFault as fault:
        _report(fault, piece, scanned.end, problems)
        return
    if isinstance(node, Macro):
        program.macros.append(node)
    elif isinstance(node, Let):
        program.lets.append(node)
    elif isinstance(node, Section):
        program.sections["execution" if node.kind == "execute" else node.kind] = node


def _report(fault: SyntaxFault, piece: Piece, end: Position, problems: Problems) -> None:
    found = fault.token if fault.token is not None else piece.after
    expected = fault.expected
    hint = advise(piece.tokens, found)
    if found is None:
        problems.add(f"unexpected end of input, expected {expected}", end, hint)
    else:
        problems.add(f"expected {expected}, found {quoted(found)}", at(found), hint)
