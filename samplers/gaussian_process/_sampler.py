"""A Gaussian process over whole configurations of a define-by-run function."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from optuna.trial import TrialState

from neural_automl.exceptions import FallbackWarning
from neural_automl.samplers._define_by_run import (
    AnnouncingSampler,
    Configuration,
    Feasible,
    Identity,
    Observation,
    StudyReader,
    Suggest,
    check_at_least,
    draw,
    losses,
    new_or_any,
    propose_new,
    seen_keys,
    values_are_known,
)
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process._acquisition import ACQUISITIONS
from neural_automl.samplers.gaussian_process._search import SearchSettings, search
from neural_automl.samplers.gaussian_process._surrogate import (
    Features,
    Surrogate,
    best_and_latest,
)
from neural_automl.samplers.gaussian_process._targets import rank_gauss, scalarise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# Draws that show the encoder what the trials have not met yet.
_N_SHOWN = 20


class GaussianProcessSampler(AnnouncingSampler):
    """Bayesian optimisation of whole configurations, also of spaces with conditional choices.

    A Gaussian process learns from the trials of the study: from complete ones by the rank of their
    value, from pruned ones by what their last value says at its step, from failed and infeasible
    ones as from the worst. Its kernel adds up three similarities: choices (a weight for each is
    learned; one that is not active is a level of its own), counts of the categories over all
    parameters that share them, and the caller's features. A local search finds where the
    acquisition function is largest. Where most trials were pruned, so that most values are what
    first steps promise, every other proposal is a mutation of one of the best instead. What a trial
    of the study has had, running, pruned and failed ones included, is not proposed again. Running
    trials count as if they had the predicted value.
    Several objectives are joined by random weights, new for each trial.

    Args:
        suggest: The define-by-run function: calls `trial.suggest_*` and returns what the values
            describe, as the first lines of an objective do.
        acquisition_function: "ei" for expected improvement, "pi" for probability of improvement,
            "ucb" for the upper confidence bound.
        features: Takes what `suggest` returned and gives numbers that describe it, always as many.
        identity: Takes what `suggest` returned; results with equal identity are the same.
        feasible: Takes what `suggest` returned and says whether it may be tried.
        n_startup_trials: So many trials are drawn at random first.
        max_observations: The process reads so many trials at most: the better half of them the
            best, the other half the latest.
        n_random: How many random configurations the search for the best acquisition starts from.
        n_neighbours: How many neighbours of one configuration it looks at, at most.
        seed: Seed of the proposals, together with the number of the trial.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: A number or a name is out of range, or `suggest` suggests nothing.

    Example::

        def suggest(trial):
            depth = trial.suggest_int("depth", 1, 4)
            return [trial.suggest_categorical(f"op_{i}", ["conv", "pool"]) for i in range(depth)]

        study = optuna.create_study(sampler=GaussianProcessSampler(suggest, seed=0))
        study.optimize(lambda trial: train(suggest(trial)), n_trials=100)
    """

    def __init__(
        self,
        suggest: Suggest,
        *,
        acquisition_function: Literal["ei", "pi", "ucb"] = "ei",
        features: Features | None = None,
        identity: Identity | None = None,
        feasible: Feasible | None = None,
        n_startup_trials: int = 10,
        max_observations: int = 1000,
        n_random: int = 100,
        n_neighbours: int = 30,
        seed: int | None = None,
    ) -> None:
        if acquisition_function not in ACQUISITIONS:
            names = ", ".join(f'"{name}"' for name in ACQUISITIONS)
            raise ValueError(
                f"`acquisition_function` must be one of {names} but got {acquisition_function!r}."
            )
        check_at_least(
            1, n_startup_trials=n_startup_trials, n_random=n_random, n_neighbours=n_neighbours
        )
        check_at_least(2, max_observations=max_observations)
        if features is not None and not callable(features):
            raise TypeError(f"`features` must be a function of a result but got {features!r}.")
        super().__init__(suggest, seed=seed)
        self._acquisition = ACQUISITIONS[acquisition_function]
        self._features = features
        self._identity = identity
        self._feasible = feasible
        self._n_startup_trials = n_startup_trials
        self._max_observations = max_observations
        self._settings = SearchSettings(n_random, n_neighbours)
        self._reader = StudyReader(suggest, identity, feasible)
        self._evolution = EvolutionSampler(
            suggest, feasible=feasible, identity=identity, n_startup_trials=n_startup_trials
        )

    def choose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Choose where the acquisition function is largest, or at random at the start."""
        observations = self._reader.observations(study, but=trial.number)
        seen = seen_keys(observations)
        found = None
        finished = [o for o in observations if o.teaches and o.configuration is not None]
        if len(finished) >= self._n_startup_trials:
            if trial.number % 2 and _are_mostly_pruned(finished):
                return self._evolution.choose(study, trial, fixed, rng)
            running = [
                o.configuration
                for o in observations
                if not o.state.is_finished() and o.configuration is not None
            ]
            try:
                found = propose_new(
                    self._by_acquisition(study, finished, running, fixed, rng),
                    seen=seen,
                    feasible=self._feasible,
                    identity=self._identity,
                )
            except np.linalg.LinAlgError as error:
                _record_fallback(study, trial.number, str(error))
        if found is not None:
            return found
        return new_or_any(
            self._suggest, rng, fixed, seen=seen, feasible=self._feasible, identity=self._identity
        )

    def _by_acquisition(
        self,
        study: Study,
        finished: Sequence[Observation],
        running: Sequence[Configuration],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> list[Configuration]:
        """Configurations by falling acquisition, not filtered."""
        values = losses(finished, study.directions)
        if not values_are_known(finished):
            raise np.linalg.LinAlgError("no trial has a finite value")
        loss = values[:, 0] if values.shape[1] == 1 else scalarise(values, rng)
        kept = best_and_latest(loss, self._max_observations)
        known = [c for i in kept if (c := finished[i].configuration) is not None]
        shown = [draw(self._suggest, rng, fixed) for _ in range(_N_SHOWN)]
        target = rank_gauss(-loss[kept])
        surrogate = Surrogate(known, target, running, shown, self._features)

        def score(some: Sequence[Configuration]) -> NDArray[np.float64]:
            return surrogate.score(some, self._acquisition)

        starts = surrogate.best(self._settings.n_starts)
        return search(self._suggest, score, starts, rng, fixed, self._settings)


def _are_mostly_pruned(finished: Sequence[Observation]) -> bool:
    return 2 * sum(each.state == TrialState.PRUNED for each in finished) > len(finished)


def _record_fallback(study: Study, number: int, reason: str) -> None:
    text = f"trial {number}: random instead of Gaussian process ({reason})"
    warnings.warn(text, FallbackWarning, stacklevel=2)
    study.set_user_attr("fallbacks", [*study.user_attrs.get("fallbacks", ()), text])
