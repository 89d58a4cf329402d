"""A copy of a network to work on: the caller's module and random numbers stay as they are."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from neural_automl.exceptions import ProxyError

#: Modules that normalise: without them a network of absolute weights is what synflow is of.
_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
#: Draws of normal weights that some proxies are the mean of, and the samples of each at most.
REPEATS = 32
FEW = 16

#: Types of attributes that a copy may share; tuples of PyTorch's modules hold numbers.
_FIXED = (type(None), bool, int, float, str, tuple, set)


@contextlib.contextmanager
def working_copy(model: nn.Module, *, dtype: torch.dtype | None = None) -> Iterator[nn.Module]:
    """Give a copy in training mode, with fresh gradients, nothing in place and its own seed.

    Args:
        model: Any module; it is not changed.
        dtype: Of the copy's floating-point numbers; None leaves them.
    """
    made = _copied(model)
    for module in made.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    made.requires_grad_(True)
    made.zero_grad(set_to_none=True)
    made.train()
    if dtype is not None:
        made.to(dtype)
    devices = {p.device.index or 0 for p in made.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)), torch.enable_grad():
        torch.manual_seed(0)  # for dropout: equal networks score alike
        yield made


def _copied(model: nn.Module) -> nn.Module:
    """Return a deep copy; modules of PyTorch's that hold tensors and numbers alone by a short way.

    ``copy.deepcopy`` looks at every attribute of every module, which takes as long as some networks
    need for a batch.
    """
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        copy.deepcopy(tensor, memo)
    for module in model.modules():
        if _is_plain(module):
            made = type(module).__new__(type(module))
            made.__dict__.update(module.__dict__)
            for name, kept in module.__dict__.items():
                if isinstance(kept, dict):
                    made.__dict__[name] = type(kept)()
            for name in ("_parameters", "_buffers"):
                tensors = module.__dict__[name]
                made.__dict__[name] = {
                    key: None if tensor is None else memo[id(tensor)]
                    for key, tensor in tensors.items()
                }
            memo[id(module)] = made
    return copy.deepcopy(model, memo)


def _is_plain(module: nn.Module) -> bool:
    """Return whether a module is a leaf of PyTorch's own, without hooks and parametrisation."""
    if not type(module).__module__.startswith("torch.nn.modules."):
        return False
    for name, kept in module.__dict__.items():
        if isinstance(kept, dict):
            if kept and name not in ("_parameters", "_buffers"):
                return False
        elif not isinstance(kept, _FIXED):
            return False
    return True


def weights_of(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the weights of the layers: parameters of two dimensions or more, each once.

    Raises:
        ProxyError: There is none.
    """
    found = [(name, p) for name, p in model.named_parameters() if p.ndim >= 2]
    if not found:
        raise ProxyError("the network has no weights to score")
    return found


def is_map(x: Tensor) -> bool:
    """Return whether a tensor has more than one position for each sample and channel."""
    return x.ndim > 2 and math.prod(x.shape[2:]) > 1


def layer_outputs(model: nn.Module) -> list[tuple[Tensor, int]]:
    """Return a list to which a working copy's layers with weights will add what they put out.

    Beside each output of two dimensions or more stands the axis of its channels. The network goes
    on with a copy, which it may change in place.

    Raises:
        ProxyError: No layer has weights.
    """
    weights_of(model)  # checks
    found: list[tuple[Tensor, int]] = []

    def keep(module: nn.Module, inputs: object, output: Any) -> Any:
        # Of several tensors, as an LSTM's, the first is the output.
        several = isinstance(output, tuple)
        first = output[0] if several else output
        if not isinstance(first, Tensor) or first.ndim < 2:
            return output
        found.append((first, 1 if isinstance(module, nn.modules.conv._ConvNd) else -1))
        return (first.clone(), *output[1:]) if several else first.clone()

    for module in model.modules():
        if any(p.ndim >= 2 for p in module.parameters(recurse=False)):
            module.register_forward_hook(keep)
    return found


def draw_weights(model: nn.Module) -> None:
    """Give the layers of a working copy standard normal weights, and no shift."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= 2:
                nn.init.normal_(parameter)
            elif name.startswith("bias"):
                nn.init.zeros_(parameter)
            elif isinstance(module, _NORMS):
                nn.init.ones_(parameter)


def dtype_for_drawn(model: nn.Module) -> torch.dtype | None:
    """Return the type in which ``draw_weights`` leads to numbers that are finite.

    Where nothing normalises, they are soon too much for float32; else None: the network's own.
    """
    return None if any(isinstance(m, _NORMS) for m in model.modules()) else torch.float64


def are_labels(targets: Tensor) -> bool:
    """Return whether targets are labels of classes (N,), not values."""
    return targets.dtype in (torch.int64, torch.int32, torch.uint8) and targets.ndim == 1


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return cross-entropy for labels (N,), else the mean squared error."""
    if are_labels(targets):
        return functional.cross_entropy(outputs, targets.long())
    return functional.mse_loss(outputs, targets.to(outputs.dtype).reshape(outputs.shape))


def gradients(model: nn.Module, inputs: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return weights and their gradients by the loss; weights without a part in it are left out.

    Raises:
        ProxyError: No weight has a part in the output.
    """
    names_and_weights = weights_of(model)
    weights = [weight for _, weight in names_and_weights]
    outputs = model(inputs)
    if not outputs.requires_grad:
        raise ProxyError("no weight of the network has a part in its output")
    found = torch.autograd.grad(loss_of(outputs, targets), weights, allow_unused=True)
    pairs = [(w.detach(), g) for w, g in zip(weights, found, strict=True) if g is not None]
    if not pairs:
        raise ProxyError("no weight of the network has a part in its output")
    return pairs


def remove_norms(model: nn.Module) -> None:
    """Let every normalising module of a working copy pass its input on."""
    for module in model.modules():
        if isinstance(module, _NORMS):
            module.forward = _same  # type: ignore[method-assign]
            # Their own scale and shift have no part any more.
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)


def _same(x: Tensor, *_: object) -> Tensor:
    return x


def finite(score: float | Tensor, name: str) -> float:
    """Return a score as a number.

    Raises:
        ProxyError: It is NaN or infinite: the proxy says nothing of this network.
    """
    number = float(score)
    if number != number or number in (float("inf"), float("-inf")):
        raise ProxyError(f"{name} is {number} for this network")
    return number
