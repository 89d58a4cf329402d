from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

import neural_automl
from tests.house.repository import ROOT, files, modules, project, texts

MACHINE = re.compile(r"(?<![\w.~])/(?:work|root|home/\w+|tmp/\w+|opt/\w+)\b")
DEFERRED = re.compile(r"\b(?:TO-?DO|FIX-?ME|X{3})\b")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)")
MAKE = re.compile(r"\bmake ([a-z]+)\b")
COMMAND = re.compile(r"\bneural-automl ([a-z]+)\b")

SLASH = "/"  # so that this file does not find itself


def _found(pattern: re.Pattern[str], content: str) -> list[str]:
    return [match.group() for match in pattern.finditer(content)]


def test_no_file_names_a_place_on_one_machine() -> None:
    found = {name: _found(MACHINE, content) for name, content in texts().items()}

    assert {name: places for name, places in found.items() if places} == {}


def test_deferred_work_is_not_left_in_files() -> None:
    found = {name: _found(DEFERRED, content) for name, content in texts().items()}

    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"see {SLASH}work/x", [f"{SLASH}work"]),
        (f"in `{SLASH}tmp/dev/x`", [f"{SLASH}tmp/dev"]),
        ("the network/work balance", []),
        (f"https://example.org{SLASH}root", []),
    ],
    ids=["absolute", "quoted", "inside a word", "address"],
)
def test_pattern_of_places(text: str, places: list[str]) -> None:
    assert _found(MACHINE, text) == places


def test_links_between_texts_resolve() -> None:
    broken = [
        f"{name}: {target}"
        for name, content in texts().items()
        if name.endswith(".md")
        for target in LINK.findall(re.sub(r"<!--.*?-->", "", content, flags=re.DOTALL))
        if "://" not in target and not ((ROOT / name).parent / target).exists()
    ]

    assert broken == []


def test_make_knows_the_commands_of_the_texts() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        word
        for name in ("README.md", "CONTRIBUTING.md")
        for code in re.findall(r"```(?:sh|bash)\n(.*?)```|`([^`\n]+)`", texts()[name], re.DOTALL)
        for word in MAKE.findall("".join(code))
    }

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_program_knows_the_commands_of_the_texts() -> None:
    named = sorted({word for name in ("README.md",) for word in COMMAND.findall(texts()[name])})
    answers = {
        command: subprocess.run(
            [sys.executable, "-m", "neural_automl", command, "--help"],
            cwd=ROOT,
            capture_output=True,
            check=False,
        ).returncode
        for command in named
    }

    assert "search" in answers
    assert set(answers.values()) == {0}


def test_changelog_has_the_version() -> None:
    headings = re.findall(r"^## \[?([\w.]+)\]?", texts()["CHANGELOG.md"], flags=re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert project()["project"]["version"] in texts()["CHANGELOG.md"]


def test_the_check_is_executable() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_files_are_small() -> None:
    assert [path.name for path in files() if path.stat().st_size > 2_000_000] == []


BANNED_CALLS = ("eval", "exec", "print")


def _banned(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                found.append(f"{node.lineno}: {name}()")
            case ast.ExceptHandler(type=None):
                found.append(f"{node.lineno}: bare except")
            case ast.Global():
                found.append(f"{node.lineno}: global")
    return found


def test_library_code_is_free_of_what_is_banned() -> None:
    found = {name: _banned(path.read_text()) for name, path in modules().items()}

    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("print('x')", ["1: print()"]),
        ("eval('1')\nexec('x')", ["1: eval()", "2: exec()"]),
        ("try:\n    f()\nexcept:\n    pass", ["3: bare except"]),
        ("def f():\n    global x", ["2: global"]),
        ("console.print('x')\nmodel.eval()", []),
    ],
    ids=["print", "evaluation", "except", "global", "methods"],
)
def test_banned_is_found(source: str, lines: list[str]) -> None:
    assert _banned(source) == lines


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", texts()["README.md"], flags=re.DOTALL)


def test_python_of_the_readme_uses_public_names() -> None:
    imported = [
        alias.name
        for block in _blocks("python")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module == "neural_automl"
        for alias in node.names
    ]

    assert imported != []
    assert set(imported) - set(neural_automl.__all__) == set()
