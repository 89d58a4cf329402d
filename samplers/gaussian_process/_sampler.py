"""A Gaussian process over whole configurations of a define-by-run function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_automl.samplers._define_by_run import (
    Configuration,
    ConfigurationSampler,
    Feasible,
    Identity,
    StudyReader,
    Suggest,
    draw,
    propose_new,
    seen_keys,
)
from neural_automl.samplers.gaussian_process._acquisition import ACQUISITIONS
from neural_automl.samplers.gaussian_process._encoding import Encoder
from neural_automl.samplers.gaussian_process._model import Posterior, fit
from neural_automl.samplers.gaussian_process._search import SearchSettings, search
from neural_automl.samplers.gaussian_process._targets import losses, rank_gauss, scalarise

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Features = Callable[[Any], Sequence[float]]


class GaussianProcessSampler(ConfigurationSampler):
    def __init__(
        self,
        suggest: Suggest,
        *,
        acquisition_function: str = "ei",
        features: Features | None = None,
        identity: Identity | None = None,
        feasible: Feasible | None = None,
        n_startup_trials: int = 10,
        seed: int | None = None,
        target: str = "rank",
        n_random: int = 100,
        n_neighbours: int = 40,
        n_parents: int = 4,
        n_rounds: int = 6,
        n_starts: int = 5,
    ) -> None:
        super().__init__(suggest, seed=seed)
        self._acquisition = ACQUISITIONS[acquisition_function]
        self._features = features
        self._identity = identity
        self._feasible = feasible
        self._n_startup_trials = n_startup_trials
        self._reader = StudyReader(suggest)
        self._target = target
        self._n_starts = n_starts
        self._settings = SearchSettings(n_random, n_neighbours, n_parents, n_rounds)

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        observations = self._reader.observations(study, but=trial.number)
        seen = seen_keys(observations, self._identity)
        finished = [
            o for o in observations if o.state.is_finished() and o.configuration is not None
        ]
        if len(finished) < self._n_startup_trials:
            candidates = (draw(self._suggest, rng, fixed) for _ in range(200))
        else:
            candidates = self._by_acquisition(study, finished, observations, fixed, rng)
        found = propose_new(candidates, seen=seen, feasible=self._feasible, identity=self._identity)
        return draw(self._suggest, rng, fixed) if found is None else found

    def _by_acquisition(self, study, finished, observations, fixed, rng):
        values = losses(finished, study.directions)
        values = values[:, 0] if values.shape[1] == 1 else scalarise(values, rng)
        target = TARGETS[self._target](values)
        configurations = [o.configuration for o in finished]
        running = [
            o.configuration
            for o in observations
            if not o.state.is_finished() and o.configuration is not None
        ]
        encoder = Encoder(
            [*configurations, *running, *(draw(self._suggest, rng, fixed) for _ in range(30))]
        )

        def encode(cs):
            parts = [encoder.choices(cs), encoder.counts(cs)]
            return [p for p in parts if p is not None]

        parts = encode(configurations)
        hyper = fit(parts, target)
        posterior = Posterior(parts, target, hyper)
        if running:
            believed = posterior.mean(encode(running))
            configurations = [*configurations, *running]
            target = np.concatenate([target, believed])
            posterior = Posterior(encode(configurations), target, hyper)
        means = posterior.mean(encode(configurations))
        best = float(means.max())
        order = np.argsort(-means)[: self._n_starts]

        def score(cs):
            return self._acquisition(*posterior.mean_and_deviation(encode(cs)), best)

        starts = [configurations[i] for i in order]
        yield from search(self._suggest, score, starts, rng, fixed, self._settings)


def log_error(values):
    from neural_automl.samplers.gaussian_process._targets import standardise

    low = values.min()
    spread = np.median(values) - low
    e = values - low + 0.1 * max(spread, 1e-12)
    return standardise(-np.log(e))


def plain(values):
    from neural_automl.samplers.gaussian_process._targets import standardise

    med = np.median(values)
    s = np.median(np.abs(values - med)) + 1e-12
    return standardise(-np.clip((values - med) / s, -10, 3))


TARGETS = {"rank": lambda v: rank_gauss(-v), "log": log_error, "plain": plain}
