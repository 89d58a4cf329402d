"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call, Index, Infix, Input
from neural_automl.backends.pytorch._plan import Plan, class_name, make_plan
from neural_automl.backends.pytorch._user_code import check_arguments, imports_of, modules_of
from neural_automl.exceptions import ExportError, excerpt
from neural_automl.graph import natural_layout

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.primitives import Shape

_LINE: Final = 88
_INDENT: Final = " " * 8
_DEEPER: Final = " " * 12


def source(architecture: Architecture) -> str:
    """Return a file with the architecture as a class; importing it needs torch alone.

    The modules of a user's own layers are imported from where they are defined, and the file says
    so. The class's state dict has the keys of the built model's.

    Raises:
        ExportError: The module of a user's layer cannot be imported, or its call not be written.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    name = class_name(architecture.name)
    calls = {step.name: step.form.module for step in plan.steps if step.form.module is not None}
    own = _functions(plan)
    for call in calls.values():
        check_arguments(call)
    written, own_imports = imports_of(own, name)
    fields = [_line(f"self.{field} = ", _written(call, written)) for field, call in calls.items()]
    body = "\n".join(_forward(plan))
    lines = [
        *_docstring(architecture, name, modules_of(own)),
        "",
        "from __future__ import annotations",
        "",
        *_imports("\n".join(fields) + body, own_imports),
        "",
        "",
        f"class {name}(nn.Module):",
        _class_docstring(architecture),
        "",
        "    def __init__(self) -> None:",
        f"{_INDENT}super().__init__()",
        *fields,
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        body,
    ]
    return "\n".join(lines) + "\n"


def user_modules(architecture: Architecture) -> list[str]:
    """Return the names of the modules that the source imports a user's own layers from.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    return modules_of(_functions(make_plan(architecture.graph)))


def _functions(plan: Plan) -> list[Callable[..., Any]]:
    """Return the classes and functions of a user's own that a plan calls."""
    modules = (step.form.module for step in plan.steps)
    return [call.function for call in modules if call is not None and callable(call.function)]


def _written(form: Call, names: Mapping[Callable[..., Any], str]) -> Call:
    return form if isinstance(form.function, str) else replace(form, function=names[form.function])


def _shape_text(shape: Shape) -> str:
    sizes = shape if natural_layout(shape) == "channels_last" else (shape[-1], *shape[:-1])
    return f"({', '.join(['batch', *map(str, sizes)])})"


def _class_docstring(architecture: Architecture) -> str:
    graph = architecture.graph
    made, given = _shape_text(graph.nodes[graph.logits].shape), _shape_text(graph.input_shape)
    line = f'    """{made} from {given}."""'
    return line if len(line) <= _LINE else '    """The network that is described above."""'


def _docstring(architecture: Architecture, name: str, modules: list[str]) -> list[str]:
    graph, cost = architecture.graph, architecture.cost
    head = f", logits: apply {graph.head} for probabilities" if graph.head else ""
    shapes = (
        f"Input {_shape_text(architecture.input_shape)}, scaled as in training; "
        f"output {_shape_text(graph.nodes[graph.logits].shape)}{head}."
    )
    costs = f"{cost.params:,} parameters, {cost.macs:,} multiply-adds for one sample."
    table = (
        "If the data was a table: the order of its columns, their means and their categories are "
        "not in this file; DataSplits.columns of the data has them."
    )
    own = f"Layers are imported from {', '.join(modules)}: keep that beside this file."
    return [
        f'"""{name}, found by neural architecture search.',
        "",
        *wrap(shapes, _LINE),
        *wrap(costs, _LINE),
        *(wrap(own, _LINE) if modules else ()),
        *(wrap(table, _LINE) if len(architecture.input_shape) == 1 else ()),
        "",
        "With trained weights:",
        "",
        "    from safetensors.torch import load_file",
        "",
        f"    model = {name}()",
        '    model.load_state_dict(load_file("weights.safetensors"))',
        "    model.eval()",
        '"""',
    ]


def _imports(code: str, own: list[str]) -> list[str]:
    lines = ["import torch"] if "torch." in code else []
    lines.append("from torch import Tensor, nn")
    if "F." in code:
        lines.append("from torch.nn import functional as F")
    return [*lines, "", *sorted(own)] if own else lines


