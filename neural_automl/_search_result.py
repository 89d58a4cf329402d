"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_automl.artifacts import load_weights
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
from neural_automl.exceptions import StudyError
from neural_automl.registry import architecture_of, best_trial, require_best, summarise
from neural_automl.report import write_report

if TYPE_CHECKING:
    import optuna
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        study: The study; everything is in it.
        space: What was searched.
        stop_reason: ``budget``, ``timeout``, ``space exhausted``, ``interrupted``, ``stopped`` (by
            a callback), ``trained already`` (nothing was left to do) or ``loaded``.
        storage: URL of the study's database.
        artifact_store: Where weights and sources are.
        evaluator: What trained, or None where the result was loaded.
    """

    study: optuna.Study
    space: ArchitectureSpace
    stop_reason: str
    storage: str
    artifact_store: ArtifactStore
    evaluator: Evaluator | None = None

    def __repr__(self) -> str:
        trial = best_trial(self.study)
        best = "" if trial is None else f", best trial {trial.number}: {trial.value:g}"
        trained = summarise(self.study).trained
        return f"SearchResult({self.study.study_name!r}, {trained} trained{best})"

    @property
    def best_trial(self) -> FrozenTrial:
        """The best completed trial.

        Raises:
            StudyError: No trial completed, or the study has several objectives: then
                ``study.best_trials`` is the Pareto front.
        """
        return require_best(self.study)

    @property
    def best_architecture(self) -> Architecture:
        """The architecture of the best trial."""
        return architecture_of(self.space, self.best_trial)

    @property
    def best_metrics(self) -> dict[str, float]:
        """Everything that the best trial recorded and that is a number."""
        attributes = self.best_trial.user_attrs
        return {
            name: value
            for name, value in attributes.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }

    def weights(self) -> dict[str, Any]:
        """Return the best trial's trained weights, tensors by name.

        Raises:
            StudyError: They were not kept.
        """
        return load_weights(self.artifact_store, self.study, self.best_trial)

    def report(self, path: str | Path) -> Path:
        """Write what was found as one page of HTML that needs nothing beside it.

        Args:
            path: Of the file; one that is there is replaced.

        Raises:
            OSError: The file can't be written.
        """
        return write_report(self.study, path)

    def test_metrics(self) -> dict[str, float]:
        """Measure the best trial on the test data, which the search never saw.

        Raises:
            StudyError: The result was loaded, or the evaluator has no test data.
        """
        evaluator = self.evaluator
        if not isinstance(evaluator, ArchitectureEvaluator) or not evaluator.has_test_data:
            raise StudyError("there is no test data to measure on; give `test_data` to the search")
        return evaluator.measure_test(self.best_architecture, self.weights())
