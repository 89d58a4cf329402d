"""Names for pruners: when a training is given up."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner

from neural_automl._options import check_options, lookup
from neural_automl.pruners.learning_curve import LearningCurvePruner

#: Share of the epochs at which the first rung stands: a ninth, two reductions by three below all.
_FIRST_RUNG: Final = 9
_REDUCTION: Final = 3


def _need_epochs(name: str, max_epochs: int | None, option: str) -> int:
    if max_epochs is None:
        # "auto" would be guessed by each process for itself, and differently.
        raise ValueError(f"{name} needs `max_epochs`, or `{option}`, to place its rungs")
    return max_epochs


def _asha(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    options.setdefault("reduction_factor", _REDUCTION)
    if "min_resource" not in options:
        epochs = _need_epochs("asha", max_epochs, "min_resource")
        options["min_resource"] = max(1, epochs // _FIRST_RUNG)
    return SuccessiveHalvingPruner(**options)


def _hyperband(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "max_resource" not in options:
        options["max_resource"] = _need_epochs("hyperband", max_epochs, "max_resource")
    maximum = options["max_resource"]
    if isinstance(maximum, int):
        options.setdefault("min_resource", max(1, maximum // _FIRST_RUNG))
    return optuna.pruners.HyperbandPruner(**options)


def _median(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if max_epochs is not None:
        options.setdefault("n_warmup_steps", max_epochs // 5)
    return optuna.pruners.MedianPruner(**options)


def _threshold(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    return optuna.pruners.ThresholdPruner(**options)


def _learning_curve(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "max_step" not in options:
        options["max_step"] = _need_epochs("learning_curve", max_epochs, "max_step")
    return LearningCurvePruner(**options)


def _patient(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "patience" not in options:
        raise TypeError("patient needs `patience`, the epochs without improvement that it allows")
    wrapped = options.pop("wrapped_pruner", None)
    if wrapped is not None:
        wrapped = create_pruner(wrapped, max_epochs=max_epochs)
    return optuna.pruners.PatientPruner(wrapped, **options)


def _none(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    return NopPruner()


_Factory = Callable[[int | None, dict[str, Any]], BasePruner]

_PRUNERS: Final[Mapping[str, tuple[_Factory, type[BasePruner]]]] = {
    # name: (factory, the class whose options it takes)
    "none": (_none, NopPruner),
    "median": (_median, optuna.pruners.MedianPruner),
    "hyperband": (_hyperband, optuna.pruners.HyperbandPruner),
    "asha": (_asha, SuccessiveHalvingPruner),
    "threshold": (_threshold, optuna.pruners.ThresholdPruner),
    "learning_curve": (_learning_curve, LearningCurvePruner),
    "patient": (_patient, optuna.pruners.PatientPruner),
}

PRUNER_NAMES: Final = tuple(_PRUNERS)


def create_pruner(
    name: str | BasePruner, *, max_epochs: int | None = None, **options: Any
) -> BasePruner:
    """Return the pruner of a name; a pruner is returned as it is.

    Args:
        name: ``none``, ``median``, ``hyperband``, ``asha`` (Optuna's SuccessiveHalvingPruner:
            trials are stopped at rungs, none is paused), ``threshold`` (``lower``, ``upper``),
            ``learning_curve`` (a power law and a guard by rank),
            ``patient`` (``patience``, and ``wrapped_pruner`` by name or instance).
        max_epochs: Longest training. Resources that are not given follow from it: the first rung
            of asha and hyperband is a ninth of it, median waits for a fifth of it.
        **options: Of the pruner's constructor, checked by name.

    Raises:
        ValueError: There is no such name, an option is out of its range, or ``max_epochs`` is
            needed.
        TypeError: The pruner has no such option.

    Example:
        >>> create_pruner("asha", max_epochs=27)  # doctest: +ELLIPSIS
        <optuna.pruners._successive_halving.SuccessiveHalvingPruner object at ...>
    """
    if isinstance(name, BasePruner):
        if options:
            raise TypeError("a pruner that is made already takes no options")
        return name
    factory, constructor = lookup("early stopping", name, _PRUNERS)
    check_options(name, options, constructor)
    if max_epochs is not None and max_epochs < 1:
        raise ValueError(f"`max_epochs` must be at least 1 but got {max_epochs}")
    with warnings.catch_warnings():
        # Chosen here by name, and covered by tests: the user need not be warned each time.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return factory(max_epochs, dict(options))


def may_stop_at(pruner: BasePruner, step: int) -> bool:
    """Return whether a pruner can decide anything at a step.

    Asking costs several statements on the database, so it is asked only where it has a rung.

    Args:
        step: From 1.
    """
    if isinstance(pruner, NopPruner):
        return False
    if isinstance(pruner, SuccessiveHalvingPruner):
        # Optuna keeps these private; where a release renames them, the pruner is asked each time.
        rung = getattr(pruner, "_min_resource", None)
        factor = getattr(pruner, "_reduction_factor", None)
        rate = getattr(pruner, "_min_early_stopping_rate", 0)
        if isinstance(rung, int) and isinstance(factor, int) and isinstance(rate, int):
            rung *= int(factor**rate)
            while rung < step:
                rung *= factor
            return rung == step
    return True
