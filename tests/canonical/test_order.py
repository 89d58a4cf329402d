"""The canonical order of one piece, against brute force and beyond Weisfeiler and Lehman."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import chain, combinations, pairwise, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.canonical import _order, canonical_form
from neural_automl.canonical._order import Piece, ordered
from neural_automl.graph import Graph, GraphBuilder

Draw = Callable[[st.SearchStrategy[Any]], Any]
Row = tuple[tuple[object, ...], tuple[int, ...]]

ADD: tuple[object, ...] = ("Add", ())
JOIN: tuple[object, ...] = ("Concatenate", ())
CONV: tuple[object, ...] = ("Conv", (3,))


def read(label: tuple[object, ...], inputs: list[int]) -> Row:
    """Return a row; where the order of inputs does not matter they are sorted."""
    return label, tuple(sorted(inputs) if label == ADD else inputs)


def moved(piece: Piece, places: dict[int, int]) -> Piece:
    """Return a piece with its nodes at other places."""
    rows: list[Row] = [(ADD, ())] * len(piece)
    for node, (label, inputs) in enumerate(piece, start=1):
        rows[places[node] - 1] = read(label, [places[k] for k in inputs])
    return tuple(rows)


def with_last(rows: list[Row]) -> Piece:
    """Add the node that everything unread leads to."""
    used = set(chain.from_iterable(inputs for _, inputs in rows))
    unread = [node for node in range(1, len(rows) + 1) if node not in used]
    return (*rows, read(ADD, unread or [0]))


@st.composite
def pieces(draw: Draw) -> Piece:
    rows = []
    for node in range(1, draw(st.integers(1, 8)) + 1):
        label = draw(st.sampled_from([ADD, CONV, CONV, JOIN]))
        most = 1 if label == CONV else 3
        inputs = st.lists(
            st.integers(0, node - 1), min_size=0 if label == CONV else 1, max_size=most
        )
        rows.append(read(label, draw(inputs)))
    return with_last(rows)


@st.composite
def relabelings(draw: Draw, piece: Piece) -> dict[int, int]:
    """Draw another topological order."""
    places = {0: 0}
    while len(places) <= len(piece):
        ready = [
            node
            for node, (_, inputs) in enumerate(piece, start=1)
            if node not in places and all(k in places for k in inputs)
        ]
        places[draw(st.sampled_from(ready))] = len(places)
    return places


@given(data=st.data())
def test_relabeled_pieces_have_one_text_and_matching_orders(data: st.DataObject) -> None:
    piece = data.draw(pieces())
    other = moved(piece, data.draw(relabelings(piece)))

    one, two = ordered(piece), ordered(other)

    assert one.text == two.text
    match = {0: 0, **dict(zip(one.order, two.order, strict=True))}
    assert sorted(match) == list(range(len(piece) + 1))
    assert moved(piece, match) == other


def smallest(piece: Piece) -> str:
    """Return the smallest of the texts of all topological orders: brute force."""
    texts = []
    for order in permutations(range(1, len(piece) + 1)):
        places = {0: 0, **dict(zip(range(1, len(piece) + 1), order, strict=True))}
        if all(places[k] < places[n] for n, (_, inputs) in enumerate(piece, 1) for k in inputs):
            texts.append(repr(moved(piece, places)))
    return min(texts)


def every_piece(nodes: int) -> list[Piece]:
    """Return all pieces of so many nodes and a last one; joins read in two orders."""

    def rows(node: int) -> list[Row]:
        found: list[Row] = [(CONV, (k,)) for k in range(node)] + [(CONV, ())]
        for size in (2, 3):
            for some in combinations(range(node), size):
                found += [(ADD, some), (JOIN, some), (JOIN, some[::-1])]
        return found

    return [with_last(list(each)) for each in product(*(rows(n) for n in range(1, nodes + 1)))]


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_texts_are_equal_where_brute_force_finds_an_isomorphism(nodes: int) -> None:
    text_of: dict[str, str] = {}
    found = every_piece(nodes)

    for piece in found:
        assert text_of.setdefault(smallest(piece), ordered(piece).text) == ordered(piece).text

    assert len(set(text_of.values())) == len(text_of)
    assert nodes < 3 or len(text_of) < len(found)


# --- what colours alone do not tell apart ---------------------------------------------------------


def ring_graph(pairs: list[tuple[int, int]]) -> Graph:
    """Return convolutions of one input, summed in pairs, each sum convolved, all summed."""
    builder = GraphBuilder((4, 4, 2))
    conv: dict[str, Any] = {
        "filters": 2,
        "kernel_size": (1, 1),
        "strides": (1, 1),
        "padding": (0, 0),
        "dilation_rate": (1, 1),
        "groups": 1,
        "use_bias": True,
    }
    first = [builder.add("Conv", 0, **conv) for _ in range(1 + max(map(max, pairs)))]
    sums = [builder.add("Add", first[a], first[b]) for a, b in pairs]
    last = builder.add("Add", *(builder.add("Conv", each, **conv) for each in sums))
    return builder.finish(last, None)


SIX = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
TWICE_THREE = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]


def test_a_ring_of_six_is_not_two_rings_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    rings = {
        name: canonical_form(ring_graph(p)).key for name, p in [("6", SIX), ("33", TWICE_THREE)]
    }
    shuffled = [(4, 2), (2, 0), (0, 5), (5, 1), (1, 3), (3, 4)]
    split = [(5, 2), (2, 0), (0, 5), (4, 1), (1, 3), (3, 4)]

    assert rings["6"] != rings["33"]
    assert canonical_form(ring_graph(shuffled)).key == rings["6"]
    assert canonical_form(ring_graph(split)).key == rings["33"]

    # Colours alone say no difference: after refinement the two have the same ones.
    def colours(pairs: list[tuple[int, int]]) -> list[int]:
        groups = _order._Groups(ring_piece(pairs))
        return sorted(groups.refined([_order._colour_of(text) for text in groups.texts]))

    assert colours(SIX) == colours(TWICE_THREE)
    assert ordered(ring_piece(SIX)).text != ordered(ring_piece(TWICE_THREE)).text


def ring_piece(pairs: list[tuple[int, int]]) -> Piece:
    count = 1 + max(map(max, pairs))
    rows: list[Row] = [(CONV, (0,)) for _ in range(count)]
    for a, b in pairs:
        rows += [(ADD, tuple(sorted((a + 1, b + 1))))]
    rows += [(CONV, (count + 1 + k,)) for k in range(len(pairs))]
    return with_last(rows)


@st.composite
def regular_pairs(draw: Draw) -> list[tuple[int, int]]:
    """Draw one to three times all nodes in rings: colours tell no node of them from another."""
    pairs = []
    count = draw(st.integers(3, 8))
    for _ in range(draw(st.integers(1, 3))):
        nodes = draw(st.permutations(range(count)))
        cuts = sorted({0, count, *draw(st.lists(st.integers(1, count - 1), max_size=2))})
        for start, end in pairwise(cuts):
            ring = nodes[start:end]
            pairs += list(zip(ring, ring[1:] + ring[:1], strict=True))
    return pairs


@given(data=st.data())
def test_what_colours_do_not_tell_apart_has_one_text(data: st.DataObject) -> None:
    pairs = data.draw(regular_pairs())
    names = data.draw(st.permutations(range(1 + max(map(max, pairs)))))
    other = [(names[a], names[b]) for a, b in data.draw(st.permutations(pairs))]

    one, two = ring_piece(pairs), ring_piece(other)

    assert ordered(one).text == ordered(two).text
    match = {0: 0, **dict(zip(ordered(one).order, ordered(two).order, strict=True))}
    assert moved(one, match) == two


def rings(*sizes: int) -> list[tuple[int, int]]:
    pairs, start = [], 0
    for size in sizes:
        pairs += [(start + k, start + (k + 1) % size) for k in range(size)]
        start += size
    return pairs


def test_rings_are_told_apart_by_their_sizes() -> None:
    sizes = [(12,), (6, 6), (8, 4), (9, 3), (7, 5), (6, 3, 3), (5, 4, 3), (4, 4, 4), (3, 3, 3, 3)]
    shuffle = random.Random(0)

    texts = []
    for each in sizes:
        turned = rings(*shuffle.sample(each, len(each)))
        texts.append(ordered(ring_piece(rings(*each))).text)
        assert ordered(ring_piece(turned)).text == texts[-1]

    assert len(set(texts)) == len(sizes)


def strongly_regular(steps: list[tuple[int, int]], start: int) -> list[tuple[int, int]]:
    """Return the pairs of a graph on a torus of 4 by 4, each place joined to those at steps."""
    return [
        (start + 4 * a + b, start + 4 * ((a + da) % 4) + (b + db) % 4)
        for a, b in product(range(4), repeat=2)
        for da, db in steps
    ]


ROOK = [(0, 1), (1, 0), (0, 2), (2, 0)]
SHRIKHANDE = [(0, 1), (1, 0), (1, 1)]


def test_graphs_that_stay_tied_after_a_mark() -> None:
    # The two have the same colours even after one node is set apart. Steps of 2 come up twice.
    rook = sorted({(min(pair), max(pair)) for pair in strongly_regular(ROOK, 16)})
    both = strongly_regular(SHRIKHANDE, 0) + rook
    shuffle = random.Random(0)

    texts = set()
    for _ in range(5):
        names = shuffle.sample(range(32), 32)
        pairs = [(names[a], names[b]) for a, b in shuffle.sample(both, len(both))]
        texts.add(ordered(ring_piece(pairs)).text)

    assert len(rook) == 48 == len(both) - len(rook)
    assert len(texts) == 1


# --- the work that ties make ----------------------------------------------------------------------


def one_node(start: int) -> list[Row]:
    return [(CONV, (0,))]


def one_chain(start: int) -> list[Row]:
    return [(CONV, (0,)), (CONV, (start,)), (CONV, (start + 1,))]


def one_diamond(start: int) -> list[Row]:
    relu, tanh = ("Activation", ("relu",)), ("Activation", ("tanh",))
    return [(CONV, (0,)), (relu, (start,)), (tanh, (start,)), (ADD, (start + 1, start + 2))]


def one_even_diamond(start: int) -> list[Row]:
    return [(CONV, (0,)), (CONV, (start,)), (CONV, (start,)), (ADD, (start + 1, start + 2))]


BRANCHES = {
    "node": (one_node, 0),
    "chain": (one_chain, 0),
    "diamond": (one_diamond, 2),
    "even diamond": (one_even_diamond, 2),
}


def counted(piece: Piece, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many times colours are refined, with nothing remembered."""
    count = 0
    plain = _order._Groups.refined

    def refined(self: Any, colours: list[int]) -> list[int]:
        nonlocal count
        count += 1
        return plain(self, colours)

    with monkeypatch.context() as patch:
        patch.setattr(_order._Groups, "refined", refined)
        ordered.__wrapped__(piece)
    return count


@pytest.mark.parametrize(
    ("kind", "count"),
    [*product(BRANCHES, [2, 8, 20]), ("node", 64), ("chain", 64), ("node", 2000)],
)
def test_interchangeable_branches_take_little_work(
    kind: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch, power = BRANCHES[kind]
    rows: list[Row] = []
    for _ in range(count):
        rows += branch(len(rows) + 1)

    # Not the factorial of their number, which trying every order would take.
    assert counted(with_last(rows), monkeypatch) <= 2 * (count + 1) ** power


@pytest.mark.parametrize("count", [6, 12, 24])
def test_a_ring_takes_little_work(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_piece([(k, (k + 1) % count) for k in range(count)])

    assert counted(ring, monkeypatch) <= 4 * count
