"""Names for samplers: how the next architecture is proposed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from neural_automl._options import check_options, lookup
from neural_automl._proposals import ExcessOf, SuggestOf
from neural_automl.architecture_space import as_constraints
from neural_automl.identity import identity_of
from neural_automl.samplers.feasible import FeasibleSampler
from neural_automl.samplers.grid import ExhaustiveSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neural_automl.architecture_space import ArchitectureSpace

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


def _bayesian(acquisition_function: str = "ei", **options: Any) -> BaseSampler:
    if acquisition_function != "ei":
        raise ValueError(
            "`acquisition_function` must be 'ei' with Optuna's GPSampler "
            f"but got {acquisition_function!r}"
        )
    # Optional layers are drawn independently by this sampler; a warning for each would say so in
    # every trial.
    return optuna.samplers.GPSampler(**{"warn_independent_sampling": False, **options})


_SAMPLERS: Final[Mapping[str, tuple[Callable[..., BaseSampler], Callable[..., Any]]]] = {
    # name: (factory, the constructor whose options it takes)
    "grid": (optuna.samplers.BruteForceSampler, optuna.samplers.BruteForceSampler),
    "random": (optuna.samplers.RandomSampler, optuna.samplers.RandomSampler),
    "bayesian": (_bayesian, optuna.samplers.GPSampler),
    "tpe": (optuna.samplers.TPESampler, optuna.samplers.TPESampler),
    "evolutionary": (optuna.samplers.NSGAIISampler, optuna.samplers.NSGAIISampler),
    "nsga2": (optuna.samplers.NSGAIISampler, optuna.samplers.NSGAIISampler),
}

SAMPLER_NAMES: Final = tuple(_SAMPLERS)


def create_sampler(
    name: str | BaseSampler,
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
            ``bayesian`` (Gaussian process, expected improvement), ``tpe``, ``evolutionary`` and
            ``nsga2`` (NSGA-II).
        space: The space to be searched: ``grid`` refuses one that has no end. Without it, the
            sampler is Optuna's own, which repeats and breaks limits.
        constraints: Limits beside those of the space, in any form that a space takes.
        seed: Of the sampler's random numbers, together with each trial's number.
        **options: Of the sampler's constructor, checked by name; ``bayesian`` also takes
            ``acquisition_function="ei"``.

    Raises:
        ValueError: There is no such name, or an option is out of its range.
        SpaceError: A constraint breaks a rule.
        TypeError: The sampler has no such option.

    Example:
        >>> create_sampler("tpe", seed=0, n_startup_trials=5)  # doctest: +ELLIPSIS
        <optuna.samplers._tpe.sampler.TPESampler object at ...>
    """
    if isinstance(name, BaseSampler):
        if options or seed is not None or constraints is not None:
            raise TypeError(
                "a sampler that is made already takes no seed, no constraints and no options"
            )
        return name
    if constraints is not None and space is None:
        raise TypeError("`constraints` need the `space` whose architectures they limit")
    factory, constructor = lookup("search strategy", name, _SAMPLERS)
    if space is not None and not space.decisions():
        space = None  # nothing is open: Optuna asks its sampler nothing
    if name == "grid" and space is not None:
        check_options(name, options, ExhaustiveSampler, hidden=_NOT_OPTIONS)
        return _grid(space, constraints, seed)
    known = {key: value for key, value in options.items() if key != "acquisition_function"}
    check_options(name, known if name == "bayesian" else options, constructor, hidden=_HIDDEN)
    with warnings.catch_warnings():
        # Chosen here by name, and covered by tests: the user need not be warned each time.
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = factory(seed=seed, **options)
    if space is None:
        return sampler
    return FeasibleSampler(
        sampler,
        suggest=SuggestOf(space),
        feasible=_excess(space, constraints),
        identity=identity_of,
        seed=seed,
    )


def _grid(space: ArchitectureSpace, constraints: Any, seed: int | None) -> BaseSampler:
    if space.get_search_space_size() == float("inf"):
        raise ValueError(
            "grid search needs a space with an end; give every range of floats a step and turn "
            "log_range into choice(...)"
        )
    return ExhaustiveSampler(
        SuggestOf(space), feasible=_excess(space, constraints), identity=identity_of, seed=seed
    )


def _excess(space: ArchitectureSpace, constraints: Any) -> ExcessOf:
    return ExcessOf((*space.constraints, *as_constraints(constraints or ())))
