"""How the results of PyTorch's operations lie in memory: strides, for one sample, by rule.

Sizes and strides are in PyTorch's order and with the batch, which is 1. A tensor of four axes lies
in the contiguous format or in the channels-last one; most operations keep the format of their
input, so that flattening may have to copy. Nothing here imports torch.

Source: PyTorch 2.13, ``c10/core/MemoryFormat.h``, ``aten/src/ATen/TensorIterator.cpp``,
``aten/src/ATen/TensorUtils.cpp`` (``computeStride``) and the operations' own files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final, NamedTuple

from neural_automl._formulas import pool_cuts

Attributes = Mapping[str, Any]
Sizes = tuple[int, ...]
Strides = tuple[int, ...]


class Strided(NamedTuple):
    """A tensor's sizes, and how many elements apart its neighbours on each axis lie."""

    sizes: Sizes
    strides: Strides

    def permuted(self, order: Sequence[int]) -> Strided:
        """Return the view with the axes in another order."""
        return Strided(
            tuple(self.sizes[axis] for axis in order), tuple(self.strides[axis] for axis in order)
        )


#: From attributes, the layout of the output, its sizes and the inputs to the output's strides.
Rule = Callable[..., Strides]

_CHANNELS_LAST: Final = (0, 2, 3, 1)


def _dense_in(sizes: Sizes, order: Sequence[int]) -> Strides:
    """Return the strides of a tensor without gaps whose axes lie in an order, outermost first."""
    strides = [1] * len(sizes)
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        step *= sizes[axis]
    return tuple(strides)


def contiguous(a: Attributes, layout: str, sizes: Sizes, *inputs: Strided) -> Strides:
    """Lay the axes in their order, the last one innermost."""
    return _dense_in(sizes, range(len(sizes)))


def _channels_last(sizes: Sizes) -> Strides:
    return _dense_in(sizes, _CHANNELS_LAST)


def suggests_channels_last(x: Strided) -> bool:
    """Say whether PyTorch takes a tensor for channels last: by its strides alone.

    Axes of size 1 count with their strides too, which tells an image of one channel that a linear
    layer made from one that a convolution made.
    """
    if len(x.sizes) != 4:
        return False
    least = 0
    for axis in (1, 3, 2, 0):
        if x.strides[axis] < least or (axis == 0 and least == x.strides[1]):
            return False
        least = x.strides[axis] * x.sizes[axis]
    return True


def _lies_as(x: Strided, strides: Strides) -> bool:
    """Say whether a tensor has these strides wherever it has more than one element."""
    return all(
        n == 1 or given == wanted
        for n, given, wanted in zip(x.sizes, x.strides, strides, strict=True)
    )


def _is_contiguous(x: Strided) -> bool:
    return _lies_as(x, _dense_in(x.sizes, range(len(x.sizes))))


def _is_dense(x: Strided) -> bool:
    step = 1
    for stride, size in sorted(zip(x.strides, x.sizes, strict=True)):
        if size > 1 and stride != step:
            return False
        step *= size
    return True


# --- rules ----------------------------------------------------------------------------------


def like_input(a: Attributes, layout: str, sizes: Sizes, *inputs: Strided) -> Strides:
    """Keep the format that the input seems to have: convolutions and padding."""
    keep = suggests_channels_last(inputs[0])
    return _channels_last(sizes) if keep else contiguous(a, layout, sizes)


