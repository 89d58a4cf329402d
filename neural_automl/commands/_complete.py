"""What a shell offers for a word that is begun, where it costs no training and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import typer

from neural_automl.early_stopping import PRUNER_NAMES
from neural_automl.executor import EXECUTOR_NAMES
from neural_automl.export import EXPORT_FORMATS
from neural_automl.hyperparameters import DEVICES
from neural_automl.search_strategies import SAMPLER_NAMES

Completion = Callable[[str], list[str]]


def _among(names: Sequence[str]) -> Completion:
    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


strategies: Final = _among(SAMPLER_NAMES)
early_stoppings: Final = _among(PRUNER_NAMES)
executors: Final = _among(EXECUTOR_NAMES)
formats: Final = _among(EXPORT_FORMATS)
devices: Final = _among(DEVICES)


def metrics(incomplete: str) -> list[str]:
    """Return names of metrics and costs."""
    from neural_automl.evaluation import METRIC_NAMES
    from neural_automl.trials._run import COST_METRICS

    measured = [f"val_{name}" for name in (*METRIC_NAMES, "loss")]
    return _among([*measured, *COST_METRICS])(incomplete)


def studies(context: typer.Context, incomplete: str) -> list[str]:
    """Return names of studies in the file or folder that ``--storage`` or ``--output`` names."""
    import optuna

    from neural_automl.exceptions import NeuralAutoMLError
    from neural_automl.studies import open_storage, sqlite_path, storage_url

    storage = context.params.get("storage") or context.params.get("output") or "results"
    try:
        file = sqlite_path(storage_url(storage))
        if file is None or not Path(file).is_file():
            return []  # a server may be far away
        names = optuna.get_all_study_names(open_storage(storage, must_exist=True))
    except NeuralAutoMLError:
        return []  # it will be said when the command runs
    return [name for name in sorted(names) if name.startswith(incomplete)]
