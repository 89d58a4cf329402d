"""A user's own layers: rows for the table of layers and for the table of primitives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from neural_automl._forms import APPLY, ModuleForm, Promise
from neural_automl.exceptions import NeuralAutoMLError, excerpt
from neural_automl.layers._constructors import Constructor, constructor_of, stem_of
from neural_automl.layers._lowering import forget_checked
from neural_automl.layers._table import ALIASES, LAYERS, Block, LayerType, Values, register_rows
from neural_automl.parameters import Kind, Parameter, as_integer
from neural_automl.primitives import (
    PRIMITIVES,
    Layout,
    Primitive,
    Shape,
    register_primitive,
    unregister_primitive,
)

if TYPE_CHECKING:
    from neural_automl.graph import GraphBuilder

#: From the values of the layer's parameters and the channels-last shape of its input.
Fact = Callable[[Mapping[str, Any], Shape], Any]

_LONGEST: Final = 100  # a word of the text of a space
_LAYOUTS: Final = ("channels_first", "channels_last")
#: What the text of a space reads as something else than a layer.
RESERVED: Final = frozenset(
    (
        *("define", "network", "let", "input", "layers", "loss", "optimizer", "train"),
        *("execution", "execute", "constraints", "choice", "maybe", "repeat", "channels"),
        *("true", "True", "false", "False", "none", "None", "null"),
        *("range", "log_range", "HPO"),
    )
)
_PARAMETERS_OF_LAYER: Final = (
    "type",
    "body",
    "device",
    "position",
)  # words of the constructor of Layer
_KINDS: Final[Mapping[type, Kind]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    tuple: "shape",
}
_KINDS_OF_OTHERS: Final = ("schedule", "operations")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a user registered under a name.

    Args:
        row: The row of the table of layers.
        pytorch: The class or factory of a layer's module; None for an operation.
        keras: The same for Keras.
    """

    row: LayerType
    pytorch: Callable[..., Any] | None = None
    keras: Callable[..., Any] | None = None


#: Everything that users registered, by name.
REGISTERED: Final[dict[str, Registration]] = {}


def register_layer(
    name: str,
    *,
    parameters: Sequence[Parameter] | Mapping[str, Any],
    shape: Callable[[Mapping[str, Any], Shape], Sequence[int]],
    params: Callable[[Mapping[str, Any], Shape], int],
    macs: Callable[[Mapping[str, Any], Shape], int],
    pytorch: Callable[..., Any],
    keras: Callable[..., Any] | None = None,
    layout: Layout = "channels_first",
) -> None:
    """Add a layer of your own, which spaces may name from then on.

    It counts one in the depth of a network, and keeps its output in memory; what its module
    keeps inside is not known, and not in ``peak_memory_bytes``.

    Args:
        name: As spaces write it: letters, digits and ``_``.
        parameters: In the order of positional arguments: ``Parameter`` objects, or a short form,
            name to default (``{"units": 8}``) or, where a value must be given, name to type
            (``{"units": int}``); the short form sets no bounds.
        shape: ``(values, input_shape) -> output_shape``, both channels-last and without the
            batch: ``(height, width, channels)``, ``(length, channels)`` or ``(features,)``. Raises
            ``ValueError`` where the layer cannot take the input; an ``IndexError`` or
            ``TypeError``, as shapes of another rank cause them, means the same, in ``params`` and
            ``macs`` too.
        params: ``(values, input_shape) -> trainable parameters`` of the module.
        macs: ``(values, input_shape) -> multiply-adds`` for one sample.
        pytorch: A class of modules, called with the layer's values by name and, where its
            constructor names them, ``in_channels`` (the last size of the input) and
            ``input_shape`` (channels-last); or a function ``(values, input_shape) -> module``. It
            makes a new module each time, whose sizes are known and which returns one tensor with
            as many samples as it gets.
        keras: The same for ``backend="tensorflow"``: a class of Keras layers, or a function
            ``(values, input_shape, name) -> layer``. Both are called with ``name``, which the layer
            must bear so that its weights are found again, and take and give channels last. None:
            a network with the layer can't be built for TensorFlow.
        layout: The layout in which the module takes and gives more than one axis: PyTorch's
            ``"channels_first"``, (batch, channels, height, width) or (batch, channels, length);
            or ``"channels_last"``, what a linear layer, an attention or a recurrent layer takes.

    Raises:
        TypeError: An argument is of another kind, or the class or function cannot be called so.
        ValueError: The name is taken or no name, or a parameter cannot be had.

    Example:
        >>> from neural_automl.layers import register_layer, unregister_layer
        >>> def make_scale(values, input_shape):
        ...     from torch import nn
        ...
        ...     return nn.Linear(input_shape[-1], values["units"], bias=False)
        >>> register_layer(
        ...     "Scale",
        ...     parameters={"units": 8},
        ...     shape=lambda values, x: (*x[:-1], values["units"]),
        ...     params=lambda values, x: x[-1] * values["units"],
        ...     macs=lambda values, x: x[-1] * values["units"],
        ...     pytorch=make_scale,
        ... )
        >>> unregister_layer("Scale")
    """
    _check_name(name)
    rows = as_parameters(parameters)
    facts = {"shape": shape, "params": params, "macs": macs}
    for key, function in facts.items():
        if not callable(function):
            raise TypeError(f"'{key}' must be a function but got {excerpt(function)}")
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)} but got {excerpt(layout)}")
    constructor = constructor_of("pytorch", pytorch, rows)
    keras_constructor = None if keras is None else constructor_of("keras", keras, rows)
    user = _UserLayer(name, shape, params, macs, constructor, keras_constructor, layout)
    primitive = Primitive(
        name,
        tuple(parameter.name for parameter in rows),
        user.output,
        user.form,
        None if keras is None else user.keras_form,
        params=user.params,
        macs=user.macs,
        layout=layout,
        weighted=True,
    )
    register_primitive(primitive)
    _register(Registration(LayerType(name, rows, user.lower), pytorch, keras))


