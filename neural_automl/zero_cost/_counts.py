"""Sizes as proxies: the controls that a cleverer score has to beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

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


def depth(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Number of layers with weights: on NAS-Bench-201 it beats most proxies.

    Source: Tybl and Neumann, "Training-free Neural Architecture Search through Variance of
    Knowledge of Deep Network Weights", 2025, table 1.
    """
    return float(len(weights_of(model)))
