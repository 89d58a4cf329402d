"""Hypothesis strategies for values, nodes, spaces and architectures: the only ones there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Cell,
    Choice,
    Expression,
    Layer,
    LayerChoice,
    LogRange,
    Maybe,
    Parallel,
    RandomTrial,
    Range,
    Repeat,
    Residual,
)
from neural_automl.architecture_space._nodes import as_nodes
from neural_automl.hyperparameters import DEVICES, LOSSES

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

Draw = Callable[[st.SearchStrategy[Any]], Any]
Node = Any

SHAPES: Mapping[str, tuple[int, ...]] = {
    "image": (5, 4, 2),
    "sequence": (6, 4),
    "features": (4,),
}


# --- values --------------------------------------------------------------------------------------


def integers(low: int = 1, high: int = 4) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def ranges(draw: Draw, low: int = 1, high: int = 4) -> Range:
    """Draw a range of two or three integers."""
    step = draw(st.sampled_from([None, 1, 2]))
    first = draw(st.integers(low, high - 2))
    places = draw(st.integers(1, 2 if step != 2 else 1))
    return Range(first, first + places * (step or 1), step)


@st.composite
def log_ranges(draw: Draw, low: int = 1, high: int = 4) -> LogRange:
    first = draw(st.integers(low, high - 1))
    return LogRange(first, first + 1)


@st.composite
def choices(draw: Draw, elements: st.SearchStrategy[Any], most: int = 3) -> Choice:
    """Draw a choice of one to three different values."""
    return Choice(*draw(st.lists(elements, min_size=1, max_size=most, unique=True)))


@st.composite
def conditional_values(draw: Draw) -> Choice:
    """Draw a choice that holds an open value beside a number that is outside of it."""
    inner = draw(ranges() | log_ranges() | choices(integers()))
    return Choice(inner, draw(st.sampled_from([5, 6])))


def open_integers() -> st.SearchStrategy[Any]:
    return choices(integers()) | ranges() | log_ranges() | conditional_values()


@st.composite
def expressions(draw: Draw, leaves: st.SearchStrategy[Any], *, division: bool = False) -> Any:
    """Draw arithmetic over one or two leaves; without division it gives integers from 1 on."""
    operators = ["add", "mul", *(["div", "sub", "neg"] if division else [])]
    operator = draw(st.sampled_from(operators))
    if operator == "neg":
        return Expression("neg", (draw(leaves),))
    other = draw(leaves | integers(1, 3))
    return Expression(operator, (draw(leaves), other))


FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)

#: What a network may hold: every plain value, in tuples too.
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


@dataclass
class Ties:
    """What the names of one space offer: drawn once, used in several places."""

    draw: Draw
    values: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cells: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)

    def value(self) -> Any:
        name = self.draw(st.sampled_from(["v", "w"]))
        if name not in self.values:
            value = self.draw(open_integers())
            named = (
                Choice(*value.values, name=name)
                if isinstance(value, Choice)
                else type(value)(**{**_fields(value), "name": name})
            )
            self.values[name] = named
        return self.values[name]

    def choice(self) -> tuple[str, tuple[str, ...]]:
        name = self.draw(st.sampled_from(["op", "op2"]))
        labels = self.labels.setdefault(name, ("left", "right"))
        return name, labels

    def cell(self) -> tuple[str, int, tuple[str, ...]]:
        nodes, operations = self.cells.setdefault("c", (2, ("skip_connect", "none")))
        return "c", nodes, operations


def _fields(value: Range | LogRange) -> dict[str, Any]:
    fields = ("low", "high", "step") if isinstance(value, Range) else ("low", "high")
    return {name: getattr(value, name) for name in fields}


# --- nodes ---------------------------------------------------------------------------------------


class Nodes:
    """Draws trees of nodes for one rank of input.

    Args:
        draw: Of a composite strategy.
        rank: 1 for features, 2 for sequences, 3 for images.
        rare: One value in so many is open.
    """

    def __init__(self, draw: Draw, rank: int, rare: int = 3) -> None:
        self.draw = draw
        self.rank = rank
        self.rare = rare
        self.ties = Ties(draw)

    def value(self, otherwise: Any = None) -> Any:
        """Draw a positive integer, open or not."""
        if self.draw(st.integers(1, self.rare)) > 1:
            return otherwise or self.draw(integers())
        kind = self.draw(st.sampled_from(["open", "tie", "expression"]))
        if kind == "open":
            return self.draw(open_integers())
        if kind == "tie":
            return self.ties.value()
        leaves = st.deferred(lambda: choices(integers()) | ranges() | st.just(self.ties.value()))
        return self.draw(expressions(leaves))

    def layer(self) -> Node:
        kinds: list[Callable[[], Node]] = [
            lambda: Layer("Dense", self.value(), activation=self._open(None, "relu")),
            lambda: Layer("Dropout", self._open(0.1, 0.5)),
            lambda: "ReLU",
            lambda: "BatchNormalization",
        ]
        if self.rank == 3:
            kinds += [
                lambda: Layer("Conv2D", self.value(), self.value(), padding="same"),
                lambda: Layer("Conv2D", self.value(2), self._open((2, 2), (1, 2)), strides=2),
                lambda: Layer("Conv2D", Expression("mul", ("channels", 2)), 1),
                lambda: Layer("MaxPooling2D", self.value(2)),
                lambda: Layer("ConvBN", kernel_size=self._open(1, 3)),
            ]
        if self.rank == 2:
            kinds += [
                lambda: Layer("Conv1D", self.value(), self.value(2)),
                lambda: Layer("LSTM", self.value(), return_sequences=True),
                lambda: Layer("MultiHeadAttention", self.value()),
            ]
        return self.draw(st.sampled_from(kinds))()

    def _open(self, *values: Any) -> Any:
        return Choice(*values) if self.draw(st.integers(1, self.rare)) == 1 else values[0]

    def body(self, depth: int, most: int = 2) -> list[Node]:
        return [self.node(depth) for _ in range(self.draw(st.integers(1, most)))]

    def node(self, depth: int) -> Node:
        kind = self.draw(
            st.sampled_from(
                ["layer"] * 3
                + (["residual", "parallel", "choice", "maybe", "repeat", "cell"] if depth else [])
            )
        )
        make: Callable[[int], Node] = getattr(self, f"_{kind}")
        made = make(depth - 1)
        if self.draw(st.integers(1, 4 * self.rare)) > 1:
            return made
        return {**as_nodes(made)[0].to_dict(), "device": self.draw(st.sampled_from(DEVICES))}

    def _layer(self, depth: int) -> Node:
        return self.layer()

    def _residual(self, depth: int) -> Node:
        return Residual(self.body(depth), projection=self._open("conv", "none"))

    def _parallel(self, depth: int) -> Node:
        branches = [self.body(depth, 1), self.draw(st.sampled_from([[], ["ReLU"]]))]
        return Parallel(branches, merge=self._open("concat", "add"))

    def _choice(self, depth: int) -> Node:
        if self.draw(st.booleans()):
            name, labels = self.ties.choice()
            return LayerChoice([self.body(depth, 1), []], name=name, labels=labels)
        return LayerChoice([self.body(depth), [], self.layer()][: self.draw(st.integers(1, 3))])

    def _maybe(self, depth: int) -> Node:
        return Maybe(self.body(depth), name=self.draw(st.sampled_from([None, None, "m"])))

    def _repeat(self, depth: int) -> Node:
        counts: list[Callable[[], Any]] = [
            lambda: 2,
            lambda: Range(1, 2),
            lambda: Choice(0, 2),
            lambda: Choice(Range(1, 2), 3),
            self.ties.value,
            lambda: Expression("sub", (Range(1, 2), 1)),
        ]
        return Repeat(self.body(depth, 1), self.draw(st.sampled_from(counts))())

    def _cell(self, depth: int) -> Node:
        if self.draw(st.booleans()):
            name, nodes, operations = self.ties.cell()
            return Cell(nodes, operations, name=name)
        calls = [Call("Dense", {"units": 2}), Call("Dropout", {"rate": 0.1})]
        offered = st.sampled_from(["skip_connect", "none", *calls])
        operations = self.draw(st.lists(offered, min_size=1, max_size=2, unique=True))
        return Cell(self.draw(st.integers(2, 3)), operations)


@st.composite
def trees(draw: Draw, rank: int = 3, depth: int = 2, most: int = 3) -> list[Node]:
    """Draw layers that follow each other."""
    nodes = Nodes(draw, rank)
    tree = nodes.body(depth, most)
    if draw(st.integers(1, 4)) == 1:
        # At the end: a shared repetition names its choices by path, and stands in no other.
        count = draw(st.sampled_from([2, Range(1, 2), Choice(0, 2)]))
        tree.append(Repeat(nodes.body(1, 1), count, shared=True))
    return tree


# --- spaces --------------------------------------------------------------------------------------


@st.composite
def trainings(draw: Draw) -> dict[str, Any]:
    """Draw hyperparameters: sections that may be missing, values that may be open."""
    sections: dict[str, Any] = {}
    if draw(st.booleans()):
        sections["loss"] = draw(st.sampled_from(LOSSES) | choices(st.sampled_from(LOSSES), 2))
    if draw(st.booleans()):
        rate = draw(
            st.sampled_from(
                [
                    0.01,
                    Choice(0.1, 0.01),
                    LogRange(1, 2),
                    Call("CosineDecay", {"initial_learning_rate": Choice(0.1, 0.2)}),
                ]
            )
        )
        decay = draw(st.sampled_from([0.0, Choice(0.0, 1e-4), Range(0.0, 0.2, step=0.1)]))
        sections["optimizer"] = Call("Adam", {"learning_rate": rate, "weight_decay": decay})
    if draw(st.booleans()):
        size = draw(st.sampled_from([8, Choice(8, 16), Expression("mul", (Range(1, 2), 8))]))
        sections["training"] = {"epochs": 2, "batch_size": size}
    return sections


@st.composite
def spaces(draw: Draw, kind: str | None = None, *, training: bool = True) -> ArchitectureSpace:
    """Draw a space of networks over images, sequences or features."""
    kind = kind or draw(st.sampled_from(list(SHAPES)))
    shape = SHAPES[kind]
    return ArchitectureSpace(
        shape,
        draw(trees(rank=len(shape))),
        draw(trainings()) if training else {},
        draw(st.sampled_from([(), {"params": 10_000}, {"macs": 100_000, "depth": 9}])),
        name=draw(st.sampled_from(["Network", "Digits"])),
    )


@st.composite
def architectures(draw: Draw, kind: str | None = None) -> Architecture:
    """Draw one point of a space; its shapes need not follow."""
    space: ArchitectureSpace = draw(spaces(kind))
    return space.suggest(RandomTrial(draw(st.integers(0, 1000))))