def register_composite(row: LayerType) -> None:
    """Add a user's row that lowers to layers of the table.

    Raises:
        TypeError: The name is no string.
        ValueError: The name is taken or no name.
    """
    _check_name(row.name)
    _register(Registration(row))


def unregister_layer(name: str) -> None:
    """Take a layer or operation of a user's own out of the table, as a notebook's cell may.

    Raises:
        ValueError: No user registered that name.
    """
    if name not in REGISTERED:
        raise ValueError(f"no layer named {excerpt(name)} was registered")
    del REGISTERED[name], LAYERS[name]
    if name in PRIMITIVES:
        unregister_primitive(name)
    forget_checked()


def _register(registration: Registration) -> None:
    register_rows([registration.row])
    REGISTERED[registration.row.name] = registration


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a layer's name must be a string but got {excerpt(name)}")
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            "a layer's name must be made of letters, digits and '_', a digit not first, but is "
            f"{excerpt(name)}"
        )
    _check_length(name)
    if name in LAYERS or name in ALIASES or name in PRIMITIVES:
        again = (
            "; to register it anew call `neural_automl.layers.unregister_layer` first"
            if name in REGISTERED
            else ""
        )
        raise ValueError(f"a layer named {name!r} is registered already{again}")
    if name in RESERVED:
        raise ValueError(f"{name!r} can't be the name of a layer: it has a meaning of its own")


def _check_length(name: str) -> None:
    if len(name) > _LONGEST:
        raise ValueError(f"a name must have at most {_LONGEST} characters but is {excerpt(name)}")


# --- parameters -----------------------------------------------------------------------------


