"""Architectures and training hyperparameters in one search: together, or one after the other."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import optuna

from neural_automl.architecture_space import ArchitectureSpace, Call, Choice, LogRange
from neural_automl.architecture_space._values import open_values
from neural_automl.hyperparameters import OPTIMIZERS, TRAINING
from neural_automl.parameters import Parameter, find_parameter
from neural_automl.registry import (
    architecture_of,
    best_trial,
    full_trainings,
    space_of,
    top_trials,
)
from neural_automl.search_strategies import check_strategy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from neural_automl.architecture import Architecture
    from neural_automl.search._options import EngineOptions
    from neural_automl.search._result import SearchResult

Mode: TypeAlias = Literal["joint", "sequential"]
MODES: Final = ("joint", "sequential")

#: Attribute of a study of architectures: the studies of hyperparameters after it, by their names,
#: with the number of the trial whose architecture each holds fixed.
CHILDREN: Final = "hpo_studies"

_RATE, _DECAY, _BATCH = "learning_rate", "weight_decay", "batch_size"
#: A learning rate is searched between a tenth and ten times of what the space says.
_SPREAD: Final = 10
_DECAYS: Final = (0.0, 1e-5, 1e-4, 1e-3)
#: AdamW multiplies it by the learning rate.
_DECOUPLED: Final = (0.0, 1e-3, 1e-2, 1e-1)
_ENDS: Final = ("interrupted", "timeout", "stopped")


# --- what is opened ---------------------------------------------------------------------------


def default_hyperparameters(space: ArchitectureSpace) -> dict[str, Any]:
    """Return what a search of hyperparameters opens in a space, by name.

    Of learning rate, weight decay and batch size, those that the space does not leave open itself.
    Each of them is searched around what the space says, or else around its default.
    """
    sections = space.hyperparameters
    optimizer: Call = sections.get("optimizer") or Call("Adam")
    training = sections.get("training", {})
    held = {
        _RATE: _held(OPTIMIZERS[optimizer.type], _RATE, optimizer.params),
        _DECAY: _held(OPTIMIZERS[optimizer.type], _DECAY, optimizer.params),
        _BATCH: _held(TRAINING, _BATCH, training),
    }
    decays = _DECOUPLED if optimizer.type == "AdamW" else _DECAYS
    opened: dict[str, tuple[str, Callable[[Any], Any]]] = {
        _RATE: ("optimizer", _around),
        _DECAY: ("optimizer", lambda decay: Choice(*sorted({*decays, float(decay)}))),
        _BATCH: ("training", lambda size: Choice(*sorted({max(1, size // 2), size, 2 * size}))),
    }
    return {
        f"{section}.{name}": open_it(held[name])
        for name, (section, open_it) in opened.items()
        if not any(True for _ in open_values(held[name]))
    }


def _held(parameters: Sequence[Parameter], name: str, values: Mapping[str, Any]) -> Any:
    parameter = find_parameter(tuple(parameters), name)
    return values.get(name, None if parameter is None else parameter.default)


def _around(rate: Any) -> Any:
    if isinstance(rate, Call):  # a schedule: where it begins
        begin = "initial_learning_rate"
        return Call(rate.type, {**rate.params, begin: _around(rate.params[begin])})
    # As it would be written: a tenth of 0.003 is 0.0003.
    return LogRange(float(f"{rate / _SPREAD:.12g}"), float(f"{rate * _SPREAD:.12g}"))


def open_training(
    space: ArchitectureSpace, hyperparameters: Mapping[str, Any] | None = None
) -> ArchitectureSpace:
    """Return a space whose training is open.

    Args:
        space: Stays as it is.
        hyperparameters: As a space takes them; by default ``default_hyperparameters``.

    Raises:
        SpaceError: There is no such hyperparameter, or a value breaks a rule.
    """
    return _with_layers(space, space.nodes, hyperparameters, constraints=space.constraints)


def hold_fixed(
    space: ArchitectureSpace,
    architecture: Architecture,
    hyperparameters: Mapping[str, Any] | None = None,
) -> ArchitectureSpace:
    """Return the space of one architecture, in which only the training is open.

    Args:
        space: That the architecture is of; its training is taken from there.
        architecture: Its layers are held fixed.
        hyperparameters: As for ``open_training``.
    """
    layers = [layer.to_dict() for layer in architecture.layers]
    return _with_layers(space, layers, hyperparameters)


def _with_layers(
    space: ArchitectureSpace,
    layers: Any,
    hyperparameters: Mapping[str, Any] | None,
    constraints: Any = (),
) -> ArchitectureSpace:
    made = ArchitectureSpace(
        space.input_shape, layers, space.hyperparameters, constraints, name=space.name
    )
    chosen = default_hyperparameters(space) if hyperparameters is None else hyperparameters
    for name, value in chosen.items():
        if name == "training" and isinstance(value, Mapping):
            for key, element in value.items():
                made.add_hyperparameter(f"training.{key}", element)
        else:
            made.add_hyperparameter(name, value)
    return made


# --- one after the other ----------------------------------------------------------------------


def check_hpo(
    options: EngineOptions,
    space: ArchitectureSpace,
    mode: str,
    n_trials: int,
    top_k: int,
    architecture_trials: int | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> None:
    """Check what a search with hyperparameters is asked for, before anything is trained.

    Args:
        options: Of the engine.
        space: What will be searched.
        mode: Among ``MODES``.
        n_trials: Trials that shall train.
        top_k: Architectures that are gone on with.
        architecture_trials: Trials of the first search, or None.
        hyperparameters: As for ``open_training``.

    Raises:
        ValueError: An option is out of its range, or does not go with another, or the strategy
            can't search hyperparameters.
        SpaceError: There is no such hyperparameter, or a value breaks a rule.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)} but got {mode!r}.")
    if n_trials < 1:
        raise ValueError(f"`n_trials` must be at least 1 but got {n_trials}.")
    if top_k < 1:
        raise ValueError(f"`top_k` must be at least 1 but got {top_k}.")
    if mode == "joint":
        if architecture_trials is not None:
            raise ValueError("`architecture_trials` is of the mode sequential.")
        opened = open_training(space, hyperparameters)
    else:
        _check_in_turn(options, n_trials, architecture_trials)
        example = space.sample_architecture(seed=0)
        opened = hold_fixed(space, example, hyperparameters)
    check_strategy(options.search_strategy, options.sampler_options, space=opened)


