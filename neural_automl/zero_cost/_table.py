"""The proxies by name, and users' own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias, TypeVar

from torch import Tensor, nn

from neural_automl.exceptions import ProxyError
from neural_automl.parameters import did_you_mean
from neural_automl.zero_cost import _blocks, _counts, _gradients, _maps, _patterns

Proxy: TypeAlias = Callable[[nn.Module, Tensor, Tensor], float]
AnyProxy = TypeVar("AnyProxy", bound=Proxy)

#: What is asked for by default: no member of it is weak everywhere.
DEFAULT_PROXIES: Final = ("synflow", "naswot", "macs", "jacov")
#: The proxies of AZ-NAS, complexity the last; their score as one is that of ``log_ranks``.
AZ_NAS: Final = ("az_expressivity", "az_progressivity", "az_trainability", "macs")
#: Names that stand for several proxies.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {"az_nas": AZ_NAS}

_BUILT_IN: Final[tuple[Proxy, ...]] = (
    _counts.params,
    _counts.macs,
    _counts.flops,
    _counts.depth,
    _gradients.grad_norm,
    _gradients.snip,
    _gradients.synflow,
    _gradients.logsynflow,
    _gradients.l2_norm,
    _gradients.plain,
    _gradients.grasp,
    _gradients.zico,
    _gradients.fisher,
    _patterns.naswot,
    _patterns.jacov,
    _patterns.epe_nas,
    _patterns.swap,
    _maps.zen,
    _maps.meco,
    _blocks.az_expressivity,
    _blocks.az_progressivity,
    _blocks.az_trainability,
)
_PROXIES: dict[str, Proxy] = {function.__name__: function for function in _BUILT_IN}


def proxy_names() -> tuple[str, ...]:
    """Return the names of all proxies, users' own at the end."""
    return tuple(_PROXIES)


def register_proxy(name: str) -> Callable[[AnyProxy], AnyProxy]:
    """Make a function known as a proxy by a name; a decorator.

    The function takes a module, inputs (N, ...) and targets, and returns a number, larger for a
    network that it takes for better. It raises ``ProxyError`` where it says nothing of a network.

    Raises:
        ValueError: The name is taken, or no name.

    Example:
        >>> @register_proxy("widest")
        ... def widest(model, inputs, targets):
        ...     return float(max(p.shape[0] for p in model.parameters()))
        >>> score(nn.Linear(3, 7), torch.zeros(2, 3), torch.zeros(2, 7), ["widest"])
        {'widest': 7.0}
    """
    if not name.isidentifier():
        raise ValueError(f"the name of a proxy must be an identifier but is {name!r}")
    if name in _PROXIES or name in GROUPS:
        raise ValueError(f"there is a proxy {name!r} already")

    def register(function: AnyProxy) -> AnyProxy:
        _PROXIES[name] = function
        return function

    return register


def check_proxies(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of proxies, checked, each once; for ``az_nas`` those of its parts.

    Raises:
        ValueError: There is no such proxy, or none is named.
    """
    names = tuple(dict.fromkeys(part for name in names for part in GROUPS.get(name, (name,))))
    if not names:
        raise ValueError("name at least one proxy")
    for name in names:
        if name not in _PROXIES:
            raise ValueError(
                f"there is no proxy {name!r}; there are: {', '.join(_PROXIES)}"
                + did_you_mean(name, _PROXIES)
            )
    return names


def score(
    model: nn.Module, inputs: Tensor, targets: Tensor, proxies: Iterable[str] = DEFAULT_PROXIES
) -> dict[str, float]:
    """Return a network's scores by proxy; NaN where a proxy says nothing of this network.

    Args:
        model: As it was initialised; it is not changed, nor are random numbers.
        inputs: Shape (N, ...), as the module takes them.
        targets: Labels (N,), or values of the shape of the outputs.
        proxies: Names.

    Raises:
        ValueError: There is no such proxy.
    """
    return score_by(functions_of(proxies), model, inputs, targets)


def functions_of(names: Iterable[str]) -> dict[str, Proxy]:
    """Return proxies by name.

    Raises:
        ValueError: There is no such proxy, or none is named.
    """
    return {name: _PROXIES[name] for name in check_proxies(names)}


def score_by(
    proxies: Mapping[str, Proxy], model: nn.Module, inputs: Tensor, targets: Tensor
) -> dict[str, float]:
    """Return a network's scores by proxies that need not be registered in this process."""
    found = {}
    for name, proxy in proxies.items():
        try:
            found[name] = _call(name, proxy, model, inputs, targets)
        except ProxyError:
            found[name] = float("nan")
    return found


def compute(name: str, model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Return one score.

    Raises:
        ValueError: There is no such proxy.
        ProxyError: It says nothing of this network; why is in the message.
    """
    (proxy,) = functions_of((name,)).values()
    return _call(name, proxy, model, inputs, targets)


def _call(name: str, proxy: Proxy, model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    try:
        return float(proxy(model, inputs, targets))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ProxyError(f"{name} needs a larger batch for batch normalization") from error
