"""Every example of the pages is run: spaces are read, Python is executed, commands are called.

The word after ``neural`` says what a block is: nothing for a whole text, ``layers`` for layers of
a network, ``error`` and ``warning`` for a text whose messages the next block shows. A comment
before a block says in which folder it runs: ``<!-- test: cd FOLDER -->``. A block that begins with
its own name, as ``# my_layers.py`` or ``# shapes.neural``, is that file.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path

import pytest

from neural_automl import ArchitectureSpace
from neural_automl.exceptions import DSLError
from tests.house.repository import ROOT, files, project

FENCE = re.compile(
    r"(?:<!-- test: cd (?P<folder>\S+) -->\n)?^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
PAGES = [
    str(path.relative_to(ROOT))
    for path in files()
    if path.suffix == ".md" and path.name != "CHANGELOG.md"
]
#: What is too long for a test, and what stands for it.
SHORTER = {
    "--trials 40": "--trials 2",
    "n_trials=20": "n_trials=8",
    "max_trials=20": "max_trials=2",
}
#: Pages whose Python and commands train networks.
SLOW = (
    "README.md",
    "docs/command_line.md",
    "docs/early_stopping.md",
    "docs/extend.md",
    "docs/fidelities.md",
    "docs/migration.md",
    "docs/report.md",
    "docs/retrain.md",
    "docs/search.md",
    "docs/tracking.md",
    "docs/tutorial.md",
    "docs/workers.md",
)
#: The head and tail around layers that stand alone.
AROUND = "network Example {{\n  input: (32, 32, 3)\n  layers:\n{}\n}}\n"


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    kind: str
    code: str
    line: int
    folder: str


def blocks(page: str) -> Iterator[Block]:
    content = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCE.finditer(content):
        language, _, kind = found["info"].partition(" ")
        line = content.count("\n", 0, found.start("code")) + 1
        yield Block(language, kind, found["code"], line, found["folder"] or ".")


def blocks_of(language: str) -> list[tuple[str, Block]]:
    return [(page, block) for page in PAGES for block in blocks(page) if block.language == language]


def test_every_block_is_of_a_known_kind() -> None:
    known = {
        "neural": {"", "layers", "error", "warning"},
        "python": {""},
        "sh": {""},
        "text": {""},
        "": {""},
    }
    strange = [
        f"{page}:{block.line}: {block.language} {block.kind}"
        for page in PAGES
        for block in blocks(page)
        if block.kind not in known.get(block.language, set())
    ]

    assert strange == []
    assert len(blocks_of("neural")) > 20


def _ids(found: list[tuple[str, Block]]) -> list[str]:
    return [f"{page}:{block.line}" for page, block in found]


SPACES = [(page, b) for page, b in blocks_of("neural") if b.kind in ("", "layers")]


@pytest.mark.parametrize(("page", "block"), SPACES, ids=_ids(SPACES))
def test_a_space_is_read_and_gives_a_network(page: str, block: Block) -> None:
    text = AROUND.format(block.code) if block.kind == "layers" else block.code
    space = ArchitectureSpace.from_dsl(text)

    assert space.get_search_space_size() >= 1
    assert ArchitectureSpace.from_dsl(space.to_dsl()) == space
    assert space.sample_architecture(seed=0).cost.depth >= 0


def _with_messages() -> list[tuple[str, Block, str]]:
    found = []
    for page in PAGES:
        inside = [*blocks(page)]
        for block, shown in zip_longest(inside, inside[1:]):
            if block.kind in ("error", "warning"):
                assert shown is not None
                assert shown.language == "text"
                found.append((page, block, shown.code))
    return found


MESSAGES = _with_messages()


@pytest.mark.parametrize(
    ("page", "block", "shown"), MESSAGES, ids=[f"{page}:{b.line}" for page, b, _ in MESSAGES]
)
def test_a_page_shows_the_messages_of_a_text(page: str, block: Block, shown: str) -> None:
    if block.kind == "error":
        with pytest.raises(DSLError) as caught:
            ArchitectureSpace.from_dsl(block.code)
        assert str(caught.value) == shown.rstrip("\n")
        return
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ArchitectureSpace.from_dsl(block.code)
    assert [str(warning.message) for warning in warned] == shown.splitlines()


RUN = [
    pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else [], id=page)
    for page in PAGES
    if any(block.language in ("python", "sh") for block in blocks(page))
]


@pytest.mark.parametrize("page", RUN)
def test_python_and_commands_run_in_order(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    for file in (*(ROOT / "examples").glob("*.neural"), ROOT / "examples" / "search.toml"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / "examples" / file.name).write_text(briefly(text))
    for block in blocks(page):
        file_name = re.match(r"# (\w+\.neural)\n", block.code)
        if file_name is not None:
            (tmp_path / file_name[1]).write_text(briefly(block.code))
    for (language, folder), group in groupby(
        (block for block in blocks(page) if block.language in ("python", "sh")),
        key=lambda block: (block.language, block.folder),
    ):
        codes = [shortened(block.code) for block in group]
        if language == "python":
            _run_python(codes, tmp_path / folder)
        for line in "".join(codes).splitlines() if language == "sh" else ():
            _run_line(line, tmp_path / folder)


def briefly(space: str) -> str:
    """Return a space whose trainings take one epoch."""
    return re.sub(r"epochs(: | = )\d+", r"epochs\g<1>1", space)


def shortened(code: str) -> str:
    for written, instead in SHORTER.items():
        code = code.replace(written, instead)
    return code


def _run_python(codes: list[str], folder: Path) -> None:
    """Run blocks as one program; what a comment after a print says must be in the output."""
    script = ""
    for code in codes:
        module = re.match(r"# (\w+\.py)\n", code)
        if module is not None:  # a file that later blocks import
            (folder / module[1]).write_text(code)
        else:
            script += code
    quiet = [*("-W", "error"), *("-W", "ignore:::optuna"), *("-W", "ignore:::neural_automl")]
    output = _run([*quiet, "-c", script], folder)
    for shown in re.findall(r"^print\(.*\)  # (.+)$", script, flags=re.MULTILINE):
        assert shown in output


def _run(arguments: list[str], folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _run_line(line: str, folder: Path) -> None:
    """Run our own commands; of all others check that what they name is there."""
    for part in line.split("#")[0].split("&&"):
        words = shlex.split(part)
        if not words:
            continue
        program, *rest = words
        if program == "neural-automl":
            _run(["-m", "neural_automl", *rest], folder)
        else:
            assert program in CHECKS, line
            CHECKS[program](rest)


def _check_pip(words: list[str]) -> None:
    extras = project()["project"]["optional-dependencies"]
    assert words[0] == "install"
    for word in words[1:]:
        if word.startswith("."):
            named = re.findall(r"\w+", word)
            assert set(named) <= set(extras), word
        elif word.endswith(".txt"):
            assert (ROOT / word).exists(), word
        elif not word.startswith("-"):
            assert any(word in line for lines in extras.values() for line in lines), word


def _check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(words) <= set(targets)


def _check_paths(words: list[str]) -> None:
    for word in words:
        if word.startswith("$PWD/"):
            assert (ROOT / word.removeprefix("$PWD/")).exists(), word


def _check_activation(words: list[str]) -> None:
    assert words == [".venv/bin/activate"]


def _check_dashboard(words: list[str]) -> None:
    assert [word.startswith("sqlite:///") for word in words] == [True]


CHECKS = {
    ".": _check_activation,
    "ln": _check_paths,
    "make": _check_make,
    "optuna-dashboard": _check_dashboard,
    "pip": _check_pip,
}


@pytest.mark.parametrize(
    "line",
    ["pip install .[gpu]", "pip install numpyy", "make demos", "ln $PWD/nothing x", "rm -rf x"],
)
def test_a_wrong_line_is_found(line: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        _run_line(line, tmp_path)


def test_what_is_shortened_stands_in_a_page() -> None:
    content = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)

    assert [written for written in SHORTER if written not in content] == []
