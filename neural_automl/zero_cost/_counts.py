"""Sizes as proxies: the controls that a cleverer score has to beat."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from neural_automl.zero_cost._patterns import SWITCHES
from neural_automl.zero_cost._work import weights_of, working_copy


def params(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Number of trainable parameters."""
    return float(sum(p.numel() for p in model.parameters() if p.requires_grad))


def macs(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Multiply-adds of one sample's forward pass, as PyTorch's own counter sees them."""
    with working_copy(model) as net, torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()
        net(inputs[:1])
    return int(counter.get_total_flops()) / 2


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what pooling, normalisation and activations do, by the elements that they give."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        first = found[0] if isinstance(found, tuple) else found
        name = func.name()
        if "norm" in name and "linalg" not in name:
            self.count += 2 * first.numel()
        elif func in SWITCHES:
            self.count += first.numel()
        elif "avg_pool" in name or "max_pool" in name:
            kernel = args[1]
            area = math.prod(kernel) if "adaptive" not in name else 1
            self.count += first.numel() * area
        return found


def flops(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Operations of one sample's forward pass: those of ``macs``, and what stands between them.

    A multiply-add is one, an element is 1 for an activation, 2 for normalisation, and the area of
    the window for pooling: as the tables of published scores count.

    Source: Krishnakumar et al., "NAS-Bench-Suite-Zero", NeurIPS 2022, appendix; NASLib,
    ``predictors/utils/pruners/measures/model_stats.py``.
    """
    with working_copy(model) as net, torch.no_grad(), _Operations() as operations:
        net.eval()
        net(inputs[:1])
    return macs(model, inputs, targets) + float(operations.count)


def depth(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Number of layers with weights: on NAS-Bench-201 it beats most proxies.

    Source: Tybl and Neumann, "Training-free Neural Architecture Search through Variance of
    Knowledge of Deep Network Weights", 2025, table 1.
    """
    return float(len(weights_of(model)))
