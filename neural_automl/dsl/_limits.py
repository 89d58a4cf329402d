"""Sizes beyond which a text is refused, so that none costs much more time than reading it."""

from __future__ import annotations

from typing import Final

TEXT: Final = 1_000_000
WORDS: Final = 100_000
WORD_LENGTH: Final = 100
QUOTED: Final = 10_000  # characters of an optimizer in quotes, which are read as a text of its own
NAME_LENGTH: Final = 1_000  # of a study name: paths of nested layers are longer than words
NESTING: Final = 64
REPETITION: Final = 10_000
CHOICE: Final = 1_000
EXPRESSION: Final = 100
CELL_NODES: Final = 12
LAYERS: Final = 20_000
VALUE: Final = 10_000
ERRORS: Final = 20
ERRORS_SOUGHT: Final = 200  # beyond the first 20 in text order, none is shown

#: Nodes of the syntax tree that expansion visits; only macros that call each other reach it.
NODES: Final = 1_000_000
#: Values written out in the dictionary form, all layers together.
ELEMENTS: Final = 2_000_000
#: Combinations of an expression's open values that are tried: of one expression, and of a text.
COMBINATIONS: Final = 10_000
COMBINATIONS_OF_TEXT: Final = 200_000
