"""What holds for every command: data, exit codes, files of options, completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from neural_automl.cli import COMMANDS, app
from neural_automl.commands import _show
from neural_automl.commands._exit import EXIT_CODES, exit_code
from neural_automl.commands._output import print_json
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import (
    BrokenExportError,
    DataError,
    DivergenceError,
    ExecutorError,
    StudyError,
    TrialsFailedError,
)
from tests.house.repository import ROOT
from tests.test_cli import SMALL, Ran, cli, process

SEARCH = ("search", "small.neural", "--data", "digits", "--epochs", "1", "--strategy", "random")
STORED = ("--storage", "results")
NAMES = [command.__name__ for command in COMMANDS]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study of two networks, which other searches do not touch."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "small.neural").write_text(SMALL)
    ran = cli(*SEARCH, "--trials", "2", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


# --- data -----------------------------------------------------------------------------------------

#: Of each command: its arguments, keys of what it writes, and a text that goes to standard error.
DATA: dict[str, tuple[list[str], set[str], str]] = {
    "search": (
        [*SEARCH[1:], "--trials", "1", "-o", "out"],
        {"name", "trained", "best", "test_metrics", "stop_reason", "storage", "pareto_front"},
        "Best trials of Small",
    ),
    "worker": (STORED, {"study", "reason", "trials"}, "joined the study Small"),  # type: ignore[dict-item]
    "score": (
        ["small.neural", "--data", "digits", "-n", "3", "--proxies", "synflow,macs", "-o", "pool"],
        {"scored", "best", "files"},
        "scored",
    ),
    "retrain": (
        [*STORED, "--data", "digits", "--top", "1", "--seeds", "2", "--epochs", "1"],
        {"metric", "candidates"},
        "trial",
    ),
    "report": ([*STORED, "-o", "page.html"], {"study", "file"}, ""),
    "dashboard": ([*STORED, "--port", "0"], {"url"}, "Ctrl-C ends it"),
    "describe": (["small.neural", "--samples", "5"], {"size", "costs"}, ""),
    "validate": (["small.neural"], {"files"}, "valid, 7 architectures"),
    "status": ([*STORED], {"name", "trained", "best_trial"}, ""),
    "export": ([*STORED, "-o", "winner", "--format", "json"], {"trial", "files", "notes"}, "json"),
}


def test_the_table_has_every_command() -> None:
    assert list(DATA) == NAMES


@pytest.mark.parametrize("name", DATA)
def test_with_json_there_is_one_object_and_nothing_else(
    name: str, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_show._Server, "serve_forever", interrupted)
    arguments, keys, text = DATA[name]

    ran = cli(name, *arguments, "--json", cwd=searched)

    assert ran.returncode == (130 if name == "dashboard" else 0), ran.stderr
    assert keys <= json.loads(ran.stdout).keys()
    assert text in ran.stderr


#: A module that prints itself, and whose child does.
TALKING = """\
import subprocess, sys
print("from the module")
subprocess.run([sys.executable, "-c", "print('from its child')"], check=True)
"""


@pytest.mark.parametrize("order", [("--json", "--import"), ("--import", "--json")])
def test_what_a_module_prints_spoils_no_data(order: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL)
    (tmp_path / "talking.py").write_text(TALKING)
    options = {"--json": ["--json"], "--import": ["--import", "talking"]}

    ran = process("validate", "small.neural", *options[order[0]], *options[order[1]], cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["files"][0]["valid"]
    assert {"from the module", "from its child"} <= set(ran.stderr.splitlines())


def test_standard_output_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL)
    code = """
import contextlib, os
from neural_automl.cli import main
with contextlib.suppress(SystemExit):
    main(["validate", "small.neural", "--json"])
