"""Layers of a user's own on the command line and taken home: every step in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = """\
from torch import nn


class Wide(nn.Module):
    def __init__(self, in_channels, width):
        super().__init__()
        self.inner = nn.Conv2d(in_channels, width, 1)

    def forward(self, x):
        return self.inner(x)
"""
TABLE = """\
from {module} import Wide

from neural_automl import register_layer

register_layer(
    "Wide",
    parameters={{"width": int}},
    shape=lambda values, x: (x[0], x[1], values["width"]),
    params=lambda values, x: values["width"] * (x[-1] + 1),
    macs=lambda values, x: values["width"] * x[0] * x[1] * x[2],
    pytorch=Wide,
)
"""
SPACE = """\
network Own {
  input: (8, 8, 1)
  layers:
    Wide(choice(2, 4))
    GlobalAveragePooling2D()
    Output(10)
  train { epochs: 1 }
}
"""
USE = (
    "import sys, torch; from model import Own; from safetensors.torch import load_file\n"
    "model = Own(); model.load_state_dict(load_file('weights.safetensors'))\n"
    "print(tuple(model(torch.zeros(2, 1, 8, 8)).shape), 'neural_automl' in sys.modules)\n"
)
#: The console script's way in: the current directory is not on the path.
COMMAND = (sys.executable, "-P", "-m", "neural_automl")


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    variables = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": path}
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write(
        folder,
        {
            "own_wide.py": MODULES,
            "own_table.py": TABLE.format(module="own_wide"),
            "own.neural": SPACE,
            "own_package/__init__.py": "",
            "own_package/wide.py": MODULES,
            "own_package/table.py": TABLE.format(module="own_package.wide"),
            "own_both.py": MODULES + TABLE.format(module="own_both"),
            "broken.py": "1 / 0\n",
            "wanting.py": "import no_such_module\n",
        },
    )
    ran = run(
        *(*COMMAND, "search", "own.neural", "--import", "own_table"),
        *("--data", "digits", "--trials", "1"),
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["validate", "own.neural"],
        ["describe", "own.neural"],
        ["export", "--storage", "results", "-o", "winner"],
    ],
    ids=lambda command: command[0],
)
def test_commands_load_the_module_that_registers(searched: Path, command: list[str]) -> None:
    without = run(*COMMAND, *command, cwd=searched)
    loaded = run(*COMMAND, *command, "--import", "own_table", cwd=searched)

    assert without.returncode == 2
    assert "unknown layer or macro 'Wide'" in without.stderr
    assert "--import MODULE" in without.stderr
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stderr == ""


def test_status_takes_it_too(searched: Path) -> None:
    shown = run(*COMMAND, "status", "--storage", "results", "--import", "own_table", cwd=searched)

    assert shown.returncode == 0, shown.stderr
    assert "1 trained" in shown.stdout


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("own_tabel", "there is no module 'own_tabel' in the current directory or installed"),
        ("own_table.py", "write its name without '.py'"),
        ("broken", "the module broken can't be loaded: ZeroDivisionError"),
        ("wanting", "the module wanting can't be loaded: No module named 'no_such_module'"),
    ],
)
def test_a_module_that_cannot_be_loaded(searched: Path, module: str, message: str) -> None:
    ran = run(*COMMAND, "validate", "own.neural", "--import", module, cwd=searched)

    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("table", "copied", "note"),
    [
        ("own_table", "own_wide.py", ""),
        ("own_package.table", "", "model.py imports own_package.wide, which is no single file"),
        ("own_both", "own_both.py", "own_both.py imports neural_automl, own_both, which must be"),
    ],
    ids=["torch alone", "package", "registers itself"],
)
def test_what_is_taken_home(
    searched: Path, tmp_path: Path, table: str, copied: str, note: str
) -> None:
    target = tmp_path / "home"

    ran = run(
        *(*COMMAND, "export", "--storage", "results", "--import", table, "-o", str(target)),
        cwd=searched,
    )

    assert ran.returncode == 0, ran.stderr
    usual = {"README.md", "architecture.json", "model.py", "network.neural", "weights.safetensors"}
    assert {path.name for path in target.iterdir()} == {*usual, *([copied] if copied else ())}
    assert note in ran.stderr
    assert bool(note) == bool(ran.stderr)
    if not note:
        used = subprocess.run(
            [sys.executable, "-c", USE], cwd=target, capture_output=True, text=True, check=False
        )
        assert used.stdout == "(2, 10) False\n", used.stderr


def test_a_module_of_the_name_of_the_file_that_is_written(tmp_path: Path) -> None:
    write(tmp_path, {"model.py": MODULES, "table.py": TABLE.format(module="model")})
    script = (
        "import table\n"
        "from neural_automl.architecture import Architecture, LayerConfig\n"
        "from neural_automl.export import export_architecture\n"
        "export_architecture(Architecture((8, 8, 1), [LayerConfig('Wide', {'width': 2})]), 'out')\n"
    )

    ran = run(sys.executable, "-c", script, cwd=tmp_path)

    assert "ExportError: a layer's module is defined in model.py" in ran.stderr
    assert not (tmp_path / "out").exists()
