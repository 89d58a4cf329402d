"""A sampler of whole configurations, held to what is feasible and what no other trial has."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from neural_automl.samplers._define_by_run import (
    AnnouncingSampler,
    Configuration,
    ConfigurationSampler,
    PerStudy,
    Suggest,
)
from neural_automl.samplers._define_by_run._claims import Claims, write_claim
from neural_automl.samplers._define_by_run._exclusive import claim_first, give_up
from neural_automl.samplers._define_by_run._judge import Judge
from neural_automl.samplers.feasible._guide import Guide
from neural_automl.samplers.feasible._repair import Repair

if TYPE_CHECKING:
    import numpy as np
    from optuna.study import Study
    from optuna.trial import FrozenTrial

#: Configurations that are looked at for one proposal before it is given up.
_ATTEMPTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Memory:
    claims: Claims
    guide: Guide


class ExclusiveSampler(ConfigurationSampler):
    """Takes what a sampler proposes if it is feasible and new, else the nearest that is.

    Samplers of ours look for what is feasible and new by themselves, but propose something else
    where they find none, and of workers that ask at once two may propose the same. Here a proposal
    is held before it is made, so no two trials have the same; and when nothing is left the study
    stops. It is to our samplers what ``FeasibleSampler`` is to others, which must be shown another
    study than the one that there is.

    Args:
        base: Chooses, from the study as it is; it announces nothing, as a claim that is held while
            another is looked for could keep two workers from the last that is left.
        suggest: The define-by-run function of the base.
        feasible: By how much a result may not be tried; 0 and below: it may.
        identity: What is equal for results that are the same in effect.
        seed: Of the way to the nearest, together with the number of the trial.
    """

    def __init__(
        self,
        base: AnnouncingSampler,
        *,
        suggest: Suggest,
        feasible: Callable[[Any], float],
        identity: Callable[[Any], Hashable],
        seed: int | None = None,
    ) -> None:
        super().__init__(suggest, seed=seed)
        self._base = base
        self._judge = Judge(feasible, identity)
        self._memories: PerStudy[_Memory] = PerStudy()

    @property
    def base(self) -> AnnouncingSampler:
        """The sampler that proposes."""
        return self._base

    def propose(
        self, study: Study, trial: FrozenTrial, fixed: Mapping[str, Any], rng: np.random.Generator
    ) -> Configuration:
        """Propose what the base does, or the nearest that is feasible and new.

        What a user fixed by ``enqueue_trial`` is tried whatever it is.

        Raises:
            optuna.TrialPruned: Nothing that is feasible is left.
            NoFeasibleArchitectureError: Nothing that is feasible is known.
        """
        first = self._base.choose(study, trial, fixed, rng)
        if fixed:
            write_claim(study, trial, first.values)
            return first
        with self._memories.lock:
            memory = self._memories.of(
                study, lambda: _Memory(Claims(self._suggest, self._judge), Guide())
            )
            claims = memory.claims
            claims.update(study, but=trial.number)
            repair = Repair(
                self._suggest,
                self._judge,
                memory.guide,
                lambda key: bool(claims.holders(key, trial.number)),
                fixed,
                rng,
                _ATTEMPTS,
            )
            found = claim_first(
                study,
                trial,
                claims,
                lambda: repair.find(first, first.values),
                lambda configuration: configuration.values,
                rng,
            )
            if found is None:
                looked = "every configuration" if repair.complete else f"{_ATTEMPTS:,}"
                give_up(study, trial, claims, f"{looked} looked at")
            return found

    def __str__(self) -> str:
        return f"ExclusiveSampler({type(self._base).__name__})"
