"""The command `retrain`: what a user types and sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_cli import SMALL, Ran, cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "small.neural").write_text(SMALL)
    ran = cli("search", "small.neural", "--data", "digits", "--trials", "2", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def retrain(*arguments: str, cwd: Path) -> Ran:
    return cli("retrain", "--storage", "results", *arguments, cwd=cwd)


def test_the_best_are_trained_again_compared_and_written(folder: Path) -> None:
    ran = retrain("--data", "digits", "--seeds", "2", "-o", "best", cwd=folder)

    assert ran.returncode == 0, ran.stderr
    assert "Trained again, 2 seeds each: Small" in ran.stdout
    assert "test_accuracy, mean" in ran.stdout
    assert " is ahead of " in ran.stdout
    assert "over 2 seeds" in ran.stdout
    assert ran.stderr.count("seed 0: test_accuracy") == 2
    card = (folder / "best" / "README.md").read_text()
    assert "trained again" in card
    assert "values 0 to 16 divided by 16" in card
    assert (folder / "best" / "weights.safetensors").is_file()


def test_json_says_the_same(folder: Path) -> None:
    ran = retrain(
        *("--data", "digits", "--seeds", "2", "--top", "1", "--epochs", "1", "--json"),
        *("--metric", "test_f1"),
        cwd=folder,
    )

    told = json.loads(ran.stdout)
    assert told["metric"] == "test_f1"
    assert told["winner"] is None
    assert [len(each["runs"]) for each in told["candidates"]] == [2]
    assert told["candidates"][0]["epochs"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digits", "--seeds", "1"], "--seeds"),
        (["--data", "digits", "-o", "results"], "results is there already; choose a new folder"),
        (["--data", "digits", "--metric", "mse"], "'mse'"),
        (["--data", "none.csv"], "none.csv"),
        (["--data", "digits", "--study", "Other"], "there is no study 'Other'"),
    ],
    ids=["seeds", "folder", "metric", "data", "study"],
)
def test_mistakes_are_told_before_anything_is_trained(
    folder: Path, arguments: list[str], message: str
) -> None:
    ran = retrain(*arguments, cwd=folder)

    assert ran.returncode == 2
    assert message in ran.stderr
    assert "seed 0:" not in ran.stderr
