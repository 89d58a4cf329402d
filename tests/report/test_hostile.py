"""Texts of others are texts: on the page of scores, and in what a dashboard shows."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from neural_automl.report import publish
from neural_automl.studies import open_storage
from neural_automl.zero_cost._page import score_page
from tests.report.studies import HOSTILE, Page, add, empty_study

if TYPE_CHECKING:
    from pathlib import Path


def scores() -> pd.DataFrame:
    """Return a table whose names and texts are hostile: of a file, or of a proxy of one's own."""
    rows = [(place, HOSTILE, 100 * (place + 1), 0.5 * place, HOSTILE) for place in range(3)]
    return pd.DataFrame(rows, columns=["rank", "key", "params", f"zero_cost.{HOSTILE}", HOSTILE])


def test_the_page_of_scores_shows_hostile_texts_as_texts() -> None:
    text = score_page(scores(), f"{HOSTILE}.neural")
    page = Page(text)

    assert HOSTILE[:30] in page.text
    tags = [name for name, _ in page.tags]
    assert tags.count("h1") == 1
    assert "img" not in tags
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert not any(data.startswith("alert") for _, data in page.scripts)
    assert not [each for each in page.named("script") if "src" in each]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a dashboard is given of a hostile study."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    storage = open_storage(folder / "study.db")
    study = empty_study(storage=storage, name=HOSTILE, strategy=HOSTILE, fallbacks=[HOSTILE])
    space = study.user_attrs["space"].replace("\n", f"\n# ````` {HOSTILE}\n", 1)
    study.set_user_attr("space", space)
    for seed in range(12):
        hostile: dict[str, Any] = {"worker": HOSTILE, f"zero_cost.{HOSTILE}": 0.1 * seed}
        add(study, [0.1 * seed], {1: 0.1, 2: 0.2}, seed=seed, **hostile)
    add(study, None, state=TrialState.FAIL, error=HOSTILE)
    add(study, None, state=TrialState.PRUNED, infeasible=HOSTILE)
    add(study, None, state=TrialState.PRUNED, stopped=HOSTILE)
    publish(study)
    held: dict[str, Any] = storage.get_study_system_attrs(study._study_id)
    return held


def joined(held: dict[str, Any], prefix: str) -> list[str]:
    """Return the values of a prefix, the parts of each in order."""
    parts: dict[str, dict[int, str]] = {}
    for key, value in held.items():
        if key.startswith(prefix):
            name, _, number = key.rpartition(":")
            parts.setdefault(name, {})[int(number)] = str(value)
    return ["".join(text for _, text in sorted(found.items())) for found in parts.values()]


def outside_of_code(note: str) -> str:
    """Return Markdown without its blocks of code, which are shown as they are."""
    return re.sub(r"^(`{4,})\n.*?\n\1$", "", note, flags=re.MULTILINE | re.DOTALL)


def test_notes_hold_no_element_and_no_link(published: dict[str, Any]) -> None:
    notes = [outside_of_code(n) for key in notes_of(published) for n in joined(published, key)]

    assert len(notes) >= 10
    assert any("alert" in note for note in notes)  # it is there, as a text
    for note in notes:
        assert not re.search(r"(?<!\\)<", note)
        assert not re.search(r"(?<!\\)\]\((?!artifact)", note)


def notes_of(held: dict[str, Any]) -> list[str]:
    keys = {key.rpartition(":")[0] for key in held if "note_str" in key}
    return sorted(f"{key}:" for key in keys)


def test_a_block_of_code_ends_where_ours_ends(published: dict[str, Any]) -> None:
    (note,) = [n for n in joined(published, "dashboard:note_str") if "The space:" in n]

    assert note.count("``````") == 2
    assert "alert" in note
    assert note.endswith("``````")


def test_figures_hold_no_element(published: dict[str, Any]) -> None:
    figures = joined(published, "dashboard:plot_data")

    assert len(figures) >= 3
    for figure in figures:
        images = json.loads(figure)["layout"].get("images", ())
        text = re.sub(r"data:image/svg\+xml;base64,[\w+/=]+", "", figure)
        assert re.findall(r"<(?!br>|b>|/b>|extra>|/extra>)[a-z/]", text) == []
        for image in images:
            svg = base64.b64decode(image["source"].partition("base64,")[2]).decode()
            assert "<script" not in svg
            assert not re.search(r"<[^>]*\son\w+=", svg)


def test_a_hostile_name_of_a_study_is_kept(published: dict[str, Any], tmp_path: Path) -> None:
    study = optuna.create_study(study_name=HOSTILE, storage=open_storage(tmp_path / "study.db"))

    assert study.study_name == HOSTILE
    assert published
