"""The warm start of an engine's search, by the name that its option has."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import optuna

from neural_automl.executor import BaseExecutor, create_executor
from neural_automl.studies import load_study
from neural_automl.warm_start import WARM_START, ZERO_COST, check_warm_start, warm_start

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


def begin_warm(
    study: optuna.Study,
    objective: ArchitectureObjective,
    by: Earlier,
    options: Mapping[str, Any],
    storage: str,
    executor: str | BaseExecutor,
    max_workers: int,
) -> None:
    """Queue the first trials of a search, once.

    Args:
        study: That is searched.
        objective: Gives space, evaluator and seed.
        by: ``zero_cost``, or earlier studies, or names of studies in the same storage.
        options: Of ``warm_start``.
        storage: URL.
        executor: Of the search; one of processes scores networks too.
        max_workers: Of the search.

    Raises:
        StudyError: There is no such study.
    """
    named = [by] if isinstance(by, str | optuna.Study) else list(by)
    earlier: Any = ZERO_COST
    if by != ZERO_COST and WARM_START not in study.user_attrs:
        earlier = [load_study(storage, s) if isinstance(s, str) else s for s in named]
    with contextlib.ExitStack() as stack:
        made = None
        if executor == "process" and max_workers > 1 and WARM_START not in study.user_attrs:
            made = stack.enter_context(create_executor("process", max_workers))
        warm_start(
            study,
            objective.space,
            earlier,
            evaluator=objective.evaluator,
            seed=objective.seed,
            executor=made,
            **options,
        )
