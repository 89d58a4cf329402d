"""The option `--warm-start` of `search`: what a user types, and what the study holds."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from tests.test_cli import SMALL, cli

SEARCH = ("search", "small.neural", "--data", "digits", "--device", "cpu", "--strategy", "random")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which a study was warm started by scores."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "small.neural").write_text(SMALL.replace("epochs: 2", "epochs: 1"))
    ran = cli(
        *SEARCH, "--warm-start", "zero_cost", "--candidates", "20", "--warm-start-trials", "4",
        "--trials", "5", cwd=folder,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (folder / "output.txt").write_text(ran.stdout)
    return folder


def studies(folder: Path) -> dict[str, optuna.Study]:
    storage = f"sqlite:///{folder}/results/study.db"
    names = optuna.get_all_study_names(storage)
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def test_the_first_trials_are_the_best_by_scores_and_two_at_random(folder: Path) -> None:
    study = studies(folder)["Small"]
    queued = [t.user_attrs.get("warm_start") for t in study.trials]
    assert queued == ["best 1", "best 2", "random 1", "random 2", None]
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)
    for trial in study.trials:
        # Where few units switch, naswot says nothing.
        names = {n.removeprefix("zero_cost.") for n in trial.user_attrs if "zero_cost." in n}
        assert names | {"naswot"} == {"synflow", "naswot", "macs", "jacov"}
    # Of one hidden layer the wide ones have the best scores.
    widths = [trial.params["layers[1].Dense.units"] for trial in study.trials]
    assert sorted(widths[:2]) == [28, 32]


def test_the_end_of_the_search_says_what_was_queued_and_how_right_scores_were(
    folder: Path,
) -> None:
    output = (folder / "output.txt").read_text()
    assert "warm start: 2 best of 7 networks by zero_cost, 2 at random" in output
    ran = cli("status", "--storage", "sqlite:///results/study.db", "--study", "Small", "--json",
              cwd=folder)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "synflow" in json.loads(ran.stdout)["kendall"]


def test_a_study_begins_with_the_best_of_an_earlier_one(folder: Path) -> None:
    ran = cli(
        *SEARCH, "--study", "second", "--warm-start", "Small", "--warm-start-trials", "3",
        "--trials", "3", cwd=folder,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "networks by Small, 2 at random" in ran.stdout
    found = studies(folder)
    earlier, second = found["Small"], found["second"]
    best, *others = second.trials
    assert best.user_attrs["warm_start"] == "best 1"
    assert best.params["layers[1].Dense.units"] == earlier.best_params["layers[1].Dense.units"]
    assert [trial.user_attrs["warm_start"] for trial in others] == ["random 1", "random 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--warm-start", "Smal"), "there is no study 'Smal' in the storage; it holds:"),
        (("--warm-start", "zero_cost", "--warm-start-trials", "1"), "trials"),
        (("--candidates", "9"), "warm"),
    ],
    ids=["study", "trials", "alone"],
)
def test_wrong_options(folder: Path, options: tuple[str, ...], message: str) -> None:
    ran = cli(*SEARCH, "--study", "third", *options, "--trials", "3", cwd=folder)
    assert ran.returncode != 0
    assert message in " ".join(ran.stderr.split())
    assert "third" not in studies(folder)
