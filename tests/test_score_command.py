"""The command `score`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.test_cli import SMALL, cli


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.neural").write_text(SMALL)
    return tmp_path


def score(folder: Path, *arguments: str) -> object:
    ran = cli(
        "score", "small.neural", "--data", "digits", "--json", "--device", "cpu", *arguments,
        cwd=folder,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_table_of_the_best(folder: Path) -> None:
    ran = cli(
        "score", "small.neural", "--data", "digits", "--candidates", "5", "--top", "2", cwd=folder
    )
    assert ran.returncode == 0, ran.stderr
    assert "Best of 5 networks of Small, none of them trained" in ran.stdout
    for name in ("key", "params", "synflow", "naswot", "macs", "jacov", "rank"):
        assert name in ran.stdout
    assert sum(line.startswith("│") for line in ran.stdout.splitlines()) == 2
    assert "The first: layers[1].Dense.units=" in ran.stdout
    assert list(folder.iterdir()) == [folder / "small.neural"]


def test_files_hold_all_scores_and_the_page_needs_nothing(folder: Path) -> None:
    found = score(folder, "--candidates", "7", "--output", "out", "--top", "3")
    assert isinstance(found, dict)
    assert found["scored"] == 7
    assert len(found["best"]) == 3
    out = folder / "out"
    rows = json.loads((out / "scores.json").read_text())
    assert rows[:3] == found["best"]
    assert [row["rank"] for row in rows] == sorted((r["rank"] for r in rows), reverse=True)
    assert rows[0]["choices"].keys() == {"layers[1].Dense.units"}
    table = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert [row["key"] for row in table] == [row["key"] for row in rows]
    page = (out / "scores.html").read_text()
    assert all(row["key"][:12] in page for row in rows)
    assert "<script src=" not in page


def test_an_interrupted_run_goes_on(folder: Path) -> None:
    first = score(folder, "--candidates", "4", "--output", "out", "--top", "9")
    kept = folder / "out" / "scores.jsonl"
    lines = kept.read_text().splitlines()
    key, scores = json.loads(lines[1])
    scores["synflow"] = 99.0  # to see that it is not scored again
    kept.write_text("\n".join([lines[0], json.dumps([key, scores]), lines[2][:30]]) + "\n")
    again = score(folder, "--candidates", "4", "--output", "out", "--top", "9")
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    by_key = {row["key"]: row for row in again["best"]}
    assert by_key.keys() == {row["key"] for row in first["best"]}
    assert by_key[key]["zero_cost.synflow"] == 99.0
    for row in first["best"]:
        if row["key"] != key:
            assert by_key[row["key"]]["zero_cost.synflow"] == row["zero_cost.synflow"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--proxies", "nwot"), "there is no proxy 'nwot'"),
        (("--candidates", "0"), "--candidates"),
        (("--device", "abacus"), "abacus"),
    ],
    ids=["proxy", "candidates", "device"],
)
def test_wrong_options(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    ran = cli("score", "small.neural", "--data", "digits", *arguments, cwd=folder)
    assert ran.returncode == 2
    assert message in " ".join(ran.stderr.split())


def test_a_score_that_says_nothing_is_no_number(folder: Path) -> None:
    text = SMALL.replace(', "relu"', "")  # nothing switches
    (folder / "small.neural").write_text(text)
    found = score(folder, "--candidates", "3", "--proxies", "naswot,params")
    assert isinstance(found, dict)
    assert [row["zero_cost.naswot"] for row in found["best"]] == [None, None, None]
