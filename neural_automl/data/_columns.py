"""Columns of a table as features: standardised numbers, and categories one-hot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neural_automl.data._prepare import Array
from neural_automl.exceptions import DataError


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table became features; all of it was learnt from the training part.

    Args:
        name: In the header.
        mean: Subtracted from numbers; a missing number counts as the mean.
        deviation: That they are then divided by: the population's, or 1 where all are equal.
        categories: Of a column of texts, in order: each is a feature of zeros and ones. Where it
            is empty the column holds numbers and is one feature.
    """

    name: str
    mean: float = 0.0
    deviation: float = 1.0
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.categories) or 1


def fit_column(name: str, values: Array, texts: tuple[str, ...] | None) -> Column:
    """Learn a column.

    Args:
        name: Of the column.
        values: Numbers of the training part, shape (N,), or indices into the texts; NaN is missing.
        texts: All texts of the column, sorted, or None where it holds numbers.

    Raises:
        DataError: Everything is missing, or the numbers are too near to each other to be scaled.
    """
    present = values[~np.isnan(values)]
    if present.size == 0:
        raise DataError(f"the column '{name}' holds no value in the training part; remove it")
    if texts is not None:
        return Column(name, categories=tuple(texts[int(code)] for code in np.unique(present)))
    if present.min() == present.max():  # rounding can leave such a column a deviation above 0
        return Column(name, mean=float(present[0]))
    deviation = float(present.std())
    if deviation < np.finfo(np.float64).tiny:  # the squares are too small for a double
        raise DataError(
            f"the numbers of the column '{name}' differ by {np.ptp(present):g} at most, too little "
            "to be scaled; multiply them, or remove the column"
        )
    return Column(name, mean=float(present.mean()), deviation=deviation)


def encode_column(column: Column, values: Array, texts: tuple[str, ...] | None) -> Array:
    """Return the features of a column, shape (N, column.width).

    Args:
        column: What was learnt.
        values: As ``fit_column`` takes them, of any part. What is missing, or a text that the
            training part lacks, becomes zeros.
        texts: As ``fit_column`` takes them.

    Raises:
        DataError: A number is too far from the others for float32.
    """
    if texts is None:
        with np.errstate(over="ignore"):  # reported below
            scaled = (values - column.mean) / column.deviation
        far = np.flatnonzero(np.abs(scaled) > np.finfo(np.float32).max)
        if far.size:
            raise DataError(
                f"the column '{column.name}' holds {values[far[0]]:g}, too far from the mean "
                f"{column.mean:g} where the deviation is {column.deviation:g}"
            )
        return np.where(np.isnan(values), 0.0, scaled)[:, np.newaxis]
    places = {text: code for code, text in enumerate(texts)}
    codes = np.array([places[text] for text in column.categories])
    found: Array = np.equal(values[:, np.newaxis], codes)
    return found.astype(np.float64)