def _check_in_turn(options: EngineOptions, n_trials: int, architecture_trials: int | None) -> None:
    if n_trials < 2:
        raise ValueError(f"`n_trials` must be at least 2 in sequence but got {n_trials}.")
    if architecture_trials is not None and not 1 <= architecture_trials < n_trials:
        raise ValueError(
            f"`architecture_trials` must be at least 1 and below `n_trials`, {n_trials}, but got "
            f"{architecture_trials}."
        )
    if len(options.metric_names or ("",)) > 1:
        raise ValueError(
            "with several metrics no architecture is the best to go on with: give mode='joint'."
        )


def search_in_turn(
    options: EngineOptions,
    space: ArchitectureSpace,
    search: Callable[[EngineOptions, ArchitectureSpace, int, float | None], SearchResult],
    *,
    n_trials: int,
    top_k: int,
    architecture_trials: int | None,
    hyperparameters: Mapping[str, Any] | None,
    timeout: float | None,
) -> SearchResult:
    """Search architectures, then the hyperparameters of each of the best, in studies of their own.

    Args:
        options: Of the first search.
        space: What is searched.
        search: Searches a space with some options, until so many trials of its study have
            trained, for so many seconds.
        n_trials: Trials that shall train in all studies together.
        top_k: Architectures that are gone on with.
        architecture_trials: Trials of the first search; by default half of all.
        hyperparameters: As for ``open_training``.
        timeout: Seconds for all of it.

    Returns:
        The result of the study with the best trial.
    """
    after = replace(options, warm_start=None, warm_start_options=None, predictor=False)
    # Of its own kind each: one that is an object learns from the study that it is in.
    strategy = copy.deepcopy(options.search_strategy)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    first = architecture_trials or n_trials - n_trials // 2
    results = [search(options, space, first, timeout)]
    study = results[0].study
    chosen = {f"{study.study_name}-trial{trial.number}": trial for trial in _best(study, top_k)}
    earlier = _children(study)
    results += [replace(results[0], study=earlier[name]) for name in earlier if name not in chosen]
    trained = {name: math.ceil(full_trainings(each)) for name, each in earlier.items()}
    spare = n_trials - math.ceil(full_trainings(study)) - sum(trained.values())
    waiting = list(chosen)
    for name, trial in chosen.items():
        # What a study leaves, as its hyperparameters are all tried, the others have.
        before = trained.get(name, 0)
        budget = _level([trained.get(other, 0) for other in waiting], spare)
        waiting.remove(name)
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            results[-1] = replace(results[-1], stop_reason="timeout")
        if results[-1].stop_reason in _ENDS or budget <= before:
            results += [replace(results[-1], study=earlier[name])] if name in earlier else []
            continue
        children = study.user_attrs.get(CHILDREN, {})
        study.set_user_attr(CHILDREN, {**children, name: trial.number})
        fixed = hold_fixed(space, architecture_of(space, trial), hyperparameters)
        stage = replace(after, search_strategy=copy.deepcopy(strategy), study_name=name)
        results.append(search(stage, fixed, budget, None if timeout is None else seconds))
        spare -= math.ceil(full_trainings(results[-1].study)) - before
    return _joint(results)


