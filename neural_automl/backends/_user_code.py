"""Classes and functions of a user's own in a file of source code: imported by their names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neural_automl._forms import Call
    from neural_automl.backends._plan import Plan


def imports_of(
    functions: Iterable[Callable[..., Any]], names: Iterable[str]
) -> tuple[dict[Callable[..., Any], str], list[str]]:
    """Return how a file writes a user's classes and functions, and the lines that import them.

    Args:
        names: That the file has already.

    Raises:
        ExportError: A file cannot import one: it stands in a script, a notebook or a function.
    """
    taken = set(names)
    written: dict[Callable[..., Any], str] = {}
    roots: dict[tuple[str, str], str] = {}
    for function in functions:
        if function in written:
            continue
        _check_importable(function)
        root, *rest = function.__qualname__.split(".")
        if (function.__module__, root) not in roots:
            name = root
            while name in taken:
                name += "_"
            taken.add(name)
            roots[function.__module__, root] = name
        written[function] = ".".join([roots[function.__module__, root], *rest])
    lines = [
        f"from {module} import {root}{'' if name == root else f' as {name}'}"
        for (module, root), name in roots.items()
    ]
    return written, lines


def functions_of(plan: Plan) -> list[Callable[..., Any]]:
    """Return the classes and functions of a user's own that a plan calls."""
    modules = (step.form.module for step in plan.steps)
    return [call.function for call in modules if call is not None and callable(call.function)]


def written(form: Call, names: Mapping[Callable[..., Any], str]) -> Call:
    """Return a call of a user's class or function with the name that the file has for it."""
    return form if isinstance(form.function, str) else replace(form, function=names[form.function])


def modules_of(functions: Iterable[Callable[..., Any]]) -> list[str]:
    """Return the modules that define a user's classes and functions, each once, in order."""
    return list(dict.fromkeys(function.__module__ for function in functions))


def _check_importable(function: Callable[..., Any]) -> None:
    module, name = function.__module__, function.__qualname__
    if module == "__main__":
        reason = "it is defined in the script or notebook that runs"
    elif "<" in name:
        reason = "it is defined inside a function"
    elif not all(map(_is_word, module.split("."))):
        reason = "an import statement can't name that module"
    elif any(part.startswith("__") and not part.endswith("__") for part in name.split(".")):
        reason = "Python renames in a class what begins with two underscores"
    elif not all(map(_is_word, name.split("."))):
        reason = "that is no name of Python's"
    elif _found(module, name) is not function:
        reason = f"{module} holds nothing of that name, or something else"
    else:
        return
    raise ExportError(
        f"the source can't import {name} of {module}: {reason}; define it at the top of a module "
        "of its own and register it from there"
    )


def _is_word(part: str) -> bool:
    return part.isidentifier() and not iskeyword(part)


def check_arguments(form: Call) -> None:
    """Check that a call of a user's class can be written with its arguments' names.

    Raises:
        ExportError: One is a word of Python's, or one that a class would rename.
    """
    for name, _ in form.kwargs:
        if not _is_word(name) or (name.startswith("__") and not name.endswith("__")):
            raise ExportError(
                f"the source can't name the parameter '{name}': rename it, or register a function "
                "(values, input_shape) -> module"
            )


def _found(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
