"""The report as a page: whole, self-contained, and deaf to what a study holds."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pytest
from optuna.trial import TrialState

from neural_automl.exceptions import StudyError
from neural_automl.report import make_report, write_report
from neural_automl.report._html import json_block, table
from tests.report.studies import HOSTILE, Page, add, empty_study, full_study, space

if TYPE_CHECKING:
    from pathlib import Path

    import optuna


@pytest.fixture(scope="module")
def text() -> str:
    return make_report(full_study())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def _figures(page: Page) -> dict[str, dict[str, object]]:
    return {
        str(attributes["id"]): json.loads(data)
        for attributes, data in page.scripts
        if attributes.get("type") == "application/json"
    }


def test_elements_are_balanced(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open == []


def test_every_part_is_there_once(page: Page) -> None:
    names = [str(section["id"]) for section in page.named("section")]

    assert names == [
        "found", "network", "size", "history", "curves", "choices", "proxies", "spent",
        "troubles", "setting",
    ]  # fmt: skip
    assert [str(link["href"]) for link in page.named("a")] == [f"#{name}" for name in names]


@pytest.mark.parametrize(
    "words",
    [
        "the best, trial 15, has val_accuracy 0.8",
        "17 networks of the space Small were trained",
        "The winner was trained once, with one seed",
        "Of 17 random trials the best would have reached about",
        "Fallback: ray is missing: sequential",
        "RuntimeError: lost it",
        "cut off by its user",
        "params 900 > 500",
        "1 of 17 trainings were stopped early",
        "1 trials computed what another had computed",
        "saved by stopping",
        "class Small(nn.Module)",
    ],
    ids=lambda words: words[:30],
)
def test_what_a_reader_looks_for(page: Page, words: str) -> None:
    assert words in page.text


def test_nothing_is_loaded_from_elsewhere(text: str, page: Page) -> None:
    loading = [
        (tag, name, value)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data") and not str(value).startswith("#")
    ]

    assert loading == []
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_only_its_own_scripts_may_run(page: Page) -> None:
    (policy,) = [
        str(meta["content"])
        for meta in page.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    running = [data for attributes, data in page.scripts if "type" not in attributes]

    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in running]
    assert hashes == allowed
    assert len(running) == 2
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy


def test_every_figure_has_its_place_and_is_plotly(page: Page) -> None:
    places = [str(div["id"]) for div in page.named("div") if div.get("class") == "figure"]
    figures = _figures(page)

    assert [f"{place}-data" for place in places] == list(figures)
    assert len(places) >= 7
    for figure in figures.values():
        go.Figure(figure)  # refuses what Plotly does not know


def test_size(text: str) -> None:
    assert len(text.encode()) < 10_000_000


def test_a_narrow_screen_and_a_dark_one_are_provided_for(text: str, page: Page) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named(
        "meta"
    )
    assert "@media (max-width" in text
    assert "@media (prefers-color-scheme:dark)" in text


# --- studies of little -----------------------------------------------------------------------


def _no_trial(study: optuna.Study) -> None:
    pass


def _one_failed(study: optuna.Study) -> None:
    add(study, None, state=TrialState.FAIL)


def _one_stopped(study: optuna.Study) -> None:
    add(study, None, {1: 0.1}, state=TrialState.PRUNED, stopped="by A, after epoch 1")


def _one_running(study: optuna.Study) -> None:
    study.ask()


@pytest.mark.parametrize("fill", [_no_trial, _one_failed, _one_stopped, _one_running])
@pytest.mark.parametrize("metrics", [("val_accuracy",), ("val_accuracy", "macs")], ids=len)
def test_a_study_without_a_result(fill: object, metrics: tuple[str, ...]) -> None:
    study = empty_study(metrics)
    assert callable(fill)
    fill(study)

    page = Page(make_report(study))

    assert page.unbalanced == []
    assert "none has a result yet" in page.text


def test_a_failure_without_a_reason_says_so() -> None:
    study = empty_study()
    add(study, None, state=TrialState.FAIL)

    assert "no reason was kept: its process ended" in Page(make_report(study)).text


def test_several_objectives() -> None:
    study = empty_study(("val_accuracy", "macs"))
    for seed, values in enumerate([(0.9, 200.0), (0.8, 100.0), (0.7, 150.0)]):
        add(study, values, seed=seed)

    page = Page(make_report(study))

    assert "2 of them are on the Pareto front" in page.text
    assert "front" in [section["id"] for section in page.named("section")]
    assert "history-1-data" in _figures(page)
    assert "with several objectives there is no one best value" in page.text


def test_a_study_of_another_program_is_refused() -> None:
    import optuna

    with pytest.raises(StudyError, match="holds no space of architectures"):
        make_report(optuna.create_study())


def test_an_unreadable_winner_is_told() -> None:
    study = empty_study()
    other = space("Other")
    add(study, [0.5], of=other)
    study.set_user_attr("space", _another_space())

    page = Page(make_report(study))

    assert "It can't be drawn: trial 0 is not one of the space" in page.text


def _another_space() -> str:
    from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer

    return ArchitectureSpace((4,), [Layer("Dense", Choice(3, 5))], name="Else").to_dsl()


# --- hostile texts ---------------------------------------------------------------------------


def _hostile() -> optuna.Study:
    study = empty_study(
        name=HOSTILE, strategy=HOSTILE, fallbacks=[HOSTILE], data_fingerprint=HOSTILE,
        settings={
            "engine": {HOSTILE: HOSTILE, "backend": HOSTILE},
            "data": {"source": f"{HOSTILE}.csv", "target": HOSTILE},
            "artifacts": HOSTILE,
        },
    )  # fmt: skip
    hostile: dict[str, Any] = {"worker": HOSTILE, f"zero_cost.{HOSTILE}": 1.0}
    for seed in range(12):
        add(study, [0.1 * seed], {1: 0.1, 2: 0.2}, seed=seed, **hostile)
    add(study, None, state=TrialState.FAIL, error=HOSTILE)
    add(study, None, state=TrialState.PRUNED, infeasible=HOSTILE)
    return study


def test_hostile_texts_are_texts() -> None:
    text = make_report(_hostile())
    page = Page(text)

    assert page.unbalanced == []
    assert "<script>alert" not in text
    assert "<img" not in text
    assert HOSTILE[:60] in page.text  # shown letter by letter
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]


def test_labels_of_figures_are_escaped() -> None:
    figures = json.dumps(_figures(Page(make_report(_hostile()))))

    assert "&lt;" in figures
    assert re.findall(r"<[a-z/]", figures) == []


def test_a_hostile_space_is_a_text() -> None:
    evil = space("Evil")
    study = empty_study(of=evil)
    text = study.user_attrs["space"].replace("\n", f"\n# {HOSTILE}\n", 1)
    study.set_user_attr("space", text)
    add(study, [0.5], of=evil)

    made = make_report(study)

    assert "<script>alert" not in made
    assert "&lt;script&gt;alert" in made


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "&lt;"])
def test_data_cannot_end_its_block(text: str) -> None:
    block = json_block("x", {"a": text})

    inside = block.removeprefix('<script type="application/json" id="x">')
    inside = inside.removesuffix("</script>")
    assert not set("<>&\u2028") & set(inside)
    assert json.loads(inside) == {"a": text}


def test_cells_are_escaped_and_numbers_stand_at_the_right() -> None:
    page = Page(table(("<a>", "n"), [("<b>", 1)], (1,)))

    assert page.texts == ["<a>", "n", "<b>", "1"]
    assert [cell.get("class") for cell in page.named("td")] == [None, "num"]


# --- the file --------------------------------------------------------------------------------


def test_the_file_is_written_into_folders_that_are_not_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    target.parent.mkdir()
    target.write_text("old")

    assert write_report(full_study(), target) == target
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert write_report(full_study(), str(tmp_path / "a" / "b.html")).exists()


def test_the_same_study_gives_the_same_page(text: str) -> None:
    again = make_report(full_study())

    def without_time(page: str) -> str:
        return re.sub(r"Made on [^<]*", "", page)

    assert without_time(again) == without_time(text)
