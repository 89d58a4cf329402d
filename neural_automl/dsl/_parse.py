"""Text to the dictionary form."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from neural_automl.dsl import _limits, _tree
from neural_automl.dsl._check import Checker
from neural_automl.dsl._choices import decisions
from neural_automl.dsl._emit import Emitter
from neural_automl.dsl._errors import Problems, quoted
from neural_automl.dsl._evaluate import Evaluator, Scope
from neural_automl.dsl._expand import Expander, Place
from neural_automl.dsl._macros import check_let_names, check_macros, walk
from neural_automl.dsl._network import Network
from neural_automl.dsl._sections import Sections
from neural_automl.dsl._syntax import Program, read
from neural_automl.dsl._values import UNKNOWN, Value, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neural_automl.dsl._nodes import Spliced

_LONGEST_PATH: Final = 4096


def is_text(text_or_path: str) -> bool:
    """Return whether a string is a text: one without ``{`` and newline is a path.

    What no system takes for a path is a text too: nothing, a zero byte, beyond 4,096 characters.
    """
    no_path = not text_or_path.strip() or "\0" in text_or_path or len(text_or_path) > _LONGEST_PATH
    return no_path or "{" in text_or_path or "\n" in text_or_path


def parse(text: str) -> Network:
    """Return the network of a text of the space language.

    Text, names, types and bounds are checked; shapes and the reach of constraints are not.

    Args:
        text: The text, not a path.

    Raises:
        DSLError: The text breaks a rule; ``errors`` holds all that were found, up to 20.
    """
    problems = Problems(text)
    try:
        return _Reader(text, problems).run()
    except RecursionError:
        # Nesting is limited far below Python's stack, unless the caller has used most of it.
        message = "the text is nested too deeply for what is left of Python's stack"
        raise problems.error(message, (1, 1)) from None


class _Reader:
    """The passes over one text; each runs only if the one before found nothing."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems

    def run(self) -> Network:
        program = read(self._text, self._problems)
        entries = program.sections["layers"].entries if "layers" in program.sections else ()
        lets = sorted([*program.lets, *_lets(entries)], key=lambda let: let.at)
        macros, unused = check_macros(program.macros, [entries], self._problems)
        check_let_names(lets, self._problems)
        self._check_sections(program)
        self._problems.raise_any()

        evaluator = Evaluator(self._problems, macros)
        checker = Checker(self._problems, evaluator)
        scope = self._scope(lets, evaluator)
        expander = Expander(self._problems, checker, macros)
        layers = expander.layers(entries, Place(scope))
        for name in unused:
            expander.unused(macros[name])
        # Written {}, or a repetition that comes to nothing, is the identity; nothing is a slip.
        written = any(isinstance(entry, _tree.Item) for entry in entries)
        if not written and not self._problems:
            self._problems.add("layers holds no layer", program.sections["layers"].at)
        sections = Sections(checker, self._problems, scope)
        values = _read_sections(program, sections)
        self._problems.raise_any()

        return self._write(program, layers, values, sections, expander)

    def _check_sections(self, program: Program) -> None:
        missing = [name for name in ("input", "layers") if name not in program.sections]
        if missing:
            wanted = " and ".join(f"'{name}'" for name in missing)
            self._problems.add(f"network {quoted(program.name)} has no {wanted}", program.at)

    def _scope(self, lets: list[_tree.Let], evaluator: Evaluator) -> Scope:
        """Evaluate the lets; each sees those before it."""
        bound: dict[str, Value] = {}
        later = {let.name: let.at for let in lets}
        for let in lets:
            value = evaluator.value(let.value, Scope(bound, later=later))
            if value.data is not UNKNOWN:
                value = named(value, f"let.{let.name}")
            bound[let.name] = value
        return Scope(bound)

    def _write(
        self,
        program: Program,
        layers: Spliced,
        values: dict[str, Any],
        sections: Sections,
        expander: Expander,
    ) -> Network:
        emitter = Emitter(self._problems)
        model: dict[str, Any] = {"name": program.name, "input": values.pop("input")}
        model["layers"] = emitter.layers(layers)
        for name, value in values.items():
            if isinstance(value, Value):
                model[name] = emitter.value(value, name)
            elif isinstance(value, dict):
                model[name] = {k: emitter.value(v, f"{name}.{k}") for k, v in value.items()}
            else:
                model[name] = value
        emitter.name_ties()
        self._problems.raise_any()
        places = {"network": program.at}
        for name, section in program.sections.items():
            places["training" if name == "train" else name] = section.at
        places.update((f"constraints.{name}", at) for name, at in sections.limits.items())
        warnings = (expander.warnings[at] for at in sorted(expander.warnings))
        return Network(
            model,
            self._open_values(model, emitter),
            emitter.positions,
            places,
            tuple(warnings),
            self._text,
        )

    def _open_values(self, model: dict[str, Any], emitter: Emitter) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        tied: dict[str, bool] = {}
        for path, form, has_name in islice(decisions(model), _limits.ELEMENTS):
            if tied.setdefault(path, has_name) != has_name:
                message = f"the name {quoted(path)} is also the place of another choice"
                at = emitter.named.get(path, (None, (1, 1)))[1]
                self._problems.add(message, at, "choose another name")
            entry = {"path": path, **form}
            if "name" in form:
                entry["name"] = path  # differs where the name holds the place of a copy
            found.setdefault(path, entry)
        self._problems.raise_any()
        return list(found.values())


def _lets(entries: tuple[_tree.Entry, ...]) -> Iterator[_tree.Let]:
    return (node for node in walk(entries) if isinstance(node, _tree.Let))


def _read_sections(program: Program, sections: Sections) -> dict[str, Any]:
    """Return the sections that were given, in the order of the dictionary form."""
    readers = {
        "input": lambda section: {"shape": sections.input_shape(section)},
        "loss": sections.loss,
        "optimizer": sections.optimizer,
        "train": sections.training,
        "execution": sections.execution,
        "constraints": sections.constraints,
    }
    return {
        "training" if name == "train" else name: reader(program.sections[name])
        for name, reader in readers.items()
        if name in program.sections
    }
