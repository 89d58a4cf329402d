"""Names for pruners: when a training is given up; and the base class of one's own."""

from __future__ import annotations

import inspect
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from neural_automl._options import check_options, lookup
from neural_automl.exceptions import StudyError
from neural_automl.pruners.learning_curve import LearningCurvePruner
from neural_automl.pruners.multi_objective import MultiObjectivePruner
from neural_automl.pruners.multi_objective._vectors import reported

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_log: Final = logging.getLogger(__name__)

#: What a strategy is told: trial number to step to metric name to value.
History = dict[int, dict[int, dict[str, float]]]

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
    return MedianPruner(**options)


def _threshold(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    return optuna.pruners.ThresholdPruner(**options)


def _learning_curve(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "max_step" not in options:
        options["max_step"] = _need_epochs("learning_curve", max_epochs, "max_step")
    return LearningCurvePruner(**options)


def _multi_objective(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "max_step" not in options:
        options["max_step"] = _need_epochs("multi_objective", max_epochs, "max_step")
    return MultiObjectivePruner(**options)


def _patient(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    if "patience" not in options:
        raise TypeError("patient needs `patience`, the epochs without improvement that it allows")
    own = {name: options.pop(name) for name in _PATIENT if name in options}
    wrapped = own.pop("wrapped_pruner", None)
    if wrapped is not None:
        inside = create_pruner(wrapped, max_epochs=max_epochs, **options)
        if isinstance(inside, MultiObjectivePruner | optuna.pruners.PatientPruner):
            raise ValueError(f"patient must wrap a pruner of another kind but got {wrapped}")
        wrapped = inside
    return optuna.pruners.PatientPruner(wrapped, **own)


def _none(max_epochs: int | None, options: dict[str, Any]) -> BasePruner:
    return NopPruner()


_Factory = Callable[[int | None, dict[str, Any]], BasePruner]

_PRUNERS: Final[Mapping[str, tuple[_Factory, type[BasePruner]]]] = {
    # name: (factory, the class whose options it takes)
    "none": (_none, NopPruner),
    "median": (_median, MedianPruner),
    "hyperband": (_hyperband, optuna.pruners.HyperbandPruner),
    "asha": (_asha, SuccessiveHalvingPruner),
    "threshold": (_threshold, optuna.pruners.ThresholdPruner),
    "learning_curve": (_learning_curve, LearningCurvePruner),
    "multi_objective": (_multi_objective, MultiObjectivePruner),
    "patient": (_patient, optuna.pruners.PatientPruner),
}
_PATIENT: Final = ("wrapped_pruner", "patience", "min_delta")

PRUNER_NAMES: Final = tuple(_PRUNERS)


def create_pruner(
    name: str | BasePruner, *, max_epochs: int | None = None, **options: Any
) -> BasePruner:
    """Return the pruner of a name; a pruner is returned as it is.

    Args:
        name: ``none``, ``median``, ``hyperband``, ``asha`` (Optuna's SuccessiveHalvingPruner:
            trials are stopped at rungs, none is paused), ``threshold`` (``lower``, ``upper``),
            ``learning_curve`` (a power law and a guard by rank), ``multi_objective`` (for several
            objectives: non-dominated rank at rungs), ``patient`` (``patience``, and
            ``wrapped_pruner`` by name or instance; further options are those of the wrapped name).
        max_epochs: Longest training. Resources that are not given follow from it: the first rung
            of asha and hyperband is a ninth of it, median waits for a fifth of it.
        **options: Of the pruner's constructor, checked by name and type.

    Raises:
        ValueError: There is no such name, an option is out of its range, or ``max_epochs`` is
            needed.
        TypeError: The pruner has no such option, or it is of another type.

    Example:
        >>> create_pruner("asha", max_epochs=27)  # doctest: +ELLIPSIS
        <optuna.pruners._successive_halving.SuccessiveHalvingPruner object at ...>
    """
    if isinstance(name, BasePruner):
        if options:
            raise TypeError("a pruner that is made already takes no options")
        return name
    factory, constructor = lookup("early stopping", name, _PRUNERS)
    if name == "patient" and isinstance(options.get("wrapped_pruner"), str):
        # What it has no use for is for the pruner inside, which checks it.
        own = {key: value for key, value in options.items() if key in _PATIENT}
    else:
        own = options
    check_options(name, own, constructor)
    _check_types(name, own, constructor)
    if max_epochs is not None and max_epochs < 1:
        raise ValueError(f"`max_epochs` must be at least 1 but got {max_epochs}")
    with warnings.catch_warnings():
        # Chosen here by name, and covered by tests: the user need not be warned each time.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return factory(max_epochs, dict(options))


def _check_types(owner: str, options: Mapping[str, Any], constructor: type[BasePruner]) -> None:
    """Check numbers by the constructor's annotations; pruners compare them, and fail obscurely."""
    parameters = inspect.signature(constructor).parameters
    for name, value in options.items():
        declared = parameters[name].annotation
        kinds = (declared if isinstance(declared, str) else declared.__name__).split(" | ")
        if value is None and "None" in kinds:
            continue
        # "auto", where Optuna takes it, is guessed by each process for itself: not taken here.
        if "int" in kinds and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f"`{name}` of {owner} must be an integer but got {value!r}.")
        if "float" in kinds and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeError(f"`{name}` of {owner} must be a number but got {value!r}.")


# --- several objectives -----------------------------------------------------------------------


def default_pruner(objectives: int) -> str:
    """Return the name of the early stopping that a search has if none is asked for."""
    return "median" if objectives == 1 else "multi_objective"


def check_objectives(name: str | BasePruner, objectives: int) -> None:
    """Check that early stopping can judge trials with so many objectives.

    Args:
        name: A name of ``create_pruner``, or a pruner.

    Raises:
        ValueError: It can't; the message says what can.
    """
    if objectives == 1 or _serves_several(name):
        return
    shown = name if isinstance(name, str) else type(name).__name__
    raise ValueError(
        f"early stopping by {shown} is for one objective but there are {objectives}: use "
        "multi_objective, or none to train all to the end"
    )


def check_pruner(study: Study) -> None:
    """Check that a study's pruner can judge its trials.

    Raises:
        StudyError: It is for one objective, and the study has several.
    """
    try:
        check_objectives(study.pruner, len(study.directions))
    except ValueError as error:
        if isinstance(study.pruner, MedianPruner) and vars(study.pruner) == vars(MedianPruner()):
            # Optuna's own choice where none was made: nobody asked for it, so it is no error.
            _log.warning(
                "Optuna's default pruner stops no trial with several objectives: create the study "
                "with pruner=create_pruner('multi_objective', max_epochs=...), or NopPruner()"
            )
            return
        raise StudyError(str(error)) from error


def _serves_several(pruner: str | BasePruner) -> bool:
    if isinstance(pruner, str):
        if pruner not in _PRUNERS:
            return True  # a wrong name is another error, with the right names in it
        return pruner == "none" or getattr(_PRUNERS[pruner][1], "several_objectives", False)
    return isinstance(pruner, NopPruner) or getattr(pruner, "several_objectives", False)


def may_stop_at(pruner: BasePruner, step: int, objectives: int = 1) -> bool:
    """Return whether a pruner can decide anything at a step.

    Asking costs several statements on the database, so it is asked only where it has a rung.

    Args:
        step: From 1.
        objectives: Of the study; a pruner for one decides nothing about several.
    """
    if isinstance(pruner, NopPruner) or (objectives > 1 and not _serves_several(pruner)):
        return False
    if isinstance(pruner, MultiObjectivePruner):
        return pruner.has_rung(step)
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


# --- strategies of one's own ------------------------------------------------------------------


class EarlyStoppingStrategy(BasePruner, ABC):
    """Base class of early stopping of one's own; it is a pruner, and goes wherever one goes.

    Write ``should_stop``. Give an instance to ``AutoMLEngine(early_stopping=...)``, to
    ``create_pruner``, or to ``optuna.create_study(pruner=...)``. It serves one objective and
    several; with several, outside of our objective, trials report by
    ``pruners.multi_objective.report_vector`` and ask by ``should_prune`` there.

    A search in several processes has one copy in each: what a strategy keeps in itself is not
    shared, ``history`` is.

    Args:
        name: Shown where the strategy is named; by default its class's name.

    Example:
        >>> class Behind(EarlyStoppingStrategy):
        ...     def should_stop(self, trial_id, step, metrics, history):
        ...         (name,) = metrics
        ...         others = [curve[step][name] for number, curve in history.items()
        ...                   if number != trial_id and step in curve]
        ...         return step >= 3 and bool(others) and metrics[name] < max(others) - 0.2
        >>> study = optuna.create_study(direction="maximize", pruner=Behind())
    """

    #: Whether trials with several objectives can be judged.
    several_objectives = True

    def __init__(self, name: str | None = None) -> None:
        self.name = type(self).__name__ if name is None else name

    @abstractmethod
    def should_stop(
        self, trial_id: int, step: int, metrics: Mapping[str, float], history: History
    ) -> bool:
        """Return whether to give a trial up.

        Called after each step that the trial reports.

        Args:
            trial_id: Number of the trial in the study.
            step: The epoch that it has just finished, from 1.
            metrics: What is optimised, name to value at this step; costs among the objectives
                too. In a study of another program the names are the study's metric names, else
                ``value``, or ``value_0``, ``value_1``, ... with several objectives.
            history: Trial number to step to such metrics, for every trial that reported anything
                and did not fail, those that still run and this one included. It is a copy.
        """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Ask ``should_stop`` about the last step that a trial reported.

        Raises:
            TypeError: Its answer is neither true nor false.
        """
        names = _metric_names(study)
        own = _curve(study, trial, names)
        if not own:
            return False
        step = max(own)
        history = {
            other.number: curve
            for other in study.get_trials(deepcopy=False, states=_COUNTED)
            if (curve := _curve(study, other, names))
        }
        history[trial.number] = own
        answer = self.should_stop(trial.number, step, dict(own[step]), history)
        if not isinstance(answer, bool | np.bool_):
            raise TypeError(
                f"{type(self).__name__}.should_stop must return True or False but got {answer!r}."
            )
        return bool(answer)


_COUNTED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def _metric_names(study: Study) -> list[str]:
    count = len(study.directions)
    ours = study.user_attrs.get("metrics")  # written by our objective, joined by commas
    names = ours.split(",") if isinstance(ours, str) else study.metric_names
    if names and len(names) == count:
        return list(names)
    return ["value"] if count == 1 else [f"value_{number}" for number in range(count)]


def _curve(study: Study, trial: FrozenTrial, names: list[str]) -> dict[int, dict[str, float]]:
    return {
        step: dict(zip(names, values, strict=True))
        for step, values in reported(study, trial).items()
    }
