"""One name each: from names and options to samplers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from neural_automl._options import check_options, lookup
from neural_automl.architecture_space import ArchitectureSpace, as_constraints
from neural_automl.samplers._define_by_run import AnnouncingSampler
from neural_automl.samplers.feasible import FeasibleSampler
from neural_automl.samplers.grid import ExhaustiveSampler
from neural_automl.search_strategies._auto import pick_strategy
from neural_automl.search_strategies._exclusive import ExclusiveSampler
from neural_automl.search_strategies._register import find_strategy, strategy_names
from neural_automl.search_strategies._sole import SoleSampler
from neural_automl.search_strategies._strategy import STRATEGIES, SearchStrategy
from neural_automl.search_strategies._strategy_sampler import StrategySampler
from neural_automl.trials._proposals import (
    ExcessOf,
    FeaturesOf,
    IdentityOf,
    KeepsLimits,
    SuggestOf,
)

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from neural_automl.samplers._define_by_run import ConfigurationSampler

_log = logging.getLogger(__name__)

#: Parameters of Optuna's samplers that are deprecated, or ours to set.
_HIDDEN: Final = (
    "constraints_func",
    "consider_prior",
    "prior_weight",
    "consider_magic_clip",
    "consider_endpoints",
    "gamma",
    "weights",
    "seed",
)
#: Parameters of our samplers that follow from the space.
_NOT_OPTIONS: Final = ("suggest", "feasible", "identity", "seed")


def _optunas_gp(acquisition_function: str = "ei", **options: Any) -> BaseSampler:
    if acquisition_function != "ei":
        raise ValueError(
            "without `space=`, bayesian is Optuna's GPSampler: its `acquisition_function` must be "
            f"'ei' but got {acquisition_function!r}"
        )
    # Optional parameters are drawn independently by this sampler; a warning for each would say so
    # in every trial.
    return optuna.samplers.GPSampler(**{"warn_independent_sampling": False, **options})


@dataclass(frozen=True, slots=True)
class _Optunas:
    """A sampler of Optuna's: alone where there is no space, else within a ``FeasibleSampler``.

    Args:
        make: Takes seed and options.
        constructor: Whose options it takes.
        further: Options beside those.
    """

    make: Callable[..., BaseSampler]
    constructor: Callable[..., Any]
    further: tuple[str, ...] = ()

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        own = {key: value for key, value in options.items() if key not in self.further}
        check_options(name, own, self.constructor, hidden=_HIDDEN)

    def of_options(self, seed: int | None, options: Mapping[str, Any]) -> BaseSampler:
        with warnings.catch_warnings():
            # Chosen here by name, and covered by tests: the user need not be warned each time.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.make(seed=seed, **options)


@dataclass(frozen=True, slots=True)
class _Ours:
    """A sampler of whole configurations, which needs the space.

    Args:
        load: Gives its class; what that needs is imported where it is used.
        preset: What the name says of it, and so is no option.
        defaults: Options where they are not given.
    """

    load: Callable[[], Callable[..., ConfigurationSampler]]
    preset: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        make = self.load()
        check_options(name, options, make, hidden=(*_NOT_OPTIONS, *self.preset))
        make(_coin, **{**self.defaults, **self.preset, **options})

    def of_space(
        self, limits: ExcessOf, space: ArchitectureSpace, seed: int | None, given: Mapping[str, Any]
    ) -> BaseSampler:
        options = {**self.defaults, **self.preset, **given}
        suggest, identity = SuggestOf(space), IdentityOf()
        make = self.load()
        if make is ExhaustiveSampler:
            _check_end(space)
            return ExhaustiveSampler(
                suggest, feasible=limits, identity=identity, seed=seed, **options
            )
        if options.get("features") is not None:
            options["features"] = FeaturesOf(space, options["features"])
        base = make(suggest, feasible=KeepsLimits(limits), identity=identity, seed=seed, **options)
        assert isinstance(base, AnnouncingSampler)  # all but the grid are
        return ExclusiveSampler(
            base, suggest=suggest, feasible=limits, identity=identity, seed=seed
        )


def _exhaustive() -> Callable[..., ConfigurationSampler]:
    return ExhaustiveSampler


def _gaussian_process() -> Callable[..., ConfigurationSampler]:
    # SciPy's statistics take a second to load, which a command that searches nothing need not wait.
    from neural_automl.samplers.gaussian_process import GaussianProcessSampler

    return GaussianProcessSampler


def _evolution() -> Callable[..., ConfigurationSampler]:
    from neural_automl.samplers.evolution import EvolutionSampler

    return EvolutionSampler


def _coin(trial: BaseTrial) -> Any:
    """Something to suggest, for a sampler that is made to have its options checked."""
    return trial.suggest_categorical("coin", ["heads", "tails"])


#: Without a space, a name is Optuna's sampler, if it has one of that kind.
_OPTUNAS: Final[Mapping[str, _Optunas]] = {
    "grid": _Optunas(optuna.samplers.BruteForceSampler, optuna.samplers.BruteForceSampler),
    "random": _Optunas(optuna.samplers.RandomSampler, optuna.samplers.RandomSampler),
    "bayesian": _Optunas(_optunas_gp, optuna.samplers.GPSampler, ("acquisition_function",)),
    "tpe": _Optunas(optuna.samplers.TPESampler, optuna.samplers.TPESampler),
    "nsga2": _Optunas(optuna.samplers.NSGAIISampler, optuna.samplers.NSGAIISampler),
}
#: With a space, these are ours.
_OURS: Final[Mapping[str, _Ours]] = {
    "grid": _Ours(_exhaustive),
    "bayesian": _Ours(_gaussian_process),
    "evolutionary": _Ours(
        _evolution, preset={"removal": "worst"}, defaults={"crossover_rate": 0.5}
    ),
    "regularized_evolution": _Ours(_evolution, preset={"removal": "oldest", "crossover_rate": 0.0}),
}
_AUTO: Final = "auto"

#: The names that are there before anything is registered.
SAMPLER_NAMES: Final = STRATEGIES


def check_strategy(
    strategy: str | BaseSampler | SearchStrategy,
    options: Mapping[str, Any],
    *,
    space: ArchitectureSpace | None = None,
) -> None:
    """Check a name and its options before there is a study; for what will get a space.

    Args:
        strategy: A name, a sampler or a strategy.
        options: As ``create_sampler`` takes them.
        space: What will be searched, if that is known.

    Raises:
        ValueError: There is no such name, an option is out of its range, or the space has no end
            and the strategy needs one.
        TypeError: The sampler has no such option.
    """
    if not isinstance(strategy, str):
        _check_made(strategy, options)
        return
    _check_name(strategy)
    if strategy in _OURS:
        _OURS[strategy].check(strategy, options)
    elif strategy in _OPTUNAS:
        _OPTUNAS[strategy].check(strategy, options)
        _OPTUNAS[strategy].of_options(0, options)
    elif strategy == _AUTO:
        check_options(_AUTO, options, pick_strategy, hidden=("space",))
    else:
        find_strategy(strategy, options)
    if strategy == "grid" and space is not None and space.decisions():
        _check_end(space)


def create_sampler(
    name: str | BaseSampler | SearchStrategy,
    *,
    space: ArchitectureSpace | None = None,
    constraints: Any = None,
    seed: int | None = None,
    **options: Any,
) -> BaseSampler:
    """Return the sampler of a name; a sampler is returned as it is.

    With a space, it proposes only architectures that keep its limits and whose shapes follow, and
    none that computes the same function and is trained alike as one of another trial
    (`neural_automl.identity.identity_of`); when there are no more, the study stops. It also learns
    from pruned and infeasible trials, and on optional layers. The engine and the command line
    always give the space.

    Args:
        name: ``grid`` (every architecture once; conditional spaces too), ``random``,
            ``bayesian`` (Gaussian process over whole architectures), ``tpe``, ``evolutionary``
            (the worst die, with crossover), ``regularized_evolution`` (the oldest die),
            ``nsga2`` (Optuna's NSGA-II), ``auto`` (picks among these: `pick_strategy`), a name of
            ``register_strategy``; or a ``SearchStrategy``.
        space: The space to be searched: ``grid`` refuses one that has no end. Without it, the
            sampler is Optuna's own, which repeats and breaks limits: ``BruteForceSampler``,
            ``GPSampler`` for ``bayesian``, and so on. Names that Optuna has no sampler for need it.
        constraints: Limits beside those of the space, in any form that a space takes.
        seed: Of the sampler's random numbers, together with each trial's number.
        **options: Of the sampler's constructor, checked by name: ``acquisition_function="ei"``,
            ``"ucb"`` or ``"pi"`` and ``features=space.encode`` of ``bayesian``,
            ``population_size`` of the evolutions, ``n_startup_trials``; ``n_trials`` and
            ``n_objectives`` of ``auto``.

    Raises:
        ValueError: There is no such name, or an option is out of its range.
        SpaceError: A constraint breaks a rule.
        TypeError: The sampler has no such option, or needs a space.

    Example:
        >>> create_sampler("tpe", seed=0, n_startup_trials=5)  # doctest: +ELLIPSIS
        <optuna.samplers._tpe.sampler.TPESampler object at ...>
    """
    if isinstance(name, BaseSampler):
        if constraints is not None:
            raise TypeError("a sampler that is made already takes no constraints")
        _check_made(name, options, seed)
        return name
    if space is not None and not isinstance(space, ArchitectureSpace):
        raise TypeError(f"`space` must be an ArchitectureSpace but got {space!r}.")
    if constraints is not None and space is None:
        raise TypeError("`constraints` need the `space` whose architectures they limit")
    if isinstance(name, SearchStrategy):
        _check_made(name, options, seed)
        return _of_strategy(name, space, constraints)
    if name == _AUTO:
        check_options(_AUTO, options, pick_strategy, hidden=("space",))
        pick = pick_strategy(_needed(_AUTO, space), **options)
        _log.info("search strategy: %s", pick)
        return create_sampler(pick.name, space=space, constraints=constraints, seed=seed)
    if space is None:
        return _without_space(name, seed, options)
    check_strategy(name, options, space=space)
    limits = ExcessOf((*space.constraints, *as_constraints(constraints or ())))
    if not space.decisions():
        return SoleSampler(seed=seed)
    if name in _OURS:
        return _OURS[name].of_space(limits, space, seed, options)
    if name in _OPTUNAS:
        return FeasibleSampler(
            _OPTUNAS[name].of_options(seed, options),
            suggest=SuggestOf(space),
            feasible=limits,
            identity=IdentityOf(),
            seed=seed,
        )
    return StrategySampler(find_strategy(name, options), space, limits, seed=seed)


def make_sampler(
    strategy: str | BaseSampler | SearchStrategy,
    space: ArchitectureSpace,
    options: Mapping[str, Any],
    *,
    seed: int,
    n_trials: int,
    n_objectives: int,
) -> tuple[BaseSampler, str]:
    """Return the sampler of a search, and in words what it is: for whoever knows the budget."""
    if isinstance(strategy, BaseSampler):
        return strategy, type(strategy).__name__
    if isinstance(strategy, SearchStrategy):
        return create_sampler(strategy, space=space), strategy.name
    if strategy != _AUTO:
        return create_sampler(strategy, space=space, seed=seed, **options), strategy
    pick = pick_strategy(space, n_trials=n_trials, n_objectives=n_objectives)
    _log.info("search strategy: %s", pick)
    return create_sampler(pick.name, space=space, seed=seed), f"{_AUTO}: {pick}"


def _check_name(name: Any) -> None:
    lookup("search strategy", name, dict.fromkeys((*SAMPLER_NAMES, *strategy_names())))


def _check_made(made: object, options: Mapping[str, Any], seed: int | None = None) -> None:
    if not isinstance(made, BaseSampler | SearchStrategy):
        _check_name(made)
    if options or seed is not None:
        kind = "sampler" if isinstance(made, BaseSampler) else "strategy"
        raise TypeError(
            f"a {kind} that is made already takes no seed and no options but got "
            f"{', '.join(options) or 'seed'}"
        )


def _without_space(name: str, seed: int | None, options: Mapping[str, Any]) -> BaseSampler:
    _check_name(name)
    if name not in _OPTUNAS:
        _needed(name, None)
    _OPTUNAS[name].check(name, options)
    return _OPTUNAS[name].of_options(seed, options)


def _needed(name: str, space: ArchitectureSpace | None) -> ArchitectureSpace:
    if space is None:
        raise TypeError(
            f"{name} needs `space=`, the space that is searched; without one there are "
            f"{', '.join(_OPTUNAS)}"
        )
    return space


def _of_strategy(
    strategy: SearchStrategy, space: ArchitectureSpace | None, constraints: Any
) -> BaseSampler:
    space = _needed(strategy.name, space)
    limits = ExcessOf((*space.constraints, *as_constraints(constraints or ())))
    if not strategy.is_own:
        # It would only ask such a sampler: that one reads the study itself.
        strategy.check_unused()
        return create_sampler(
            strategy.name,
            space=space,
            constraints=constraints,
            seed=strategy.seed,
            **strategy.options,
        )
    if not space.decisions():
        return SoleSampler()
    return StrategySampler(strategy, space, limits)


def _check_end(space: ArchitectureSpace) -> None:
    if space.get_search_space_size() == float("inf"):
        raise ValueError(
            "grid search needs a space with an end; give every range of floats a step and turn "
            "log_range into choice(...)"
        )
