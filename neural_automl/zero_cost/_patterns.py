"""Proxies made of what a network does to a batch: which units are on, and how outputs move."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost._work import finite, working_copy

_aten = torch.ops.aten
#: What switches units on and off, as modules, functions and in-place calls alike lead to it.
SWITCHES = frozenset(
    {
        _aten.relu.default,
        _aten.relu_.default,
        _aten.hardtanh.default,  # ReLU6
        _aten.hardtanh_.default,
        _aten.leaky_relu.default,
        _aten.leaky_relu_.default,
        _aten.elu.default,
        _aten.elu_.default,
        _aten.gelu.default,
        _aten.gelu_.default,
        _aten.silu.default,
        _aten.silu_.default,
        _aten.hardswish.default,
        _aten.hardswish_.default,
        _aten.clamp_min.default,
        _aten.threshold.default,
    }
)
_JITTER = 1e-5
#: Tensors of which it is remembered how they switch.
_RECENT = 8


class _Kernel(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, for each pair of samples, the units that both switch alike."""

    def __init__(self, samples: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = torch.zeros(samples, samples, dtype=torch.float64)
        self.units = 0
        #: Held, so that no other tensor gets their identity.
        self._recent: deque[tuple[Tensor, int, Tensor]] = deque(maxlen=_RECENT)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in SWITCHES:
            self._count(args[0])  # before it is done: it may be done in place
        return func(*args, **(kwargs or {}))

    def _count(self, x: Tensor) -> None:
        if x.ndim < 2 or len(x) != len(self.counts):
            return  # not of the batch
        alike = next(
            (a for t, version, a in self._recent if t is x and version == x._version), None
        )
        if alike is None:  # else several paths begin by switching the same units
            # 1 where it is on, else 0; half the time of a comparison that is made a number.
            on = torch.sign(x.detach()).relu_().flatten(1).float()
            both = on @ on.T
            each = both.diagonal()
            # Both on, and both off: units - a - b + both.
            alike = 2 * both + on.shape[1] - each[:, None] - each[None, :]
            self._recent.append((x, x._version, alike))
        units = x[0].numel()
        self.counts += alike.double().cpu()
        self.units += units


def naswot(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Logarithm of the determinant of the kernel of switching patterns, from one forward pass.

    The kernel counts, for two samples, the units that are on for both or off for both. Any
    activation that is 0 or near it below 0 has units: ReLU and its kin, GELU, SiLU.

    Raises:
        ProxyError: No unit switches, or two samples have equal patterns, so that the determinant
            is 0.

    Source: Mellor et al., "Neural Architecture Search without Training", ICML 2021, equation 2.
    """
    with working_copy(model) as net, torch.no_grad():
        kernel = _Kernel(len(inputs))
        with kernel:
            net(inputs)
    if not kernel.units:
        raise ProxyError("naswot needs units that switch, as ReLU's do, but the network has none")
    sign, score = torch.linalg.slogdet(kernel.counts)
    if sign <= 0:
        raise ProxyError("naswot is -inf: two samples of the batch switch every unit alike")
    return finite(score, "naswot")


def jacov(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """How little the gradients at the input are alike: by the eigenvalues of their correlations.

    Raises:
        ProxyError: There are fewer than 2 samples, the inputs are ids of an embedding, or nothing
            leads from the input to the output.

    Source: Mellor et al., "Neural Architecture Search without Training", first version,
    arXiv:2006.04647v1, equations 3 to 5.
    """
    if len(inputs) < 2:
        raise ProxyError("jacov needs at least 2 samples to compare but got 1")
    if not inputs.is_floating_point():
        raise ProxyError("jacov needs inputs that are numbers, not the ids of an embedding")
    with working_copy(model) as net:
        x = inputs.detach().clone().requires_grad_(True)
        outputs = net(x)
        found = None
        if outputs.requires_grad:
            (found,) = torch.autograd.grad(outputs.sum(), x, allow_unused=True)
    if found is None or not found.any():
        raise ProxyError("jacov needs a path from the input to the output but there is none")
    rows = found.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if not (norms > 0).all():
        raise ProxyError("jacov is not defined where a sample's gradient is the same everywhere")
    rows = rows / norms
    values = torch.linalg.eigvalsh(rows @ rows.T) + _JITTER
    values = values.clamp_min(_JITTER)  # a rounded 0 may be below it
    return finite(-(values.log() + 1 / values).sum(), "jacov")
