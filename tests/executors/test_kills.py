"""Workers that are killed at any moment: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from neural_automl.engine import AutoMLEngine
from neural_automl.executor import ProcessExecutor
from tests.executors.searches import check_complete, wide_space
from tests.executors.steps import StepEvaluator, check_log, read_log, state_after, value_of
from tests.servers import PostgresServer

EPOCHS = 8


@contextlib.contextmanager
def killing(
    executor: ProcessExecutor, log: Path, *, kills: int, trials: int, seed: int
) -> Iterator[list[int]]:
    """Kill workers that have begun to train, spread over a search; give what was killed."""
    rng, killed, ended = random.Random(seed), list[int](), threading.Event()

    def trained() -> list[int]:
        events = [event for events in read_log(log).values() for event in events]
        return [event.process for event in events if event.what == "train"]

    def run() -> None:
        for index in range(kills):
            due = (index + rng.random()) * 0.4 * trials * EPOCHS / kills
            while not ended.wait(0.02):
                processes = trained()
                alive = {child.pid for child in executor._children if child.poll() is None}
                victims = sorted(alive.intersection(processes))
                if len(processes) < due or not victims:
                    continue
                time.sleep(0.3 * rng.random())
                victim = rng.choice(victims)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
                break

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_workers_killed_at_random_moments(
    tmp_path: Path,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verify: bool,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = postgres.new_database() if kind == "postgresql" else f"sqlite:///{tmp_path}/study.db"
    trials, kills = (60, 10) if verify else (20, 4)
    log = tmp_path / "log"
    with (
        ProcessExecutor(4, max_restarts=kills) as executor,
        killing(executor, log, kills=kills, trials=trials, seed=8) as killed,
    ):
        engine = AutoMLEngine(
            search_strategy="random",
            early_stopping="median",
            executor_type=executor,
            max_workers=4,
            storage=url,
            output_dir=tmp_path,
        )
        result = engine.search(
            wide_space(),
            evaluator=StepEvaluator(log, 0.12),
            max_trials=trials,
            max_epochs_per_trial=EPOCHS,
        )

    went_on = check_log(log)
    retried = [trial for trial in result.study.trials if trial.user_attrs.get("attempts")]
    resumed = [trial for trial in retried if trial.user_attrs.get("resumed_at", 0) > 0]
    with capsys.disabled():
        sys.stderr.write(
            f"\n{kind}: {trials} trials, {len(killed)} kills, {len(retried)} taken up again, "
            f"{len(resumed)} after epoch 0, {went_on} attempts went on\n"
        )
    assert result.stop_reason == "budget"
    assert len(killed) == kills
    check_complete(result.study, trials)
    assert "no_checkpoint" not in {name for t in result.study.trials for name in t.user_attrs}
    assert len(resumed) >= kills // 3
    for trial in result.study.trials:
        if trial.value is not None and trial.state.name == "COMPLETE":
            width, seed = trial.params["layers[0].Dense.units"], trial.user_attrs["seed"]
            assert trial.value == value_of(width, state_after(seed, EPOCHS))
            assert len(trial.intermediate_values) == EPOCHS
    assert not list(tmp_path.glob("**/checkpoint-*"))
