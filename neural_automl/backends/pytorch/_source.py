"""The plan printed as a Python file that a person could have written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import Apply, Call
from neural_automl.backends._file import (
    Writer,
    checked_functions,
    file_text,
    known_values,
    read_values,
)
from neural_automl.backends._plan import class_name
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
from neural_automl.backends.pytorch._plan import make_plan

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

_INDENT: Final = " " * 8
#: Modules that are called in one another in one line.
_DEEPEST: Final = 3
#: Names that the file has already.
_TAKEN: Final = ("annotations", "torch", "nn", "F", "Tensor", "super", "self")


def source(architecture: Architecture, *, scaling: str = "") -> str:
    """Return a file with the architecture as a class; importing it needs torch alone.

    The modules of a user's own layers are imported from where they are defined, and the file says
    so. The class's state dict has the keys of the built model's.

    Args:
        architecture: What to write.
        scaling: What was done to the values of the inputs, for the file's docstring.

    Raises:
        ExportError: The module of a user's layer cannot be imported, or its call not be written.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    name = class_name(architecture.name)
    root = scope_of(plan)
    kinds = kinds_of(root, plan, (*_TAKEN, name))
    own = checked_functions(plan)
    taken = (*_TAKEN, name, *(kind.name for kind in kinds.values()))
    names, own_imports = imports_of(own, taken)
    writer = _Writer(kinds, names)
    blocks = writer.blocks(plan)
    network = writer.network(name, root, summarize(architecture, "channels_first"))
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
        scaling=scaling,
    )
    imports = _imports("\n".join([*blocks, *network]), own_imports)
    return file_text(described, imports, blocks, network)


class _Writer(Writer):
    """Writes the classes of a file."""

    def network(self, name: str, root: Scope, summary: str) -> list[str]:
        """Return the lines of the network's class."""
        return self._class(name, root, summary, (), {})

    def block(self, kind: Kind, summary: str) -> list[str]:
        """Return the lines of a block's class."""
        return self._class(kind.name, kind.scope, summary, kind.parameters, kind.names)

    def _class(
        self,
        name: str,
        scope: Scope,
        summary: str,
        parameters: Sequence[tuple[str, str]],
        names: Mapping[Key, str],
    ) -> list[str]:
        fields, statements = self._contents(scope, names)
        known = known_values(scope)
        body, given = statement_lines(
            nested(statements, scope.outputs), known, scope.outputs, _INDENT
        )
        if given == ["x"] or len(given) > 1:
            body += return_lines(given, _INDENT)
        else:
            # What a module returns has no type; the parameter has one.
            body += [f"{_INDENT}x = {given[0]}", f"{_INDENT}return x"]
        typed = [f"{own}: {kind}" for own, kind in parameters]
        constructor = [
            *signature("def __init__", ["self", *typed], " -> None:", "    "),
            f"{_INDENT}super().__init__()",
            *fields,
            "",
        ]
        takes = ["self", *(f"{value}: Tensor" for value in known.values())]
        return [
            f"class {name}(nn.Module):",
            summary,
            "",
            *constructor,
            *signature("def forward", takes, f" -> {returned('Tensor', len(given))}:", "    "),
            *body,
        ]

    def _contents(
        self, scope: Scope, names: Mapping[Key, str]
    ) -> tuple[list[str], list[Statement]]:
        """Return the lines that make the modules of a block, and what calls them."""
        fields: list[str] = []
        statements: list[Statement] = []
        rows: dict[str, list[Call]] = {}
        for number, entry in enumerate(scope.entries):
            if not isinstance(entry, Scope):
                name = entry.step.name.rpartition(".")[2]
                call = self._module(entry.step, number, names)
                if call is not None:
                    fields.append(line(f"self.{name} = ", call, _INDENT))
                form = entry.step.form.forward
                statements.append(
                    Statement(form, entry.step.inputs, (entry.value,), f"self.{name}")
                )
                continue
            made_with = self._made(entry, number, names)
            name, _, place = entry.item.name.partition(".")
            if place:
                rows.setdefault(name, []).append(made_with)
            if place in ("", "0"):
                fields.append(
                    f"self.{name} = " if place else line(f"self.{name} = ", made_with, _INDENT)
                )
                form = Apply(read_values(entry))
                statements.append(Statement(form, entry.inputs, entry.outputs, f"self.{name}"))
            else:
                statements[-1] = replace(statements[-1], outputs=entry.outputs)
        for index, text in enumerate(fields):
            row = rows.get(text.removeprefix("self.").removesuffix(" = "))
            if row is not None and text.endswith(" = "):
                fields[index] = line(text, Call("nn.Sequential", tuple(row)), _INDENT)
        return fields, statements


def nested(statements: Sequence[Statement], outputs: Sequence[int]) -> list[Statement]:
    """Write a module that is called on what another one gives alone as one line, up to three."""
    reads = Counter(value for each in statements for value in each.inputs) + Counter(outputs)
    made: list[Statement] = []
    depth = 1
    for each in statements:
        before = made[-1] if made else None
        if (
            before is not None
            and depth < _DEEPEST
            and is_call(each.form)
            and is_call(before.form)
            and each.inputs == before.outputs
            and reads[each.inputs[0]] == 1
            and not (_is_block(each) or _is_block(before))
        ):
            inner = before.form if depth > 1 else replace(before.form, of=before.module)
            form = Apply((inner,), of=str(each.module))
            made[-1] = Statement(form, before.inputs, each.outputs)
            depth += 1
        else:
            made.append(each)
            depth = 1
    return made


def is_call(form: Any) -> bool:
    """Whether a form is a module called on one value and nothing more."""
    return isinstance(form, Apply) and len(form.args) == 1 and not form.kwargs


def _is_block(each: Statement) -> bool:
    return str(each.module).startswith(("self.block", "self.stage"))


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
