"""Nothing asks a network: import, search and report run where only this machine can be reached."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Loaded by every interpreter that has its folder on its path, those of workers too.
GUARD = """\
import ipaddress
import os
import sys


def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.bind"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if host in (None, "", b"", "localhost"):
        return  # a path of this machine, or this machine
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        if ipaddress.ip_address(text.partition("%")[0]).is_loopback:
            return
    except ValueError:
        pass
    if event == "socket.bind" and text in ("0.0.0.0", "::"):
        return  # listens, asks nobody
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.write(f"{event} {text}\\n")
    raise ConnectionRefusedError(f"{event} {text}: no network here")


sys.addaudithook(note)
"""
SEARCH = """\
import neural_automl
from neural_automl import AutoMLEngine, load_data
from neural_automl.tracking import create_tracker

text = '''network Small {
  input: (8, 8, 1)
  layers:
    Flatten()
    Dense(choice(8, 12, 16), "relu")
    Dense(10)
  train { epochs: 1 }
}
'''
options = {
    "mlflow": {"tracking_uri": "sqlite:///mlflow.db"},
    "tensorboard": {"folder": "events"},
    "wandb": {"folder": "."},
}
"""
CODES = {
    "search and report": SEARCH
    + """
engine = AutoMLEngine(search_strategy="random", output_dir="out", max_workers=2,
    executor_type="process")
result = engine.search(text, load_data("digits"), max_trials=2)
result.report("report.html")
assert result.study.trials
""",
    "trackers": SEARCH
    + """
for name in options:
    engine = AutoMLEngine(search_strategy="random", output_dir=name, tracking=name,
        tracking_options=options[name])
    engine.search(text, load_data("digits"), max_trials=1)
""",
}

CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80))"


def run(code: str, folder: Path) -> tuple[int, str, str]:
    """Run a program under the guard; return its code, what was asked for, and its errors."""
    (folder / "sitecustomize.py").write_text(GUARD)
    log = folder / "log"
    log.touch()
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    # As a user's, not as a test's or CI's: some programs ask nobody there.
    hidden = ("CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment |= {"PYTHONPATH": path, "GUARD_LOG": str(log), "OMP_NUM_THREADS": "1"}
    environment |= {
        f"WANDB_{kind}_DIR": str(folder / "home") for kind in ("DATA", "CACHE", "CONFIG")
    }
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, log.read_text(), ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES.values(), ids=list(CODES))
def test_no_network_is_asked_for(code: str, tmp_path: Path) -> None:
    returncode, asked, errors = run(code, tmp_path)

    assert returncode == 0, errors
    assert asked == ""


@pytest.mark.parametrize(
    "code",
    [
        CONNECT,
        "import urllib.request as r; r.urlopen('http://example.invalid')",
        "from socket import *; socket(AF_INET, SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))",
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CONNECT!r}], check=True)",
    ],
    ids=["connection", "name", "datagram", "child"],
)
def test_the_guard_sees(code: str, tmp_path: Path) -> None:
    returncode, asked, errors = run(code, tmp_path)

    assert returncode != 0
    assert asked != ""
    assert "no network here" in errors


def test_the_guard_lets_this_machine_pass(tmp_path: Path) -> None:
    code = "import socket; a = socket.create_server(('127.0.0.1', 0)); "
    code += "socket.create_connection(a.getsockname())"

    assert run(code, tmp_path)[:2] == (0, "")
