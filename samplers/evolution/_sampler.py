"""Steady-state evolution of whole configurations of a define-by-run function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neural_automl.samplers._define_by_run import (
    AnnouncingSampler,
    Configuration,
    Feasible,
    Identity,
    Observation,
    StudyReader,
    Suggest,
    changeable,
    check_at_least,
    crossover,
    losses,
    mutate,
    new_or_any,
    propose_new,
    seen_keys,
)
from neural_automl.samplers.evolution._ranks import ranks

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# Children that were made before: after so many more parameters change at once.
_PATIENCE = 20
_ATTEMPTS = 200


@dataclass(frozen=True)
class _Member:
    configuration: Configuration
    rank: float


class EvolutionSampler(AnnouncingSampler):
    """Proposes mutations and crossings of the better trials of a study.

    Each proposal rebuilds the population from the study, so any number of workers share one, and
    nothing is lost by a restart. A parent is the best of a few members drawn at random; its child
    has one or more choices changed, and what becomes active by that is drawn. A configuration that
    a trial of the study has had is not proposed again. Several objectives are compared by
    non-dominated rank. A pruned trial counts with the final value that its last one stands for.

    With `removal="oldest"` and `crossover_rate=0` this is regularized evolution (Real et al.,
    Regularized Evolution for Image Classifier Architecture Search, AAAI 2019, algorithm 1).

    Args:
        suggest: The define-by-run function: calls `trial.suggest_*` and returns what the values
            describe, as the first lines of an objective do.
        population_size: How many trials are alive.
        tournament_size: How many of them are drawn to choose a parent from; more is greedier.
        mutation_rate: The chance of each choice to change, one at least; None changes exactly one.
        crossover_rate: The chance that a child has two parents. Where they differ it takes each
            choice from either at random, and it is mutated too.
        removal: Who dies: "oldest" keeps the latest trials, "worst" keeps the best.
        n_startup_trials: So many trials are drawn at random first.
        feasible: Takes what `suggest` returned and says whether it may be tried.
        identity: Takes what `suggest` returned; results with equal identity are the same.
        seed: Seed of the proposals, together with the number of the trial.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: A size, a rate or a name is out of range, or `suggest` suggests nothing.

    Example::

        def suggest(trial):
            depth = trial.suggest_int("depth", 1, 4)
            return [trial.suggest_categorical(f"op_{i}", ["conv", "pool"]) for i in range(depth)]

        study = optuna.create_study(sampler=EvolutionSampler(suggest, seed=0))
        study.optimize(lambda trial: train(suggest(trial)), n_trials=100)
    """

    def __init__(
        self,
        suggest: Suggest,
        *,
        population_size: int = 40,
        tournament_size: int = 20,
        mutation_rate: float | None = None,
        crossover_rate: float = 0.0,
        removal: Literal["oldest", "worst"] = "oldest",
        n_startup_trials: int = 15,
        feasible: Feasible | None = None,
        identity: Identity | None = None,
        seed: int | None = None,
    ) -> None:
        check_at_least(2, population_size=population_size)
        check_at_least(1, tournament_size=tournament_size, n_startup_trials=n_startup_trials)
        for name, rate in (("mutation_rate", mutation_rate), ("crossover_rate", crossover_rate)):
            if rate is not None and not 0.0 <= rate <= 1.0:
                raise ValueError(f"`{name}` must be between 0 and 1 but got {rate}.")
        if removal not in ("oldest", "worst"):
            raise ValueError(f'`removal` must be "oldest" or "worst" but got {removal!r}.')
        super().__init__(suggest, seed=seed)
        self._population_size = population_size
        self._tournament_size = tournament_size
        self._mutation_rate = mutation_rate
        self._crossover_rate = crossover_rate
        self._removal = removal
        self._n_startup_trials = n_startup_trials
        self._feasible = feasible
        self._identity = identity
        self._reader = StudyReader(suggest, identity, feasible)

    def choose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Choose a child of the population, or a random configuration at the start."""
        observations = self._reader.observations(study, but=trial.number)
        seen = seen_keys(observations)
        population = self._population(study, observations)
        children: Iterator[Configuration] = iter(())
        if population:
            children = (self._child(population, n, fixed, rng) for n in range(_ATTEMPTS))
        found = propose_new(children, seen=seen, feasible=self._feasible, identity=self._identity)
        if found is not None:
            return found
        return new_or_any(
            self._suggest,
            rng,
            fixed,
            seen=seen,
            feasible=self._feasible,
            identity=self._identity,
        )

    def _population(self, study: Study, observations: list[Observation]) -> list[_Member]:
        """Who is alive; nobody while the study is young."""
        known = [o for o in observations if o.teaches and o.configuration is not None]
        if len(known) < self._n_startup_trials:
            return []
        if self._removal == "oldest":
            known = known[-self._population_size :]
        rank = ranks(losses(known, study.directions))
        order = np.argsort(rank, kind="stable")[: self._population_size]
        return [
            _Member(configuration, float(rank[index]))
            for index in order
            if (configuration := known[index].configuration) is not None
        ]

    def _child(
        self,
        population: list[_Member],
        attempt: int,
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Configuration:
        child = self._parent(population, rng)
        if rng.random() < self._crossover_rate:
            child = crossover(self._suggest, child, self._parent(population, rng), rng, fixed)
        n_changes = 1 + attempt // _PATIENCE
        if self._mutation_rate is not None:
            n = len(changeable(child, fixed))
            n_changes = max(n_changes, int(rng.binomial(n, self._mutation_rate)))
        return mutate(self._suggest, child, rng, n_changes, fixed)

    def _parent(self, population: list[_Member], rng: np.random.Generator) -> Configuration:
        size = min(self._tournament_size, len(population))
        drawn = rng.choice(len(population), size, replace=False)
        return min((population[int(i)] for i in drawn), key=lambda each: each.rank).configuration
