"""The command line: what a user types and sees."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from neural_automl.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """\
network Small {
  input: (8, 8, 1)
  layers:
    Flatten()
    Dense(choice(8, 12, 16, 20, 24, 28, 32), "relu")
    Dense(10)
  train { epochs: 2 }
}
"""


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


def cli(*arguments: str, cwd: Path) -> Ran:
    """Run a command in this process: as a user would, but without a new interpreter."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("COLUMNS", "160")
        try:
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "neural_automl", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "small.neural").write_text(SMALL)
    ran = process("search", "small.neural", "--data", "digits", "--trials", "2", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    (folder / "output.txt").write_text(ran.stdout)
    return folder


def write(folder: Path, text: str, name: str = "space.neural") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# --- what works -------------------------------------------------------------------------------


def test_search_ends_with_the_best_and_the_study(searched: Path) -> None:
    output = (searched / "output.txt").read_text()

    assert "Best trials of Small" in output
    assert "2 trained" in output
    assert "on test data that the search never saw: test_accuracy" in output
    assert "sqlite:///results/study.db" in output.splitlines()[-1]
    assert (searched / "results" / "study.db").is_file()


def test_the_same_command_goes_on(searched: Path) -> None:
    ran = cli(
        "search", "small.neural", "--data", "digits", "--trials", "3", "--resume", cwd=searched
    )

    assert ran.returncode == 0, ran.stderr
    assert "3 trained" in ran.stdout


def test_search_with_rungs(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    arguments = ["--data", "digits", "--rungs", "1, 2", "--trials", "3"]
    ran = cli("search", "space.neural", *arguments, cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "on lower rungs" in ran.stdout
    assert "by rungs" in ran.stdout
    assert "seconds: training" in ran.stdout
    told = cli("status", "--storage", "results/study.db", "--json", cwd=tmp_path)
    summary = json.loads(told.stdout)
    assert summary["lower_rungs"] > 0
    assert 2 < summary["full_trainings"] <= 3
    assert set(summary["seconds"]) == {"training", "proposing", "storing", "waiting"}


def test_status(searched: Path) -> None:
    shown = cli("status", "--storage", "sqlite:///results/study.db", cwd=searched)
    told = cli("status", "--storage", "results/study.db", "--json", cwd=searched)

    assert "Best trials of Small" in shown.stdout
    assert "saved: 0 by stopping" in shown.stdout
    assert "seconds: training" in shown.stdout
    summary = json.loads(told.stdout)
    assert summary["name"] == "Small"
    assert summary["trained"] >= 2
    assert summary["infeasible"] == 0


def test_export_runs_without_this_package(searched: Path) -> None:
    ran = cli("export", "--storage", "results/study.db", "-o", "winner", cwd=searched)
    assert ran.returncode == 0, ran.stderr
    files = sorted(path.name for path in (searched / "winner").iterdir())
    card = (searched / "winner" / "README.md").read_text()
    script = (
        "import sys, torch\n"
        "from safetensors.torch import load_file\n"
        "from model import Small\n"
        "model = Small()\n"
        "model.load_state_dict(load_file('weights.safetensors'))\n"
        "print(tuple(model(torch.zeros(2, 1, 8, 8)).shape), 'neural_automl' in sys.modules)\n"
    )

    alone = subprocess.run(
        [sys.executable, "-c", script],
        cwd=searched / "winner",
        capture_output=True,
        text=True,
        check=False,
    )

    assert files == [
        *("README.md", "architecture.json", "model.py", "network.neural", "weights.safetensors")
    ]
    card = (searched / "winner" / "README.md").read_text()
    assert "| study | Small |" in card
    assert "| val_accuracy | " in card
    assert "| `layers[1].Dense.units` | " in card
    assert alone.stdout.strip() == "(2, 10) False", alone.stderr
    assert "values 0 to 16 divided by 16" in card
    assert "| test_accuracy |" in card


def test_describe(tmp_path: Path) -> None:
    write(tmp_path, SMALL)

    shown = cli("describe", "space.neural", cwd=tmp_path)
    told = cli("describe", "space.neural", "--json", cwd=tmp_path)

    assert "layers[1].Dense.units" in shown.stdout
    assert "choice(8, 12, 16, 20, 24, 28, 32)" in shown.stdout
    assert "7 architectures; 7 different functions" in shown.stdout
    summary = json.loads(told.stdout)
    assert summary["size"] == 7
    assert summary["feasible"] == 1.0
    assert summary["costs"]["params"] == [610, 1510, 2410]


def test_describe_estimates_the_time_of_a_search(tmp_path: Path) -> None:
    write(tmp_path, SMALL)

    shown = cli("describe", "space.neural", "--data", "digits", "--trials", "10", cwd=tmp_path)
    told = cli("describe", "space.neural", "--data", "digits", "--json", cwd=tmp_path)
    wrong = cli("describe", "space.neural", "--data", "none.npz", cwd=tmp_path)

    assert re.search(r"a search of 10 trainings takes about \d+ s, none stopped", shown.stdout)
    assert json.loads(told.stdout)["search_seconds"] > 0
    assert wrong.returncode == 2
    assert "none.npz" in wrong.stderr


def test_describe_of_one_network_has_its_layers(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace("choice(8, 12, 16, 20, 24, 28, 32)", "8"))

    shown = cli("describe", "space.neural", cwd=tmp_path)

    assert re.search(r"layers\[1\] +Dense +\(8,\) +520 +512", shown.stdout)


def test_validate(tmp_path: Path) -> None:
    write(tmp_path, SMALL)

    ran = cli("validate", "space.neural", cwd=tmp_path)

    assert ran.returncode == 0
    assert ran.stdout == "space.neural: valid, 7 architectures\n"


def test_validate_goes_on_after_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bytes.neural").write_bytes(b"\xff\xfe")
    write(tmp_path, SMALL.replace("Dense(10)", 'Dense(10) @ "cpu"'))

    ran = cli("validate", "bytes.neural", "space.neural", cwd=tmp_path)

    assert ran.returncode == 2
    assert "bytes.neural is no text in UTF-8" in ran.stderr
    assert "placement is the executor's" in ran.stderr
    assert ran.stdout == "space.neural: valid, 7 architectures\n"


@pytest.mark.parametrize(
    "command", ["", "search", "describe", "validate", "status", "export"], ids=lambda c: c or "top"
)
def test_help_teaches(command: str, tmp_path: Path) -> None:
    ran = process(*command.split(), "--help", cwd=tmp_path)

    assert ran.returncode == 0
    assert "Usage" in ran.stdout
    assert len(ran.stdout.splitlines()) > 8


def test_npz_data(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    generator = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        x=generator.random((120, 8, 8, 1), dtype=np.float32),
        y=np.arange(120) % 10,
    )

    ran = cli("search", "space.neural", "--data", "data.npz", "--trials", "2", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "2 trained" in ran.stdout


REGRESSION = """\
network Price {
  input: (2,)
  layers: Dense(4, "relu") Dense(1)
  train { epochs: 1 }
}
"""


def test_the_options_of_a_table(tmp_path: Path) -> None:
    write(tmp_path, REGRESSION)
    rows = [f"{i}.5,{'' if i == 3 else i},{i % 7}" for i in range(60)]
    write(tmp_path, "\n".join(["price,age,doors", *rows]), "cars.csv")
    asked = ["search", "space.neural", "--data", "cars.csv", "--trials", "1", "--target", "price"]

    refused = cli(*asked, cwd=tmp_path)
    ran = cli(*asked, "--missing", "mean", cwd=tmp_path)
    elsewhere = cli(*asked[:3], "digits", "--target", "price", cwd=tmp_path)

    assert refused.returncode == elsewhere.returncode == 2
    assert "the column 'age' holds no value in line 5" in refused.stderr
    assert ran.returncode == 0, ran.stderr
    assert "regression" in ran.stdout
    assert "`target` is for .csv files" in elsewhere.stderr


def test_the_columns_of_a_table_that_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path, REGRESSION)
    rows = [f"{i},{'abc'[i % 3]},{i}.5" for i in range(60)]
    write(tmp_path, "\n".join(["age,color,price", *rows]), "cars.csv")

    ran = cli("search", "space.neural", "--data", "cars.csv", cwd=tmp_path)

    assert ran.returncode == 2
    assert "of the columns age, color (3 features, one a text): write `input: (4,)`" in ran.stderr


def test_validation_split_is_the_spaces(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace("epochs: 2", "epochs: 1  validation_split: 0.5"))

    ran = cli("search", "space.neural", "--data", "digits", "--trials", "1", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "719 to train, 719 to validate, 359 to test" in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ("0", "training.validation_split: validation_split must be above 0 for a search but is 0"),
        ("choice(0.1, 0.2)", "validation_split must be a plain number"),
    ],
)
def test_a_validation_split_that_no_search_can_keep(
    tmp_path: Path, share: str, message: str
) -> None:
    write(tmp_path, SMALL.replace("epochs: 2", f"validation_split: {share}"))

    ran = cli("search", "space.neural", "--data", "digits", cwd=tmp_path)

    assert ran.returncode == 2
    assert message in ran.stderr


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    text = SMALL.replace("epochs: 2", 'epochs: 1  search_method: "magic"')
    write(tmp_path, text.replace("Dense(10)", "Dense(12)"))

    ran = cli("search", "space.neural", "--data", "digits", "--trials", "1", cwd=tmp_path)

    assert ran.returncode == 0
    assert ran.stderr.splitlines() == [
        "note: search_method has no effect: --strategy says how networks are proposed",
        "note: the networks have 12 outputs but the data only 10 classes",
    ]


def test_a_warning_is_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    text = "import warnings\nwarnings.warn('the predictor is not trusted')\n"
    write(tmp_path, text, "warns.py")

    ran = process("validate", "space.neural", "--import", "warns", cwd=tmp_path)

    assert ran.returncode == 0
    assert ran.stderr == "warning: the predictor is not trusted\n"


def test_memory_has_two_spellings_for_limits_and_metrics(tmp_path: Path) -> None:
    limit = "  constraints { peak_memory_bytes <= 1MB }\n  train"
    write(tmp_path, SMALL.replace("  train", limit).replace("epochs: 2", "epochs: 1"))
    asked = ["--data", "digits", "--trials", "1", "--metric", "val_loss", "--metric", "peak_memory"]

    ran = cli("search", "space.neural", *asked, cwd=tmp_path)
    shown = cli("describe", "space.neural", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert "Metric val_loss, peak_memory_bytes" in ran.stdout
    assert "limit: peak_memory <= 1,048,576" in shown.stdout


def test_a_folder_is_its_study(searched: Path) -> None:
    told = cli("status", "--storage", "results", "--json", cwd=searched)

    assert json.loads(told.stdout)["name"] == "Small"


# --- what a user does wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "error: space.neural: No such file or directory\n"),
        (SMALL.replace("Dense(10)", "Dense(10"), "space.neural:7:"),
        (SMALL.replace("Flatten()", "Flaten()"), "Flatten"),
        (SMALL.replace("Flatten()", "Flatten() Conv2D(3, 3)"), "space.neural:4:15: "),
        (SMALL.replace("  train", "  constraints { params <= 10 }\n  train"), "params <= 10"),
        (SMALL.replace("(8, 8, 1)", "(8, 9, 1)"), "(8, 8, 1)"),
        (SMALL.replace("Dense(10)", "Dense(3)"), "label 9"),
    ],
    ids=["missing", "syntax", "unknown layer", "shape", "constraint", "data shape", "classes"],
)
def test_search_says_what_is_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        write(tmp_path, text)

    ran = cli("search", "space.neural", "--data", "digits", cwd=tmp_path)

    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "results" / "study.db").exists()


