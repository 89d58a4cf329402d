"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call, Index, Infix, Input
from neural_automl.backends.pytorch._plan import Plan, class_name, make_plan, natural_layout

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.primitives import Shape

_LINE: Final = 88
_INDENT: Final = " " * 8


def source(architecture: Architecture) -> str:
    """Return a file with the architecture as a class; importing it needs torch alone.

    The class's state dict has the keys of the built model's.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    name = class_name(architecture.name)
    fields = [
        _line(f"self.{step.name} = ", step.form.module)
        for step in plan.steps
        if step.form.module is not None
    ]
    body = "\n".join(_forward(plan))
    lines = [
        *_docstring(architecture, name),
        "",
        "from __future__ import annotations",
        "",
        *_imports("\n".join(fields) + body),
        "",
        "",
        f"class {name}(nn.Module):",
        (
            f'    """{_shape_text(architecture.graph.nodes[architecture.graph.logits].shape)} '
            f'from {_shape_text(architecture.input_shape)}."""'
        ),
        "",
        "    def __init__(self) -> None:",
        f"{_INDENT}super().__init__()",
        *fields,
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        body,
    ]
    return "\n".join(lines) + "\n"


def _shape_text(shape: Shape) -> str:
    sizes = shape if natural_layout(shape) == "channels_last" else (shape[-1], *shape[:-1])
    return f"({', '.join(['batch', *map(str, sizes)])})"


def _docstring(architecture: Architecture, name: str) -> list[str]:
    graph, cost = architecture.graph, architecture.cost
    head = f" Apply {graph.head} for probabilities." if graph.head else ""
    return [
        f'"""{name}, a network found by neural architecture search.',
        "",
        (
            f"Input {_shape_text(architecture.input_shape)}, "
            f"output {_shape_text(graph.nodes[graph.logits].shape)}.{head}"
        ),
        f"{cost.params:,} parameters, {cost.macs:,} multiply-adds for one sample.",
        '"""',
    ]


def _imports(code: str) -> list[str]:
    lines = ["import torch"] if "torch." in code else []
    lines.append("from torch import Tensor, nn")
    if "F." in code:
        lines.append("from torch.nn import functional as F")
    return lines


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
    text = _print(form, module, inputs or [])
    line = f"{_INDENT}{prefix}{text}"
    if len(line) <= _LINE or not isinstance(form, Call) or not form.kwargs + form.args:
        return line
    arguments = _arguments(form, module, inputs or [])
    inner = " " * (len(_INDENT) + 4)
    joined = ", ".join(arguments)
    if len(inner) + len(joined) <= _LINE:
        middle = [inner + joined]
    else:
        middle = [f"{inner}{argument}," for argument in arguments]
    return "\n".join([f"{_INDENT}{prefix}{form.function}(", *middle, f"{_INDENT})"])


def _arguments(form: Call | Apply, module: str, inputs: list[str]) -> list[str]:
    args = [_print(argument, module, inputs) for argument in form.args]
    return args + [f"{key}={_print(value, module, inputs)}" for key, value in form.kwargs]


def _print(form: Any, module: str, inputs: list[str]) -> str:
    if isinstance(form, Input):
        return inputs[form.index]
    if isinstance(form, Call):
        return f"{form.function}({', '.join(_arguments(form, module, inputs))})"
    if isinstance(form, Apply):
        return f"self.{module}({', '.join(_arguments(form, module, inputs))})"
    if isinstance(form, Infix):
        left, right = (_print(side, module, inputs) for side in (form.left, form.right))
        return f"{left} {form.operator} {right}"
    if isinstance(form, Index):
        return f"{_print(form.value, module, inputs)}[{_print_index(form.index)}]"
    if isinstance(form, tuple):
        elements = [_print(element, module, inputs) for element in form]
        return f"({', '.join(elements)}{',' if len(elements) == 1 else ''})"
    return repr(form)


def _print_index(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(_print_index(element) for element in index)
    if isinstance(index, slice):
        start = "" if index.start is None else str(index.start)
        step = "" if index.step is None else f":{index.step}"
        return f"{start}:{step}"
    return str(index)
