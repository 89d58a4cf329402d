"""Limits on what an architecture may cost."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from neural_automl.exceptions import NoFeasibleArchitectureError, ShapeError, SpaceError, excerpt
from neural_automl.hyperparameters import CONSTRAINT_ALIASES, CONSTRAINT_METRICS
from neural_automl.parameters import as_integer, as_number, did_you_mean

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space._reach import Least
    from neural_automl.cost import Cost

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}

#: What can still be a float.
_HUGE: Final = 10**300


@dataclass(frozen=True, slots=True)
class Constraint:
    """One limit.

    Args:
        metric: ``params``, ``macs``, ``flops`` (2 * macs), ``peak_memory`` (bytes; also read as
            ``peak_memory_bytes``) or ``depth``.
        op: ``<=``, ``<``, ``>=`` or ``>``.
        limit: A number.

    Raises:
        SpaceError: An unknown metric or operator, or a limit that is no number.
    """

    metric: str
    op: str
    limit: int | float

    def __post_init__(self) -> None:
        metric = self.metric
        if isinstance(metric, str):
            object.__setattr__(self, "metric", CONSTRAINT_ALIASES.get(metric, metric))
        if self.metric not in CONSTRAINT_METRICS:
            raise SpaceError(
                f"a constraint must limit one of {', '.join(CONSTRAINT_METRICS)} but got "
                f"{self.metric!r}{did_you_mean(self.metric, CONSTRAINT_METRICS)}"
            )
        if self.op not in _OPERATORS:
            raise SpaceError(
                f"a constraint's operator must be one of {' '.join(_OPERATORS)} but got {self.op!r}"
            )
        number = as_number(self.limit)
        if number is None or not -_HUGE < number < _HUGE:
            raise SpaceError(
                f"the limit of {self.metric} must be a number but got {excerpt(self.limit)}"
            )
        whole = as_integer(number)
        object.__setattr__(self, "limit", number if whole is None else whole)

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.limit:,}"

    def is_met(self, value: float) -> bool:
        """Return whether a cost keeps the limit."""
        return _OPERATORS[self.op](value, self.limit)

    def excess(self, cost: Cost) -> float:
        """Return by how much a cost breaks the limit: above 0 if it does, else 0 or below."""
        value = min(cost.value(self.metric), _HUGE)
        distance = value - self.limit if self.op in ("<=", "<") else self.limit - value
        # A strict limit is broken by equality, which is no distance.
        return float(min(distance, _HUGE)) if distance or self.is_met(value) else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"metric", "op", "limit"}``."""
        return {"metric": self.metric, "op": self.op, "limit": self.limit}


def as_constraints(constraints: Any) -> tuple[Constraint, ...]:
    """Return constraints in any of their forms.

    Args:
        constraints: A mapping of metrics to upper limits, or an iterable of ``Constraint`` or of
            their dictionary form.

    Raises:
        SpaceError: The form is unknown, or a constraint breaks a rule.
    """
    if isinstance(constraints, Mapping):
        return tuple(Constraint(str(k), "<=", limit) for k, limit in constraints.items())
    if not isinstance(constraints, Iterable) or isinstance(constraints, str):
        raise SpaceError(
            "constraints must be a mapping of metrics to limits, or a list, but got "
            f"{excerpt(constraints)}"
        )
    result = []
    for item in constraints:
        if isinstance(item, Constraint):
            result.append(item)
        elif isinstance(item, Mapping) and set(item) == {"metric", "op", "limit"}:
            result.append(Constraint(item["metric"], item["op"], item["limit"]))
        else:
            raise SpaceError(
                f"a constraint must have 'metric', 'op' and 'limit' but got {excerpt(item)}"
            )
    return tuple(result)


def violations(constraints: Iterable[Constraint], architecture: Architecture) -> dict[str, float]:
    """Return what makes an architecture infeasible: ``ArchitectureSpace.violations``."""
    try:
        cost = architecture.cost
    except ShapeError:
        return {"shape": 1.0}
    broken: dict[str, float] = {}
    for constraint in constraints:
        if not constraint.is_met(cost.value(constraint.metric)):
            excess = constraint.excess(cost)
            broken[constraint.metric] = max(excess, broken.get(constraint.metric, excess))
    return broken


def check_least(least: Least | None, constraints: Iterable[Constraint]) -> None:
    """Compare the least that any architecture costs with limits.

    Args:
        least: Lower bounds, or None where there are none.
        constraints: The limits.

    Raises:
        NoFeasibleArchitectureError: A limit is below.
    """
    if least is None:
        return
    bounds = {"params": least.params, "macs": least.macs, "flops": 2 * least.macs}
    for constraint in constraints:
        bound = bounds.get(constraint.metric)
        if constraint.op.startswith("<") and bound is not None and not constraint.is_met(bound):
            raise NoFeasibleArchitectureError(
                f"no architecture meets {constraint}: every one has at least {bound:,.0f} "
                f"{constraint.metric}"
            )
