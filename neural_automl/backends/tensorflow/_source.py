"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call, Index, Infix
from neural_automl.backends._plan import Plan, Step, class_name
from neural_automl.backends._printing import line, step_lines
from neural_automl.backends._texts import describe, summarize
from neural_automl.backends._user_code import (
    check_arguments,
    functions_of,
    imports_of,
    modules_of,
    written,
)
from neural_automl.backends.tensorflow._plan import input_dtype, make_plan, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neural_automl.architecture import Architecture

_INDENT: Final = " " * 4
#: Names that the file has already.
_TAKEN: Final = ("annotations", "Any", "keras", "layers", "ops", "build_model", "inputs", "x")


def source(architecture: Architecture, weights_file: str = "weights.safetensors") -> str:
    """Return a file with a function that makes the architecture; it needs Keras alone.

    A user's own layers are imported from where they are defined, and the file says so. The
    weights have the names of the built model's.

    Args:
        architecture: What to write.
        weights_file: That the file's docstring shall read the weights from.

    Raises:
        ExportError: A user's layer has no Keras form, cannot be imported or not be written.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    name = class_name(architecture.name)
    own = functions_of(plan)
    calls = {step.name: step.form.module for step in plan.steps if step.form.module is not None}
    for form in calls.values():
        check_arguments(form)
    helpers = _helpers()
    taken = {*_TAKEN, *helpers, *(f"x{number}" for number in range(2, len(plan.steps) + 2))}
    names, own_imports = imports_of(own, taken)

    def module_of(step: Step) -> Call | str:
        form = step.form.module
        return "" if form is None else named(written(form, names), step.name)

    steps, output = step_lines(plan, ["inputs", "x"], _INDENT, module_of)
    body = "\n".join(steps)
    functions = {f for step in plan.steps for f in _called((step.form.forward, step.form.module))}
    used = [helpers[helper] for helper in helpers if helper in functions]
    described = describe(
        architecture,
        name,
        "channels_last",
        params=_params(architecture),
        modules=modules_of(own),
        loading=[
            "from safetensors.numpy import load_file",
            "",
            "model = build_model()",
            f'weights = load_file("{weights_file}")',
            "for variable in model.weights:",
            "    variable.assign(weights[variable.path])",
        ],
    )
    lines = [
        *described,
        "",
        "from __future__ import annotations",
        "",
        *_imports("\n".join([body, *used]), own_imports),
        *(text for helper in used for text in ("", "", helper)),
        "",
        "",
        "def build_model() -> keras.Model:",
        summarize(architecture, "channels_last"),
        _input_line(plan),
        *steps,
        f'{_INDENT}return keras.Model(inputs, {output}, name="{name}")',
    ]
    return "\n".join(lines) + "\n"


def user_modules(architecture: Architecture) -> list[str]:
    """Return the names of the modules that the source imports a user's own layers from.

    Raises:
        ExportError: A user's layer has no Keras form.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    return modules_of(functions_of(make_plan(architecture.graph)))


def _params(architecture: Architecture) -> int:
    """Return the trainable parameters: an LSTM has one bias for each of four gates, not two."""
    nodes = architecture.graph.built_nodes()
    units = sum(int(node.attribute_values()["units"]) for node in nodes if node.op == "LSTM")
    return architecture.cost.params - 4 * units


def _input_line(plan: Plan) -> str:
    dtype = input_dtype(plan)
    kwargs = () if dtype == "float32" else (("dtype", dtype),)
    return line("inputs = ", Call("keras.Input", (plan.graph.input_shape,), kwargs), _INDENT)


def _called(form: Any) -> Iterator[str]:
    """Yield the functions that a form calls, by their names."""
    if isinstance(form, Call):
        if isinstance(form.function, str):
            yield form.function
        yield from _called((*form.args, *(value for _, value in form.kwargs), *form.spread))
    elif isinstance(form, Apply):
        yield from _called((form.of, *form.args))
    elif isinstance(form, Infix):
        yield from _called((form.left, form.right))
    elif isinstance(form, Index):
        yield from _called(form.value)
    elif isinstance(form, tuple | list):
        for part in form:
            yield from _called(part)


@cache
def _helpers() -> dict[str, str]:
    """Return the text of each helper; the file is read, as importing it would load Keras."""
    text = Path(__file__).with_name("_helpers.py").read_text(encoding="utf-8")
    functions = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in functions}


def _imports(code: str, own: list[str]) -> list[str]:
    lines = ["from typing import Any", ""] if "Any" in code else []
    lines.append("import keras")
    names = [name for name in ("layers", "ops") if f"{name}." in code]
    if names:
        lines.append(f"from keras import {', '.join(names)}")
    return [*lines, "", *sorted(own)] if own else lines
