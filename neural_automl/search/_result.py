"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from neural_automl.artifacts import load_weights
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator, Predictor, trained_model
from neural_automl.exceptions import StudyError
from neural_automl.known_values import TICKET
from neural_automl.registry import (
    architecture_of,
    best_trial,
    front_trials,
    metrics_of,
    require_best,
    summarise,
)
from neural_automl.report import write_report
from neural_automl.search._card import TEST_METRICS
from neural_automl.studies import masked
from neural_automl.trials._ledger import LEDGER
from neural_automl.workers._leases import ATTEMPTS, LEASE
from neural_automl.workers._settings import SETTINGS

if TYPE_CHECKING:
    import pandas as pd
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture, Backend
    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.data import Array


@dataclass(frozen=True)
class SearchResult:
    """What a search found. ``result["best_metrics"]`` is ``result.best_metrics``.

    Attributes:
        study: The study; everything is in it.
        space: What was searched.
        stop_reason: ``budget``, ``timeout``, ``space exhausted``, ``interrupted``, ``stopped`` (by
            a callback), ``trained already`` (nothing was left to do) or ``loaded``.
        storage: URL of the study's database.
        artifact_store: Where weights and sources are.
        evaluator: What trained, or None where the result was loaded.
        studies: Names of its studies: more than one where architectures and then hyperparameters
            were searched. This result is of the one that found the best.
    """

    study: optuna.Study
    space: ArchitectureSpace
    stop_reason: str
    storage: str
    artifact_store: ArtifactStore
    evaluator: Evaluator | None = None
    studies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "studies", self.studies or (self.study.study_name,))

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
        """Everything that the best trial recorded of its network and that is a number."""
        attributes = self.best_trial.user_attrs
        return {
            name: value
            for name, value in attributes.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            and name not in (LEASE, TICKET, ATTEMPTS)
        }

    @property
    def pareto_front(self) -> dict[int, Architecture]:
        """Architectures by the number of their trial: the best one, or those of several objectives.

        Of several, none of them is better in one objective without being worse in another.
        """
        count = len(self.study.get_trials(deepcopy=False)) if len(self.study.directions) > 1 else 1
        return {
            trial.number: architecture_of(self.space, trial)
            for trial in front_trials(self.study, count)
        }

    @property
    def ledger(self) -> dict[str, Any]:
        """Epochs that were trained and saved, and seconds by what they went to."""
        return dict(self.study.user_attrs.get(LEDGER, {}))

    def summary(self) -> dict[str, Any]:
        """Return the study in numbers, as ``registry.StudySummary`` lists them, and more.

        ``metrics`` are the names of ``best_values``, ``trained_in`` the trials that trained in each
        of ``studies``, ``storage`` is without its password.
        """
        storage = self.study._storage
        studies = [optuna.load_study(study_name=name, storage=storage) for name in self.studies]
        return {
            **summarise(self.study).to_dict(),
            "metrics": metrics_of(self.study),
            "stop_reason": self.stop_reason,
            "storage": masked(self.storage),
            "trained_in": {study.study_name: summarise(study).trained for study in studies},
        }

    @cached_property
    def model(self) -> Any:
        """The best network with its weights, an ``nn.Module`` or a ``keras.Model``, to predict.

        Made at the first look. It gives logits; see ``predict_proba``.

        Raises:
            StudyError: No trial completed, or its weights were not kept.
        """
        return trained_model(self.best_architecture, self.backend, self.weights())

    @property
    def backend(self) -> Backend:
        """What trained: ``pytorch`` or ``tensorflow``."""
        if isinstance(self.evaluator, ArchitectureEvaluator):
            return self.evaluator.backend
        engine = self.study.user_attrs.get(SETTINGS, {}).get("engine", {})
        backend: Backend = engine.get("backend", "pytorch")
        return backend

    def __getitem__(self, name: str) -> Any:
        """Return an attribute by its name.

        Raises:
            KeyError: There is no such attribute.
        """
        if name.startswith("_") or name not in dir(self):
            raise KeyError(name)
        return getattr(self, name)

    def history(self) -> pd.DataFrame:
        """Return all trials, one a row: number, state, values, choices and attributes."""
        return self.study.trials_dataframe()

    def to_source(self, backend: Backend | None = None) -> str:
        """Return the best network as a file that needs PyTorch or Keras alone.

        Args:
            backend: By default what trained.
        """
        return self.best_architecture.to_source(backend or self.backend)

    def predict(self, inputs: Any) -> Array:
        """Return what the best network says of new data: labels or values, (N,) or (N, K).

        Args:
            inputs: Shape (N, ...), prepared as the training data.

        Raises:
            DataError: The inputs do not fit the network.
            StudyError: The result was loaded and its data was not from ``load_data``, or there is
                no best network, or no weights of it.
        """
        return self._predictor.predict(inputs)

    def predict_proba(self, inputs: Any) -> Array:
        """Return the probability of each class, (N, classes).

        Args:
            inputs: Shape (N, ...), prepared as the training data.

        Raises:
            DataError: The inputs do not fit the network.
            EvaluationError: The network predicts values.
            StudyError: As for ``predict``.
        """
        return self._predictor.predict_proba(inputs)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._trainer, self.best_architecture, [self.weights()])

    @cached_property
    def _trainer(self) -> ArchitectureEvaluator:
        """What trained; made again where the study says where its data came from."""
        if isinstance(self.evaluator, ArchitectureEvaluator):
            return self.evaluator
        if self.evaluator is not None or not self.study.user_attrs.get(SETTINGS, {}).get("data"):
            raise StudyError(
                "the data's form is not known to a result that was loaded, of data that was not "
                "from `load_data`, or that another evaluator made; use `model`, which takes tensors"
            )
        from neural_automl.search._joining import Joining

        made = Joining(self.storage, self.study.study_name).make_evaluator()
        if made.data_fingerprint != self.study.user_attrs.get("data_fingerprint"):
            raise StudyError(
                f"the data of the study {self.study.study_name!r} is no longer what it was"
            )
        return made

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

        The study keeps them, for the model card of an export.

        Raises:
            StudyError: There is no test data, or it is not known, as for ``predict``.
        """
        evaluator = self._trainer
        if not evaluator.has_test_data:
            raise StudyError("there is no test data to measure on; give `test_data` to the search")
        metrics = evaluator.measure_test(self.best_architecture, self.weights())
        kept = {"trial": self.best_trial.number, "metrics": metrics}
        if self.study.user_attrs.get(TEST_METRICS) != kept:
            self.study.set_user_attr(TEST_METRICS, kept)
        return metrics
