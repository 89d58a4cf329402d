"""Configurations as points: squared distances of these are what the kernels read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from neural_automl.samplers._define_by_run import (
    Configuration,
    NumericDistribution,
    ends,
    is_long,
    to_unit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two different categories are at squared distance 1.
_ONE = math.sqrt(0.5)
# The mean squared distance of two uniform numbers is then 2/3, as of two draws of three categories.
_RANGE = 2.0


@dataclass(frozen=True)
class Part:
    """Points for one kernel of the mixture.

    Args:
        points: Shape (n, columns).
        groups: Which weight each column shares, shape (columns,).
        names: A name for each weight, by which a fitted one is found again.
        smooth: Whether the kernel is smooth in the points, as it should be in numbers, or falls by
            a constant factor with each choice that differs.
    """

    points: NDArray[np.float64]
    groups: NDArray[np.intp]
    names: tuple[str, ...]
    smooth: bool = False

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Sequence[int]) -> Part:
        """Give the part with these rows alone."""
        return replace(self, points=self.points[list(rows)])


def feature_part(features: NDArray[np.float64], seen: NDArray[np.float64]) -> Part:
    """The caller's features, one weight for all.

    Args:
        features: Shape (m, columns).
        seen: The features of the observations, by whose mean and deviation they are scaled. Shape
            (n, columns).

    Raises:
        ValueError: There are more or fewer columns than were seen.
    """
    if features.shape[1] != seen.shape[1]:
        raise ValueError(
            f"`features` must give equally many numbers each time but got {features.shape[1]}"
            f" after {seen.shape[1]}."
        )
    deviation = seen.std(axis=0)
    points = (features - seen.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    # Two draws are then at a mean squared distance of 1.
    points /= math.sqrt(2.0 * max(points.shape[1], 1))
    return Part(points, np.zeros(points.shape[1], dtype=np.intp), ("features",))


class Encoder:
    """Encodes configurations as choices, as counts of operations, and as the caller's features.

    A choice that is not active is a level of its own. Counts are over all parameters that share one
    list of categories, as the edges of a cell or the layers of a network do.

    Args:
        configurations: Those whose names and ranges are encoded; others are left out.
    """

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        distributions: dict[str, BaseDistribution] = {}
        active: dict[str, int] = {}
        for configuration in configurations:
            for name, distribution in configuration.distributions.items():
                distributions[name] = distribution
                active[name] = active.get(name, 0) + 1
        self._open = {n: d for n, d in distributions.items() if not d.single()}
        self._long = {name for name, each in self._open.items() if is_long(each)}
        self.smooth = bool(self._long)
        #: Whether there are ranges of numbers that can be moved in by small steps, and choices too.
        self.mixed = 0 < len(self._long) < len(self._open)
        self._optional = [
            name for name, n in active.items() if n < len(configurations) and name in distributions
        ]
        self._columns: dict[tuple[str, Any], int] = {}
        self._numbers: dict[str, int] = {}
        self._absent: dict[str, int] = {}
        owners: list[str] = []
        for name, distribution in self._open.items():
            for level in _levels(distribution):
                self._columns[name, level] = len(owners)
                owners.append(name)
        self._numbers = {
            name: column for (name, level), column in self._columns.items() if level is _NUMBER
        }
        self._ranges = np.zeros((len(owners), 3))
        for name, column in self._numbers.items():
            self._ranges[column] = _range(self._open[name])
        for name in self._optional:
            self._absent[name] = len(owners)
            owners.append(name)
        self._names = tuple(dict.fromkeys(owners))
        index = {name: i for i, name in enumerate(self._names)}
        self._groups = np.array([index[name] for name in owners], dtype=np.intp)
        self._counted = _shared_categories(self._open)

    def choices(self, configurations: Sequence[Configuration]) -> Part:
        """One weight for each parameter: a weighted Hamming distance, numbers by their distance."""
        points = np.zeros((len(configurations), len(self._groups)))
        points[:, list(self._absent.values())] = _ONE
        taken: tuple[list[int], list[int]] = ([], [])
        numbers: tuple[list[int], list[int], list[float]] = ([], [], [])
        others: list[tuple[int, int, float]] = []
        for row, configuration in enumerate(configurations):
            distributions = configuration.distributions
            for name, value in configuration.values.items():
                absent = self._absent.get(name)
                if absent is not None:
                    points[row, absent] = 0.0
                number = self._numbers.get(name)
                if number is None:
                    column = self._columns.get((name, value))
                    if column is not None:
                        taken[0].append(row)
                        taken[1].append(column)
                elif distributions[name] is self._open[name]:
                    numbers[0].append(row)
                    numbers[1].append(number)
                    numbers[2].append(value)
                else:  # a range that depends on other parameters
                    others.append((row, number, to_unit(distributions[name], value)))  # type: ignore[arg-type]
        points[taken] = _ONE
        points[numbers[:2]] = self._units(np.array(numbers[1], dtype=np.intp), np.array(numbers[2]))
        for row, column, unit in others:
            points[row, column] = _RANGE * (unit - 0.5)
        return Part(points, self._groups, self._names, self.smooth)

    def numbers(self, choices: Part) -> Part | None:
        """The long ranges alone, with weights of their own; None if the space is not `mixed`.

        What is learned of them then holds whatever the other choices are.

        Args:
            choices: What `choices` gave.
        """
        if not self.mixed:
            return None
        owners = [self._names[group] for group in self._groups]
        names = tuple(dict.fromkeys(name for name in owners if name in self._long))
        index = {name: i for i, name in enumerate(names)}
        columns = [i for i, name in enumerate(owners) if name in index]
        groups = np.array([index[owners[i]] for i in columns], dtype=np.intp)
        return Part(
            choices.points[:, columns], groups, tuple(f"number:{name}" for name in names), True
        )

    def _units(self, columns: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
        low, width, log = self._ranges[columns].T
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(log > 0, np.log(values), values)
        return np.asarray(_RANGE * (np.clip((values - low) / width, 0.0, 1.0) - 0.5))

    def counts(self, configurations: Sequence[Configuration]) -> Part | None:
        """How often each category was taken over the parameters that share their categories."""
        if not self._counted:
            return None
        columns: dict[tuple[int, Any], int] = {}
        owner: dict[str, int] = {}
        groups: list[int] = []
        for number, (distribution, members) in enumerate(self._counted):
            owner.update(dict.fromkeys(members, number))
            for level in distribution.choices:
                columns[number, level] = len(groups)
                groups.append(number)
        taken = [
            (row, column)
            for row, configuration in enumerate(configurations)
            for name, value in configuration.values.items()
            if (column := columns.get((owner.get(name, -1), value))) is not None
        ]
        points = np.zeros((len(configurations), len(groups)))
        if taken:
            np.add.at(points, tuple(np.array(taken).T), 1.0)
        scale = [math.sqrt(len(names)) for _, names in self._counted]
        points /= np.array([scale[group] for group in groups])
        names = tuple(f"count:{min(names)}" for _, names in self._counted)
        return Part(points, np.array(groups, dtype=np.intp), names, self.smooth)


# The one column of a number.
_NUMBER = object()


def _range(distribution: BaseDistribution) -> tuple[float, float, bool]:
    """The lower end and the width on the scale of the distribution, and whether that is log."""
    assert isinstance(distribution, NumericDistribution)
    low, high = ends(distribution)
    return low, high - low, distribution.log


def _levels(distribution: BaseDistribution) -> Sequence[Any]:
    return distribution.choices if isinstance(distribution, CategoricalDistribution) else (_NUMBER,)


def _shared_categories(
    distributions: dict[str, BaseDistribution],
) -> list[tuple[CategoricalDistribution, list[str]]]:
    found: list[tuple[CategoricalDistribution, list[str]]] = []
    for name, distribution in distributions.items():
        if not isinstance(distribution, CategoricalDistribution):
            continue
        for other, names in found:
            if other is distribution or other == distribution:
                names.append(name)
                break
        else:
            found.append((distribution, [name]))
    return [(distribution, names) for distribution, names in found if len(names) > 1]
