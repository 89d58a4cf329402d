"""Proxies made of what a network does to a batch: which units are on, and how outputs move."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from neural_automl.exceptions import ProxyError
from neural_automl.zero_cost._work import (
    FEW,
    REPEATS,
    are_labels,
    draw,
    dtype_for_drawn,
    finite,
    weights_to_draw,
    working_copy,
)

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
#: Up to so many classes, epe_nas adds them up; of more it takes their differences.
_FEW_CLASSES = 100
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


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Marks the patterns of samples that units show; bit ``k`` is whether sample ``k`` is on."""

    def __init__(self, samples: int, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.patterns = torch.zeros(2**samples, dtype=torch.bool, device=device)
        self.units = 0
        # Exact in float32: at most 16 bits.
        self._bits = 2.0 ** torch.arange(samples, device=device)
        #: Held, so that no other tensor gets their identity.
        self._recent: deque[tuple[Tensor, int]] = deque(maxlen=_RECENT)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in SWITCHES:
            self._mark(args[0])  # before it is done: it may be done in place
        return func(*args, **(kwargs or {}))

    def _mark(self, x: Tensor) -> None:
        if x.ndim < 2 or len(x) != len(self._bits):
            return  # not of the batch
        if any(t is x and version == x._version for t, version in self._recent):
            return  # several paths begin by switching the same units
        self._recent.append((x, x._version))
        on = torch.sign(x.detach()).relu_().flatten(1).float()
        self.patterns.index_fill_(0, (self._bits @ on).long(), True)
        self.units += on.shape[1]


def swap(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Number of different patterns of on and off over samples that the units show.

    A unit's pattern says for which samples it is on; all units of the network count, as in
    ``naswot``. It is the mean of 32 draws of normal weights, of 16 samples at most. The factor by
    which the paper favours networks of a wanted size is left out: it needs that size.

    Raises:
        ProxyError: There are fewer than 2 samples, or no unit switches.

    Source: Peng et al., "SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS", ICLR 2024,
    section 3, the SWAP score.
    """
    if len(inputs) < 2:
        raise ProxyError("swap needs at least 2 samples to compare but got 1")
    dtype = dtype_for_drawn(model)
    x = inputs[:FEW].to(dtype) if inputs.is_floating_point() else inputs[:FEW]
    counts = []
    with working_copy(model, dtype=dtype) as net, torch.no_grad():
        weights = weights_to_draw(net)
        for _ in range(REPEATS):
            draw(weights)
            seen = _Seen(len(x), x.device)
            with seen:
                net(x)
            if not seen.units:
                raise ProxyError(
                    "swap needs units that switch, as ReLU's do, but the network has none"
                )
            counts.append(int(seen.patterns.sum()))
    return sum(counts) / REPEATS


def jacov(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """How little the gradients at the input are alike: by the eigenvalues of their correlations.

    Raises:
        ProxyError: There are fewer than 2 samples, the inputs are ids of an embedding, or nothing
            leads from the input to the output.

    Source: Mellor et al., "Neural Architecture Search without Training", first version,
    arXiv:2006.04647v1, equations 3 to 5.
    """
    rows, _ = _standardised(model, inputs, "jacov")
    values = torch.linalg.eigvalsh(rows @ rows.T) + _JITTER
    values = values.clamp_min(_JITTER)  # a rounded 0 may be below it
    return finite(-(values.log() + 1 / values).sum(), "jacov")


def epe_nas(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """How little the gradients at the input are alike within a class, summed over the classes.

    Of each class that has at least two samples here the logarithms of its absolute correlations are
    added up; the score is the sum of these sums, each positive. Of networks for more than 100
    classes it is the mean difference between classes, of the sums by the number of samples.

    Raises:
        ProxyError: As ``jacov``, or the targets are no labels, or no class has two samples.

    Source: Lopes, Alirezazadeh and Alexandre, "EPE-NAS: Efficient Performance Estimation Without
    Training for Neural Architecture Search", ICANN 2021, section 3.
    """
    if not are_labels(targets):
        raise ProxyError("epe_nas needs the labels of classes, one of each sample")
    rows, outputs = _standardised(model, inputs, "epe_nas")
    classes = [rows[targets == label] for label in set(targets.tolist())]
    of_several = [members for members in classes if len(members) > 1]
    if not of_several:
        raise ProxyError("epe_nas needs a class of at least 2 samples but no label comes twice")
    sums = torch.stack([((c @ c.T).abs() + _JITTER).log().sum() for c in of_several])
    if outputs <= _FEW_CLASSES:
        return finite(sums.abs().sum(), "epe_nas")
    means = sums / sums.new_tensor([len(members) for members in of_several])
    apart = (means[:, None] - means[None, :]).abs().sum()
    return finite(apart / len(means), "epe_nas")


def _standardised(model: nn.Module, inputs: Tensor, name: str) -> tuple[Tensor, int]:
    """Return each sample's gradient at the input, and how many outputs there are.

    The gradient is that of the outputs' sum, with mean 0 and norm 1: products are correlations.

    Raises:
        ProxyError: There are fewer than 2 samples, the inputs are ids of an embedding, or nothing
            leads from the input to the output.
    """
    if len(inputs) < 2:
        raise ProxyError(f"{name} needs at least 2 samples to compare but got 1")
    if not inputs.is_floating_point():
        raise ProxyError(f"{name} needs inputs that are numbers, not the ids of an embedding")
    with working_copy(model) as net:
        x = inputs.detach().clone().requires_grad_(True)
        outputs = net(x)
        found = None
        if outputs.requires_grad:
            (found,) = torch.autograd.grad(outputs.sum(), x, allow_unused=True)
    if found is None or not found.any():
        raise ProxyError(f"{name} needs a path from the input to the output but there is none")
    rows = found.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if not (norms > 0).all():
        raise ProxyError(f"{name} is not defined where a sample's gradient is the same everywhere")
    return rows / norms, outputs.shape[-1]
