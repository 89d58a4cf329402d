"""Metrics over the epochs of one training."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, pstdev
from typing import Final, Literal, TypeAlias

Direction: TypeAlias = Literal["maximize", "minimize"]

# Words of a metric's name that say that less is better; whatever has none of them goes up.
_DOWN: Final = frozenset({"loss", "error", "mse", "mae", "rmse", "mape", "seconds", "perplexity"})


def direction_of(metric: str) -> Direction:
    """Return where a metric improves, by the words of its name (``val_loss`` goes down)."""
    return "minimize" if _DOWN.intersection(metric.lower().split("_")) else "maximize"


class MetricTracker:
    """Keeps the metrics of each epoch and knows the best of each.

    Args:
        directions: By metric, for those whose name does not tell (``direction_of``).

    Example:
        >>> tracker = MetricTracker()
        >>> tracker.update(1, {"val_accuracy": 0.8, "val_loss": 0.6})
        >>> tracker.update(2, {"val_accuracy": 0.7, "val_loss": 0.5})
        >>> tracker.last("val_accuracy"), tracker.best("val_accuracy"), tracker.best("val_loss")
        (0.7, 0.8, 0.5)
    """

    def __init__(self, directions: Mapping[str, Direction] | None = None) -> None:
        self._directions = dict(directions or {})
        self._values: dict[str, dict[int, float]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics seen, in the order in which they came first."""
        return tuple(self._values)

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add the metrics of a step, which may come once for each metric, in rising order.

        Raises:
            ValueError: The step is not after the metric's last one.
        """
        for name, value in metrics.items():
            history = self._values.setdefault(name, {})
            if history and step <= next(reversed(history)):
                raise ValueError(
                    f"`step` must rise but {name!r} got {step} after {next(reversed(history))}."
                )
            history[step] = float(value)

    def direction(self, name: str) -> Direction:
        """Return where the metric improves."""
        return self._directions.get(name) or direction_of(name)

    def history(self, name: str) -> dict[int, float]:
        """Return the values by step, in order; empty for a metric that never came."""
        return dict(self._values.get(name, {}))

    def last(self, name: str) -> float:
        """Return the value of the last step.

        Raises:
            KeyError: The metric never came.
        """
        return self._known(name)[self.last_step(name)]

    def last_step(self, name: str) -> int:
        """Return the last step of a metric.

        Raises:
            KeyError: The metric never came.
        """
        return next(reversed(self._known(name)))

    def best(self, name: str) -> float:
        """Return the best value.

        Raises:
            KeyError: The metric never came.
        """
        return self._known(name)[self.best_step(name)]

    def best_step(self, name: str) -> int:
        """Return the step of the best value, the first of equals.

        Raises:
            KeyError: The metric never came.
        """
        history = self._known(name)
        choose = max if self.direction(name) == "maximize" else min
        return choose(history, key=history.__getitem__)

    def statistics(self, name: str) -> dict[str, float]:
        """Return ``mean``, ``std`` (of the population), ``min`` and ``max`` over the steps.

        Raises:
            KeyError: The metric never came.
        """
        values = list(self._known(name).values())
        return {
            "mean": fmean(values),
            "std": pstdev(values),
            "min": min(values),
            "max": max(values),
        }

    def summary(self) -> dict[str, float]:
        """Return each metric's last value by its name, and its best by ``<name>.best``."""
        result = {name: self.last(name) for name in self._values}
        result.update({f"{name}.best": self.best(name) for name in self._values})
        return result

    def _known(self, name: str) -> dict[int, float]:
        if name not in self._values:
            known = ", ".join(self._values) or "none yet"
            raise KeyError(f"there is no metric {name!r}; there are: {known}")
        return self._values[name]
