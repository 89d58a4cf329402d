"""The proxies of AZ-NAS, made of the features between a network's blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from neural_automl.backends.pytorch._module import GraphModule
from neural_automl.exceptions import ProxyError
from neural_automl.graph import layouts
from neural_automl.primitives import PRIMITIVES
from neural_automl.zero_cost._work import finite, is_map, working_copy

_LEAST_SHARE = 1e-8
_LEAST_NORM = 1e-6
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def az_expressivity(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Sum over blocks of how evenly features spread: the entropy of their principal components.

    The input is random. Of a network that this package built, a block is a layer of its space with
    weights, and what follows until the next; of others it is a module of the outermost level that
    has several with weights. Its feature is the last map that it gives, before global pooling. The
    last block, which makes the output, has no part in it.

    Raises:
        ProxyError: The inputs are ids of an embedding, or there are no blocks but the last.

    Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search",
    CVPR 2024, section 3, expressivity.
    """
    return finite(sum(_entropies(model, inputs, "az_expressivity", 1)), "az_expressivity")


def az_progressivity(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """How much more a block's features spread than those of the block before, at the least.

    Blocks and entropies are those of ``az_expressivity``.

    Raises:
        ProxyError: The inputs are ids of an embedding, or there are fewer than two blocks.

    Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search",
    CVPR 2024, section 3, progressivity.
    """
    entropies = _entropies(model, inputs, "az_progressivity", 2)
    return finite(min(b - a for a, b in pairwise(entropies)), "az_progressivity")


def az_trainability(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Mean over blocks of how near to 1 the spectral norm of the block's Jacobian is; 0 is best.

    Random signs go back through a block, and their products with what comes out estimate the
    Jacobian. Blocks are those of ``az_expressivity``.

    Raises:
        ProxyError: The inputs are ids of an embedding, there are fewer than two blocks, or nothing
            leads from one to the next.

    Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search",
    CVPR 2024, section 3, trainability.
    """
    scores = []
    with working_copy(model) as net:
        features = _features(net, inputs, "az_trainability", 2)
        for before, after in pairwise(features):
            if not (before.tensor.requires_grad and after.tensor.requires_grad):
                continue
            signs = torch.randint_like(after.tensor, 2) * 2 - 1
            (found,) = torch.autograd.grad(
                after.tensor, before.tensor, signs, retain_graph=True, allow_unused=True
            )
            if found is not None:
                norm = _spectral_norm(found.movedim(before.axis, -1), signs.movedim(after.axis, -1))
                scores.append(2 - norm - 1 / (norm + _LEAST_NORM))
    if not scores:
        raise ProxyError("az_trainability needs blocks that lead to one another but has none")
    return finite(sum(scores) / len(scores), "az_trainability")


def _entropies(model: nn.Module, inputs: Tensor, name: str, fewest: int) -> list[float]:
    found = []
    with working_copy(model) as net, torch.no_grad():
        for feature in _features(net, inputs, name, fewest):
            rows = feature.tensor.movedim(feature.axis, -1).flatten(0, -2)
            rows = rows - rows.mean(0)
            values = _squares(rows).clamp_min(0)
            shares = values / values.sum() if values.any() else values
            found.append(float(-(shares * (shares + _LEAST_SHARE).log()).sum()))
    return found


def _spectral_norm(first: Tensor, second: Tensor) -> float:
    """Return that of the mean outer product over positions; channels last, brought to one size."""
    if first.ndim != second.ndim:
        first, second = (x.reshape(len(x), -1, x.shape[-1]) for x in (first, second))
    first, second = _folded(first, second.shape[1:-1]), _folded(second, first.shape[1:-1])
    first, second = first.flatten(0, -2), second.flatten(0, -2)
    return float(_squares(first.T @ second / len(first))[-1].clamp_min(0).sqrt())


def _squares(x: Tensor) -> Tensor:
    """Return the squares of a matrix's singular values, the largest last."""
    shorter = x if len(x) < x.shape[1] else x.T
    values: Tensor = torch.linalg.eigvalsh((shorter @ shorter.T).double())
    return values


def _folded(x: Tensor, sizes: torch.Size) -> Tensor:
    """Make channels of positions, as pixel-unshuffle does, so that no more are left than asked."""
    for axis, size in enumerate(sizes, start=1):
        stride = x.shape[axis] // size
        if stride > 1 or x.shape[axis] > size:
            x = x.narrow(axis, 0, stride * size)
            x = x.reshape(*x.shape[:axis], size, stride, *x.shape[axis + 1 :])
            x = x.movedim(axis + 1, -1).flatten(-2)
    return x


# --- blocks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Feature:
    """What a layer or a module puts out.

    Args:
        tensor: Of a batch.
        axis: That of the channels.
        has_weights: Whether the layer does.
    """

    tensor: Tensor
    axis: int
    has_weights: bool


def _features(net: nn.Module, inputs: Tensor, name: str, fewest: int) -> list[_Feature]:
    """Return the last feature map of each block for random inputs, but of the block at the end.

    That one makes the output. Of a network without maps they are the last tensors.

    Raises:
        ProxyError: The inputs are no numbers, or there are too few.
    """
    if not inputs.is_floating_point():
        raise ProxyError(f"{name} needs inputs that are numbers, not the ids of an embedding")
    x = torch.randn_like(inputs)
    puts_out = _of_layers(net, x) if isinstance(net, GraphModule) else _of_modules(net, x)
    blocks: list[list[_Feature]] = []
    for feature in puts_out:
        if feature.has_weights or not blocks:
            blocks.append([])
        blocks[-1].append(feature)
    del blocks[-1:]
    maps = [[f for f in block if is_map(f.tensor)] for block in blocks]
    found = [block[-1] for block in (maps if any(maps) else blocks) if block]
    if len(found) < fewest:
        raise ProxyError(
            f"{name} needs features of at least {fewest} blocks, the last not counted, but the "
            f"network has {len(found)}"
        )
    return found


def _of_layers(net: GraphModule, x: Tensor) -> list[_Feature]:
    """Return what the layers of a space put out, in their order."""
    graph, plan = net.plan.graph, net.plan
    axes = [1 if layout == "channels_first" else -1 for layout in layouts(graph)]
    value_of = {0: 0}
    for place, step in enumerate(plan.steps, start=1):
        value_of.setdefault(step.node, place)  # as it is made; later ones only turn it
    weighted: dict[str, bool] = {}
    last: dict[str, int] = {}
    for number, node in enumerate(graph.built_nodes()[1:], start=1):
        layer = node.path.partition("]")[0]
        weighted[layer] = weighted.get(layer, False) or PRIMITIVES[node.op].weighted
        last[layer] = number
    values = net.values(x, [value_of[node] for node in last.values()])
    return [
        _Feature(value, axes[node], weighted[layer])
        for value, (layer, node) in zip(values, last.items(), strict=True)
    ]


def _of_modules(net: nn.Module, x: Tensor) -> list[_Feature]:
    """Return what a network's blocks put out, as they are called."""
    found: list[_Feature] = []

    def keep(has_weights: bool, module: nn.Module, inputs: object, output: object) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor) and first.ndim >= 2:
            found.append(_Feature(first, 1 if first.ndim > 3 else -1, has_weights))

    for block in _blocks(net):
        block.register_forward_hook(partial(keep, _has_weights(block)))
    net(x)
    return found


def _blocks(module: nn.Module) -> list[nn.Module]:
    """Return the modules of the outermost level at which several have weights."""
    blocks = _opened(module)
    weighted = [block for block in blocks if _has_weights(block)]
    if len(weighted) == 1 and any(weighted[0].children()):
        return _blocks(weighted[0])
    return blocks


def _opened(module: nn.Module) -> list[nn.Module]:
    return [
        block
        for child in module.children()
        for block in (_opened(child) if _is_container(child) else [child])
    ]


def _is_container(module: nn.Module) -> bool:
    # A bare module only holds others, as the blocks of a network of ours do in a wrapper.
    return isinstance(module, _CONTAINERS) or type(module) is nn.Module


def _has_weights(module: nn.Module) -> bool:
    return any(parameter.ndim >= 2 for parameter in module.parameters())
