"""Expansion: macros, groups and fixed repetitions become layers, with their values checked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._alternatives import as_entries, split_merge, stem_of, tie_blocks, type_stem
from neural_automl.dsl._cells import read_cell
from neural_automl.dsl._errors import Position, Problems, near, quoted
from neural_automl.dsl._evaluate import OPEN_VALUES, Scope, bind
from neural_automl.dsl._labels import number_labels, read_labels
from neural_automl.dsl._macros import TOO_MANY_LAYERS
from neural_automl.dsl._nodes import Copies, Element, Expanded, Node, Spliced, placed, splice
from neural_automl.dsl._tables import TYPES, is_layer, layer_names, parameters_of, row_of
from neural_automl.dsl._values import UNKNOWN, Value, has_open, is_number, marked, tied
from neural_automl.hyperparameters import DEVICES, is_device
from neural_automl.layers import ACTIVATIONS

if TYPE_CHECKING:
    from neural_automl.dsl._check import Checker


@dataclass(frozen=True, slots=True)
class Place:
    """Where expansion is.

    Args:
        scope: What names stand for.
        depth: Levels of nesting above.
        level: Repetitions of open count above.
    """

    scope: Scope
    depth: int = 1
    level: int = 0

    def inside(self, scope: Scope | None = None, level: int = 0) -> Place:
        """Return the place one level of nesting further in."""
        return Place(scope or self.scope, self.depth + 1, self.level + level)


class _Counter:
    """Counts, and tells how far it is."""

    def __init__(self) -> None:
        self.made = 0

    def __iter__(self) -> _Counter:
        return self

    def __next__(self) -> int:
        self.made += 1
        return self.made - 1


class Expander:
    """Expands layers.

    Args:
        problems: Where errors and nothing else go.
        checker: Checks values.
        macros: By name.
    """

    def __init__(
        self, problems: Problems, checker: Checker, macros: dict[str, _tree.Macro]
    ) -> None:
        self._problems = problems
        self._checker = checker
        self._macros = macros
        self._ties = _Counter()
        self._marks = itertools.count()
        self.warnings: dict[Position, str] = {}

    def layers(self, entries: tuple[_tree.Entry, ...], place: Place) -> Spliced:
        """Return the layers that entries stand for."""
        elements: list[Element] = []
        size = 0
        if place.depth > _limits.NESTING:
            self._problems.add(f"nesting is limited to {_limits.NESTING}", entries[0].at)
            return Spliced()
        for entry in tie_blocks(entries, self._macros):
            if isinstance(entry, _tree.Let):
                if place.scope.macro is not None:
                    self._problems.add("let stands in the network, not in a macro", entry.at)
                    names = {**place.scope.names, entry.name: Value(UNKNOWN, entry.at)}
                    place = replace(place, scope=replace(place.scope, names=names))
                continue
            layers = self._item(entry, place)
            size += layers.size
            if size > _limits.LAYERS:
                self._problems.add(TOO_MANY_LAYERS, entry.at)
                return Spliced()
            elements.extend(layers.elements)
        return splice(elements)

    def unused(self, macro: _tree.Macro) -> None:
        """Check a macro that nothing calls, whatever its arguments would be."""
        names = {p.name: Value(UNKNOWN, p.at) for p in macro.parameters}
        self._group(macro.body, Place(Scope(names, macro.name)))

    # --- one item -------------------------------------------------------------------------

    def _item(self, item: _tree.Item, place: Place) -> Spliced:
        suffixes: dict[str, _tree.Suffix] = {}
        for suffix in item.suffixes:
            if suffix.sign in suffixes:
                self._problems.add(
                    f"a layer takes one '{suffix.sign}', this is a second", suffix.at
                )
            suffixes.setdefault(suffix.sign, suffix)
        device = self._device(suffixes["@"].value) if "@" in suffixes else None
        layers = self._counted(item, suffixes.get("*"), place)
        if device is not None:
            layers = placed(layers, device)
        if item.maybe is None:
            return layers
        name = self._maybe_name(item, place)
        if not layers.elements:
            if not self._problems:
                self._problems.add("a maybe holds no layer", item.at)
            return layers
        params = {} if name is None else {"name": name}
        return splice([Node("maybe", params, item.at, (layers,), size=1 + layers.size)])

    def _maybe_name(self, item: _tree.Item, place: Place) -> str | None:
        bound, _ = bind("maybe", ("name",), item.maybe or (), self._problems)
        return self._checker.evaluator.study_name(bound.get("name"), place.scope)

    def _device(self, text: Any) -> str | None:
        device: str = text.value
        if not is_device(device):
            known = ", ".join((*DEVICES, "cuda:N"))
            message = f"a device must be one of {known} but got {quoted(device)}"
            self._problems.add(message, text.at)
            return None
        line, column = text.at
        self.warnings[text.at] = (
            f'{line}:{column}: @ "{device}" is kept but not obeyed: placement is the executor\'s'
        )
        return device

    def _counted(self, item: _tree.Item, suffix: _tree.Suffix | None, place: Place) -> Spliced:
        if suffix is None:
            return self._core(item, place)
        evaluated = self._checker.evaluator.value(suffix.value, place.scope)
        if isinstance(suffix.value, _tree.Number) and evaluated.data == 0:
            self._problems.add("a count of 0 leaves nothing: remove the layer", evaluated.at)
        count, largest = self._checker.count(evaluated, item.at)
        first_tie = self._ties.made
        fixed = count.data is UNKNOWN or is_number(count.data)
        layers = self._core(item, place if fixed else place.inside(level=1))
        if count.data is UNKNOWN:
            return layers
        size = layers.size * largest
        if size > _limits.LAYERS:
            self._problems.add(TOO_MANY_LAYERS, item.at)
            return Spliced()
        if not layers.elements or largest == 0:
            return Spliced()
        if fixed:
            return splice([Copies(layers, largest, range(first_tie, self._ties.made))])
        return splice([Node("repeat", {"count": count}, item.at, (layers,), size=1 + size)])

    def _core(self, item: _tree.Item, place: Place) -> Spliced:
        core = item.core
        if isinstance(core, _tree.Block):
            return self._group(core, place)
        if isinstance(core, _tree.Choice):
            return self._choice(core, core.block or item.block, place)
        if core.name in self._macros:
            return self._macro(core, self._macros[core.name], place)
        if core.name == "HPO":
            return self._hpo(core, place)
        if core.name == "cell":
            node = read_cell(core, place.scope, self._checker, self._problems)
            return splice([node])
        if is_layer(core.name):
            return self._layer(core, item.block, place)
        hint = self._meant(core.name)
        self._problems.add(f"unknown layer or macro {quoted(core.name)}", core.at, hint)
        return Spliced()

    def _meant(self, name: str) -> str:
        """Return the hint for a name that is no layer."""
        if name in OPEN_VALUES:
            return "layers are chosen by choice { ... | ... }"
        if name.lower() == "repeat":
            return "a repetition is written { ... } * 3"
        if name.lower() in ACTIVATIONS and name.lower() != "linear":  # which others call Dense
            return f'did you mean Activation("{name.lower()}")?'
        word = quoted(name)[1:-1]
        return near(name, [*layer_names(), *self._macros]) or (
            f"a macro is written define {word}(...) {{ ... }}, outside the network"
        )

    def _group(self, block: _tree.Block, place: Place) -> Spliced:
        if block.bars:
            message = "'|' stands between the alternatives of a choice only"
            self._problems.add(message, block.bars[0])
        return self.layers(block.alternatives[0], place.inside())

    # --- macros ---------------------------------------------------------------------------

    def _macro(self, call: _tree.Call, macro: _tree.Macro, place: Place) -> Spliced:
        names = [parameter.name for parameter in macro.parameters]
        bound, correct = bind(macro.name, names, call.arguments, self._problems)
        mark = next(self._marks)
        values: dict[str, Value] = {}
        for parameter in macro.parameters:
            if parameter.name in bound:
                expression, scope = bound[parameter.name].value, place.scope
            elif parameter.default is not None:
                expression, scope = parameter.default, Scope({}, macro.name)
            else:
                values[parameter.name] = Value(UNKNOWN, call.at)
                if correct:
                    self._problems.add(f"{macro.name} requires '{parameter.name}'", call.at)
                continue
            value = self._checker.evaluator.value(expression, scope)
            values[parameter.name] = self._argument(value, mark, place)
        body = self.layers(macro.body.alternatives[0], place.inside(Scope(values, macro.name)))
        if macro.body.bars:
            self._group(macro.body, place)
        return splice([Expanded(body, mark)]) if body.elements else body

    def _argument(self, value: Value, mark: int, place: Place) -> Value:
        if place.depth + value.depth > _limits.NESTING:
            self._problems.add(f"nesting is limited to {_limits.NESTING}", value.at)
            return Value(UNKNOWN, value.at)
        if not has_open(value):
            return value
        return marked(tied(value, self._ties, place.level), mark)

    # --- layers and structures ------------------------------------------------------------

    def _layer(self, call: _tree.Call, block: _tree.Block | None, place: Place) -> Spliced:
        row = row_of(call.name)
        merge: str | None = None
        if row.blocks == "branches" and block is not None:
            block, merge = split_merge(call, block)
        parameters = parameters_of(call.name)
        scope = place.scope
        params: dict[str, Any] = self._checker.arguments(
            call.name, parameters, call.arguments, scope, call.at
        )
        if any(place.depth + value.depth > _limits.NESTING for value in params.values()):
            self._problems.add(f"nesting is limited to {_limits.NESTING}", call.at)
        if merge is not None:
            if "merge" in params:
                self._problems.add("'merge' is given twice", call.at)
            params["merge"] = merge
        kind = TYPES.get(call.name, call.name)
        if block is None:
            if row.block_required:
                message = f"{call.name} needs a block {{ ... }} after it"
                self._problems.add(message, call.at, f"write {call.name} {{ Dense(64) ReLU }}")
            return splice([Node(kind, params, call.at)])
        if row.blocks == "branches":
            blocks = self._branches(call, block, place)
        else:
            body = self._group(block, place)
            if row.block_required and not body.elements and not self._problems:
                self._problems.add(f"{call.name} holds no layer", call.at)
            blocks = (body,) if body.elements else ()
        size = 1 + sum(body.size for body in blocks)
        return splice([Node(kind, params, call.at, blocks, row.blocks == "branches", size=size)])

    def _branches(self, call: _tree.Call, block: _tree.Block, place: Place) -> tuple[Spliced, ...]:
        if block.bars:
            hint = f"write {call.name} {{ {{ ... }} {{ ... }} }}"
            self._problems.add("branches are not divided by '|'", block.bars[0], hint)
        blocks = []
        for entry in block.alternatives[0]:
            if not isinstance(entry, _tree.Item) or not isinstance(entry.core, _tree.Block):
                message = f"each branch of {call.name} stands in braces: {{ ... }}"
                self._problems.add(message, entry.at)
                return ()
            blocks.append(self.layers((entry,), place.inside()))
        if not blocks:
            self._problems.add(f"{call.name} needs at least one branch", call.at)
        return (*blocks,)

    # --- choices of layers ----------------------------------------------------------------

    def _choice(self, choice: _tree.Choice, block: _tree.Block | None, place: Place) -> Spliced:
        positional = tuple(option for option in choice.options if option.name is None)
        if block is None:
            alternatives = [as_entries(option, self._problems) for option in positional]
        else:
            alternatives = [*block.alternatives]
            if positional:
                message = "a choice has its alternatives in parentheses or in braces, not both"
                self._problems.add(message, positional[0].at)
        if not any(alternatives) and len(alternatives) < 2:
            at = choice.at
            self._problems.add("a choice needs its alternatives { ... | ... }", at)
            return Spliced()
        if len(alternatives) > _limits.CHOICE:
            message = f"a choice is limited to {_limits.CHOICE:,} parts"
            self._problems.add(message, choice.at)
            return Spliced()
        options = tuple(option for option in choice.options if option.name is not None)
        return self._alternatives(choice.at, alternatives, block, options, place)

    def _alternatives(
        self,
        at: Position,
        alternatives: list[tuple[_tree.Entry, ...]],
        block: _tree.Block | None,
        options: tuple[_tree.Argument, ...],
        place: Place,
    ) -> Spliced:
        bound, _ = bind("choice", ("name", "labels"), options, self._problems)
        evaluator = self._checker.evaluator
        name = evaluator.study_name(bound.get("name"), place.scope)
        blocks, stems = [], []
        for i, entries in enumerate(alternatives):
            if not entries:
                bars = block.bars if block is not None else ()
                where = bars[i - 1] if i > 0 else bars[0] if bars else at
                hint = "the identity is {}"
                self._problems.add("an alternative of this choice is empty", where, hint)
                continue
            layers = self.layers(entries, place.inside())
            blocks.append(layers)
            stems.append(stem_of(entries, layers, self._macros))
        params: dict[str, Any] = {} if name is None else {"name": name}
        derived = number_labels([type_stem(layers) for layers in blocks])
        labels = number_labels(stems)
        if "labels" in bound:
            value = evaluator.value(bound["labels"].value, place.scope)
            labels = read_labels(value, len(alternatives), self._problems) or labels
        if labels != derived:
            params["labels"] = labels
        size = 1 + sum(layers.size for layers in blocks)
        return splice([Node("choice", params, at, (*blocks,), True, size=size)])

    def _hpo(self, call: _tree.Call, place: Place) -> Spliced:
        inner = call.arguments[0].value if len(call.arguments) == 1 else None
        if not isinstance(inner, _tree.Call) or inner.name != "choice":
            self._problems.add("HPO at a layer's place holds one choice of layers", call.at)
            return Spliced()
        return self._choice(_tree.Choice(inner.arguments, None, inner.at), None, place)
