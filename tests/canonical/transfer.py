"""Weights of one network given to another of the same key, and the two compared.

Everything is random in both before: weights, biases, norms, running statistics. What the canonical
order names is copied; the rest stays as it is, and so is shown to be dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from neural_automl.canonical import canonical_form
from neural_automl.graph import layouts
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neural_automl.architecture import Architecture

HEADS: dict[str | None, Callable[[Tensor], Tensor]] = {
    None: lambda x: x,
    "softmax": lambda x: x.softmax(1),
    "sigmoid": torch.sigmoid,
}
#: Weights that take up another order of the channels that come in, in their last axis or second.
COLUMNS = ("weight_ih_l0", "in_proj_weight")
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def random_model(architecture: Architecture, seed: int) -> Any:
    """Return a model of which every number is random, in float64."""
    torch.manual_seed(seed)
    model = architecture.build().double()
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point():
            scale = max(1, value[0].numel()) ** -0.5 if value.dim() > 1 else 0.5
            value.data = torch.randn_like(value) * scale
            if name.endswith("running_var"):
                value.data = torch.rand_like(value) + 0.5
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.MultiheadAttention):
            # What chance does is compared without chance; that it is told apart, in the table.
            setattr(module, "p" if isinstance(module, nn.Dropout) else "dropout", 0.0)
    return model


def random_inputs(architecture: Architecture, seed: int, batch: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = architecture.input_shape
    if any(node.op == "Embedding" for node in architecture.graph.nodes):
        return torch.randint(0, 20, (batch, *shape), generator=generator)
    size = (batch, shape[-1], *shape[:-1]) if len(shape) == 3 else (batch, *shape)
    return torch.randn(size, generator=generator, dtype=torch.float64)


def module_names(architecture: Architecture, model: Any) -> dict[int, str]:
    """Return the name of the module of each node that has one."""
    graph = architecture.graph
    names = iter([step.name for step in model.plan.steps if step.name])
    found = {}
    for index, (node, layout) in enumerate(
        zip(graph.built_nodes(), layouts(graph), strict=True), start=0
    ):
        shapes = [graph.nodes[k].shape for k in node.inputs]
        form = PRIMITIVES[node.op].pytorch(node.attribute_values(), layout, *shapes)
        if form.module is not None:
            found[index] = next(names)
    assert next(names, None) is None
    return found


def arrangement(wanted: Tensor, given: Tensor, axis: int) -> Tensor:
    """Return, for each channel that comes in, its place in what came into the other network."""
    assert wanted.shape == given.shape
    rows, columns = (x.movedim(axis, 0).flatten(1) for x in (wanted, given))
    scale = 1 + columns.abs().max()
    near = (rows[:, None] - columns[None]).abs().amax(2) < 1e-8 * scale
    same = torch.arange(len(rows))
    if bool(near[same, same].all()):
        return same
    places: list[int] = []
    for row in near.tolist():
        free = [k for k, alike in enumerate(row) if alike and k not in places]
        assert free, "a channel comes in that does not come into the other network"
        places.append(free[0])
    return torch.tensor(places)


def padded(module: Any, x: Tensor) -> Tensor:
    """Return what a module works on: a convolution may pad itself, or be given what is padded."""
    if not isinstance(module, nn.Conv1d | nn.Conv2d):
        return x
    sizes: Any = module.padding
    return functional.pad(x, [amount for size in reversed(sizes) for amount in (size, size)])


def copy_weights(source: nn.Module, target: nn.Module, places: Tensor) -> None:
    """Copy the state of a module whose input has its channels in another order."""
    moved = not torch.equal(places, torch.arange(len(places)))
    assert not (moved and getattr(source, "groups", 1) > 1), "channels change their groups"
    assert not (moved and getattr(source, "num_groups", 1) > 1), "channels change their groups"
    state = dict(source.state_dict())
    for name, value in state.items():
        if moved and isinstance(source, NORMS) and value.dim() == 1:
            state[name] = value[places]
        elif moved and (name in COLUMNS or (name == "weight" and value.dim() > 1)):
            state[name] = value[:, places]
    target.load_state_dict(state)


def transfer(
    first: Architecture, second: Architecture, source: Any, target: Any, inputs: Tensor
) -> None:
    """Give the second network the weights of the first, module by module.

    The second runs; before a module does, what comes in is compared with what came into its
    partner: the channels may stand in another order there, and the weights follow.
    """
    names, others = module_names(first, source), module_names(second, target)
    orders = canonical_form(first.graph).order, canonical_form(second.graph).order
    assert len(orders[0]) == len(orders[1])
    came_in: dict[str, Tensor] = {}
    handles = []
    for here, there in zip(*orders, strict=True):
        partner, module = source.get_submodule(names[here]), target.get_submodule(others[there])

        def record(module: Any, args: Any, name: str = names[here]) -> None:
            came_in[name] = padded(module, args[0])

        def take(module: Any, args: Any, partner: Any = partner, name: str = names[here]) -> None:
            last = isinstance(module, nn.Linear | nn.LayerNorm | nn.RNNBase | nn.MultiheadAttention)
            places = arrangement(padded(module, args[0]), came_in[name], -1 if last else 1)
            copy_weights(partner, module, places)

        handles += [partner.register_forward_pre_hook(record)]
        handles += [module.register_forward_pre_hook(take)]
    with torch.no_grad():
        source.eval()(inputs)
        target.eval()(inputs)
    for handle in handles:
        handle.remove()


def difference(
    first: Architecture,
    second: Architecture,
    seed: int = 0,
    modes: Mapping[str, bool] | None = None,
) -> float:
    """Return the largest relative difference of two networks after the transfer of weights.

    On other inputs than those of the transfer: in inference, in training, and in inference again
    with the statistics that training left. Infinite where an output of the first is not finite.
    """
    source, target = random_model(first, seed), random_model(second, seed + 1)
    transfer(first, second, source, target, random_inputs(first, seed))
    worst = 0.0
    for step, train in enumerate(
        (modes or {"eval": False, "train": True, "after": False}).values()
    ):
        inputs = random_inputs(first, seed + 2 + step)
        with torch.no_grad():
            a = HEADS[first.graph.head](source.train(train)(inputs))
            b = HEADS[second.graph.head](target.train(train)(inputs))
        if not bool(a.isfinite().all()):
            return float("inf")
        worst = max(worst, float((a - b).abs().max() / (1e-3 + a.abs().max())))
    return worst
