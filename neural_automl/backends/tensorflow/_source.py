"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call, Index, Infix, Raw
from neural_automl.backends._file import (
    Writer,
    checked_functions,
    file_text,
    known_values,
    read_values,
)
from neural_automl.backends._plan import Plan, class_name
from neural_automl.backends._printing import (
    Statement,
    line,
    return_lines,
    returned,
    signature,
    statement_lines,
)
from neural_automl.backends._scopes import Key, Kind, Scope, kinds_of, scope_of
from neural_automl.backends._texts import describe, summarize
from neural_automl.backends._user_code import functions_of, imports_of, modules_of
from neural_automl.backends.tensorflow._plan import input_dtype, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neural_automl.architecture import Architecture

_INDENT: Final = " " * 4
#: Names that the file has already.
_TAKEN: Final = ("annotations", "Any", "keras", "layers", "ops", "build_model", "inputs", "x")


def source(
    architecture: Architecture, weights_file: str = "weights.safetensors", *, scaling: str = ""
) -> str:
    """Return a file with a function that makes the architecture; it needs Keras alone.

    A user's own layers are imported from where they are defined, and the file says so. The
    weights have the names of the built model's.

    Args:
        architecture: What to write.
        weights_file: That the file's docstring shall read the weights from.
        scaling: What was done to the values of the inputs, for the file's docstring.

    Raises:
        ExportError: A user's layer has no Keras form, cannot be imported or not be written.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    name = class_name(architecture.name)
    own = checked_functions(plan)
    helpers = _helpers()
    root = scope_of(plan)
    kinds = kinds_of(root, plan)
    taken = {*_TAKEN, *helpers, *(f"x{number}" for number in range(2, len(plan.steps) + 2))}
    names, own_imports = imports_of(own, {*taken, *(_snake(kind.name) for kind in kinds.values())})
    writer = _Writer(kinds, names)
    functions = {f for step in plan.steps for f in _called((step.form.forward, step.form.module))}
    used = [helpers[helper] for helper in helpers if helper in functions]
    blocks = [*(text for helper in used for text in ("", "", helper)), *writer.blocks(plan)]
    steps, output = writer.network(root)
    network = _network(plan, name, summarize(architecture, "channels_last"), steps, output)
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
        scaling=scaling,
    )
    imports = _imports("\n".join([*blocks, *steps]), own_imports)
    return file_text(described, imports, blocks, network)


class _Writer(Writer):
    """Writes the functions of a file."""

    def network(self, root: Scope) -> tuple[list[str], str]:
        """Return the lines that make the network, and the name of its output."""
        statements = self._statements(root, {}, "")
        lines, (output,) = statement_lines(
            statements, {0: "inputs"}, root.outputs, _INDENT, free=["x"], keep=True
        )
        return lines, output

    def block(self, kind: Kind, summary: str) -> list[str]:
        """Return the lines of a block's function."""
        scope = kind.scope
        known = known_values(scope)
        body, given = statement_lines(
            self._statements(scope, kind.names, "{name}."),
            known,
            scope.outputs,
            _INDENT,
        )
        takes = [f"{value}: Any" for value in known.values()]
        takes += [f"{own}: {text}" for own, text in kind.parameters]
        return [
            *signature(
                f"def {_snake(kind.name)}",
                [*takes, "name: str"],
                f" -> {returned('Any', len(given))}:",
            ),
            summary,
            *body,
            *return_lines(given, _INDENT),
        ]

    def _statements(self, scope: Scope, names: Mapping[Key, str], prefix: str) -> list[Statement]:
        statements = []
        for number, entry in enumerate(scope.entries):
            if isinstance(entry, Scope):
                made = self._made(entry, number, names)
                name = ("name", _name_text(prefix, entry.item.name))
                args = (*read_values(entry), *made.args)
                form = Call(_snake(str(made.function)), args, (*made.kwargs, name))
                statements.append(Statement(form, entry.inputs, entry.outputs))
                continue
            module: Call | str = ""
            call = self._module(entry.step, number, names)
            if call is not None:
                own = _name_text(prefix, entry.step.name.rpartition(".")[2])
                module = replace(call, kwargs=(*call.kwargs, ("name", own)))
            forward = entry.step.form.forward
            statements.append(Statement(forward, entry.step.inputs, (entry.value,), module))
        return statements


def _name_text(prefix: str, name: str) -> Any:
    return Raw(f'f"{prefix}{name}"') if prefix else name


def _snake(name: str) -> str:
    """Return the name of a class as that of a function: ``conv_block2``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


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


def _network(plan: Plan, name: str, summary: str, steps: list[str], output: str) -> list[str]:
    """Return the lines of the function that makes the network."""
    dtype = input_dtype(plan)
    kwargs = () if dtype == "float32" else (("dtype", dtype),)
    given = Call("keras.Input", (plan.graph.input_shape,), kwargs)
    return [
        "def build_model() -> keras.Model:",
        summary,
        line("inputs = ", given, _INDENT),
        *steps,
        f'{_INDENT}return keras.Model(inputs, {output}, name="{name}")',
    ]


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
