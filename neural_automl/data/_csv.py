"""Tables in ``.csv`` files: a target, numbers and categories."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from neural_automl.data._columns import Column, encode_column, fit_column
from neural_automl.data._prepare import Array
from neural_automl.data._raw import UNREADABLE, Encoder, Raw
from neural_automl.exceptions import DataError, excerpt
from neural_automl.parameters import did_you_mean

Missing: TypeAlias = Literal["error", "mean"]

#: Names that a target column has where nobody says which it is.
TARGET_NAMES: Final = ("target", "label", "class", "y")
# A column of more texts is a name, a free text, or numbers with a slip among them.
_MOST_CATEGORIES: Final = 100
# More whole numbers, or texts, than these are amounts or names, not labels.
_MOST_CLASSES: Final = 100
# Where this share of the cells are numbers, the others are slips and not texts.
_MOSTLY: Final = 0.9
_MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "?"})
# More digits than these are no label, and need not fit an int64.
_MOST_DIGITS: Final = 18
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class _Texts:
    """A column as it is written, and the line of each cell."""

    name: str
    cells: Sequence[str]
    lines: Sequence[int]

    def missing(self) -> int | None:
        """Return the line of the first cell that holds nothing, or None."""
        pairs = zip(self.cells, self.lines, strict=True)
        return next((line for cell, line in pairs if _is_missing(cell)), None)

    def check_slips(self) -> None:
        """Check that the cells are numbers, or are not nearly all numbers.

        Raises:
            DataError: A few are none; the first is named.
        """
        present = [
            (cell, line)
            for cell, line in zip(self.cells, self.lines, strict=True)
            if not _is_missing(cell)
        ]
        odd = [(cell, line) for cell, line in present if not _DECIMAL.fullmatch(cell)]
        numbers = len(present) - len(odd)
        if odd and numbers >= _MOSTLY * len(present):
            cell, line = odd[0]
            raise DataError(
                f"{numbers} of {len(present)} cells of the column '{self.name}' are numbers; the "
                f"first that is no number is {excerpt(cell)} in line {line}; mend it, or write "
                "all of them as texts"
            )


def read_csv(path: Path, target: str | None = None, missing: Missing = "error") -> Raw:
    """Read a table whose first line names its columns.

    Args:
        path: Of a file in UTF-8 with commas between the cells.
        target: Name of the target column; None is the one that is called target, label, class or
            y, else the last.
        missing: Whether a cell that holds nothing is an ``error``, or counts as the ``mean`` (and
            as no category).

    Returns:
        Inputs of shape (N, columns), in which texts are indices, with what makes features of them.

    Raises:
        DataError: The file breaks a rule; column and line are named.
    """
    columns = _read_columns(path)
    chosen = _find_target([column.name for column in columns], target, path)
    if len(columns) == 1:
        raise DataError(f"'{path}' holds nothing but the target column '{columns[0].name}'")
    labels, class_names = _read_target(columns.pop(chosen))
    parsed = [_read_feature(column, missing) for column in columns]
    names = [column.name for column in columns]
    texts = [each for _, each in parsed]

    def fit(train: Array) -> tuple[Encoder, tuple[Column, ...]]:
        fitted = tuple(map(fit_column, names, train.T, texts))

        def encode(x: Array) -> Array:
            return np.hstack([*map(encode_column, fitted, x.T, texts)])

        return encode, fitted

    x = np.stack([values for values, _ in parsed], axis=1)
    return Raw({"train": (x, labels)}, class_names=class_names, fit=fit)


def _read_columns(path: Path) -> list[_Texts]:
    rows, lines = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row:
                    rows.append([cell.strip() for cell in row])
                    lines.append(reader.line_num)
    except (*UNREADABLE, csv.Error) as error:
        raise DataError(f"cannot read '{path}': {error}") from error
    if len(rows) < 2:
        raise DataError(f"'{path}' must hold a line of names and lines of values")
    header, body = rows[0], rows[1:]
    _check_header(header, path)
    _check_divider(rows, path)
    for row, line in zip(body, lines[1:], strict=True):
        if len(row) != len(header):
            raise DataError(
                f"line {line} of '{path}' holds {len(row)} cells but the first line {len(header)}"
            )
    return [
        _Texts(name, cells, lines[1:])
        for name, cells in zip(header, zip(*body, strict=True), strict=True)
    ]


def _check_header(header: Sequence[str], path: Path) -> None:
    number = next(filter(_DECIMAL.fullmatch, header), None)
    if number is not None:
        raise DataError(
            f"the first line of '{path}' must name the columns but holds the number "
            f"{excerpt(number)}"
        )
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        raise DataError(f"the cells of '{path}' must be divided by commas")
    if "" in header:
        place = header.index("")
        # What pandas writes of a frame unless it is told not to.
        index = "; if it is an index, write the file without it: `to_csv(..., index=False)`"
        raise DataError(f"column {place + 1} of '{path}' has no name{'' if place else index}")
    name, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise DataError(f"'{path}' has {count} columns of the name {excerpt(name)}")


def _check_divider(rows: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse cells divided by another sign, with commas among what they hold."""
    for sign in ";\t|":
        counts = {sum(cell.count(sign) for cell in row) for row in rows}
        if len(counts) == 1 and counts != {0}:
            raise DataError(
                f"the cells of '{path}' must be divided by commas, but every line holds "
                f"{counts.pop()} of {sign!r}"
            )


