"""Where something lesser than what was asked for is no answer: a fallback ends the search."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from neural_automl.exceptions import FallbackWarning, StudyError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_ADVICE = "; without `strict` the search goes on, and the study keeps what was replaced"


def add_fallback(study: optuna.Study, what: str) -> None:
    """Write into a study what was replaced by something lesser."""
    known = list(study.user_attrs.get("fallbacks", ()))
    if what not in known:
        study.set_user_attr("fallbacks", [*known, what])


@contextlib.contextmanager
def fallbacks_forbidden(
    strict: bool,
) -> Iterator[list[Callable[[optuna.Study, FrozenTrial], None]]]:
    """Turn a fallback into an error, if asked to.

    Args:
        strict: Whether to; otherwise nothing changes.

    Yields:
        Callbacks for the study: a fallback within a trial fails it, and one of these raises.

    Raises:
        StudyError: Something was to be replaced by something lesser.
    """
    if not strict:
        yield []
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        try:
            yield [_raise_of_trial]
        except FallbackWarning as warning:
            raise StudyError(f"{warning}{_ADVICE}") from warning


def _raise_of_trial(study: optuna.Study, trial: FrozenTrial) -> None:
    if trial.state is not TrialState.FAIL:
        return
    last = trial.user_attrs.get("error", "").strip().rpartition("\n")[2]
    _, found, reason = last.partition(f"{FallbackWarning.__name__}: ")
    if found:
        raise StudyError(f"{reason}{_ADVICE}")
