"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.backends._plan import class_name
from neural_automl.backends._printing import line, step_lines
from neural_automl.backends._texts import describe, summarize
from neural_automl.backends._user_code import (
    check_arguments,
    functions_of,
    imports_of,
    modules_of,
    written,
)
from neural_automl.backends.pytorch._plan import make_plan

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

_INDENT: Final = " " * 8
#: Names that the file has already.
_TAKEN: Final = ("annotations", "torch", "nn", "F", "Tensor", "super", "self")


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
    own = functions_of(plan)
    for call in calls.values():
        check_arguments(call)
    names, own_imports = imports_of(own, (*_TAKEN, name))
    fields = [
        line(f"self.{field} = ", written(call, names), _INDENT) for field, call in calls.items()
    ]
    steps, output = step_lines(plan, ["x"], _INDENT, lambda step: f"self.{step.name}")
    body = "\n".join([*steps, f"{_INDENT}return {output}"])
    described = describe(
        architecture,
        name,
        "channels_first",
        params=architecture.cost.params,
        modules=modules_of(own),
        loading=[
            "from safetensors.torch import load_file",
            "",
            f"model = {name}()",
            'model.load_state_dict(load_file("weights.safetensors"))',
            "model.eval()",
        ],
    )
    lines = [
        *described,
        "",
        "from __future__ import annotations",
        "",
        *_imports("\n".join(fields) + body, own_imports),
        "",
        "",
        f"class {name}(nn.Module):",
        summarize(architecture, "channels_first"),
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
    return modules_of(functions_of(make_plan(architecture.graph)))


def _imports(code: str, own: list[str]) -> list[str]:
    lines = ["import torch"] if "torch." in code else []
    lines.append("from torch import Tensor, nn")
    if "F." in code:
        lines.append("from torch.nn import functional as F")
    return [*lines, "", *sorted(own)] if own else lines