def _find_target(names: Sequence[str], target: str | None, path: Path) -> int:
    if target is not None:
        if target not in names:
            raise DataError(
                f"'{path}' has no column {excerpt(target)}{did_you_mean(target, names)}; "
                f"it has {excerpt(', '.join(names))}"
            )
        return names.index(target)
    usual = [index for index, name in enumerate(names) if name.lower() in TARGET_NAMES]
    if len(usual) > 1:
        listed = ", ".join(names[index] for index in usual)
        raise DataError(f"each of the columns {listed} may be the target; say which by `target`")
    return usual[0] if usual else len(names) - 1


def _read_target(column: _Texts) -> tuple[Array, tuple[str, ...]]:
    """Return labels (N,) as integers and their names, or values (N,) and no names."""
    line = column.missing()
    if line is not None:
        raise DataError(f"the target column '{column.name}' holds no value in line {line}")
    cells = column.cells
    column.check_slips()
    if all(_WHOLE.fullmatch(cell) for cell in cells):
        _check_digits(column)
        numbers, labels = np.unique(np.array([*map(int, cells)]), return_inverse=True)
        if len(numbers) > _MOST_CLASSES:
            raise DataError(
                f"the target column '{column.name}' holds {len(numbers)} different whole numbers; "
                "write them with a decimal point to regress on them, or as texts for classes"
            )
        return labels, tuple(map(str, numbers.tolist()))
    if all(_DECIMAL.fullmatch(cell) for cell in cells):
        return _numbers(column), ()
    names = sorted(set(cells))  # NumPy's texts lose the NUL characters at their ends
    if len(names) > _MOST_CLASSES:
        raise DataError(
            f"the target column '{column.name}' holds {len(names)} different texts, more than the "
            f"{_MOST_CLASSES} that classes may have"
        )
    codes = {each: code for code, each in enumerate(names)}
    return np.array([codes[cell] for cell in cells]), tuple(names)


def _check_digits(column: _Texts) -> None:
    for cell, line in zip(column.cells, column.lines, strict=True):
        if len(cell.lstrip("+-")) > _MOST_DIGITS:
            raise DataError(
                f"the target column '{column.name}' holds {excerpt(cell)} in line {line}, but "
                f"whole numbers may have {_MOST_DIGITS} digits; write them with a decimal point "
                "to regress on them, or as texts for classes"
            )


def _read_feature(column: _Texts, missing: Missing) -> tuple[Array, tuple[str, ...] | None]:
    """Return numbers (N,) and None, or indices (N,) and the texts; NaN is missing."""
    line = column.missing()
    if line is not None and missing == "error":
        raise DataError(
            f"the column '{column.name}' holds no value in line {line}; fill it in, remove the "
            "line or the column, or say `missing='mean'`"
        )
    present = [cell for cell in column.cells if not _is_missing(cell)]
    if all(_DECIMAL.fullmatch(cell) for cell in present):
        return _numbers(column), None
    column.check_slips()
    texts = sorted(set(present))
    if len(texts) > _MOST_CATEGORIES:
        first, at = next(
            (cell, line)
            for cell, line in zip(column.cells, column.lines, strict=True)
            if not _is_missing(cell) and not _DECIMAL.fullmatch(cell)
        )
        raise DataError(
            f"the column '{column.name}' holds {len(texts)} different texts, more than the "
            f"{_MOST_CATEGORIES} that categories may have; the first that is no number is "
            f"{excerpt(first)} in line {at}"
        )
    codes = {text: float(code) for code, text in enumerate(texts)}
    return np.array([codes.get(cell, np.nan) for cell in column.cells]), tuple(texts)


def _numbers(column: _Texts) -> Array:
    numbers = np.array([np.nan if _is_missing(cell) else float(cell) for cell in column.cells])
    large = np.flatnonzero(np.abs(numbers) > np.finfo(np.float32).max)
    if large.size:
        index = int(large[0])
        raise DataError(
            f"the column '{column.name}' holds {excerpt(column.cells[index])} in line "
            f"{column.lines[index]}, which is too large for float32"
        )
    return numbers


def _is_missing(cell: str) -> bool:
    return cell.lower() in _MISSING