def _level(trained: Sequence[int], spare: int) -> int:
    """Return to how many each must come, that so many more are shared out and all come close."""
    ranked = sorted(trained)
    for count in range(1, len(ranked) + 1):
        level = math.ceil((spare + sum(ranked[:count])) / count)
        if count == len(ranked) or level <= ranked[count]:
            return level
    return 0


def _children(study: optuna.Study) -> dict[str, optuna.Study]:
    """Return the studies of hyperparameters that were begun after one of architectures."""
    storage = study._storage
    made = set(optuna.get_all_study_names(storage))
    names = [name for name in study.user_attrs.get(CHILDREN, {}) if name in made]
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def _best(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """Return the best trials whose networks compute different functions."""
    found: dict[str, FrozenTrial] = {}
    for trial in top_trials(study, len(study.get_trials(deepcopy=False))):
        found.setdefault(trial.user_attrs.get("architecture_key", str(trial.number)), trial)
    return list(found.values())[:count]


def _joint(results: Sequence[SearchResult]) -> SearchResult:
    """Return the result of the study with the best trial."""
    reasons = [result.stop_reason for result in results]
    usual = ("budget", "space exhausted", "trained already")
    reason = min(reasons, key=usual.index) if reasons[-1] in usual else reasons[-1]
    best = results[_best_of([result.study for result in results])]
    names = tuple(result.study.study_name for result in results)
    return replace(best, space=space_of(best.study), stop_reason=reason, studies=names)


def _best_of(studies: Sequence[optuna.Study]) -> int:
    """Return the place of the study with the best trial, the first of equals; 0 without any."""
    sign = -1.0 if studies[0].direction.name == "MAXIMIZE" else 1.0
    best = [best_trial(study) for study in studies]
    values = [math.inf if trial is None else sign * float(trial.values[0]) for trial in best]
    return min(range(len(studies)), key=values.__getitem__)


# --- looking at it later ----------------------------------------------------------------------


def best_first(studies: Sequence[optuna.Study]) -> list[optuna.Study]:
    """Return the studies of one search in sequence, that with the best trial first.

    None of them where they are those of several searches.
    """
    names = {study.study_name for study in studies}
    for study in studies:
        children = study.user_attrs.get(CHILDREN, {})
        if {study.study_name, *children} >= names:
            best = studies[_best_of(studies)]
            return [best, *(other for other in studies if other is not best)]
    return []


def search_of(studies: Sequence[optuna.Study]) -> optuna.Study:
    """Return the study that a search of several studies began with."""
    return next((study for study in studies if CHILDREN in study.user_attrs), studies[0])
