"""The study page of optuna-dashboard with 1,000 trials of ours, beside that of plain Optuna.

    python benchmarks/dashboard.py [--trials 1000] [--pairs 10] [--picture FILE.png]

Both lie in one SQLite file, which optuna-dashboard serves as it comes. Ours is that of
benchmarks/report.py with all that a search leaves in a trial (22 attributes, the curve, records of
three artifacts) and with the notes and figures of a dashboard; the other has the same choices,
curves and values alone. Timed are, in turns: the answer that the page waits for, with all trials,
and the one that it asks for again and again, with what is new. A picture is taken by Chromium; the
time printed with it is that of the browser from its start. The bars are ratios of medians.
"""

from __future__ import annotations

import argparse
import json
import runpy
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial

from neural_automl.report import publish

make_study = runpy.run_path(str(Path(__file__).with_name("report.py")))["make_study"]

WHOLE_RATIO, AGAIN_RATIO = 1.5, 2.0
#: What a search writes beside what benchmarks/report.py has, of the usual length.
FURTHER: dict[str, Any] = {
    "depth": 8,
    "peak_memory_bytes": 13920,
    "device": "cpu",
    "data_fingerprint": "0" * 32,
    "evaluator_fingerprint": "1" * 32,
    "training_key": "2" * 32,
    "seconds": {"training": 1.0, "proposing": 0.02, "storing": 0.1, "waiting": 0.0},
    "seed": 713683445,
    "best_epoch": 9,
    "train_loss": 0.4,
    "train_loss.best": 0.39,
    "val_loss": 0.5,
    "val_loss.best": 0.49,
}


def fill(url: str, trials: int) -> None:
    """Write both studies, of the same trials."""
    made = make_study(trials)
    ours = optuna.create_study(storage=url, study_name="ours", direction="maximize")
    for name, value in made.user_attrs.items():
        ours.set_user_attr(name, value)
    ours.add_trials([_full(trial) for trial in made.trials])
    publish(ours)
    plain = optuna.create_study(storage=url, study_name="plain", direction="maximize")
    plain.add_trials([_bare(trial) for trial in made.trials])


def _full(trial: FrozenTrial) -> FrozenTrial:
    last = trial.intermediate_values[trial.last_step or 1]
    files = {
        f"artifacts:{trial.number}-{name}": json.dumps(
            {"artifact_id": f"{trial.number}-{name}", "filename": name, "mimetype": "text/plain"}
        )
        for name in ("model.py", "weights.safetensors", "curve.json")
    }
    attributes = {**trial.user_attrs, **FURTHER, "val_accuracy": last, "val_accuracy.best": last}
    return _copy(trial, user_attrs=attributes, system_attrs=files)


def _bare(trial: FrozenTrial) -> FrozenTrial:
    return _copy(trial)


def _copy(trial: FrozenTrial, **attributes: Any) -> FrozenTrial:
    copied = create_trial(
        state=trial.state,
        value=trial.value,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
        **attributes,
    )
    copied.datetime_start = trial.datetime_start
    copied.datetime_complete = trial.datetime_complete
    return copied


# --- asking --------------------------------------------------------------------------------------


def serve(url: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    if not Path(program).exists():
        program = shutil.which("optuna-dashboard") or program
    process = subprocess.Popen(
        [program, "--port", str(port), "--host", "127.0.0.1", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, f"http://127.0.0.1:{port}"


def ask(url: str) -> tuple[float, bytes]:
    """Return how long an answer takes, and the answer."""
    begin = time.perf_counter()
    with urllib.request.urlopen(url, timeout=300) as response:
        content: bytes = response.read()
    return time.perf_counter() - begin, content


def studies(server: str) -> dict[str, int]:
    """Return the studies by name, once the server answers."""
    deadline = time.monotonic() + 120
    while True:
        try:
            found = json.loads(ask(f"{server}/api/studies")[1])["study_summaries"]
            return {each["study_name"]: each["study_id"] for each in found}
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def compare(server: str, path: str, pairs: int) -> tuple[dict[str, float], dict[str, float], float]:
    """Return the median seconds and the megabytes of both answers, and the ratio of the seconds."""
    numbers = studies(server)
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    sizes = {}
    for turn in range(pairs + 1):
        for name, found in times.items():
            seconds, content = ask(f"{server}/api/studies/{numbers[name]}{path}")
            sizes[name] = round(len(content) / 1e6, 2)
            if turn:  # the first fills the caches
                found.append(seconds)
    seconds_of = {name: round(statistics.median(found), 3) for name, found in times.items()}
    pairs_of = zip(times["ours"], times["plain"], strict=True)
    return seconds_of, sizes, statistics.median(ours / plain for ours, plain in pairs_of)


def picture(server: str, number: int, target: Path) -> float:
    """Take a picture of a study's page, and return the seconds that it took."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("a picture needs Chromium")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                f"--user-data-dir={profile}",
                "--virtual-time-budget=20000",
                "--window-size=1300,1500",
                f"--screenshot={target}",
                f"{server}/dashboard/studies/{number}",
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--picture", type=Path, help="of the page of our study")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", UserWarning)  # of importances that rest on few trials
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/studies.db"
        fill(url, options.trials)
        process, server = serve(url)
        try:
            studies(server)
            whole = compare(server, "", options.pairs)
            again = compare(server, f"?after={options.trials}", options.pairs)
            if options.picture is not None:
                for name, number in studies(server).items():
                    target = options.picture.with_stem(f"{options.picture.stem}_{name}")
                    print(f"page of {name}: {picture(server, number, target):.1f} s, {target}")
        finally:
            process.terminate()
            process.wait(timeout=60)
    for text, (seconds, sizes, ratio), bar in (
        ("all trials", whole, WHOLE_RATIO),
        ("what is new", again, AGAIN_RATIO),
    ):
        print(f"{text}: seconds {seconds}, MB {sizes}; ratio {ratio:.2f} (bar {bar:g})")
    return int(whole[2] > WHOLE_RATIO or again[2] > AGAIN_RATIO)


if __name__ == "__main__":
    sys.exit(main())