print("printed", flush=True)
os.write(1, b"written")
"""

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    data, _, after = ran.stdout.rpartition("}")
    assert json.loads(data + "}")["files"][0]["size"] == 7
    assert after.split() == ["printed", "written"]


def test_what_a_search_says_as_data(searched: Path) -> None:
    ran = cli(*SEARCH, "--trials", "2", "--json", cwd=searched)

    found = json.loads(ran.stdout)
    assert found["stop_reason"] == "trained already"
    assert found["best"]["values"] == found["best_values"]
    assert found["best"]["metrics"]["val_accuracy"] == found["best_values"][0]
    assert found["best"]["params"].keys() == {"layers[1].Dense.units"}
    assert 0 <= found["test_metrics"]["test_accuracy"] <= 1
    assert found["pareto_front"] == []


def test_a_front_as_data(tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL)
    metrics = ["--metric", "val_accuracy", "--metric", "macs"]

    ran = cli(*SEARCH, *metrics, "--trials", "3", "--json", cwd=tmp_path)

    found = json.loads(ran.stdout)
    assert found["best"] is None
    assert found["metrics"] == ["val_accuracy", "macs"]
    assert all(len(trial["values"]) == 2 for trial in found["pareto_front"])
    assert found["pareto_front"]


def test_what_is_wrong_in_a_file_as_data(tmp_path: Path) -> None:
    (tmp_path / "good.neural").write_text(SMALL)
    (tmp_path / "bad.neural").write_text(SMALL.replace("Flatten()", "Flaten()"))

    ran = cli("validate", "good.neural", "bad.neural", "none.neural", "--json", cwd=tmp_path)

    good, bad, none = json.loads(ran.stdout)["files"]
    assert ran.returncode == 2
    assert good == {"file": "good.neural", "valid": True, "errors": [], "size": 7}
    assert (bad["errors"][0]["line"], bad["errors"][0]["column"]) == (4, 5)
    assert "Flaten" in bad["errors"][0]["message"]
    assert none["errors"] == [{"message": "No such file or directory"}]
    assert "bad.neural:4:5: " in ran.stderr


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"size": float("inf"), "values": (1.5, float("nan")), "path": Path("a")})

    assert json.loads(capsys.readouterr().out) == {"size": None, "values": [1.5, None], "path": "a"}


@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_standard_output_empty(name: str, tmp_path: Path) -> None:
    ran = cli(name, "--json", "--nonsense", cwd=tmp_path)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--nonsense" in ran.stderr


# --- exit codes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", *NAMES])
def test_the_help_tells_the_exit_codes(name: str, tmp_path: Path) -> None:
    ran = cli(*name.split(), "--help", cwd=tmp_path)

    assert ran.returncode == 0
    assert " ".join(EXIT_CODES.split()) in " ".join(ran.stdout.split())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrialsFailedError("3 in a row"), 1),
        (ExecutorError("gone"), 1),
        (DivergenceError("nan"), 1),
        (BrokenExportError("differs"), 1),
        (OSError(28, "No space left on device"), 1),
        (RuntimeError("a bug"), 1),
        (StudyError("no such study"), 2),
        (DataError("does not fit"), 2),
        (FileNotFoundError(2, "No such file"), 2),
        (PermissionError(13, "Permission denied"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_whose_fault_it_is(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_trainings_that_fail_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(*_: Any) -> dict[str, float]:
        raise RuntimeError("no room in the shed")

    monkeypatch.setattr(ArchitectureEvaluator, "evaluate", evaluate)
    (tmp_path / "small.neural").write_text(SMALL)

    ran = cli(*SEARCH, "--json", cwd=tmp_path)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "3 trials in a row failed" in ran.stderr
    assert "no room in the shed" in ran.stderr
    assert "Traceback" not in ran.stderr


# --- a file of options ----------------------------------------------------------------------------

CONFIG = """\
space = "small.neural"
data = "digits"
trials = 1
epochs = 1
strategy = "random"
output = "configured"
early-stopping = "asha"
early_stopping_option = { min_resource = 1, reduction_factor = 2 }
"""


def configured(folder: Path, text: str, *arguments: str) -> Ran:
    (folder / "small.neural").write_text(SMALL)
    (folder / "search.toml").write_text(text)
    return cli("search", *arguments, "--config", "search.toml", cwd=folder)


def test_options_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    ran = configured(tmp_path, CONFIG, "--trials", "2", "--json")

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["trained"] == 2
    told = cli("worker", "--storage", "configured", "--json", cwd=tmp_path)
    assert json.loads(told.stdout)["reason"] in ("budget", "trained already")
    assert (tmp_path / "configured" / "study.db").is_file()


def test_lists_and_switches(tmp_path: Path) -> None:
    text = 'space = "small.neural"\ndata = "digits"\ntrials = 2\nstrategy = "random"\n'

    ran = configured(tmp_path, f"{text}rungs = [1, 2]\nmetric = 'val_loss'\njson = true\n")

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["metrics"] == ["val_loss"]
    assert found["lower_rungs"] > 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trails = 3", "'trails' is no option of this command; did you mean trials?"),
        ("early_stoping = 'asha'", "did you mean early-stopping"),
        ("config = 'other.toml'", "'config' is no option of this command"),
        ("help = true", "'help' is no option of this command"),
        ("seed = 1.5", "seed must be a whole number but got 1.5"),
        ("seed = true", "seed must be a whole number but got True"),
        ("timeout = 'long'", "timeout must be a number but got 'long'"),
        ("device = 3", "device must be text but got 3"),
        ("resume = 'yes'", "resume must be true or false but got 'yes'"),
        ("metric = [1]", "metric must be text but got 1"),
        ("rungs = ['a']", "rungs must be a whole number but got 'a'"),
        ("workers = 0", "'--workers'"),
        ("missing = 'zero'", "'--missing'"),
        ("seed = ", "is no TOML"),
    ],
    ids=lambda value: value,
)
def test_what_is_wrong_in_a_file(tmp_path: Path, line: str, message: str) -> None:
    ran = configured(tmp_path, f"{CONFIG}{line}\n")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in " ".join(ran.stderr.replace("│", " ").split())
    assert not (tmp_path / "configured").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ran = cli("search", "--config", "none.toml", cwd=tmp_path)

    assert ran.returncode == 2
    assert ran.stderr == "error: none.toml: No such file or directory\n"


def test_what_a_file_leaves_out_is_missing(tmp_path: Path) -> None:
    ran = configured(tmp_path, 'space = "small.neural"\n')

    assert ran.returncode == 2
    assert "--data" in ran.stderr


def test_the_example_names_what_there_is(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    ran = cli(
        *("search", "--config", "examples/search.toml", "--trials", "1", "--epochs", "3"),
        *("--strategy", "random", "--json"),
        cwd=tmp_path,
    )

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["trained"] == 1
    assert (tmp_path / "by_config" / "study.db").is_file()


def test_every_option_of_a_search_may_stand_in_a_file() -> None:
    command: Any = typer.main.get_command(app)
    names = {name for each in command.commands["search"].params for name in each.opts}
    text = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")

    assert {"--config", "--json", "--hpo", "--storage"} <= names
    assert all(f"`{name}`" in text for name in names if name.startswith("--")), names


# --- hyperparameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "studies"), [("joint", 1), ("sequential", 2)])
def test_hyperparameters_too(tmp_path: Path, mode: str, studies: int) -> None:
    (tmp_path / "small.neural").write_text(SMALL)

    ran = cli(*SEARCH, "--trials", "4", "--hpo", mode, "--top", "1", "--json", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    trained = json.loads(ran.stdout)["trained_in"]
    assert (len(trained), sum(trained.values())) == (studies, 4)


def test_wrong_options_with_hyperparameters(tmp_path: Path) -> None:
    (tmp_path / "small.neural").write_text(SMALL)
    arguments = ("search", "small.neural", "--data", "none.npz", "--hpo", "joint")

    ran = cli(*arguments, "--strategy", "grid", cwd=tmp_path)

    assert ran.returncode == 2
    assert "grid search needs a space with an end" in " ".join(ran.stderr.split())


# --- completion -----------------------------------------------------------------------------------


def completed(line: str, cwd: Path) -> list[str]:
    """Ask as bash does at a press of Tab at the end of a line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_NEURAL_AUTOML_COMPLETE", "complete_bash")
        patch.setenv("COMP_WORDS", line)
        patch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        ran = cli(cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("neural-automl re", ["retrain", "report"]),
        ("neural-automl search --strategy re", ["regularized_evolution"]),
        ("neural-automl search --early-stopping mu", ["multi_objective"]),
        ("neural-automl search --executor r", ["ray"]),
        ("neural-automl search --metric val_f", ["val_f1"]),
        ("neural-automl search --device c", ["cpu", "cuda"]),
        ("neural-automl search --hpo s", ["sequential"]),
        ("neural-automl export --format o", ["onnx"]),
        ("neural-automl status --storage results --study S", ["Small"]),
        ("neural-automl status --storage nothing --study S", []),
        ("neural-automl search --con", ["--config"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words_are_completed(line: str, offered: list[str], searched: Path) -> None:
    assert completed(line, searched) == offered


@pytest.fixture
def bash() -> str:
    found = shutil.which("bash")
    if found is None:
        pytest.skip("there is no bash")
    return found


def test_the_script_for_bash_completes(bash: str, tmp_path: Path) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    program = tmp_path / "neural-automl"
    start = "from neural_automl.cli import main; main()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    program.chmod(0o755)
    script = subprocess.run(
        [str(program), "--show-completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    (function,) = re.findall(r"complete .*-F (\w+) neural-automl", script)
    press = (
        f"{script}\nCOMP_WORDS=(neural-automl search --strategy bay) COMP_CWORD=3\n"
        f"COMP_LINE='neural-automl search --strategy bay'\n{function} neural-automl\n"
        'echo "${COMPREPLY[@]}"\n'
    )

    ran = subprocess.run(
        [bash, "-c", press],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )

    assert ran.stdout.split() == ["bayesian"], ran.stderr


# --- threads --------------------------------------------------------------------------------------

WAITS = """\
import contextlib, os, sys
from neural_automl.cli import main
with contextlib.suppress(SystemExit):
    main(["--version"])
assert "torch" not in sys.modules
print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "x"}, "x")])
def test_threads_wait_asleep_unless_told_otherwise(given: dict[str, str], expected: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | given
    ran = subprocess.run(
        [sys.executable, "-c", WAITS], env=environment, capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-1] == expected
