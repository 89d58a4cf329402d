"""A copy of a network to work on: the caller's module and random numbers stay as they are."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
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
#: Attributes of modules whose values are copied; and what is copied by ``clone``.
_HELD = ("_parameters", "_buffers", "_modules")
_TENSORS = (Tensor, nn.Parameter)


@contextlib.contextmanager
def working_copy(model: nn.Module, *, dtype: torch.dtype | None = None) -> Iterator[nn.Module]:
    """Give a copy in training mode, with fresh gradients, nothing in place and its own seed.

    Args:
        model: Any module; it is not changed.
        dtype: Of the copy's floating-point numbers; None leaves them.
    """
    made = _copied(model)
    modules, parameters = list(made.modules()), list(made.parameters())
    for module in modules:
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    for parameter in parameters:
        parameter.requires_grad_(True)
        parameter.grad = None
    if not all(module.training for module in modules):
        made.train()
    if dtype is not None:
        made.to(dtype)
    devices = {p.device.index or 0 for p in parameters if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)), torch.enable_grad():
        torch.manual_seed(0)  # for dropout: equal networks score alike
        yield made


def _copied(model: nn.Module) -> nn.Module:
    """Return a deep copy; of modules of PyTorch's that hold what it knows by a short way.

    ``copy.deepcopy`` looks at every attribute of every module, which takes as long as some networks
    need for a batch.
    """
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if type(tensor) in _TENSORS and not tensor.is_sparse:
            made = tensor.detach().clone()
            is_parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(made, tensor.requires_grad) if is_parameter else made
        else:
            copy.deepcopy(tensor, memo)
    for module in reversed(list(model.modules())):  # children before what holds them
        if _is_plain(module):
            plain = type(module).__new__(type(module))
            plain.__dict__.update(module.__dict__)
            for name, kept in module.__dict__.items():
                if isinstance(kept, dict):
                    plain.__dict__[name] = type(kept)()
            for name in _HELD:
                plain.__dict__[name] = {
                    key: None if held is None else copy.deepcopy(held, memo)
                    for key, held in module.__dict__[name].items()
                }
            memo[id(module)] = plain
    return copy.deepcopy(model, memo)


def _is_plain(module: nn.Module) -> bool:
    """Return whether a module is one of PyTorch's own, without hooks and parametrisation."""
    if not type(module).__module__.startswith("torch.nn.modules."):
        return False
    for name, kept in module.__dict__.items():
        if isinstance(kept, dict):
            if kept and name not in _HELD:
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


def watch_layers(model: nn.Module, see: Callable[[Tensor, int], Tensor | None]) -> None:
    """Let a function see what a working copy's layers with weights put out.

    Args:
        model: Each call of its layers calls the function.
        see: Takes an output of two dimensions or more, and the axis of its channels. What it
            returns is what the network goes on with; None is the output as it is.

    Raises:
        ProxyError: No layer has weights.
    """

    def hook(module: nn.Module, inputs: object, output: Any) -> Any:
        # Of several tensors, as an LSTM's, the first is the output.
        several = isinstance(output, tuple)
        first = output[0] if several else output
        if not isinstance(first, Tensor) or first.ndim < 2:
            return None
        instead = see(first, 1 if isinstance(module, nn.modules.conv._ConvNd) else -1)
        return (instead, *output[1:]) if several and instead is not None else instead

    watched = 0
    for module in model.modules():
        if any(p is not None and p.ndim >= 2 for p in module._parameters.values()):
            module.register_forward_hook(hook)
            watched += 1
    if not watched:
        raise ProxyError("the network has no weights to score")


def weights_to_draw(model: nn.Module) -> list[nn.Parameter]:
    """Take shifts and the scales of normalisation from a working copy, and return its weights.

    They are for ``draw``.
    """
    found = []
    with torch.no_grad():
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.ndim >= 2:
                    found.append(parameter)
                elif name.startswith("bias"):
                    parameter.zero_()
                elif isinstance(module, _NORMS):
                    parameter.fill_(1)
    return found


def draw(weights: list[nn.Parameter]) -> None:
    """Draw standard normal weights, where no gradients are recorded."""
    for weight in weights:
        weight.normal_()


def dtype_for_drawn(model: nn.Module) -> torch.dtype | None:
    """Return the type in which drawn weights lead to numbers that are finite.

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
