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
    draw_weights,
    dtype_for_drawn,
    finite,
    is_map,
    layer_outputs,
    working_copy,
)

_BatchNorm = nn.modules.batchnorm._NormBase
#: How far zen moves its inputs.
_STEP = 0.01
#: Positions of the 64 x 64 image of the paper of meco.
_POSITIONS = 64 * 64


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
        for _ in range(REPEATS):
            draw_weights(net)
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
    Minimum Eigenvalue of Correlation", NeurIPS 2023, section 3.
    """
    count = max(1, min(len(inputs), _POSITIONS // math.prod(inputs.shape[2:])))
    with working_copy(model) as net, torch.no_grad():
        outputs = layer_outputs(net)
        x = inputs[:count]
        net(torch.randn_like(x) if x.is_floating_point() else x)
        total = sum((_least_eigenvalue(x.movedim(axis, 0)) for x, axis in outputs), 0.0)
    return finite(total, "meco")


def _least_eigenvalue(x: Tensor) -> float:
    """Return that of the correlations of rows, each the rest of the axes; 0 of a constant row."""
    rows = x.flatten(1)
    if rows.shape[0] >= rows.shape[1]:
        return 0.0  # means are taken off: there are fewer directions than rows
    rows = rows - rows.mean(1, keepdim=True)
    products = (rows @ rows.T).double()
    scales = products.diagonal().sqrt()
    if not (scales > 0).all():
        return 0.0
    return max(0.0, float(torch.linalg.eigvalsh(products / scales / scales[:, None])[0]))
