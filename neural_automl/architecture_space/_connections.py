"""The two structures of the table that users ask for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.architecture_space._nodes import Layer, LayersLike

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neural_automl.architecture_space._values import Choice


def Residual(body: LayersLike, *, projection: str | Choice = "conv") -> Layer:  # noqa: N802 - a node
    """Return a residual connection: the body's output added to its input.

    Args:
        body: One layer or several.
        projection: ``"conv"`` projects the input by a strided 1x1 convolution and BN where the
            shapes differ; ``"none"`` then leaves the addition out.
    """
    return Layer("ResidualConnection", body=body, projection=projection)


def Parallel(branches: Iterable[LayersLike], *, merge: str = "concat") -> Layer:  # noqa: N802
    """Return branches that read one input, merged by ``"concat"`` (channels) or ``"add"``."""
    return Layer("parallel", body=branches, merge=merge)
