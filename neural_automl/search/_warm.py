"""The warm start of an engine's search, by the name that its option has."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import optuna

from neural_automl.exceptions import StudyError
from neural_automl.executor import BaseExecutor, create_executor
from neural_automl.registry import space_of
from neural_automl.studies import load_study
from neural_automl.warm_start import (
    WARM_START,
    ZERO_COST,
    check_warm_start,
    finish_warm_start,
    warm_start,
)
from neural_automl.workers._budget import Budget

if TYPE_CHECKING:
    from neural_automl.objective import ArchitectureObjective

Earlier: TypeAlias = "str | optuna.Study | Sequence[str | optuna.Study]"
_OPTIONS: Final = ("candidates", "trials", "random", "proxies", "file", "progress")
_DEFAULT: Final = {"trials": 8, "random": 2, "candidates": 1000}


def check_options(by: Earlier | None, options: Mapping[str, Any]) -> None:
    """Check the options of a warm start before anything is read.

    Raises:
        TypeError: There is no such option.
        ValueError: One is out of its range, or there is nothing to warm start.
    """
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(
                f"a warm start has no option {name!r}; there are: {', '.join(_OPTIONS)}"
            )
    if by is None:
        if options:
            raise ValueError("`warm_start_options` are given but no `warm_start`")
        return
    given = {**_DEFAULT, **options}
    check_warm_start(ZERO_COST, given["candidates"], given["trials"], given["random"])
    if not isinstance(by, str | optuna.Study) and not by:
        raise ValueError("`warm_start` must name at least one earlier study but is empty")


def proxies_of(by: object, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the proxies whose scores the trials of a search keep: those that began it."""
    if by != ZERO_COST:
        return ()
    from neural_automl.zero_cost import DEFAULT_PROXIES, check_proxies

    return check_proxies(options.get("proxies") or DEFAULT_PROXIES)


def find_earlier(
    by: Earlier | None, storage: str, name: str
) -> Literal["zero_cost"] | list[optuna.Study] | None:
    """Return what a search is warm started by, with the studies that are named; None by nothing.

    Args:
        by: ``zero_cost``, or earlier studies, or names of studies in the same storage.
        storage: URL.
        name: Of the study that will be searched: one that was warm started needs no other any more.

    Raises:
        StudyError: There is no such study, or it holds no space of architectures.
    """
    if by is None:
        return None
    if by == ZERO_COST:
        return "zero_cost"
    named = [by] if isinstance(by, str | optuna.Study) else list(by)
    try:
        earlier = [load_study(storage, s) if isinstance(s, str) else s for s in named]
        for study in earlier:
            space_of(study)
    except StudyError:
        if _was_warm_started(storage, name):
            return []
        raise
    return earlier


def _was_warm_started(storage: str, name: str) -> bool:
    try:
        return WARM_START in load_study(storage, name).user_attrs
    except StudyError:  # not made yet
        return False


def begin_warm(
    study: optuna.Study,
    objective: ArchitectureObjective,
    by: Literal["zero_cost"] | Sequence[optuna.Study],
    options: Mapping[str, Any],
    executor: str | BaseExecutor,
    max_workers: int,
) -> None:
    """Queue the first trials of a search, once; none where its budget is spent.

    Args:
        study: That is searched, with its budget.
        objective: Gives space, evaluator and seed.
        by: As ``find_earlier`` gives it.
        options: Of ``warm_start``.
        executor: Of the search; one of processes scores networks too.
        max_workers: Of the search.
    """
    if Budget(study).is_spent():
        return
    if WARM_START in study.user_attrs:
        finish_warm_start(study)
        return
    with contextlib.ExitStack() as stack:
        made = None
        if executor == "process" and max_workers > 1:
            made = stack.enter_context(create_executor("process", max_workers))
        warm_start(
            study,
            objective.space,
            by,
            evaluator=objective.evaluator,
            seed=objective.seed,
            executor=made,
            **options,
        )
