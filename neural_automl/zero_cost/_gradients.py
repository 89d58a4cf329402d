"""Proxies made of weights and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost._work import (
    finite,
    gradients,
    loss_of,
    remove_norms,
    watch_layers,
    weights_of,
    working_copy,
)


def grad_norm(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum of the norms of the gradients of each layer's weights, from one batch.

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, section 3.2.
    """
    with working_copy(model) as net:
        pairs = gradients(net, inputs, targets)
        return finite(sum(g.norm().double() for _, g in pairs), "grad_norm")


def snip(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum of the absolute products of weights and gradients, from one batch.

    Source: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR
    2019, equation 5, as a score of whole networks by Abdelfattah et al., ICLR 2021.
    """
    with working_copy(model) as net:
        pairs = gradients(net, inputs, targets)
        return finite(sum((w * g).abs().sum().double() for w, g in pairs), "snip")


def plain(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum of the products of weights and gradients, with their signs, from one batch.

    A layer before batch normalisation does not depend on the scale of its weights, so that its sum
    is 0: of such networks this is noise.

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, section 3.2.
    """
    with working_copy(model) as net:
        pairs = gradients(net, inputs, targets)
        return finite(sum((w * g).sum().double() for w, g in pairs), "plain")


def grasp(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Minus the sum of the products of weights and the Hessian times the gradient.

    Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow", ICLR
    2020, equation 8; the sign as a score of networks by Abdelfattah et al., ICLR 2021.
    """
    with working_copy(model) as net:
        weights = [weight for _, weight in weights_of(net)]
        with sdpa_kernel(SDPBackend.MATH):  # others have no second derivative
            outputs = net(inputs)
        if not outputs.requires_grad:
            raise ProxyError("no weight of the network has a part in its output")
        loss = loss_of(outputs, targets)
        found = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
        used = [(w, g) for w, g in zip(weights, found, strict=True) if g is not None]
        if not any(g.requires_grad for _, g in used):
            raise ProxyError("grasp needs a loss that is curved, but no gradient changes")
        product = torch.stack([(g.detach() * g).sum() for _, g in used]).sum()
        curved = torch.autograd.grad(product, [w for w, _ in used], allow_unused=True)
        pairs = zip((w for w, _ in used), curved, strict=True)
        total = sum((w.detach() * h).sum().double() for w, h in pairs if h is not None)
        return finite(-total, "grasp")


def fisher(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """How much the loss would change without each channel of the layers with weights.

    That is half the mean, over samples, of the square of activation times gradient, summed first
    over the positions of a channel; added up over channels.

    Source: Turner et al., "BlockSwap: Fisher-guided Block Substitution for Network Compression on a
    Budget", ICLR 2020, Fisher potential; as a score of networks by Abdelfattah et al., ICLR 2021,
    equation 2.
    """
    with working_copy(model) as net:
        used: list[tuple[Tensor, int]] = []

        def keep(activation: Tensor, axis: int) -> Tensor | None:
            if not activation.requires_grad:
                return None
            used.append((activation, axis))
            return activation.clone()  # which the network may change in place

        watch_layers(net, keep)
        loss = loss_of(net(inputs), targets)
        found: Sequence[Tensor | None] = ()
        if used and loss.requires_grad:
            found = torch.autograd.grad(loss, [a for a, _ in used], allow_unused=True)
        total = torch.zeros((), dtype=torch.float64)
        for (a, axis), gradient in zip(used, found, strict=True):
            if gradient is not None:
                product = (a.detach() * gradient).movedim(axis, 1)
                of_channels = product.reshape(*product.shape[:2], -1).sum(2)
                total += of_channels.double().square().mean(0).sum().cpu() / 2
    if all(gradient is None for gradient in found):
        raise ProxyError("no weight of the network has a part in its output")
    return finite(total, "fisher")


def l2_norm(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum of the norms of each layer's weights, as they were initialised."""
    return finite(sum(w.detach().norm().double() for _, w in weights_of(model)), "l2_norm")


def synflow(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Logarithm, to base 10, of the sum of weights times gradients of the absolute network.

    Every parameter is replaced by its absolute value, normalisation is left out, the input is all
    ones and the output is summed: no data has a part in it. The numbers are too large for float32
    in deep networks, and for a reader without the logarithm, which keeps the ranks.

    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving
    synaptic flow", NeurIPS 2020, equation 2.
    """
    with working_copy(model, dtype=torch.float64) as net:
        pairs = _flow(net, inputs)
        total = sum((w * g).abs().sum() for w, g in pairs)
        return finite(torch.log10(torch.as_tensor(total)), "synflow")


def logsynflow(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum of weights times the logarithm of 1 + gradient of the absolute network.

    Source: Cavagnero et al., "FreeREA: Training-Free Evolution-based Architecture Search", WACV
    2023, equation 2.
    """
    with working_copy(model, dtype=torch.float64) as net:
        pairs = _flow(net, inputs)
        return finite(sum((w * g.abs().log1p()).abs().sum() for w, g in pairs), "logsynflow")


def _flow(net: nn.Module, inputs: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return absolute weights and their gradients by the sum of the output for ones."""
    remove_norms(net)
    net.eval()  # no dropout
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    first = inputs[:1]
    # Of the ids that an embedding looks up none is a one; any of them will do.
    ones = torch.ones_like(first, dtype=torch.float64) if first.is_floating_point() else first
    weights = [weight for _, weight in weights_of(net)]
    outputs = net(ones)
    if not outputs.requires_grad:
        raise ProxyError("no weight of the network has a part in its output")
    found = torch.autograd.grad(outputs.sum(), weights, allow_unused=True)
    return [(w.detach(), g) for w, g in zip(weights, found, strict=True) if g is not None]


def zico(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over layers of the logarithm of mean absolute gradient by its deviation over batches.

    The batch is cut in two: a deviation needs two gradients. Weights whose gradient does not vary
    are left out.

    Source: Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients",
    ICLR 2023, equation 14.
    """
    if len(inputs) < 2:
        raise ProxyError("zico needs at least 2 samples, for two gradients, but got 1")
    half = len(inputs) // 2
    with working_copy(model) as net:
        weights = [weight for _, weight in weights_of(net)]
        batches = []
        for part in (slice(0, half), slice(half, None)):
            loss = loss_of(net(inputs[part]), targets[part])
            batches.append(torch.autograd.grad(loss, weights, allow_unused=True))
        total = torch.zeros((), dtype=torch.float64)
        for first, second in zip(*batches, strict=True):
            if first is None or second is None:
                continue
            # Of two numbers the mean is half their sum, the deviation half their difference.
            apart = (first - second).abs_()
            varies = apart > 0
            if varies.any():
                ratios = (first.abs() + second.abs_()).div_(apart)
                total += ratios[varies].sum(dtype=torch.float64).log()
        return finite(total, "zico")