def _forward(plan: Plan) -> list[str]:
    """Return the lines of the forward pass; a value takes over the name of one that is done."""
    last = plan.last_uses()
    names = {0: "x"}
    free: list[str] = []
    lines = []
    made = 1
    for index, step in enumerate(plan.steps):
        inputs = [names[source] for source in step.inputs]
        free.extend(names[s] for s in dict.fromkeys(step.inputs) if last[s] == index)
        if isinstance(step.form.forward, Input):
            target = inputs[step.form.forward.index]
            if target in free:
                free.remove(target)
        else:
            free.sort(key=lambda name: (len(name), name))
            target = free.pop(0) if free else f"x{(made := made + 1)}"
            lines.append(_line(f"{target} = ", step.form.forward, module=step.name, inputs=inputs))
        names[index + 1] = target
    if plan.steps and last[0] == -1:
        raise AssertionError("a plan that never reads its input")
    return [*lines, f"{_INDENT}return {names[plan.output]}"]


def _line(prefix: str, form: Any, *, module: str = "", inputs: list[str] | None = None) -> str:
    """Return one statement, wrapped as a formatter wraps it where it is too long."""
    printer = _Printer(module, inputs or [])
    if isinstance(form, Infix) and len(_INDENT + prefix + printer.text(form)) > _LINE:
        return "\n".join([f"{_INDENT}{prefix}(", *printer.chain(form, _DEEPER), f"{_INDENT})"])
    return "\n".join(printer.lines(form, _INDENT, prefix))


class _Printer:
    """Prints the forms of one step.

    Args:
        module: Attribute that holds the step's weights.
        inputs: Names of the values that it reads.
    """

    def __init__(self, module: str, inputs: list[str]) -> None:
        self._module = module
        self._inputs = inputs

    def lines(self, form: Any, indent: str, before: str = "", after: str = "") -> list[str]:
        """Return a form on one line if it fits, else with what its brackets hold below."""
        line = f"{indent}{before}{self.text(form)}{after}"
        if len(line) <= _LINE or not isinstance(form, Call | Apply | tuple | Mapping):
            return [line]
        deeper = f"{indent}    "
        if isinstance(form, Mapping):
            items = [(f"{self.text(key)}: ", value) for key, value in form.items()]
            below = [part for key, item in items for part in self.lines(item, deeper, key, ",")]
            return [f"{indent}{before}{{", *below, f"{indent}}}{after}"]
        if isinstance(form, tuple):
            below = [part for item in form for part in self.lines(item, deeper, after=",")]
            return [f"{indent}{before}(", *below, f"{indent}){after}"]
        arguments = self._arguments(form)
        joined = deeper + ", ".join(key + self.text(value) for key, value in arguments)
        below = [joined]
        if len(joined) > _LINE:
            below = [
                part
                for key, value in arguments
                for part in self.lines(value, deeper, key, after=",")
            ]
        return [f"{indent}{before}{self._function(form)}(", *below, f"{indent}){after}"]

    def chain(self, form: Infix, indent: str) -> list[str]:
        """Return what stands in the brackets around a chain of operators."""
        line = indent + self.text(form)
        if len(line) <= _LINE:
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
            arguments = ", ".join(key + self.text(value) for key, value in self._arguments(form))
            return f"{self._function(form)}({arguments})"
        if isinstance(form, Infix):
            return f"{self.text(form.left)} {form.operator} {self.text(form.right)}"
        if isinstance(form, Index):
            return f"{self.text(form.value)}[{_index_text(form.index)}]"
        if isinstance(form, tuple):
            elements = ", ".join(map(self.text, form))
            return f"({elements},)" if len(form) == 1 else f"({elements})"
        if isinstance(form, Mapping):
            items = (f"{self.text(key)}: {self.text(value)}" for key, value in form.items())
            return f"{{{', '.join(items)}}}"
        return _plain_text(form)

    def _function(self, form: Call | Apply) -> str:
        return str(form.function) if isinstance(form, Call) else f"self.{self._module}"

    def _arguments(self, form: Call | Apply) -> list[tuple[str, Any]]:
        return [*(("", value) for value in form.args), *((f"{k}=", v) for k, v in form.kwargs)]


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
