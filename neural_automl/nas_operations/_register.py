"""A user's operation as a layer that spaces may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from neural_automl.architecture import LayerConfig, lower_sequence
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.graph import GraphBuilder
from neural_automl.layers import LayerType, register_composite
from neural_automl.nas_operations._operation import NASOperation
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from neural_automl.layers import Block
    from neural_automl.primitives import Shape

Registered = TypeVar("Registered", bound=NASOperation | type[NASOperation])

_FILTERS: Final = Parameter("filters", "integer", None, minimum=1, nullable=True)


def register_operation(operation: Registered) -> Registered:
    """Make an operation a layer of its name; a decorator for classes.

    Spaces, in text and Python, and cells may name it from then on. Its one parameter ``filters``
    is the width that goes out, by default the width that comes in. What ``to_layer_config``
    returns may name any layer, also registered ones.

    Args:
        operation: An instance, or a class to be called without arguments.

    Returns:
        What was given.

    Raises:
        TypeError: It is neither, or the class needs arguments.
        ValueError: The name is taken, or none that a space can write.

    Lowering a network that names it raises ``ShapeError`` where a method raises ``ValueError``
    (it does not lead from one width to the other), and else ``TypeError`` or ``ValueError``
    where the operation is wrong: a method returns something else than it should, the layers give
    another width, or have another number of parameters than ``get_parameter_count`` says.

    Example:
        >>> from neural_automl.layers import unregister_layer
        >>> @register_operation
        ... class Bottleneck(NASOperation):
        ...     def __init__(self):
        ...         super().__init__("bottleneck")
        ...
        ...     def to_layer_config(self, in_ch, out_ch):
        ...         return {"type": "ConvBN", "params": {"filters": out_ch, "kernel_size": 1}}
        ...
        ...     def get_parameter_count(self, in_ch, out_ch):
        ...         return in_ch * out_ch + 2 * out_ch
        >>> unregister_layer("bottleneck")
    """
    instance: Any = operation
    if isinstance(operation, type) and issubclass(operation, NASOperation):
        try:
            instance = operation()  # type: ignore[call-arg]
        except TypeError as error:
            raise TypeError(
                f"{operation.__name__} can't be made without arguments ({error}): register an "
                "instance"
            ) from error
    if not isinstance(instance, NASOperation):
        raise TypeError(f"an operation must be a NASOperation but got {excerpt(operation)}")
    if not hasattr(instance, "name"):
        raise TypeError(f"{type(instance).__name__} has no name: call super().__init__ with one")
    register_composite(LayerType(instance.name, (_FILTERS,), _Lowering(instance)))
    return operation


class _Lowering:
    """Lowers an operation, and counts the parameters once for each shape that comes in."""

    def __init__(self, operation: NASOperation) -> None:
        self._operation = operation
        self._counted: set[tuple[Shape, int]] = set()

    def __call__(
        self, b: GraphBuilder, x: int, v: Mapping[str, Any], blocks: Sequence[Block]
    ) -> int:
        shape = b.shape(x)
        out_ch = shape[-1] if v["filters"] is None else v["filters"]
        try:
            layers = self._layers(b, shape[-1], out_ch)
            if (shape, out_ch) not in self._counted:
                self._count(b, shape, out_ch, layers)
                self._counted.add((shape, out_ch))
            return lower_sequence(b, x, layers, self._path(b))
        except RecursionError as error:
            raise ValueError(
                f"{self._path(b)[:80]}: the operation lowers to itself, or is nested too deeply"
            ) from error

    def _path(self, b: GraphBuilder) -> str:
        return f"{b.path}.{self._operation.name}"

    def _layers(self, b: GraphBuilder, in_ch: int, out_ch: int) -> list[LayerConfig]:
        try:
            given = self._operation.to_layer_config(in_ch, out_ch)
        except ValueError as error:
            raise b.error(str(error)) from error
        path = self._path(b)
        try:
            if isinstance(given, Mapping):
                return [LayerConfig.from_dict(given, path)]
            if isinstance(given, list | tuple):
                return [LayerConfig.from_dict(g, f"{path}[{i}]") for i, g in enumerate(given)]
        except SpaceError as error:
            raise TypeError(f"what 'to_layer_config' returned: {error}") from error
        raise TypeError(
            f"{path}: 'to_layer_config' must return a dictionary with a 'type', or a list of such, "
            f"but returned {excerpt(given)}"
        )

    def _count(self, b: GraphBuilder, shape: Shape, out_ch: int, layers: list[LayerConfig]) -> None:
        path, in_ch = self._path(b), shape[-1]
        try:
            said: Any = self._operation.get_parameter_count(in_ch, out_ch)
        except ValueError as error:
            raise b.error(str(error)) from error
        if isinstance(said, bool) or not isinstance(said, int):
            raise TypeError(
                f"{path}: 'get_parameter_count' must return an integer but returned {excerpt(said)}"
            )
        inner = GraphBuilder(shape)
        inner.path, inner.position = b.path, b.position
        graph = inner.finish(lower_sequence(inner, 0, layers, path), None)
        count = sum(node.facts.params for node in graph.nodes)
        if said != count:
            raise ValueError(
                f"{path}: 'get_parameter_count' says {said:,} parameters from {in_ch} to {out_ch} "
                f"channels but its layers have {count:,}"
            )
        width = graph.output_shape[-1]
        if width != out_ch:
            raise ValueError(
                f"{path}: its layers give {width} channels but should give {out_ch}, the "
                "'out_ch' of 'to_layer_config'"
            )
