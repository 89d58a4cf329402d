"""Searches as estimators of scikit-learn: ``fit`` searches, ``predict`` asks the best network."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import DataError

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.data import Array
    from neural_automl.search._result import SearchResult


class _ArchitectureSearch(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What both estimators do; the parameters are documented there."""

    _stratified: bool

    def __init__(
        self,
        space: ArchitectureSpace | str | Path,
        *,
        max_trials: int = 20,
        max_epochs_per_trial: int | None = None,
        timeout: float | None = None,
        validation_split: float | None = None,
        seed: int = 0,
        output_dir: str | Path | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.space = space
        self.max_trials = max_trials
        self.max_epochs_per_trial = max_epochs_per_trial
        self.timeout = timeout
        self.validation_split = validation_split
        self.seed = seed
        self.output_dir = output_dir
        self.engine_options = engine_options

    def _search(self, x: Array, y: Array) -> None:
        if len(x) != len(y):
            raise DataError(f"`X` and `y` must be of one length but have {len(x)} and {len(y)}")
        folder = self.output_dir
        if folder is None:  # one of its own: another fit is of other data
            folder = tempfile.mkdtemp(prefix="neural_automl-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        engine = AutoMLEngine(
            output_dir=str(folder), seed=self.seed, **dict(self.engine_options or {})
        )
        self.result_: SearchResult = engine.search(
            self.space,
            *self._split(x, y),
            max_trials=self.max_trials,
            max_epochs_per_trial=self.max_epochs_per_trial,
            timeout=self.timeout,
        )
        self.architecture_: Architecture = self.result_.best_architecture
        self.best_metrics_: dict[str, float] = self.result_.best_metrics
        self._predictor = self.result_._predictor

    def _split(self, x: Array, y: Array) -> list[tuple[Array, Array]]:
        """Return the data; with a share of its own for validation, in two parts."""
        if self.validation_split is None:
            return [(x, y)]
        strata = y if self._stratified and np.bincount(y).min() > 1 else None
        x, held_x, y, held_y = train_test_split(
            x, y, test_size=self.validation_split, random_state=self.seed, stratify=strata
        )
        return [(x, y), (held_x, held_y)]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def __getstate__(self) -> dict[str, Any]:
        # The study stays where the search ran; what predicts travels.
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("result_", None)
        return state

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"{type(self).__name__} is not fitted yet; call `fit` first")


class ArchitectureSearchClassifier(ClassifierMixin, _ArchitectureSearch):  # type: ignore[misc]  # scikit-learn ships no types
    """Searches the best network that classifies; it may be cloned, cross-validated and pickled.

    Args:
        space: A space, or its text or file.
        max_trials: Networks that are trained.
        max_epochs_per_trial: Longest training; None leaves it to the space.
        timeout: Seconds after which no further training begins.
        validation_split: Share of the training data that networks are compared on; by default the
            space's own, 0.2.
        seed: Of the split, the search and every training.
        output_dir: Where the study is kept, which a later ``fit`` on the same data goes on with;
            by default a folder that goes with the estimator.
        engine_options: Others of ``AutoMLEngine``, as ``{"search_strategy": "bayesian"}``.

    After ``fit``: ``classes_``, ``result_`` (not in copies by pickle), ``architecture_`` and
    ``best_metrics_``.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
        >>> x, y = load_iris(return_X_y=True)
        >>> layers = [Layer("Dense", Choice(8, 16), "relu"), Layer("Dense", 3)]
        >>> search = ArchitectureSearchClassifier(
        ...     ArchitectureSpace((4,), layers), max_trials=2, max_epochs_per_trial=1
        ... )
        >>> search.fit(x, y).predict(x[:5]).shape
        (5,)
    """

    _stratified = True

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Search.

        Args:
            X: Inputs (N, ...), images channels last.
            y: Labels (N,), of any kind.

        Raises:
            DataError: The data does not fit the space, or has not as many classes as its networks.
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            StudyError: The database can't be used, or trials failed.
        """
        labels = np.asarray(y)
        if labels.ndim != 1:
            raise DataError(f"`y` must have one label a sample, but has the shape {labels.shape}")
        self.classes_, indices = np.unique(labels, return_inverse=True)
        self._check_outputs(len(self.classes_))
        self._search(np.asarray(X), indices.astype(np.int64))
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803 - scikit-learn's name
        """Return the label of each sample, (N,).

        Raises:
            DataError: The inputs do not fit the network.
            sklearn.exceptions.NotFittedError: There was no ``fit``.
        """
        self._check_fitted()
        return np.asarray(self.classes_[self._predictor.predict(np.asarray(X))])

    def predict_proba(self, X: Any) -> Array:  # noqa: N803 - scikit-learn's name
        """Return the probability of each of ``classes_``, (N, classes).

        Raises:
            DataError: The inputs do not fit the network.
            sklearn.exceptions.NotFittedError: There was no ``fit``.
        """
        self._check_fitted()
        return self._predictor.predict_proba(np.asarray(X))

    def _check_outputs(self, classes: int) -> None:
        space = self.space
        if not isinstance(space, ArchitectureSpace):
            space = ArchitectureSpace.from_dsl(space)
        outputs = space.sample_architecture(seed=self.seed).graph.output_shape
        if outputs != (classes,) and not (outputs == (1,) and classes == 2):
            raise DataError(
                f"`y` has {classes} classes but the networks of the space {space.name} end in the "
                f"shape {outputs}: one output a class is needed, or one for two classes"
            )


class ArchitectureSearchRegressor(RegressorMixin, _ArchitectureSearch):  # type: ignore[misc]  # scikit-learn ships no types
    """Searches the best network that predicts values: see ``ArchitectureSearchClassifier``."""

    _stratified = False

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Search.

        Args:
            X: Inputs (N, ...), images channels last.
            y: Values (N,) or (N, K).

        Raises:
            DataError: The data does not fit the space.
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            StudyError: The database can't be used, or trials failed.
        """
        self._search(np.asarray(X), np.asarray(y, dtype=np.float32))
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803 - scikit-learn's name
        """Return the values of each sample, (N,) or (N, K).

        Raises:
            DataError: The inputs do not fit the network.
            sklearn.exceptions.NotFittedError: There was no ``fit``.
        """
        self._check_fitted()
        return self._predictor.predict(np.asarray(X))
