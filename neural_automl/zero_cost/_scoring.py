"""Networks scored on one batch, here or in another process; and the file that keeps the scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from neural_automl.evaluation import sample_batch
from neural_automl.exceptions import DataError
from neural_automl.zero_cost._table import Proxy, functions_of, score_by

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import ArchitectureEvaluator

#: Networks that another process scores in one call, at least and at most: it takes seconds to
#: start, and what it has scored is kept at its end.
_FEWEST: Final = 16
_MOST: Final = 64
#: So many calls, between these bounds.
_CALLS: Final = 8


class Submits(Protocol):
    """What makes calls elsewhere: an executor of ours, or one of ``concurrent.futures``."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Call a function, perhaps later and elsewhere."""


@dataclass(frozen=True)
class Scoring:
    """Scores networks on one batch; it may be pickled, with proxies of a user's own.

    Attributes:
        inputs: Shape (N, ...), channels first.
        targets: Labels (N,), or values.
        proxies: By name.
        seed: Of the initial weights.
        device: Where networks are scored.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    proxies: Mapping[str, Proxy]
    seed: int
    device: str

    def __call__(self, networks: Sequence[Architecture]) -> list[dict[str, float]]:
        """Return the scores of each network."""
        return [self.one(network) for network in networks]

    def one(self, network: Architecture) -> dict[str, float]:
        """Return the scores of one network, NaN where a proxy says nothing of it."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            model = network.build()
        inputs, targets = (torch.from_numpy(a).to(self.device) for a in (self.inputs, self.targets))
        return score_by(self.proxies, model.to(self.device), inputs, targets)


def scoring_on(
    evaluator: ArchitectureEvaluator | None,
    network: Architecture,
    proxies: Iterable[str],
    batch_size: int,
    seed: int,
) -> Scoring:
    """Return what scores networks on one batch of an evaluator's data.

    Args:
        evaluator: Holds the data; None leaves random numbers, on the CPU.
        network: One of those that will be scored: it says in which form they take a batch.
        proxies: Names.
        batch_size: Samples of the batch.
        seed: Of the batch and the initial weights.

    Raises:
        ValueError: There is no such proxy.
        DataError: The data does not fit.
    """
    if evaluator is None:
        inputs, targets = random_batch(network, batch_size, seed)
    else:
        inputs, targets = sample_batch(evaluator, network, batch_size, seed)
    return Scoring(
        inputs.cpu().contiguous().numpy(),
        targets.cpu().contiguous().numpy(),
        functions_of(proxies),
        seed,
        str(inputs.device),
    )


def random_batch(network: Architecture, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return normal inputs and random labels, in the shapes of a network.

    Args:
        network: Says which shapes.
        size: How many samples.
        seed: Of the draw.

    Raises:
        DataError: The network reads ids of an embedding, of which no others are like words.
    """
    import torch

    graph = network.graph
    if any(node.op == "Embedding" and 0 in node.inputs for node in graph.nodes):
        raise DataError("networks that read ids are scored on data, not on random numbers")
    shape = graph.input_shape
    if len(shape) == 3:
        shape = (shape[2], shape[0], shape[1])
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, *shape, generator=generator)
    outputs = graph.output_shape
    if len(outputs) == 1 and outputs[0] > 1:
        return inputs, torch.randint(outputs[0], (size,), generator=generator)
    return inputs, torch.randn(size, *outputs, generator=generator)


def scored(
    scoring: Scoring, networks: Sequence[Architecture], executor: Submits | None
) -> Iterator[tuple[Architecture, dict[str, float]]]:
    """Give networks with their scores, as they come.

    Args:
        scoring: Scores.
        networks: Are scored.
        executor: Makes calls, several at once; None scores here, one after another.
    """
    if executor is None:
        for network in networks:
            yield network, scoring.one(network)
        return
    size = max(_FEWEST, min(_MOST, -(-len(networks) // _CALLS)))
    parts = [networks[start : start + size] for start in range(0, len(networks), size)]
    calls = {executor.submit(scoring, part): part for part in parts}
    try:
        for call in as_completed(calls):
            yield from zip(calls[call], call.result(), strict=True)
    finally:
        for call in calls:
            call.cancel()


class Kept:
    """A file of scores: a line of terms, then a line a network.

    Args:
        file: Its path; None keeps nothing.
        terms: What the scores depend on.

    Raises:
        DataError: It holds other scores, or can't be written.
    """

    def __init__(self, file: Path | None, terms: str) -> None:
        self._file = file
        self.scores: dict[str, dict[str, float]] = {}
        if file is None:
            return
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if lines and lines[0] != terms:
            raise DataError(
                f"{file} holds scores of another space, batch, seed or choice of proxies; use "
                "another file"
            )
        whole = [terms]
        for line in lines[1:]:
            try:
                key, found = json.loads(line)
                self.scores[key] = {name: float(value) for name, value in found.items()}
            except (ValueError, AttributeError, TypeError):
                continue  # cut off while it was written: scored again
            whole.append(line)
        text = "".join(f"{line}\n" for line in whole)
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(f"{file} can't be written: {error.strerror}") from error

    def add(self, key: str, found: Mapping[str, float]) -> None:
        """Add a network's scores."""
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([key, dict(found)]) + "\n")
