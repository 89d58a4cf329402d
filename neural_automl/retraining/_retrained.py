"""What networks that were trained again came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_automl.evaluation import ArchitectureEvaluator, Predictor
from neural_automl.export import ModelCard, export_architecture
from neural_automl.retraining._comparison import Comparison, not_told_apart

if TYPE_CHECKING:
    from pathlib import Path

    from neural_automl.architecture import Architecture
    from neural_automl.data import Array


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        seed: Of weights, shuffling and dropout.
        metrics: ``test_<metric>``.
        epochs: That it was trained for.
        weights: Tensors by name.
    """

    seed: int
    metrics: Mapping[str, float]
    epochs: int
    weights: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Candidate:
    """One network, trained several times.

    Attributes:
        trial: Number of the trial that found it.
        architecture: The network.
        epochs: Of each training, at most.
        runs: One for each seed.
    """

    trial: int
    architecture: Architecture
    epochs: int
    runs: tuple[Run, ...]

    def scores(self, metric: str) -> list[float]:
        """Return a test metric of each run, in the order of the seeds."""
        return [run.metrics[metric] for run in self.runs]

    def mean(self, metric: str) -> float:
        """Return a test metric's mean over the seeds."""
        return float(np.mean(self.scores(metric)))

    def spread(self, metric: str) -> float:
        """Return a test metric's standard deviation over the seeds."""
        return float(np.std(self.scores(metric), ddof=1))


@dataclass(frozen=True)
class Retrained:
    """What was trained again, best mean first.

    Attributes:
        study_name: Where it comes from.
        metric: That networks are ranked by, ``test_accuracy``.
        candidates: The networks.
        comparisons: Of each pair, by a paired t-test over the seeds.
        failed: Why networks that could not be trained could not, by the number of the trial.
        evaluator: That trained them.
    """

    study_name: str
    metric: str
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    failed: Mapping[int, str]
    evaluator: ArchitectureEvaluator = field(repr=False)

    @property
    def best(self) -> Candidate:
        """The network with the best mean, whether or not it is told apart from the others."""
        return self.candidates[0]

    @property
    def winner(self) -> Candidate | None:
        """The best network where it is told apart from every other one, else None."""
        alone = len(self.candidates) > 1 and not self.equals
        return self.best if alone else None

    @property
    def equals(self) -> list[int]:
        """Numbers of the trials that the best one can't be told apart from."""
        return not_told_apart(self.best.trial, self.comparisons)

    @property
    def verdict(self) -> str:
        """What the comparison says, in a sentence or two."""
        best = self.best.trial
        if len(self.candidates) == 1:
            return f"Trial {best} was trained alone: there is nothing to compare it with."
        seeds, count = len(self.best.runs), len(self.comparisons)
        pairs = "1 pair" if count == 1 else f"{count} pairs"
        how = f"paired t-test over {seeds} seeds, Bonferroni for {pairs}"
        if self.winner is not None:
            return f"Trial {best} wins: it is ahead of every other network ({how})."
        others = ", ".join(map(str, self.equals))
        return (
            f"Not told apart: trial {best} has the best mean, but its difference to "
            f"{others} may be chance ({how}). More seeds may tell; or take the smallest of them."
        )

    def weights(self) -> Mapping[str, Any]:
        """Return the best network's weights, of the first seed.

        Not of the seed with the best test metric: choosing by the test would flatter it.
        """
        return self.best.runs[0].weights

    def predict(self, inputs: Any, *, ensemble: bool = False) -> Array:
        """Return what the best network predicts: labels, or values.

        Args:
            inputs: Shape (N, ...), prepared as the training data.
            ensemble: Whether all seeds' networks are asked, and their answers averaged; else the
                first seed's.

        Raises:
            DataError: The inputs do not fit the network.
        """
        return self._predictor(ensemble).predict(inputs)

    def predict_proba(self, inputs: Any, *, ensemble: bool = False) -> Array:
        """Return the probability of each class, (N, classes).

        Args:
            inputs: Shape (N, ...), prepared as the training data.
            ensemble: As for ``predict``.

        Raises:
            DataError: The inputs do not fit the network.
            EvaluationError: The network predicts values.
        """
        return self._predictor(ensemble).predict_proba(inputs)

    def _predictor(self, ensemble: bool) -> Predictor:
        runs = self.best.runs if ensemble else self.best.runs[:1]
        return Predictor(self.evaluator, self.best.architecture, [run.weights for run in runs])

    def export(self, directory: str | Path, formats: Sequence[str] | None = None) -> list[Path]:
        """Write the best network with its weights into a new folder, see ``export_architecture``.

        Raises:
            ExportError: The folder is there already, or a written model is not the network.
        """
        best = self.best
        first = best.runs[0]
        names = first.metrics
        card = ModelCard(
            metrics={
                **{f"{name} (mean of {len(best.runs)} seeds)": best.mean(name) for name in names},
                **{f"{name} (standard deviation)": best.spread(name) for name in names},
            },
            data_fingerprint=self.evaluator.data_fingerprint,
            found={
                "study": self.study_name,
                "trial": best.trial,
                "trained again": f"{first.epochs} epochs on training and validation data",
                "seed of these weights": first.seed,
                "compared": self.verdict,
            },
            epochs=first.epochs,
            scaling=self.evaluator.scaling,
        )
        return export_architecture(
            best.architecture, directory, formats=formats, weights=self.weights(), card=card
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but weights and networks, as JSON has it."""
        return {
            "metric": self.metric,
            "verdict": self.verdict,
            "winner": None if self.winner is None else self.winner.trial,
            "candidates": [
                {
                    "trial": each.trial,
                    "params": each.architecture.cost.params,
                    "epochs": each.epochs,
                    "mean": each.mean(self.metric),
                    "spread": each.spread(self.metric),
                    "runs": [{"seed": run.seed, **run.metrics} for run in each.runs],
                }
                for each in self.candidates
            ],
            "comparisons": [
                {
                    "better": each.better,
                    "other": each.other,
                    "difference": each.difference,
                    "interval": list(each.interval),
                    "p_value": each.p_value,
                    "told_apart": each.told_apart,
                }
                for each in self.comparisons
            ],
            "failed": {str(trial): reason for trial, reason in self.failed.items()},
        }
