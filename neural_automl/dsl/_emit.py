"""Expanded layers and values to the dictionary form, with positions and the names of ties."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits
from neural_automl.dsl._errors import Position, Problems, quoted
from neural_automl.dsl._errors import place as shown
from neural_automl.dsl._labels import default_labels
from neural_automl.dsl._nodes import Copies, Node, Spliced
from neural_automl.dsl._values import (
    Bound,
    Channels,
    Items,
    Open,
    Operation,
    Value,
    leaf_paths,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands in a path for the index of a copy of a repetition of open count.
_COPY: Final = "\0"
_MANY: Final = f"the network is limited to {_limits.ELEMENTS:,} values, written out"


@dataclass(slots=True)
class _Tie:
    """The uses of one macro argument.

    Args:
        path: Of the first use, which names the tie if it needs a name.
        forms: Of all uses.
        named: Whether it needs a name: it has several uses, or copies share it.
    """

    path: str
    forms: list[dict[str, Any]] = field(default_factory=list)
    named: bool = False


@dataclass(slots=True)
class _Frame:
    """A sequence of layers being written out.

    Args:
        index: Of the next layer.
        fresh: Whether its input is that of the structure it stands in.
    """

    index: int
    fresh: bool


class Emitter:
    """Writes layers and values out.

    Args:
        problems: Where ties that do not fit are recorded.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.positions: dict[tuple[int, ...], Position] = {}
        self.named: dict[str, tuple[Any, Position]] = {}
        self._ties: dict[tuple[int, ...], _Tie] = {}
        self._copies: list[tuple[range, int]] = []
        self._serial = 0
        self._frames: list[_Frame] = []
        self._marks: dict[int, tuple[int, int]] = {}
        self._elements = 0

    def layers(self, layers: Spliced) -> list[dict[str, Any]]:
        """Return the dictionaries of the network's layers."""
        return self._sequence(layers, "layers", (), fresh=True)

    def name_ties(self) -> None:
        """Name the ties that need it; to be called when everything is written out."""
        for tie in self._ties.values():
            if tie.named or len(tie.forms) > 1:
                for form in tie.forms:
                    form["name"] = tie.path

    # --- layers ---------------------------------------------------------------------------

    def _sequence(
        self, layers: Spliced, path: str, key: tuple[int, ...], *, fresh: bool, single: bool = False
    ) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        self._frames.append(_Frame(0, fresh))
        self._splice(layers, path, key, single, written)
        self._frames.pop()
        return written

    def _splice(
        self,
        layers: Spliced,
        path: str,
        key: tuple[int, ...],
        single: bool,
        written: list[dict[str, Any]],
    ) -> None:
        frame = self._frames[-1]
        for element in layers.elements:
            if isinstance(element, Node):
                i = frame.index
                if single:
                    written.append(self._node(element, path, key))
                else:
                    written.append(self._node(element, f"{path}[{i}]", (*key, i)))
                frame.index += 1
            elif isinstance(element, Copies):
                for _ in range(element.count):
                    self._serial += 1
                    self._copies.append((element.ties, self._serial))
                    self._splice(element.body, path, key, single, written)
                    self._copies.pop()
            else:
                self._marks[element.mark] = (len(self._frames) - 1, frame.index)
                self._splice(element.body, path, key, single, written)

    def _node(self, node: Node, path: str, key: tuple[int, ...]) -> dict[str, Any]:
        self.positions[key] = node.at
        self._elements += 1
        params = {}
        for name, value in node.params.items():
            place = f"{path}.repeat" if node.type == "repeat" else f"{path}.{node.type}.{name}"
            params[name] = self.value(value, place) if isinstance(value, Value) else value
        written: dict[str, Any] = {"type": node.type, "params": params, "sublayers": []}
        if node.branching:
            written["sublayers"] = [
                self._branch(block, f"{path}[{i}]", (*key, i), node)
                for i, block in enumerate(node.blocks)
            ]
        elif node.blocks:
            inner = f"{path}[{_COPY}]" if node.type == "repeat" else path
            fresh = node.type in ("maybe", "ResidualConnection")
            written["sublayers"] = self._sequence(node.blocks[0], inner, key, fresh=fresh)
        if node.device is not None:
            written["device"] = node.device
        if "name" in node.params and node.type in ("choice", "maybe", "cell"):
            self._decision(written, node)
        return written

    def _branch(
        self, block: Spliced, path: str, key: tuple[int, ...], node: Node
    ) -> dict[str, Any]:
        single = block.width == 1
        layers = self._sequence(block, path, key, fresh=True, single=single)
        if single:
            return layers[0]
        self.positions[key] = self.positions.get((*key, 0), node.at)
        return {"type": "sequence", "params": {}, "sublayers": layers}

    def _decision(self, written: dict[str, Any], node: Node) -> None:
        """Check that decisions of one name offer the same."""
        params = written["params"]
        if node.type == "choice":
            labels = params.get("labels") or default_labels(written["sublayers"])
            self._offer(params["name"], {"type": "categorical", "values": labels}, node.at)
        elif node.type == "maybe":
            self._offer(params["name"], {"type": "categorical", "values": [False, True]}, node.at)
        else:
            offered = {name: value for name, value in params.items() if name != "name"}
            self._offer(params["name"], {"type": "cell", "params": offered}, node.at)

    def _offer(self, name: str, form: dict[str, Any], at: Position) -> None:
        first, where = self.named.setdefault(name, (form, at))
        if first != form:
            message = f"all choices named {quoted(name)} must offer the same"
            self._problems.add(f"{message}, this one differs from that at {shown(where)}", at)

    # --- values ---------------------------------------------------------------------------

    def value(self, value: Value, path: str) -> Any:
        """Return the dictionary form of a value whose study name would be ``path``."""
        self._elements += 1
        if self._elements > _limits.ELEMENTS:
            self._problems.add(_MANY, value.at)
            self._problems.raise_any()
        data = value.data
        if isinstance(data, Items):
            return [self.value(item, f"{path}[{i}]") for i, item in enumerate(data.items)]
        if isinstance(data, Open):
            return self._open(data, value.at, path)
        if isinstance(data, Operation):
            return self._operand(value, leaf_paths(value, path))
        if isinstance(data, Channels):
            written = self._channels(data)
            return {"expr": ["channels"]} if written == "channels" else written
        if isinstance(data, Bound):
            params = {name: self.value(v, f"{path}.{name}") for name, v in data.params.items()}
            return {"type": data.type, "params": params}
        return data

    def _operand(self, value: Value, paths: Iterator[str]) -> Any:
        data = value.data
        if isinstance(data, Operation):
            operands = [self._operand(operand, paths) for operand in data.operands]
            return {"expr": [data.operator, *operands]}
        if isinstance(data, Channels):
            return self._channels(data)
        return self.value(value, next(paths) if isinstance(data, Open) else "")

    def _channels(self, data: Channels) -> Any:
        """Return ``channels``, with the way back to the macro call where it was an argument."""
        back, up = data.back, data.up
        if data.mark is not None:
            level, index = self._marks[data.mark]
            deepest = len(self._frames) - 1
            back, up = self._frames[level].index - index, deepest - level
            inner = self._frames[level + 1 :]
            if back == 0 and all(frame.fresh and frame.index == 0 for frame in inner):
                up = 0
        return {"expr": ["channels", back, up]} if back or up else "channels"

    def _open(self, data: Open, at: Position, path: str) -> dict[str, Any]:
        study = path if data.name is None else data.name
        form: dict[str, Any] = {"type": data.kind}
        members = data.members
        if data.kind == "categorical":
            values = [self.value(member, f"{study}[{i}]") for i, member in enumerate(members)]
            form["values"] = values
        else:
            low, high = (member.data for member in members)
            ends = ("start", "end") if data.kind == "range" else ("low", "high")
            form.update(zip(ends, (low, high), strict=True))
            if data.step is not None:
                form["step"] = data.step
        if data.name is not None:
            self._offer(data.name, dict(form), at)
            form["name"] = data.name
        elif data.tie is not None:
            self._use(data, form, path)
        return {"hpo": form}

    def _use(self, data: Open, form: dict[str, Any], path: str) -> None:
        assert data.tie is not None  # the caller has looked
        copies = (serial for ties, serial in self._copies if data.tie in ties)
        first = path.replace(_COPY, "*", data.level).replace(_COPY, "0")
        tie = self._ties.setdefault((data.tie, *copies), _Tie(first))
        tie.forms.append(form)
        tie.named = tie.named or path.count(_COPY) > data.level