def as_parameters(parameters: Any) -> tuple[Parameter, ...]:
    """Return parameters, in full or in the short form, as rows.

    Raises:
        TypeError: They have neither form.
        ValueError: A name is no name, is taken or is there twice, or a kind cannot be had.
    """
    if isinstance(parameters, Mapping):
        rows = tuple(_of_default(name, default) for name, default in parameters.items())
    elif isinstance(parameters, Sequence) and not isinstance(parameters, str):
        rows = tuple(parameters)
    else:
        raise TypeError(
            "'parameters' must be a list of Parameter objects or a mapping but got "
            f"{excerpt(parameters)}"
        )
    names: set[str] = set()
    for row in rows:
        if not isinstance(row, Parameter):
            raise TypeError(f"a parameter must be a Parameter but got {excerpt(row)}")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", row.name) or row.name in names:
            raise ValueError(
                f"the names of parameters must be different words but one is {excerpt(row.name)}"
            )
        _check_length(row.name)
        if row.name in _PARAMETERS_OF_LAYER:
            raise ValueError(f"{row.name!r} can't be the name of a layer's parameter")
        if row.kind in _KINDS_OF_OTHERS:
            raise ValueError(f"the parameter '{row.name}' of a layer can't be of kind {row.kind}")
        if not row.required:
            row.check(row.default)
        names.add(row.name)
    return rows


def _of_default(name: Any, default: Any) -> Parameter:
    if isinstance(default, type) and default in _KINDS:
        return Parameter(str(name), _KINDS[default])
    if type(default) not in _KINDS:
        raise TypeError(
            f"the default of '{name}' must be an integer, a number, a boolean, a string or a "
            f"tuple, or one of their types, but is {excerpt(default)}; write a Parameter"
        )
    return Parameter(str(name), _KINDS[type(default)], default)


# --- the row ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _UserLayer:
    """The columns of a user's row; what its functions return is checked."""

    name: str
    shape_of: Fact
    params_of: Fact
    macs_of: Fact
    construct: Constructor
    construct_keras: Constructor | None
    layout: Layout

    def lower(self, b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
        return b.add(self.name, x, **v)

    def output(self, a: Values, x: Shape) -> Shape:
        given = self._ask("shape", self.shape_of, a, x)
        sizes = tuple(map(as_integer, given)) if isinstance(given, list | tuple) else ()
        if not 1 <= len(sizes) <= 3 or not all(size is not None and size > 0 for size in sizes):
            raise TypeError(
                f"'shape' of {self.name} must return one to three positive integers but for "
                f"{x} returned {excerpt(given)}"
            )
        return tuple(size for size in sizes if size is not None)

    def params(self, a: Values, x: Shape) -> int:
        return self._count("params", self._ask("params", self.params_of, a, x), x)

    def macs(self, a: Values, x: Shape) -> int:
        return self._count("macs", self._ask("macs", self.macs_of, a, x), x)

    def _ask(self, what: str, function: Fact, a: Values, x: Shape) -> Any:
        """Call a user's function; what it raises names the layer, the function and the shape.

        Raises:
            ValueError: The layer cannot take the shape.
            NeuralAutoMLError: The function has a mistake.
        """
        try:
            return function(MappingProxyType(dict(a)), x)
        except (IndexError, TypeError, ValueError) as error:
            told = ""
            if type(error) is not ValueError:
                told = f"'{what}' raised {type(error).__name__}: "
            raise ValueError(f"{self.name} can't take the shape {x}: {told}{error}") from error
        except NeuralAutoMLError:
            raise
        except Exception as error:  # a user's function may raise anything
            name = getattr(function, "__qualname__", type(function).__name__)
            raise NeuralAutoMLError(
                f"'{what}' of {self.name} ({name} of {function.__module__}) failed for the shape "
                f"{x}: {type(error).__name__}: {error}"
            ) from error

    def _count(self, what: str, given: Any, x: Shape) -> int:
        count = as_integer(given)
        if count is None or count < 0:
            raise TypeError(
                f"'{what}' of {self.name} must return an integer of at least 0 but for {x} "
                f"returned {excerpt(given)}"
            )
        return count

    def form(self, a: Values, layout: str, x: Shape) -> ModuleForm:
        made = self.output(a, x)
        if self.layout == "channels_first":
            made = (made[-1], *made[:-1])
        promise = Promise(self.name, self.params(a, x), made)
        return ModuleForm(APPLY, self.construct(a, x), stem_of(self.name), promise)

    def keras_form(self, a: Values, x: Shape) -> ModuleForm:
        if self.construct_keras is None:
            raise AssertionError("a row without a Keras form was asked for it")
        promise = Promise(self.name, self.params(a, x), self.output(a, x))
        return ModuleForm(APPLY, self.construct_keras(a, x), stem_of(self.name), promise)
