"""Forms printed as Python, wrapped as a formatter wraps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call, Index, Infix, Input
from neural_automl.exceptions import ExportError, excerpt

if TYPE_CHECKING:
    from neural_automl.backends._plan import Plan, Step

LINE: Final = 88

#: How the module of a step is written: a name, or the call that makes it.
Module = Call | str


def step_lines(
    plan: Plan, names: list[str], indent: str, module_of: Callable[[Step], Module]
) -> tuple[list[str], str]:
    """Return a line for each step, and the name of the value that the plan puts out.

    A value takes over the name of one that is done.

    Args:
        names: Of the input; a second one is what may be given away once the input is done.
        indent: Of each line.
        module_of: How the module of a step is written.
    """
    last = plan.last_uses()
    known = {0: names[0]}
    free: list[str] = names[1:]
    lines = []
    made = 1
    for index, step in enumerate(plan.steps):
        inputs = [known[source] for source in step.inputs]
        done = (s for s in dict.fromkeys(step.inputs) if last[s] == index)
        free.extend(known[s] for s in done if s or len(names) == 1)
        if isinstance(step.form.forward, Input):
            target = inputs[step.form.forward.index]
            if target in free:
                free.remove(target)
        else:
            free.sort(key=lambda name: (len(name), name))
            target = free.pop(0) if free else f"x{(made := made + 1)}"
            text = line(f"{target} = ", step.form.forward, indent, module_of(step), inputs)
            lines.append(text)
        known[index + 1] = target
    if plan.steps and last[0] == -1:
        raise AssertionError("a plan that never reads its input")
    return lines, known[plan.output]


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
