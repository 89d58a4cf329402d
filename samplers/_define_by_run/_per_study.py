"""What a sampler keeps of each study that it serves."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

_T = TypeVar("_T")


class PerStudy(Generic[_T]):
    """One value for each study, as long as its storage lives; with a lock for those who work on it.

    Pickled, it is empty: what was kept can be read from the study again.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # Several study objects may stand for one study.
        self._values: weakref.WeakKeyDictionary[BaseStorage, dict[int, _T]]
        self._values = weakref.WeakKeyDictionary()

    def of(self, study: Study, make: Callable[[], _T]) -> _T:
        """The value of a study; made where there is none."""
        values = self._values.setdefault(study._storage, {})
        if study._study_id not in values:
            values[study._study_id] = make()
        return values[study._study_id]

    def all(self) -> list[_T]:
        """Every value that is kept."""
        return [value for values in self._values.values() for value in values.values()]

    def __reduce__(self) -> tuple[type[PerStudy[_T]], tuple[()]]:
        return PerStudy, ()
