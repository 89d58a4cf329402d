"""Proxies made of the feature maps that random inputs lead to."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost._work import (
    FEW,
    REPEATS,
    draw,
    dtype_for_drawn,
    finite,
    is_map,
    watch_layers,
    weights_to_draw,
    working_copy,
)

_BatchNorm = nn.modules.batchnorm._NormBase
#: How far zen moves its inputs.
_STEP = 0.01
#: Positions of the 64 x 64 image of the paper of meco.
_POSITIONS = 64 * 64
#: Share of a channel's squares below which their differences are rounding.
_ROUNDING = 1e-12


class _LastMap(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Holds the last tensor of the batch that has more than one position for each channel."""

    def __init__(self, samples: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Tensor | None = None
        self._samples = samples

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        first = found[0] if isinstance(found, tuple) else found
        if isinstance(first, Tensor) and is_map(first) and len(first) == self._samples:
            self.found = first
        return found


def zen(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Logarithm of how far the last feature map moves with the input, as if nothing normalised.

    The input is random, and moved by a hundredth of another; the map is the one before global
    pooling, or the output of a network without maps. What batch normalisation divides by is
    multiplied again: half the logarithm of its mean variance is added, for each. The score is the
    mean of 32 draws of normal weights, of as many samples as the batch has, 16 at most.

    Raises:
        ProxyError: The inputs are ids of an embedding, or nothing leads from the input to the map.

    Source: Lin et al., "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV
    2021, algorithm 1.
    """
    if not inputs.is_floating_point():
        raise ProxyError("zen needs inputs that are numbers, not the ids of an embedding")
    dtype = dtype_for_drawn(model)
    like = inputs[:FEW].to(dtype)
    total = 0.0
    with working_copy(model, dtype=dtype) as net, torch.no_grad():
        variances = [_kept_variance(m) for m in net.modules() if isinstance(m, _BatchNorm)]
        weights = weights_to_draw(net)
        for _ in range(REPEATS):
            draw(weights)
            x = torch.randn_like(like)
            moved = x + _STEP * torch.randn_like(like)
            apart = (_last_map(net, moved) - _last_map(net, x)).flatten(1).double()
            distance = float(apart.norm(dim=1).mean())
            if not distance:
                raise ProxyError("zen needs a path from the input to the output but there is none")
            # Of the batch that was not moved; 0 where nothing comes to the layer.
            means = [float(variance.double().mean()) for variance in variances]
            total += math.log(distance) + sum(math.log(mean) / 2 for mean in means if mean > 0)
    return finite(total / REPEATS, "zen")


def _last_map(net: nn.Module, x: Tensor) -> Tensor:
    with _LastMap(len(x)) as last:
        output: Tensor = net(x)
    return output if last.found is None else last.found


def _kept_variance(norm: nn.modules.batchnorm._NormBase) -> Tensor:
    """Let batch normalisation keep the variance of the last batch, and return where."""
    kept = norm.running_var
    if kept is None:
        like = next(iter(norm.parameters()), torch.empty(()))
        kept = torch.ones(norm.num_features, dtype=like.dtype, device=like.device)
        norm.running_mean, norm.running_var = torch.zeros_like(kept), kept
    norm.track_running_stats = True
    norm.momentum = 1.0
    return kept


def meco(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over layers with weights of the least eigenvalue of their channels' correlations.

    The input is random: as many samples as together have the positions of the paper's one image of
    64 x 64, and as the batch has at most, so that any network takes it. A layer that gives no more
    positions than it has channels has eigenvalue 0.

    Raises:
        ProxyError: No layer has weights.

    Source: Jiang, Wang and Bie, "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via
    Minimum Eigenvalue of Correlation", NeurIPS 2023, the definition of MeCo.
    """
    count = max(1, min(len(inputs), _POSITIONS // math.prod(inputs.shape[2:])))
    products = _Products()
    with working_copy(model) as net, torch.no_grad():
        watch_layers(net, products.add)
        x = inputs[:count]
        net(torch.randn_like(x) if x.is_floating_point() else x)
    return finite(sum(products.least_eigenvalues()), "meco")


class _Products:
    """Collects how channels go together, by their number: many small matrices at once are fast.

    Left out is what has eigenvalue 0 by its shape, or because a channel is the same everywhere.
    """

    def __init__(self) -> None:
        self._found: dict[int, list[Tensor]] = {}

    def add(self, x: Tensor, axis: int) -> None:
        """Add what a layer puts out."""
        rows = x.movedim(axis, 0).flatten(1)
        if rows.shape[0] >= rows.shape[1]:
            return  # means are taken off: there is one direction less
        means = rows.mean(1, keepdim=True)
        apart = rows - means
        products = apart @ apart.T
        # Where a channel is the same everywhere, rounding is left of it.
        if (products.diagonal() > _ROUNDING * rows.shape[1] * means[:, 0].square()).all():
            self._found.setdefault(len(rows), []).append(products)

    def least_eigenvalues(self) -> list[float]:
        """Return those of the correlations; that of a matrix left out is 0."""
        found: list[float] = []
        for several in self._found.values():
            products = torch.stack(several).double()
            scales = products.diagonal(dim1=1, dim2=2).sqrt()
            correlations = products / scales[:, None] / scales[:, :, None]
            found += torch.linalg.eigvalsh(correlations)[:, 0].clamp_min(0).tolist()
        return found
