"""Whether data fits a space: shapes, layout and classes, compared before anything trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from neural_automl.data import Task
from neural_automl.exceptions import DataError, EvaluationError
from neural_automl.graph import Graph

DataLayout: TypeAlias = Literal["auto", "channels_last", "channels_first"]
#: What brings a sample into the form that PyTorch modules take.
Move: TypeAlias = Literal["none", "channels_to_front", "add_front", "add_back"]

DATA_LAYOUTS: Final = ("auto", "channels_last", "channels_first")


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of data without training on it.

    Args:
        sample_shape: Of one input, without the batch.
        integer_targets: Whether the targets are class labels.
        columns: K where the targets are (N, K), None where they are (N,).
        smallest: Of the targets.
        largest: Of the targets.
        ids: Smallest and largest input, where the inputs are integers.
    """

    sample_shape: tuple[int, ...]
    integer_targets: bool
    columns: int | None
    smallest: float
    largest: float
    ids: tuple[int, int] | None = None

    @property
    def task(self) -> Task:
        """What the targets look like."""
        return "classification" if self.integer_targets else "regression"

    @property
    def classes(self) -> int | None:
        """Number of classes, or None."""
        if not self.integer_targets:
            return None
        return int(self.largest) + 1 if self.columns is None else self.columns


def find_move(
    sample: tuple[int, ...], wanted: tuple[int, ...], layout: DataLayout = "auto"
) -> Move:
    """Return what brings samples of a shape into a space's input shape, as PyTorch takes it.

    Args:
        sample: Shape of one sample, without the batch.
        wanted: The space's input shape, channels-last, without the batch.
        layout: What images are; ``auto`` finds it by comparing.

    Raises:
        DataError: The shapes do not fit, or fit in two ways.
    """
    if wanted[-1] == 1 and sample == wanted[:-1]:
        return "add_front" if len(wanted) == 3 else "add_back"
    if len(wanted) != 3:
        if sample == wanted:
            return "none"
        raise _misfit(sample, wanted)
    channels_first = (wanted[-1], *wanted[:-1])
    is_last = sample == wanted and layout != "channels_first"
    is_first = sample == channels_first and layout != "channels_last"
    if is_last and is_first and sample != (1, 1, 1):
        raise DataError(
            f"samples of shape {sample} fit the input shape {wanted} of the space both with the "
            "channels last and with the channels first; say which by `data_layout`"
        )
    if is_first:
        return "none"
    if is_last:
        return "channels_to_front"
    raise _misfit(sample, wanted)


def _misfit(sample: tuple[int, ...], wanted: tuple[int, ...]) -> DataError:
    return DataError(
        f"samples of shape {sample} do not fit the input shape {wanted} of the space "
        "(channels last, without the batch)"
    )


def lookup_size(graph: Graph) -> int | None:
    """Return the size of the embedding that samples go to as integers, or None without one."""
    sizes = (
        node.attribute_values()["input_dim"]
        for node in graph.nodes
        if node.op == "Embedding" and 0 in node.inputs
    )
    return min(sizes, default=None)


class IdsError(DataError, EvaluationError):
    """An embedding has too little room for the data; another choice of its size may have it."""


def check_ids(data: Description, graph: Graph, name: str) -> None:
    """Check that samples are what the embedding of a network, if it has one, can look up.

    Args:
        data: The data.
        graph: The network.
        name: Of the data, for messages.

    Raises:
        DataError: They are no integers, or some are below 0.
        IdsError: Some are above ``input_dim`` - 1.
    """
    size = lookup_size(graph)
    if size is None:
        return
    if data.ids is None:
        raise DataError(
            f"Embedding needs integers but the inputs of the {name} data are floating-point numbers"
        )
    smallest, largest = data.ids
    if smallest < 0 or largest >= size:
        kind = DataError if smallest < 0 else IdsError
        raise kind(
            f"the {name} data holds the integers {smallest} to {largest} but the Embedding of the "
            f"space has room for 0 to {size - 1} (input_dim={size})"
        )


def check_targets(data: Description, output_shape: tuple[int, ...], loss: str, name: str) -> None:
    """Check that targets are what a loss compares a network's output with.

    Args:
        data: The data.
        output_shape: Of the network, channels-last, without the batch.
        loss: A name of ``hyperparameters.LOSSES``.
        name: Of the data, for messages.

    Raises:
        DataError: They are not.
    """
    if loss == "cross_entropy":
        _check_labels(data, output_shape, name)
        return
    columns = data.columns or 1
    if output_shape != (columns,):
        raise DataError(
            f"the targets of the {name} data hold {columns} values a sample, so with the loss "
            f"{loss} the space must end in the shape ({columns},) but ends in {output_shape}"
        )
    if loss == "binary_crossentropy" and not (data.smallest >= 0 and data.largest <= 1):
        raise DataError(
            f"binary_crossentropy needs targets from 0 to 1 but those of the {name} data "
            f"go from {data.smallest:g} to {data.largest:g}"
        )


def _check_labels(data: Description, output_shape: tuple[int, ...], name: str) -> None:
    if len(output_shape) != 1:
        raise DataError(
            f"cross_entropy needs a space that ends in the shape (classes,) "
            f"but this one ends in {output_shape}"
        )
    if not data.integer_targets or data.columns is not None:
        kind = "integers" if data.integer_targets else "floating-point numbers"
        shape = "(N,)" if data.columns is None else f"(N, {data.columns})"
        raise DataError(
            "cross_entropy needs targets of shape (N,) with the integers 0 to C-1, but those of "
            f"the {name} data are {kind} of shape {shape}"
        )
    if data.largest >= output_shape[0]:
        raise DataError(
            f"the {name} data has the label {data.largest:g} but the output of the space, "
            f"{output_shape}, has room for the labels 0 to {output_shape[0] - 1}"
        )
