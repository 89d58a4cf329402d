"""The names that users of the Neural DSL know, over what this package does."""

from __future__ import annotations

import tempfile
import warnings
from typing import TYPE_CHECKING, Any

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.backends import ArchitectureBuilder
from neural_automl.dsl import parse
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from neural_automl.architecture import Architecture, Backend
    from neural_automl.architecture_space import Trial


class ModelTransformer:
    """Reads texts of the space language, of which the Neural DSL is a part.

    Example:
        >>> text = "network N { input: (8,) layers: Dense(HPO(choice(16, 32))) Output(2) }"
        >>> model_dict, hpo_params = ModelTransformer().parse_network_with_hpo(text)
        >>> hpo_params
        [{'path': 'layers[0].Dense.units', 'type': 'categorical', 'values': [16, 32]}]
    """

    def parse_network_with_hpo(self, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the dictionary form, and everything that is open in it once, with its path.

        Syntax, names, types and bounds are checked; shapes and constraints are not, as
        ``ArchitectureSpace.from_dsl`` does. What has no effect is warned about.

        Args:
            text: The text, not a path.

        Raises:
            DSLError: The text breaks a rule; the error has line and column.
            TypeError: It is no string.
        """
        if not isinstance(text, str):
            raise TypeError(f"`text` must be a string but got {excerpt(text)}")
        network = parse(text)
        for warning in network.warnings:
            warnings.warn(warning, UserWarning, stacklevel=2)
        return network.model, network.hpo_params


def create_dynamic_model(
    model_dict: Mapping[str, Any],
    trial: Trial,
    hpo_params: Sequence[Mapping[str, Any]] | None = None,
    backend: Backend = "pytorch",
) -> Any:
    """Return the model that a trial decides on, with fresh weights and logits as its output.

    Args:
        model_dict: What ``parse_network_with_hpo`` gives.
        trial: Any Optuna trial.
        hpo_params: The list that comes with the dictionary; None where there is none.
        backend: ``pytorch`` or ``tensorflow``.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
        SpaceError: The dictionary breaks a rule, or the list disagrees with it.
        ValueError: There is no such backend.
    """
    space = ArchitectureSpace._convert_from_hpo(model_dict, hpo_params)
    return ArchitectureBuilder(backend).build(space, trial)


def optimize_and_return(
    text: str | Path | ArchitectureSpace,
    n_trials: int = 10,
    train_data: Any = None,
    val_data: Any = None,
    *,
    epochs: int | None = None,
    metric: str | None = None,
    search_strategy: str | BaseSampler = "tpe",
    early_stopping: str | BasePruner = "median",
    backend: Backend = "pytorch",
    device: str = "auto",
    seed: int = 0,
    output_dir: str | Path | None = None,
) -> dict[str, Any]:
    """Search a space and return the best trial's parameters: value by path.

    ``space.suggest(optuna.trial.FixedTrial(parameters))`` gives the architecture back. After
    Ctrl-C it is the best so far.

    Args:
        text: Text or file of the space language, or a space.
        n_trials: Networks to train.
        train_data: Anything that ``ArchitectureEvaluator`` takes.
        val_data: The same; by default a share of the training data.
        epochs: Longest training; by default what the text says, else 10.
        metric: By default ``val_accuracy``, and ``val_mse`` for regression.
        search_strategy: A name of ``create_sampler``, or a sampler.
        early_stopping: A name of ``create_pruner``, or a pruner.
        backend: ``pytorch`` or ``tensorflow``.
        device: ``auto`` or a device's name.
        seed: Of the proposals and the trainings.
        output_dir: Keeps the study, so that another call goes on with it; None keeps nothing.

    Raises:
        DSLError: The text breaks a rule.
        DataError: The data does not fit the space.
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
        StudyError: No trial was trained to its end.
        ValueError: An option is unknown.
    """
    # On Windows a file that is still open can't be deleted: what is left over is temporary.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        engine = AutoMLEngine(
            search_strategy=search_strategy,
            early_stopping=early_stopping,
            backend=backend,
            device=device,
            output_dir=folder if output_dir is None else output_dir,
            metrics=metric,
            seed=seed,
        )
        result = engine.search(
            text, train_data, val_data, max_trials=n_trials, max_epochs_per_trial=epochs
        )
        return dict(result.best_trial.params)


class PytorchGenerator:
    """Writes architectures as PyTorch source."""

    def generate(self, architecture: Architecture) -> str:
        """Return a Python file with the model's class; it needs torch alone.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it.
        """
        return architecture.to_source("pytorch")


class TensorflowGenerator:
    """Writes architectures as Keras source."""

    def generate(self, architecture: Architecture) -> str:
        """Return a Python file with the model; it needs TensorFlow alone.

        Raises:
            ExportError: A layer of a user's own has no form for Keras.
            ShapeError: A layer cannot take the shape that reaches it.
        """
        return architecture.to_source("tensorflow")
