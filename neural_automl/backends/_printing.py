"""Forms printed as Python, wrapped as a formatter wraps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from neural_automl._forms import Apply, Call, Index, Infix, Input, Raw
from neural_automl.exceptions import ExportError, excerpt

LINE: Final = 88
#: Values that each get a name; more are told by their place in a tuple.
MOST_NAMES: Final = 3

#: How the module of a step is written: a name, or the call that makes it.
Module = Call | str


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of a forward pass.

    Args:
        form: What it computes.
        inputs: The values that it reads.
        outputs: The values that it gives.
        module: How the module in the form is written.
    """

    form: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    module: Module = ""


def statement_lines(
    statements: Sequence[Statement],
    known: Mapping[int, str],
    outputs: Sequence[int],
    indent: str,
    *,
    free: Sequence[str] = (),
    keep: bool = False,
) -> tuple[list[str], list[str]]:
    """Return a line for each statement, and the names of the values that are put out.

    A value takes over the name of one that is done.

    Args:
        statements: In order.
        known: Names of the values that come in.
        outputs: Values that are put out.
        indent: Of each line.
        free: Names that nothing has yet.
        keep: Whether the names that come in are kept.
    """
    last = dict.fromkeys(outputs, len(statements))
    for index in reversed(range(len(statements))):
        for source in statements[index].inputs:
            last.setdefault(source, index)
    names, kept = dict(known), set(known.values()) if keep else set()
    unused = list(free)
    made = 1 if free else len(known)
    lines = []
    for index, each in enumerate(statements):
        inputs = [names[source] for source in each.inputs]
        done = (names[s] for s in dict.fromkeys(each.inputs) if last[s] == index)
        unused.extend(name for name in done if name not in kept)
        if isinstance(each.form, Input):
            target = inputs[each.form.index]
            if target in unused:
                unused.remove(target)
            names[each.outputs[0]] = target
            continue
        unused.sort(key=lambda name: (len(name), name))
        if len(each.outputs) > MOST_NAMES:
            targets = f"x{(made := made + 1)}"
            names |= {v: f"{targets}[{place}]" for place, v in enumerate(each.outputs)}
            kept |= {names[value] for value in each.outputs}
        else:
            for value in each.outputs:
                names[value] = unused.pop(0) if unused else f"x{(made := made + 1)}"
            targets = ", ".join(names[value] for value in each.outputs)
        lines.append(line(f"{targets} = ", each.form, indent, each.module, inputs))
    return lines, [names[value] for value in outputs]


def returned(kind: str, count: int) -> str:
    """Return the annotation of a function that gives so many values of a type."""
    if count == 1:
        return kind
    inside = f"{kind}, ..." if count > MOST_NAMES else ", ".join([kind] * count)
    return f"tuple[{inside}]"


def return_lines(values: Sequence[str], indent: str) -> list[str]:
    """Return the last statement of a function, wrapped as a formatter wraps it."""
    text = f"{indent}return {', '.join(values)}"
    if len(text) <= LINE:
        return [text]
    below = [f"{indent}    {value}," for value in values]
    return [f"{indent}return (", *below, f"{indent})"]


def signature(head: str, parameters: Sequence[str], tail: str, indent: str = "") -> list[str]:
    """Return the first lines of a function, wrapped as a formatter wraps them."""
    joined = ", ".join(parameters)
    if len(f"{indent}{head}({joined}){tail}") <= LINE:
        return [f"{indent}{head}({joined}){tail}"]
    below = [f"{indent}    {joined}"]
    if len(below[0]) > LINE:
        below = [f"{indent}    {parameter}," for parameter in parameters]
    return [f"{indent}{head}(", *below, f"{indent}){tail}"]


def line(
    prefix: str, form: Any, indent: str, module: Module = "", inputs: list[str] | None = None
) -> str:
    """Return one statement, wrapped as a formatter wraps it where it is too long."""
    printer = _Printer(module, inputs or [])
    if isinstance(form, Infix) and len(indent + prefix + printer.text(form)) > LINE:
        below = printer.chain(form, f"{indent}    ")
        return "\n".join([f"{indent}{prefix}(", *below, f"{indent})"])
    return "\n".join(printer.lines(form, indent, prefix))


