"""Trials and architectures as points of a Gaussian process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_automl.architecture_space._encode import BLOCKS as ENCODING_BLOCKS
from neural_automl.samplers._define_by_run import Configuration
from neural_automl.samplers.gaussian_process._encoding import Encoder, Part, feature_part
from neural_automl.samplers.gaussian_process._targets import rank_gauss
from neural_automl.trials._scores import PREFIX

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Row:
    """What is known of one network before it is trained.

    Args:
        values: Its choices, name to value.
        distributions: Of these, where a trial holds them.
        encoding: Of the architecture. Shape (132,).
        scores: Zero-cost scores by name.
    """

    values: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    encoding: NDArray[np.float64]
    scores: Mapping[str, float] = field(default_factory=dict)


def scores_of(attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return the zero-cost scores among attributes, by the name without its beginning."""
    return {
        name.removeprefix(PREFIX): float(value)
        for name, value in attributes.items()
        if name.startswith(PREFIX) and isinstance(value, int | float)
    }


class Features:
    """Encodes rows as parts of a kernel: choices, four kinds of counts and costs, and scores.

    A score counts where at least half of the networks have it. It enters by its rank among them,
    through the inverse normal, as no two proxies have a unit in common; a network without it stands
    in the middle.

    Args:
        rows: Those that are learned from.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._distributions: dict[str, BaseDistribution] = {}
        for row in rows:
            self._distributions.update(row.distributions)
        self._encoder = Encoder([self._configuration(row) for row in rows])
        self._encodings = np.stack([row.encoding for row in rows])
        counts: dict[str, list[float]] = {}
        for row in rows:
            for name, score in row.scores.items():
                if math.isfinite(score):
                    counts.setdefault(name, []).append(score)
        self._scales = {
            name: (np.sort(scores), np.sort(rank_gauss(np.array(scores))))
            for name, scores in counts.items()
            if 2 * len(scores) >= len(rows)
        }
        self._scores = self._ranked(rows)

    @property
    def proxies(self) -> tuple[str, ...]:
        """The zero-cost scores that count."""
        return tuple(self._scales)

    def parts(self, rows: Sequence[Row]) -> list[Part]:
        """Encode rows."""
        configurations = [self._configuration(row) for row in rows]
        choices = self._encoder.choices(configurations)
        numbers = self._encoder.numbers(choices)
        encodings = np.stack([row.encoding for row in rows])
        found = [choices] if choices.names else []
        found += [] if numbers is None else [numbers]
        found += [
            feature_part(encodings[:, block], self._encodings[:, block])
            for block in ENCODING_BLOCKS.values()
        ]
        if self._scales:
            found.append(feature_part(self._ranked(rows), self._scores))
        return found

    def _configuration(self, row: Row) -> Configuration:
        # A choice that no trial has made says nothing yet.
        known = {name: value for name, value in row.values.items() if name in self._distributions}
        return Configuration(known, self._distributions)

    def _ranked(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        ranked = np.zeros((len(rows), len(self._scales)))
        for column, (name, (scores, normal)) in enumerate(self._scales.items()):
            for place, row in enumerate(rows):
                score = row.scores.get(name, math.nan)
                if not math.isnan(score):
                    ranked[place, column] = np.interp(score, scores, normal)
        return ranked
