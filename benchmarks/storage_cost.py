"""What a trial costs on each storage, beside bare Optuna that writes the same.

    python benchmarks/storage_cost.py

25 choices, 10 reports, the same constraints and user attributes a trial, nothing trained, no
artifacts; both sides in turns on fresh studies of one storage. The SQL statements of a trial are
counted where they are made: behind the proxy, they are those of its server. The bar is 1.15.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages._grpc.server import make_server
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.objective_overhead import (
    REPORTS,
    Objective,
    SleeplessEvaluator,
    bare,
    seconds,
    space,
)
from neural_automl.objective import ArchitectureObjective
from neural_automl.studies import open_storage
from neural_automl.workers._worker import work
from tests.servers import PostgresServer, free_port

BAR = 1.15
KINDS = ("sqlite", "postgresql", "journal", "grpc")


class Statements:
    """Counts the SQL statements of a storage."""

    def __init__(self, storage: BaseStorage) -> None:
        self.count = 0
        backend = getattr(storage, "_backend", storage)
        if isinstance(backend, RDBStorage):
            event.listen(backend.engine, "before_cursor_execute", self._add)

    def _add(self, *_: object) -> None:
        self.count += 1


@contextlib.contextmanager
def opened(kind: str, folder: str) -> Iterator[tuple[BaseStorage, Statements]]:
    """Open a storage; the counter is that of the process that talks to the database."""
    if kind == "postgresql":
        server = PostgresServer()
        try:
            storage = open_storage(server.new_database())
            yield storage, Statements(storage)
            del storage
        finally:
            server.close()
    elif kind == "grpc":
        behind = get_storage(open_storage(f"sqlite:///{folder}/behind.db"))
        port = free_port()
        proxy = make_server(behind, "127.0.0.1", port, ThreadPoolExecutor(4))
        proxy.start()
        try:
            yield open_storage(f"grpc://127.0.0.1:{port}"), Statements(behind)
        finally:
            proxy.stop(0).wait()
    else:
        storage = open_storage(f"{kind}:///{folder}/study.{kind}")
        yield storage, Statements(storage)


def new_study(storage: BaseStorage) -> optuna.Study:
    return optuna.create_study(
        storage=storage,
        study_name=uuid.uuid4().hex,
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )


def measure(kind: str, trials: int, pairs: int) -> float:
    """Print the figures of one storage and return the ratio."""
    ours = ArchitectureObjective(space(), SleeplessEvaluator(), epochs=REPORTS, artifact_store=None)
    with tempfile.TemporaryDirectory() as folder, opened(kind, folder) as (storage, statements):
        first = new_study(storage)
        first.set_user_attr("max_trials", 2)
        work(first, ours)
        template = first.trials[-1]
        sides: dict[str, Objective] = {"bare": bare(template), "ours": ours}
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        counts = {"bare": 0, "ours": 0}
        for _ in range(pairs):
            for side, objective in sides.items():
                study = new_study(storage)
                study.set_user_attr("max_trials", trials)
                before = statements.count
                if side == "ours":
                    times[side].append(_seconds_of_worker(study, ours))
                else:
                    times[side].append(seconds(study, objective, trials))
                counts[side] += statements.count - before
    ratio = statistics.median(a / b for a, b in zip(times["ours"], times["bare"], strict=True))
    cost = {side: 1000 * statistics.median(values) / trials for side, values in times.items()}
    each = {side: count / trials / pairs for side, count in counts.items()}
    print(
        f"{kind:>10}: ours {cost['ours']:.1f} ms and {each['ours']:.0f} statements a trial, bare "
        f"{cost['bare']:.1f} and {each['bare']:.0f}; ratio {ratio:.3f}",
        flush=True,
    )
    return ratio


def _seconds_of_worker(study: optuna.Study, objective: ArchitectureObjective) -> float:
    from time import perf_counter

    start = perf_counter()
    outcome = work(study, objective)
    assert outcome.reason == "budget", outcome
    return perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--storage", action="append", choices=KINDS)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ratios = [measure(kind, options.trials, options.pairs) for kind in options.storage or KINDS]
    print(f"largest ratio {max(ratios):.3f} (bar {BAR})")
    return int(max(ratios) > BAR)


if __name__ == "__main__":
    sys.exit(main())
