"""Options of a command from a TOML file."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import typer

from neural_automl.exceptions import excerpt
from neural_automl.parameters import did_you_mean

#: Of a command line alone.
_LEFT_OUT: Final = ("config", "help")
#: What a value must be, by the type that a command's function wants; of all others it is text.
_KINDS: Final[Mapping[type, tuple[tuple[type, ...], str]]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}
_TEXT: Final = ((str,), "text")
_SIZE: Final = ((int, str), "a number of bytes, or text as 2GB")


def read_config(context: typer.Context, file: Path | None) -> Path | None:
    """Take a file's values for those options that the command line does not give.

    The callback of ``--config``, which comes before all other options.

    Raises:
        BadParameter: The file is no TOML, or holds what is no option, or a value of another kind.
        OSError: The file can't be read.
    """
    if file is None or context.resilient_parsing:
        return file
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} is no TOML: {error}") from error
    options = {_key(parameter): parameter for parameter in context.command.params}
    names = [name for name in options if name not in _LEFT_OUT]
    hints = get_type_hints(inspect.unwrap(context.command.callback or read_config))
    values = {}
    for key, value in data.items():
        name = key.replace("_", "-")
        if name not in names:
            near = did_you_mean(name, names)
            raise typer.BadParameter(f"{file}: {excerpt(key)} is no option of this command{near}")
        parameter = options[name]
        values[parameter.name] = _value(parameter, hints[parameter.name], f"{file}: {key}", value)
    context.default_map = {**(context.default_map or {}), **values}
    return file


def _key(parameter: Any) -> str:
    """Return how a file names a parameter: as its long option, or as the help names an argument."""
    long = [name for name in parameter.opts if name.startswith("--")]
    return long[0].removeprefix("--") if long else str(parameter.metavar or parameter.name).lower()


def _value(parameter: Any, hint: Any, where: str, value: Any) -> Any:
    """Return a value as the command line would give it."""
    if parameter.name.endswith("_option") and isinstance(value, Mapping):
        return [f"{name}={_text(element)}" for name, element in value.items()]
    if parameter.name == "rungs" and isinstance(value, list):
        return ",".join(str(_checked(_KINDS[int], where, each)) for each in value)
    if parameter.name == "checkpoint_quota":
        return _checked(_SIZE, where, value)
    types = get_args(hint) or (hint,)
    kind = next((_KINDS[each] for each in _KINDS if each in types), _TEXT)
    if getattr(parameter, "multiple", False):
        elements = value if isinstance(value, list) else [value]
        return [_checked(kind, where, element) for element in elements]
    return _checked(kind, where, value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _checked(kind: tuple[tuple[type, ...], str], where: str, value: Any) -> Any:
    types, words = kind
    # True is an integer of Python's.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise typer.BadParameter(f"{where} must be {words} but got {excerpt(value)}")
    return value
