"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from neural_automl.data import Array
from neural_automl.evaluation._batches import Batch, Batches, Form, TensorBatches
from neural_automl.evaluation._fit import Description
from neural_automl.evaluation._sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSource(Source):
    """Several sources as one.

    Args:
        parts: At least one; their samples have one shape.
    """

    parts: Sequence[Source]

    @property
    def description(self) -> Description:
        """Shapes and range of all parts."""
        first, *others = (part.description for part in self.parts)
        for other in others:
            ids = None
            if first.ids is not None and other.ids is not None:
                ids = (min(first.ids[0], other.ids[0]), max(first.ids[-1], other.ids[-1]))
            first = Description(
                sample_shape=first.sample_shape,
                integer_targets=first.integer_targets,
                columns=first.columns,
                smallest=min(first.smallest, other.smallest),
                largest=max(first.largest, other.largest),
                ids=ids,
            )
        return first

    def place(self, device: torch.device, form: Form) -> Batches:
        """Return the data of all parts; arrays become one, so that batches mix them."""
        parts = [part.place(device, form) for part in self.parts]
        tensors = [part for part in parts if isinstance(part, TensorBatches)]
        if len(tensors) < len(parts):
            return JoinedBatches(parts)
        pairs = [part.tensors() for part in tensors]
        x, y = (torch.cat(each) for each in zip(*pairs, strict=True))
        return TensorBatches(x, y, device)

    def split(self, share: float, seed: int) -> tuple[Source, Source]:
        """Hold out a share of each part."""
        kept, held_out = zip(*(part.split(share, seed) for part in self.parts), strict=True)
        return JoinedSource(kept), JoinedSource(held_out)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield what the fingerprints of the parts are made of."""
        for index, part in enumerate(self.parts):
            for name, array in part.arrays():
                yield f"{index}.{name}", array


@dataclass(frozen=True, slots=True, eq=False)
class JoinedBatches(Batches):
    """Batches of several data sets, in a random order of the sets.

    Args:
        parts: Each keeps its own batches together.
    """

    parts: Sequence[Batches]

    def training(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch of all parts; who comes next is drawn by how many batches they have."""
        open_parts = [
            (part.training(batch_size, generator), float(part.steps(batch_size) or 1))
            for part in self.parts
        ]
        while open_parts:
            weights = torch.tensor([weight for _, weight in open_parts])
            index = int(torch.multinomial(weights, 1, generator=generator))
            batch = next(open_parts[index][0], None)
            if batch is None:
                del open_parts[index]
            else:
                yield batch

    def whole(self, batch_size: int) -> Iterator[Batch]:
        """Yield every sample once."""
        for part in self.parts:
            yield from part.whole(batch_size)

    def steps(self, batch_size: int) -> int | None:
        """Return the number of training batches of an epoch, or None if nobody knows."""
        counts = [part.steps(batch_size) for part in self.parts]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None
