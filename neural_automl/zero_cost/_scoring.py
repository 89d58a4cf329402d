"""Networks scored on one batch, here or in another process; and the file that keeps the scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from neural_automl.exceptions import DataError
from neural_automl.zero_cost._table import Proxy, score_by

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from neural_automl.architecture import Architecture

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
