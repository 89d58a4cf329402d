"""A canonical order of the nodes of one piece of a graph: equal for isomorphic pieces.

Nodes are told apart by Weisfeiler-Lehman colours, which say what lies before and behind them. Where
that leaves ties, each of the tied is tried as the first, and the smallest text wins: exact, and
short of work where the tied are interchangeable, as branches mostly are.

Source: McKay, Piperno, "Practical graph isomorphism, II", 2014, sections 2.2 to 2.4 (colour
refinement, individualisation, pruning by automorphisms).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from neural_automl.canonical._rules import COMMUTATIVE

#: Label and inputs of each node: 0 is what the piece reads, ``n`` its own node ``n - 1``. The
#: last node is what the piece gives.
Piece = tuple[tuple[tuple[object, ...], tuple[int, ...]], ...]


class OrderedPiece(NamedTuple):
    """The canonical text of a piece, and its own nodes, from 1 on, in canonical order."""

    text: str
    order: tuple[int, ...]


class _Leaf(NamedTuple):
    """An order of the groups: what it says, and where it placed the nodes that broke ties."""

    rows: tuple[tuple[str, tuple[int, ...]], ...]
    marks: tuple[int, ...]
    order: tuple[int, ...]


# Colours are numbers below a prime, mixed so that sums of them stand for multisets. A collision
# would only leave a tie, which is then broken exactly.
_PRIME: Final = (1 << 61) - 1
_A, _B, _C = 0x1F83D9ABFB41BD6B, 0x0BE0CD19137E2179, 0x1BBE1F3C6A09E667


def _mix(colour: int, place: int) -> int:
    value = colour * _A + place * _B + _C
    return value * value % _PRIME


@lru_cache(maxsize=1 << 14)
def _label_text(label: tuple[object, ...]) -> str:
    return repr(label)


@lru_cache(maxsize=1 << 14)
def _colour_of(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) % _PRIME


class _Groups:
    """A piece with its chains folded: a node with one reader, which reads nothing else, joins it.

    Args:
        piece: At least one node.
    """

    def __init__(self, piece: Piece) -> None:
        readers = [0] * (len(piece) + 1)
        for _, inputs in piece:
            for k in inputs:
                readers[k] += 1
        of = [0] * (len(piece) + 1)  # the group that a node is in; 0 is what comes from outside
        self.members: list[list[int]] = [[]]
        self.inputs: list[tuple[int, ...]] = [()]
        self.commutative = [False]
        texts: list[list[str]] = [[]]
        for place, (label, inputs) in enumerate(piece, start=1):
            text = _label_text(label)
            if len(inputs) == 1 and inputs[0] and readers[inputs[0]] == 1:
                group = of[inputs[0]]
                self.members[group].append(place)
                texts[group].append(text)
            else:
                group = len(self.members)
                self.members.append([place])
                texts.append([text])
                self.inputs.append(tuple([of[k] for k in inputs]))
                self.commutative.append(label[0] in COMMUTATIVE)
            of[place] = group
        self.texts = ["|".join(text) for text in texts]
        self.readers: list[list[tuple[int, int]]] = [[] for _ in self.members]
        for group, inputs in enumerate(self.inputs):
            for place, k in enumerate(inputs):
                self.readers[k].append((group, 0 if self.commutative[group] else place + 1))

    def refined(self, colours: list[int]) -> list[int]:
        """Return the colours after what lies before and behind has been taken in, to rest."""
        count = len(set(colours))
        while True:
            colours = self._behind(self._before(colours))
            refined = len(set(colours))
            if refined in (count, len(colours)):
                return colours
            count = refined

    def _before(self, colours: list[int]) -> list[int]:
        result = colours.copy()
        for group, inputs in enumerate(self.inputs):
            if not inputs:
                continue
            total = result[group] * _C
            if self.commutative[group]:
                for k in inputs:
                    total += _mix(result[k], 0)
            else:
                for place, k in enumerate(inputs):
                    total += _mix(result[k], place + 1)
            result[group] = total % _PRIME
        return result

    def _behind(self, colours: list[int]) -> list[int]:
        result = colours.copy()
        for group in range(len(result) - 1, -1, -1):
            total = result[group] * _B
            for reader, place in self.readers[group]:
                total += _mix(result[reader], place)
            result[group] = total % _PRIME
        return result

    def tied(self, colours: list[int]) -> list[int]:
        """Return the groups of the smallest colour that several have; empty if there is none."""
        if len(set(colours)) == len(colours):
            return []
        by_colour: dict[int, list[int]] = {}
        for group, colour in enumerate(colours):
            by_colour.setdefault(colour, []).append(group)
        colour = min(colour for colour, groups in by_colour.items() if len(groups) > 1)
        return by_colour[colour]

    def interchangeable(self, groups: list[int]) -> bool:
        """Tell whether groups read the same and are read alike: any order of them is as good."""
        alike = {(self.texts[g], self.inputs[g], tuple(sorted(self.readers[g]))) for g in groups}
        return len(alike) == 1

    def leaf(self, colours: list[int], marks: tuple[int, ...]) -> _Leaf:
        """Return the order that colours without ties give."""
        order = sorted(range(len(colours)), key=colours.__getitem__)
        place = [0] * len(order)
        for position, group in enumerate(order):
            place[group] = position
        rows = []
        for group in order:
            inputs = [place[k] for k in self.inputs[group]]
            if self.commutative[group]:
                inputs.sort()
            rows.append((self.texts[group], tuple(inputs)))
        return _Leaf(tuple(rows), tuple(place[mark] for mark in marks), tuple(order))


def _marked(colours: list[int], groups: list[int]) -> list[int]:
    """Return colours with groups set apart, each from all others."""
    result = colours.copy()
    for number, group in enumerate(groups):
        result[group] = _mix(result[group], -1 - number)
    return result


class _Search:
    """Tries the orders that colours leave open."""

    def __init__(self, groups: _Groups) -> None:
        self._groups = groups
        self._automorphisms: list[dict[int, int]] = []

    def _below(self, colours: list[int], tied: list[int]) -> list[int]:
        return self._groups.refined(_marked(colours, tied))

    def best_leaf(self, colours: list[int], marks: tuple[int, ...]) -> _Leaf:
        """Return the smallest leaf below these colours."""
        tied = self._groups.tied(colours)
        if not tied:
            return self._groups.leaf(colours, marks)
        if self._groups.interchangeable(tied):
            return self.best_leaf(self._below(colours, tied), (*marks, *tied))
        best = self.best_leaf(self._below(colours, tied[:1]), (*marks, tied[0]))
        tried = {tied[0]}
        for group in tied[1:]:
            if group in self._images(tried, marks):
                continue  # what lies below is a copy of what was tried
            tried.add(group)
            below = self._below(colours, [group])
            leaf = self._first_leaf(below, (*marks, group))
            if leaf[:2] == best[:2]:
                # An automorphism takes the best one's first to this one: again a copy.
                self._automorphisms.append(dict(zip(best.order, leaf.order, strict=True)))
            else:
                best = min(best, self.best_leaf(below, (*marks, group)), key=lambda x: x[:2])
        return best

    def _first_leaf(self, colours: list[int], marks: tuple[int, ...]) -> _Leaf:
        """Return the leaf that is reached when the first of the tied is always taken."""
        while tied := self._groups.tied(colours):
            if not self._groups.interchangeable(tied):
                tied = tied[:1]
            colours, marks = self._below(colours, tied), (*marks, *tied)
        return self._groups.leaf(colours, marks)

    def _images(self, groups: set[int], marks: tuple[int, ...]) -> set[int]:
        """Return where automorphisms that leave the marks in place take some groups."""
        moves = [a for a in self._automorphisms if all(a[mark] == mark for mark in marks)]
        found, new = set(groups), list(groups)
        while new:
            group = new.pop()
            for move in moves:
                if move[group] not in found:
                    found.add(move[group])
                    new.append(move[group])
        return found


@lru_cache(maxsize=1 << 14)
def ordered(piece: Piece) -> OrderedPiece:
    """Return a piece in canonical order; isomorphic pieces have equal texts."""
    if len(piece) == 1:
        label, inputs = piece[0]
        return OrderedPiece(f"{_label_text(label)}{inputs}", (1,))
    groups = _Groups(piece)
    colours = groups.refined([_colour_of(text) for text in groups.texts])
    leaf = _Search(groups).best_leaf(colours, ())
    order = [member for group in leaf.order for member in groups.members[group]]
    return OrderedPiece(";".join(f"{text}{inputs}" for text, inputs in leaf.rows), tuple(order))
