"""The classes and functions that make a user's modules and layers, as calls written down."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from neural_automl._forms import Call
from neural_automl.exceptions import excerpt
from neural_automl.parameters import Parameter
from neural_automl.primitives import Shape

#: From the values and the input's shape to the call of the constructor.
Constructor = Callable[[Mapping[str, Any], Shape], Call]


#: What each backend's class or function is, for messages.
_WANTED: Final = {
    "pytorch": "a class of modules or a function (values, input_shape) -> module",
    "keras": "a class of layers or a function (values, input_shape, name) -> layer",
}


def constructor_of(argument: str, made_by: Any, rows: Sequence[Parameter]) -> Constructor:
    """Return what writes the call of a class or function down.

    Args:
        argument: ``pytorch`` or ``keras``; what makes Keras layers is called with a name too.
        made_by: The class or function.

    Raises:
        TypeError: It is neither, or cannot be called so.
        ValueError: A parameter has a name that Keras's layers need.
    """
    names = [row.name for row in rows]
    if argument == "keras" and "name" in names:
        raise ValueError("'name' can't be a parameter of a layer with 'keras': layers bear a name")
    if not inspect.isclass(made_by) and not inspect.isroutine(made_by):
        raise TypeError(f"'{argument}' must be {_WANTED[argument]} but got {excerpt(made_by)}")
    signature = inspect.signature(made_by)
    added = {"name": ""} if argument == "keras" else {}
    if inspect.isclass(made_by):
        of_input = [
            name
            for name in ("in_channels", "input_shape")
            if name in signature.parameters and name not in names
        ]
        _bind(made_by, signature, (), dict.fromkeys([*of_input, *names]) | added)

        def of_class(values: Mapping[str, Any], x: Shape) -> Call:
            known = {"in_channels": x[-1], "input_shape": x}
            arguments = {name: known[name] for name in of_input} | dict(values)
            return Call(made_by, (), tuple(arguments.items()))

        return of_class
    _bind(made_by, signature, ({}, ()), added)
    return lambda values, x: Call(made_by, (dict(values), x))


def _bind(
    target: Callable[..., Any],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        given = ", ".join(["(values, input_shape)", *kwargs] if args else kwargs)
        raise TypeError(
            f"{getattr(target, '__qualname__', target)} can't be called with "
            f"{given or 'no values'}: {error}"
        ) from error


def stem_of(name: str) -> str:
    """Return a name as the stem of an attribute: MyBlock2 is my_block2_, then numbered."""
    # Python renames what begins with two underscores in a class.
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().lstrip("_") or "layer"
    if stem[0].isdigit():
        stem = f"layer{stem}"
    return f"{stem}_" if stem[-1].isdigit() else stem
