"""A worker that joins a search which was begun elsewhere: what it needs is in the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_automl.data import load_data
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import StudyError
from neural_automl.registry import space_of
from neural_automl.studies import load_study, make_artifact_store, storage_errors, storage_url
from neural_automl.tracking import Tracker
from neural_automl.tracking._create import prepare
from neural_automl.trials._terms import agree
from neural_automl.workers._settings import StudySettings, read_settings
from neural_automl.workers._worker import Callback, Outcome, work

if TYPE_CHECKING:
    import optuna

    from neural_automl.evaluation import ArchitectureEvaluator, Evaluator


class Joining:
    """A search of another process, as a worker sees it.

    Args:
        storage: URL of the storage, or path of a SQLite file.
        study: Name of the study; may be left out where the storage holds one.
        device: Of the trainings here.

    Attributes:
        study: The study.
        settings: What it says of the search.
        space: What is searched.

    Raises:
        StudyError: There is no such study, or it does not say how it is searched.
    """

    def __init__(self, storage: str | Path, study: str | None, *, device: str = "auto") -> None:
        url = storage_url(storage)
        self.study = load_study(url, study)
        with storage_errors(url):
            self.settings = read_settings(self.study)
            self.space = space_of(self.study)
        self._url = url
        self._engine = _engine(self.study, self.settings, url, device)

    def make_evaluator(self, source: str | None = None) -> ArchitectureEvaluator:
        """Return the search's evaluator, with its data.

        Args:
            source: Name or path of the data here; None is what the search was given.

        Raises:
            StudyError: The search's data did not come from ``load_data``.
            DataError: The data can't be read.
        """
        data = self.settings.data
        if data is None:
            raise StudyError(
                f"the study {self.study.study_name!r} does not say where its data comes from; give "
                "an evaluator with --evaluator MODULE:NAME"
            )
        arguments = {**data, "source": source or data["source"]}
        return self._engine.make_evaluator(load_data(**arguments))

    def artifacts(self) -> Path | None:
        """Return the folder of the search's artifacts, where this machine has it."""
        folder = Path(self.settings.artifacts or "")
        return folder if self.settings.artifacts and folder.is_dir() else None

    def run(
        self,
        evaluator: Evaluator,
        *,
        artifacts: Path | None = None,
        callbacks: Sequence[Callback] = (),
        tracker: Tracker | None = None,
    ) -> Outcome:
        """Work until the budget of the study is spent.

        Args:
            evaluator: Trains.
            artifacts: Folder for weights and sources; None keeps none.
            callbacks: Called with study and trial after each trial.
            tracker: Where the trainings of this worker are runs. The study does not say: whoever
                can write to it could have every worker connect to a server of theirs.

        Raises:
            TrackingError: The tracker can't begin.
            StudyError: The data, or the evaluator's settings, are not those of the study.
        """
        with storage_errors(self._url):
            options = self._engine.options
            objective = options.make_objective(self.space, evaluator, self.settings.epochs)
            agree(self.study, objective.terms())
            prepare(tracker, self.study.study_name)
            objective.tracker = tracker
            objective.keeping.store = None if artifacts is None else make_artifact_store(artifacts)
            budget = int(self.study.user_attrs["max_trials"])
            self.study.sampler, _ = options.make_sampler(objective, budget)
            self.study.pruner = options.make_pruner(objective.longest_training())
            outcome = work(self.study, objective, callbacks)
        if outcome.error is not None:
            raise outcome.error
        return outcome


def _engine(study: optuna.Study, settings: StudySettings, url: str, device: str) -> AutoMLEngine:
    options: Mapping[str, Any] = settings.engine
    for option in ("search_strategy", "early_stopping"):
        if options.get(option) is None:
            raise StudyError(
                f"the {option} of the study {study.study_name!r} is an object of the program that "
                "began it, not a name: no other program can join it"
            )
    try:
        return AutoMLEngine(**options, storage=url, study_name=study.study_name, device=device)
    except (TypeError, ValueError) as error:
        raise StudyError(
            f"the study {study.study_name!r} was begun with settings that this version of "
            f"neural_automl does not know: {error}"
        ) from error
