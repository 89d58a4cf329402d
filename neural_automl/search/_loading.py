"""Studies of earlier searches, found by folder, storage or name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from neural_automl.exceptions import StudyError
from neural_automl.search._hpo import best_first
from neural_automl.studies import load_study, masked, open_storage, storage_errors, storage_url

if TYPE_CHECKING:
    from collections.abc import Sequence


def find_source(source: str | Path, storage: str) -> tuple[str, str | None]:
    """Return the URL that a source means, and the name of a study if it is one.

    Args:
        source: A folder that a search wrote into, a storage as URL or SQLite file, or the name of
            a study.
        storage: URL of the one that a name is looked for in.

    Raises:
        StudyError: It is none of these.
    """
    if "://" in str(source) or Path(source).exists():
        return storage_url(source), None
    try:
        names = _names(storage)
    except StudyError:  # not made yet
        names = []
    if str(source) in names:
        return storage, str(source)
    held = f", which holds: {', '.join(sorted(names))}" if names else ""
    raise StudyError(
        f"there is no folder or database {source}, nor a study of that name in "
        f"{masked(storage)}{held}"
    )


def load_search(storage: str, name: str | None) -> list[optuna.Study]:
    """Return the study of a search; of one with hyperparameters in sequence all, the best first.

    Args:
        storage: URL.
        name: Of one study, which is returned alone.

    Raises:
        StudyError: There is no such study, or there are those of several searches and no name.
    """
    names = _names(storage) if name is None else []
    if len(names) > 1:
        opened = open_storage(storage, must_exist=True)
        with storage_errors(storage):
            studies = [optuna.load_study(study_name=each, storage=opened) for each in names]
            family = best_first(studies)
        if family:
            return family
    return [load_study(storage, name)]


def _names(storage: str) -> Sequence[str]:
    opened = open_storage(storage, must_exist=True)
    with storage_errors(storage):
        return optuna.get_all_study_names(opened)
