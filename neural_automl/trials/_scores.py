"""Zero-cost scores of trials, and how far they are to be trusted: by what came of the trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from optuna.study import StudyDirection
from optuna.trial import TrialState

from neural_automl.trials._attributes import write_attributes

if TYPE_CHECKING:
    import optuna
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
    from neural_automl.zero_cost._scoring import Scoring

#: What the attributes of a trial that hold its scores begin with.
PREFIX: Final = "zero_cost."
#: All proxies of a trial as one, where they are compared with what came of the training.
TOGETHER: Final = "rank"
_BATCH: Final = 32
#: Trainings below which a rank correlation says nothing.
_FEWEST: Final = 5


def data_of(evaluator: Evaluator | None) -> ArchitectureEvaluator | None:
    """Return an evaluator whose data networks can be scored on; None leaves random numbers."""
    from neural_automl.evaluation import ArchitectureEvaluator

    is_ours = isinstance(evaluator, ArchitectureEvaluator) and evaluator.backend == "pytorch"
    return evaluator if isinstance(evaluator, ArchitectureEvaluator) and is_ours else None


def attributes_of(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores under the names that they have in a trial; without those that say nothing."""
    return {f"{PREFIX}{name}": float(s) for name, s in scores.items() if math.isfinite(s)}


class TrialScores:
    """Writes the zero-cost scores of each network that is to be trained into its trial.

    Args:
        names: Of proxies; none leaves trials without scores.
        evaluator: Its training data, where it has any, gives the batch that all networks see.
        seed: Of the batch and of the initial weights.

    Raises:
        ValueError: There is no such proxy.
    """

    def __init__(self, names: Sequence[str], evaluator: Evaluator, seed: int) -> None:
        if names:
            from neural_automl.zero_cost import check_proxies

            names = check_proxies(names)
        self.names = tuple(names)
        self._evaluator = evaluator
        self._seed = seed
        self._scoring: Scoring | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scoring": None}

    def write(self, trial: Trial, architecture: Architecture) -> None:
        """Write them, if the trial was not enqueued with them."""
        if all(f"{PREFIX}{name}" in trial.user_attrs for name in self.names):
            return
        if self._scoring is None:
            from neural_automl.zero_cost._scoring import scoring_on

            self._scoring = scoring_on(
                data_of(self._evaluator), architecture, self.names, _BATCH, self._seed
            )
        write_attributes(trial, attributes_of(self._scoring.one(architecture)))


def agreement(study: optuna.Study) -> tuple[dict[str, float], int]:
    """Return how well zero-cost scores agree with what trainings gave, and over how many of them.

    Kendall's tau-b of each proxy with the study's first metric, over completed trials of different
    trainings: above 0 where better scores went with better results. Where there are several
    proxies, ``rank`` is all of them together, by ``log_ranks``. Empty with less than five.

    Args:
        study: Whose trials hold scores.
    """
    trials = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if "cached_from" not in trial.user_attrs
        and any(name.startswith(PREFIX) for name in trial.user_attrs)
    ]
    if len(trials) < _FEWEST:
        return {}, len(trials)
    from scipy.stats import kendalltau

    from neural_automl.zero_cost import log_ranks

    sign = 1.0 if study.directions[0] == StudyDirection.MAXIMIZE else -1.0
    values = [sign * trial.values[0] for trial in trials]
    names = sorted({n for trial in trials for n in trial.user_attrs if n.startswith(PREFIX)})
    columns = {
        name.removeprefix(PREFIX): [_number(trial.user_attrs.get(name)) for trial in trials]
        for name in names
    }
    scores = dict(columns)
    if len(columns) > 1:
        scores[TOGETHER] = log_ranks(columns).tolist()
    found = {}
    for name, column in scores.items():
        # What has no score is behind all that has one, as it is in ranks.
        ranked = [-math.inf if math.isnan(score) else score for score in column]
        tau = float(kendalltau(ranked, values).statistic)
        if math.isfinite(tau):  # not where all scores, or all values, are equal
            found[name] = round(tau, 6)
    return found, len(trials)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