class _Printer:
    """Prints the forms of one step.

    Args:
        module: What holds the step's weights.
        inputs: Names of the values that it reads.
    """

    def __init__(self, module: Module, inputs: list[str]) -> None:
        self._module = module
        self._inputs = inputs

    def lines(self, form: Any, indent: str, before: str = "", after: str = "") -> list[str]:
        """Return a form on one line if it fits, else with what its brackets hold below."""
        line = f"{indent}{before}{self.text(form)}{after}"
        if len(line) <= LINE or not isinstance(form, Call | Apply | tuple | list | Mapping):
            return [line]
        deeper = f"{indent}    "
        if isinstance(form, Mapping):
            items = [(f"{self.text(key)}: ", value) for key, value in form.items()]
            below = [part for key, item in items for part in self.lines(item, deeper, key, ",")]
            return [f"{indent}{before}{{", *below, f"{indent}}}{after}"]
        if isinstance(form, tuple | list):
            opening, closing = "()" if isinstance(form, tuple) else "[]"
            below = [part for item in form for part in self.lines(item, deeper, after=",")]
            return [f"{indent}{before}{opening}", *below, f"{indent}{closing}{after}"]
        arguments = self._arguments(form)
        callee = self._callee(form)
        head = f"{indent}{before}{self._function(form)}("
        if isinstance(callee, Call) and self._arguments(callee) and len(head) > LINE:
            # A call of what a call made: what the first one holds goes below.
            return self.lines(callee, indent, before, f"({self._joined(arguments)}){after}")
        joined = deeper + self._joined(arguments)
        below = [joined]
        if len(joined) > LINE:
            below = [
                part
                for key, value in arguments
                for part in self.lines(value, deeper, key, after=",")
            ]
        return [head, *below, f"{indent}){after}"]

    def chain(self, form: Infix, indent: str) -> list[str]:
        """Return what stands in the brackets around a chain of operators."""
        line = indent + self.text(form)
        if len(line) <= LINE:
            return [line]
        operands: list[Any] = [form.right]
        left = form.left
        while isinstance(left, Infix):
            operands.append(left.right)
            left = left.left
        rest = [f"{indent}{form.operator} {self.text(each)}" for each in reversed(operands)]
        return [indent + self.text(left), *rest]

    def text(self, form: Any) -> str:
        """Return a form on one line."""
        if isinstance(form, Input):
            return self._inputs[form.index]
        if isinstance(form, Raw):
            return form.text
        if isinstance(form, Call | Apply):
            return f"{self._function(form)}({self._joined(self._arguments(form))})"
        if isinstance(form, Infix):
            return f"{self.text(form.left)} {form.operator} {self.text(form.right)}"
        if isinstance(form, Index):
            return f"{self.text(form.value)}[{_index_text(form.index)}]"
        if isinstance(form, list):
            return f"[{', '.join(map(self.text, form))}]"
        if isinstance(form, tuple):
            elements = ", ".join(map(self.text, form))
            return f"({elements},)" if len(form) == 1 else f"({elements})"
        if isinstance(form, Mapping):
            items = (f"{self.text(key)}: {self.text(value)}" for key, value in form.items())
            return f"{{{', '.join(items)}}}"
        return _plain_text(form)

    def _callee(self, form: Call | Apply) -> Module:
        if isinstance(form, Call):
            return str(form.function)
        return self._module if form.of is None else form.of

    def _function(self, form: Call | Apply) -> str:
        callee = self._callee(form)
        return callee if isinstance(callee, str) else self.text(callee)

    def _arguments(self, form: Call | Apply) -> list[tuple[str, Any]]:
        spread = form.spread if isinstance(form, Call) else ()
        return [
            *(("", value) for value in form.args),
            *((f"{name}=", value) for name, value in form.kwargs),
            *(("**", call) for call in spread),
        ]

    def _joined(self, arguments: list[tuple[str, Any]]) -> str:
        return ", ".join(key + self.text(value) for key, value in arguments)


def _plain_text(value: Any) -> str:
    """Return a value as Python writes it; strings in double quotes where a file can hold them.

    Raises:
        ExportError: An integer has more digits than Python reads.
    """
    if isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value):
        return json.dumps(value, ensure_ascii=False)
    try:
        return repr(value)
    except ValueError as error:
        raise ExportError(f"the source can't hold {excerpt(value)}") from error


def _index_text(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(map(_index_text, index))
    if isinstance(index, slice):
        start = "" if index.start is None else str(index.start)
        step = "" if index.step is None else f":{index.step}"
        return f"{start}:{step}"
    return str(index)
