"""How long a network takes for a batch: measured, not inferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

#: A measurement whose quartiles lie further apart than this share of its median is noisy.
_NOISY: Final = 0.1


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one forward pass.

    Attributes:
        median: Of all timed blocks.
        iqr: Distance of the quartiles.
        is_noisy: Whether ``iqr`` is above a tenth of the median: other work disturbed it.
    """

    median: float
    iqr: float
    is_noisy: bool


def measure_latency(
    architecture: Architecture,
    *,
    batch_size: int = 1,
    threads: int = 1,
    device: str = "cpu",
    min_run_time: float = 0.2,
) -> Latency:
    """Time the forward pass of a freshly built network in inference.

    ``torch.utils.benchmark`` warms it up, waits for the device and fixes the threads. Where the
    first layer is an embedding, the input is zeros of integers, else zeros of floats.

    Args:
        batch_size: Samples at once.
        threads: Of PyTorch, on a CPU.
        device: Where it runs.
        min_run_time: Seconds of timing, at least.

    Raises:
        ValueError: An argument is out of its range.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    for name, value in (("batch_size", batch_size), ("threads", threads)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1 but got {value}")
    if not min_run_time > 0:
        raise ValueError(f"`min_run_time` must be above 0 but got {min_run_time}")
    import torch
    from torch.utils.benchmark import Timer

    graph = architecture.graph
    shape = graph.input_shape
    if len(shape) == 3:
        shape = (shape[2], shape[0], shape[1])
    reads_ids = any(node.op == "Embedding" and 0 in node.inputs for node in graph.nodes)
    dtype = torch.long if reads_ids else torch.float32
    model = architecture.build("pytorch").to(device).eval()
    inputs = torch.zeros((batch_size, *shape), dtype=dtype, device=device)
    timer = Timer("model(inputs)", globals={"model": model, "inputs": inputs}, num_threads=threads)
    with torch.inference_mode():
        measured = timer.blocked_autorange(min_run_time=min_run_time)
    return Latency(measured.median, measured.iqr, measured.iqr > _NOISY * measured.median)
