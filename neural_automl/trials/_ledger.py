"""Where the time of a trial goes, and what a study kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

#: Attribute of a trial: seconds by kind.
SECONDS: Final = "seconds"
#: Attribute of a trial that was answered: epochs that the equal training had taken.
KNOWN_EPOCHS: Final = "known_epochs"
#: Attribute of a study: what its searches spent and saved, as of the end of the last one.
LEDGER: Final = "ledger"

Kind: TypeAlias = Literal["training", "proposing", "storing", "waiting"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Stopwatch:
    """Seconds of one trial by kind; what is measured inside something else is not its own.

    Args:
        clock: Returns seconds.

    Example:
        >>> watch = Stopwatch(iter([0.0, 2.0, 5.0, 6.0]).__next__)
        >>> with watch.on("training"), watch.on("storing"):
        ...     pass
        >>> watch.seconds["training"], watch.seconds["storing"]
        (3.0, 3.0)
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._running: list[Kind] = []
        self._since = 0.0
        self.seconds: dict[str, float] = dict.fromkeys(KINDS, 0.0)

    @contextmanager
    def on(self, kind: Kind) -> Iterator[None]:
        """Measure a block."""
        self._turn()
        self._running.append(kind)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def _turn(self) -> None:
        now = self._clock()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def write(self, trial: Trial) -> None:
        """Write what was measured into a trial, by one statement."""
        seconds = {kind: round(value, 6) for kind, value in self.seconds.items()}
        trial.set_user_attr(SECONDS, seconds)


def total_seconds(trials: Iterable[FrozenTrial]) -> dict[str, float]:
    """Return the seconds of trials by kind, summed; what another program wrote counts as 0."""
    total = dict.fromkeys(map(str, KINDS), 0.0)
    for trial in trials:
        kept = trial.user_attrs.get(SECONDS)
        if isinstance(kept, dict):
            for kind in KINDS:
                value = kept.get(kind)
                total[kind] += value if isinstance(value, int | float) else 0.0
    return {kind: round(value, 6) for kind, value in total.items()}