def test_a_syntax_error_has_a_caret(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace('"relu")', '"relu" 3)'))

    ran = cli("validate", "space.neural", cwd=tmp_path)

    lines = ran.stderr.splitlines()
    assert ran.returncode == 2
    assert lines[0].startswith("space.neural:5:53: ")
    assert lines[2].index("^") == lines[1].index("3)")


def test_a_limit_that_no_sample_meets(tmp_path: Path) -> None:
    # The memory's least is not proven beforehand: sampling says it.
    write(tmp_path, SMALL.replace("  train", "  constraints { peak_memory <= 8 }\n  train"))

    ran = cli("search", "space.neural", "--data", "digits", cwd=tmp_path)

    assert ran.returncode == 2
    assert "none of 1000 sampled architectures met the constraints (peak_memory <= 8)" in ran.stderr


OPTION = ("--early-stopping-option",)
ASHA = ("--data", "digits", "--early-stopping", "asha", *OPTION)
TWO = ("--data", "digits", "--metric", "val_accuracy", "--metric", "macs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digit"], "digits"),
        (["--data", "nothing.npz"], "nothing.npz"),
        (["--data", "digits", "--strategy", "tpee"], "did you mean tpe"),
        (["--data", "digits", "--early-stopping", "ahsa"], "did you mean asha"),
        (["--data", "digits", "--early-stopping-option", "3"], "must be NAME=VALUE but got '3'"),
        (["--data", "digits", "--early-stopping-option", "x=1"], "median has no option 'x'"),
        (["--data", "digits", "--early-stopping", "threshold"], "lower or upper must be specified"),
        (
            [*ASHA, "min_resource=one"],
            "`min_resource` of asha must be an integer but got 'one'",
        ),
        ([*ASHA, "min_resource=1", *OPTION, "min_resource=2"], "min_resource is given twice"),
        ([*ASHA, "min_resource=1", *TWO], "by asha is for one objective but there are 2"),
        ([*TWO, *OPTION, "first_rung=3"], "`first_rung` must be at most `max_step`, 2"),
        (["--data", "digits", "--trials", "0"], "--trials"),
        (["--data", "digits", "--resume"], "there is no database results/study.db"),
        (["--data", "digits", "--storage", "mysqll://x"], "mysqll"),
        (["--data", "digits", "--device", "cuda:9"], "cuda:9"),
        (["--data", "digits", "--metric", "val_f2"], "f2"),
        (["--data", "digits", "--metric", "val_acc"], "did you mean val_accuracy?"),
        (["--data", "digits", "--metric", "accuracy"], "among val_accuracy, val_f1,"),
        (["--data", "digits", "--metric", "f1"], "did you mean val_f1?"),
        (["--data", "digits", "--metric", "flops"], "ask for the metric macs"),
        (["--data", "none.npz", "--storage", ""], "`storage` must be a URL or a path"),
        (["--data", "none.npz", "--study", "\udcff"], "must be text in UTF-8"),
        (["--data", "none.npz", "--metric", "depth", "--metric", "depth"], "must be different"),
        (["--data", "none.npz", "--keep-weights", "0"], "`keep_weights` must be at least 1"),
        (
            ["--data", "none.npz", "--checkpoint-quota", "2 XB"],
            "must be a number of bytes, as 500MB",
        ),
        (["--data", "none.npz", "--checkpoint-quota", "0"], "must be at least 1 but got 0"),
        (
            ["--data", "none.npz", "--rungs", "1,3", "--keep-weights", "2"],
            "`keep_weights` does not go with `rungs`",
        ),
        (["--data", "none.npz", "--rungs", "3;9"], "must be numbers of epochs, as 3,9,27"),
        (["--data", "none.npz", "--rungs", "9,3"], "`rungs` must rise but got 9, 3"),
        (["--data", "none.npz", "--rungs", "1,3", "--epochs", "4"], "must be the last of --rungs"),
        (
            ["--data", "none.npz", "--rungs", "1,3", "--early-stopping", "asha"],
            "give no `early_stopping`",
        ),
        (["--data", "none.npz", "--timeout", "nan"], "must be above 0 seconds"),
        (["--data", "none.npz", "--timeout", "-5"], "must be above 0 seconds"),
        ([], "--data"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    write(tmp_path, SMALL)

    ran = cli("search", "space.neural", *arguments, cwd=tmp_path)

    assert ran.returncode == 2, ran.stdout
    # The frame around a message breaks its lines.
    assert message in " ".join(ran.stderr.replace("│", " ").split())
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "states"),
    [
        ([*OPTION, "n_warmup_steps=1"], {"COMPLETE", "PRUNED"}),
        (["--early-stopping", "threshold", *OPTION, "upper=0.0"], {"PRUNED"}),
        (["--early-stopping", "patient", *OPTION, "patience=5"], {"COMPLETE"}),
        (["--metric", "val_accuracy", "--metric", "macs"], {"COMPLETE", "PRUNED"}),
    ],
    ids=["default", "threshold", "patient", "several metrics"],
)
def test_early_stopping(tmp_path: Path, arguments: list[str], states: set[str]) -> None:
    write(tmp_path, SMALL)

    ran = cli("search", "space.neural", "--data", "digits", "-n", "7", *arguments, cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "results" / "study.db")) as database:
        found = {state for (state,) in database.execute("select distinct state from trials")}
    assert found <= states


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["status", "--storage", "sqlite:///none.db"], "there is no database none.db"),
        (["status", "--storage", "results/study.db", "--study", "Big"], "holds: Small"),
        (["export", "--storage", "none.db", "-o", "out"], "there is no database none.db"),
        (["export", "--storage", "results/study.db", "-o", "out", "--trial", "99"], "no trial 99"),
        (["export", "--storage", "results/study.db", "-o", "results"], "is there already"),
        (
            ["export", "--storage", "results/study.db", "-o", "out", "--format", "tf"],
            "format must be one of pytorch, keras, onnx, dsl,",
        ),
        (["describe", "none.neural"], "none.neural"),
        (["validate", "none.neural"], "none.neural: No such file"),
        (["validate", "/dev/zero"], "/dev/zero:1:"),
        (["status", "--storage", "results/study.db", "--study", "\udcff"], "no text in UTF-8"),
        (["status", "--storage", "small.neural"], "file is not a database"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_calls(searched: Path, command: list[str], message: str) -> None:
    ran = cli(*command, cwd=searched)

    assert ran.returncode == 2, ran.stdout
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (searched / "none.db").exists()
    assert not (searched / "out").exists()


def test_another_space_in_the_same_study(searched: Path) -> None:
    write(searched, SMALL.replace("32", "64"), "other.neural")

    ran = cli("search", "other.neural", "--data", "digits", cwd=searched)

    assert ran.returncode == 2
    assert "was begun with another space" in ran.stderr


def test_a_locked_database(searched: Path, tmp_path: Path) -> None:
    database = tmp_path / "locked.db"
    write(tmp_path, SMALL)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")

    ran = cli(
        "search",
        "space.neural",
        "--data",
        "digits",
        "--storage",
        "sqlite:///locked.db?timeout=0.5",
        cwd=tmp_path,
    )
    connection.close()

    assert ran.returncode == 2
    assert "can't be used: database is locked" in ran.stderr


def test_ctrl_c_keeps_everything(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace("epochs: 2", "epochs: 400"))
    # Where the tests run in the background, a shell lets their children ignore Ctrl-C.
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from neural_automl.cli import main; main()"
    )
    command = [
        *(sys.executable, "-c", start, "search", "space.neural", "--data", "digits"),
        *("--early-stopping", "none"),
    ]
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    database = tmp_path / "results" / "study.db"
    while time.monotonic() < deadline and running.poll() is None and not _reports(database):
        time.sleep(0.2)
    stdout, stderr = _interrupt(running)
    status = cli("status", "--storage", "results/study.db", "--json", cwd=tmp_path)

    assert running.returncode == 130, stderr
    assert "Interrupted; the same command goes on." in stdout
    assert "Traceback" not in re.sub(_DROPPED, "", stderr, flags=re.MULTILINE)
    assert json.loads(status.stdout)["trials"] == {"fail": 1}


#: How Python tells of a Ctrl-C that it dropped.
_DROPPED: Final = r"Exception ignored in: [\s\S]*?^KeyboardInterrupt: ?$"


def _interrupt(running: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C until a process ends: Python drops one that comes in a callback of its own."""
    for _ in range(6):
        running.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return running.communicate(timeout=20)
    running.kill()
    return running.communicate()


def _reports(database: Path) -> bool:
    """Return whether a training has reported its first epoch."""
    if not database.exists():
        return False
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute("SELECT count(*) FROM trial_intermediate_values").fetchone()
        except sqlite3.OperationalError:
            return False
    return bool(rows[0])
