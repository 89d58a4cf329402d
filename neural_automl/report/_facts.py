"""What a report reads of a study, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from neural_automl.registry import best_trial, is_trained, metrics_of, space_of, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.registry import StudySummary

#: Trials that strategies draw at random before they learn, where nobody says another number.
_RANDOM_START: Final = {
    "tpe": 10,
    "bayesian": 10,
    "evolutionary": 15,
    "regularized_evolution": 15,
    "nsga2": 50,
}


@dataclass(frozen=True)
class Facts:
    """A study and its trials.

    Attributes:
        study: The study.
        trials: All of them, as the storage gave them; not to be changed.
        metrics: Names of what is optimised.
        maximize: For each, whether more is better.
    """

    study: optuna.Study
    trials: Sequence[FrozenTrial]
    metrics: Sequence[str]
    maximize: Sequence[bool]

    @classmethod
    def of(cls, study: optuna.Study) -> Facts:
        """Read a study.

        Raises:
            StudyError: It holds no space of architectures.
        """
        space_of(study)
        return cls(
            study,
            study.get_trials(deepcopy=False),
            metrics_of(study),
            [direction.name == "MAXIMIZE" for direction in study.directions],
        )

    @cached_property
    def space(self) -> ArchitectureSpace:
        """What is searched."""
        return space_of(self.study)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The study's attributes."""
        return dict(self.study.user_attrs)

    @cached_property
    def summary(self) -> StudySummary:
        """The study in numbers."""
        return summarise(self.study)

    @cached_property
    def complete(self) -> list[FrozenTrial]:
        """Trials with a result that counts."""
        return [t for t in self.trials if t.state == TrialState.COMPLETE and t.values]

    @cached_property
    def trained(self) -> list[FrozenTrial]:
        """Trials that trained, to their end or until they were stopped."""
        return [trial for trial in self.trials if is_trained(trial)]

    @property
    def several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.metrics) > 1

    @cached_property
    def front(self) -> list[FrozenTrial]:
        """The Pareto front of several objectives, best of the first objective first."""
        if not self.several or not self.complete:
            return []
        sign = -1.0 if self.maximize[0] else 1.0
        return sorted(self.study.best_trials, key=lambda trial: sign * trial.values[0])

    @cached_property
    def winner(self) -> FrozenTrial | None:
        """The best trial; of several objectives, the best of the first on the front."""
        if self.several:
            return self.front[0] if self.front else None
        return best_trial(self.study)

    def value(self, trial: FrozenTrial) -> float | None:
        """Return what a trial reached, at its end or where it was stopped; one objective alone."""
        if trial.state == TrialState.COMPLETE and trial.values:
            return float(trial.values[0])
        if trial.intermediate_values:
            return float(trial.intermediate_values[max(trial.intermediate_values)])
        return None

    @cached_property
    def random_trials(self) -> list[FrozenTrial] | None:
        """The trained trials that were drawn at random; None where the study does not say."""
        words = re.findall(r"[a-z_0-9]+", str(self.attributes.get("strategy", "")))
        if "random" in words[:1]:
            return self.trained
        name = next((word for word in words if word in _RANDOM_START), None)
        if name is None:
            return None
        settings = self.attributes.get("settings")
        engine = settings.get("engine") if isinstance(settings, dict) else None
        asked = engine.get("n_initial_random") if isinstance(engine, dict) else None
        first = asked if isinstance(asked, int) else _RANDOM_START[name]
        return [trial for trial in self.trained if trial.number < first]


@dataclass(frozen=True)
class Choice:
    """A named decision of the space, and what became of each of its values.

    Attributes:
        name: Of the parameter.
        values: In the order of the space.
        trials: For each value the trained trials that had it.
    """

    name: str
    values: Sequence[Any]
    trials: Sequence[Sequence[FrozenTrial]]


def choices_of(facts: Facts) -> list[Choice]:
    """Return the decisions among named values, in the order in which trials met them."""
    found: dict[str, tuple[tuple[Any, ...], list[list[FrozenTrial]]]] = {}
    for trial in facts.trained:
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                values = distribution.choices
                if name not in found:
                    found[name] = (values, [[] for _ in values])
                known, rows = found[name]
                if trial.params[name] in known:
                    rows[known.index(trial.params[name])].append(trial)
    return [Choice(name, values, rows) for name, (values, rows) in found.items()]