def pooled(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Keep the format; a sequence is pooled as an image of height 1.

    A result that is cut keeps the strides of the whole.
    """
    cuts = pool_cuts(a)
    whole = (*sizes[:2], *(n + cut for n, cut in zip(sizes[2:], cuts, strict=True)))
    if len(sizes) == 4:
        return like_input(a, layout, whole, x)
    batch, channels, length = x.sizes
    image = Strided(
        (batch, channels, 1, length),
        (*x.strides[:2], length * x.strides[2], x.strides[2]),
    )
    made = like_input(a, layout, (*whole[:2], 1, whole[2]), image)
    return (*made[:2], made[3])


def normed(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Keep the format of a batch normalisation's input; contiguous where it is both."""
    if _is_contiguous(x):
        return contiguous(a, layout, sizes)
    return like_input(a, layout, sizes, x)


def padded(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Keep the format; without any padding a copy is made as a clone is."""
    return like_input(a, layout, sizes, x) if sizes != x.sizes else empty_like(a, layout, sizes, x)


def joined(a: Attributes, layout: str, sizes: Sizes, *inputs: Strided) -> Strides:
    """Lie channels last where every input does."""
    keep = all(map(suggests_channels_last, inputs))
    return _channels_last(sizes) if keep else contiguous(a, layout, sizes)


def elementwise(a: Attributes, layout: str, sizes: Sizes, *inputs: Strided) -> Strides:
    """Lie as the inputs do where they agree; else the first that tells two axes apart decides."""
    if all(x.sizes == sizes for x in inputs):
        if all(map(_is_contiguous, inputs)):
            return contiguous(a, layout, sizes)
        if len(sizes) == 4 and all(_lies_as(x, _channels_last(sizes)) for x in inputs):
            return _channels_last(sizes)
        if all(map(_is_dense, inputs)) and len({x.strides for x in inputs}) == 1:
            return inputs[0].strides
    spread = [
        tuple(
            0 if own == 1 and n != 1 else stride
            for own, n, stride in zip(x.sizes, sizes, x.strides, strict=True)
        )
        for x in inputs
    ]
    return _dense_in(sizes, _order(sizes, spread))


def activated(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Lie as an elementwise result; a softmax is contiguous."""
    rule = contiguous if a["function"] == "softmax" else elementwise
    return rule(a, layout, sizes, x)


def empty_like(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Keep the strides of a tensor without gaps, and the order of the axes of another."""
    return x.strides if _is_dense(x) else _dense_in(sizes, _order(sizes, [x.strides]))


def zeros(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Lie as the input; at a stride, as every second (third, ...) of its rows and columns."""
    step = 1 if len(sizes) == 2 else a["stride"]
    channels = 1 if layout == "channels_first" else len(sizes) - 1
    strides = tuple(
        stride * (1 if axis in (0, channels) else step) for axis, stride in enumerate(x.strides)
    )
    return empty_like(a, layout, sizes, Strided(sizes, strides))


def same_strides(a: Attributes, layout: str, sizes: Sizes, x: Strided) -> Strides:
    """Look at the input's memory, or at a part of it."""
    return x.strides


def _order(sizes: Sizes, spread: Sequence[Strides]) -> list[int]:
    """Return the axes, outermost first: sorted by strides as TensorIterator sorts them.

    The comparison does not order all axes, so that the steps of the sort count.
    """

    def compare(one: int, other: int) -> int:
        for strides in spread:
            if strides[one] == 0 or strides[other] == 0:
                continue
            if strides[one] != strides[other]:
                return -1 if strides[one] < strides[other] else 1
            if sizes[one] > sizes[other]:
                return 1
        return 0

    order = list(reversed(range(len(sizes))))
    for start in range(1, len(order)):
        place = start
        for before in range(start - 1, -1, -1):
            comparison = compare(order[before], order[place])
            if comparison < 0:
                break
            if comparison > 0:
                order[before], order[place] = order[place], order[before]
                place = before
    return order[::-1]


def viewed(x: Strided, sizes: Sizes) -> Strides | None:
    """Return the strides of a view in another shape, or None where the elements must be copied."""
    made = [0] * len(sizes)
    at = len(sizes) - 1
    base, whole, part = x.strides[-1], 1, 1
    for axis in range(len(x.sizes) - 1, -1, -1):
        whole *= x.sizes[axis]
        if axis and (x.sizes[axis - 1] == 1 or x.strides[axis - 1] == whole * base):
            continue
        # The axes since the last cut lie as one: they may be split anew.
        while at >= 0 and (part < whole or sizes[at] == 1):
            made[at] = part * base
            part *= sizes[at]
            at -= 1
        if part != whole:
            return None
        if axis:
            base, whole, part = x.strides[axis - 1], 1, 1
    return tuple(made) if prod(sizes) == prod(x.sizes) and at < 0 else None
