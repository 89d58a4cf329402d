"""Names for samplers: how the next architecture is proposed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from neural_automl._options import check_options, lookup

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
    seed: int | None = None,
    **options: Any,
) -> BaseSampler:
    """Return the sampler of a name; a sampler is returned as it is.

    Args:
        name: ``grid`` (every configuration once; conditional spaces too), ``random``,
            ``bayesian`` (Gaussian process, expected improvement), ``tpe``, ``evolutionary`` and
            ``nsga2`` (NSGA-II).
        space: The space to be searched: ``grid`` refuses one that has no end.
        seed: Of the sampler's random numbers.
        **options: Of the sampler's constructor, checked by name; ``bayesian`` also takes
            ``acquisition_function="ei"``.

    Raises:
        ValueError: There is no such name, or an option is out of its range.
        TypeError: The sampler has no such option.

    Example:
        >>> create_sampler("tpe", seed=0, n_startup_trials=5)  # doctest: +ELLIPSIS
        <optuna.samplers._tpe.sampler.TPESampler object at ...>
    """
    if isinstance(name, BaseSampler):
        if options or seed is not None:
            raise TypeError("a sampler that is made already takes no seed and no options")
        return name
    factory, constructor = lookup("search strategy", name, _SAMPLERS)
    known = {key: value for key, value in options.items() if key != "acquisition_function"}
    check_options(name, known if name == "bayesian" else options, constructor, hidden=_HIDDEN)
    if name == "grid" and space is not None and space.get_search_space_size() == float("inf"):
        raise ValueError(
            "grid search needs a space with an end; give every range of floats a step and turn "
            "log_range into choice(...)"
        )
    with warnings.catch_warnings():
        # Chosen here by name, and covered by tests: the user need not be warned each time.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return factory(seed=seed, **options)
