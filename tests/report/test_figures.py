"""The figures of a study: what is in each, and when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pytest
from optuna.trial import TrialState

from neural_automl.report import _figures as figures
from neural_automl.report._dashboard import dashboard_figures, plot_network, study_note
from neural_automl.report._facts import Facts
from tests.report.studies import HOSTILE, add, empty_study, full_study

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def facts() -> Facts:
    return Facts.of(full_study())


def two(*values: tuple[float, ...], metrics: tuple[str, ...] = ("val_accuracy", "macs")) -> Facts:
    study = empty_study(metrics)
    for seed, each in enumerate(values):
        add(study, each, seed=seed)
    return Facts.of(study)


def trace(figure: figures.Figure | None, name: str) -> dict[str, Any]:
    assert figure is not None
    (found,) = [each for each in figure["data"] if each.get("name") == name]
    assert isinstance(found, dict)
    return found


ALL: dict[str, Callable[[Facts], figures.Figure | None]] = {
    "history": figures.plot_history,
    "front": figures.plot_front,
    "size": figures.plot_size,
    "curves": figures.plot_curves,
    "operations": figures.plot_operations,
    "workers": figures.plot_workers,
    "network": plot_network,
}


@pytest.mark.parametrize("name", ALL)
def test_nothing_of_nothing(name: str) -> None:
    assert ALL[name](Facts.of(empty_study())) is None


@pytest.mark.parametrize("name", sorted(set(ALL) - {"front"}))
def test_plotly_takes_each(name: str, facts: Facts) -> None:
    go.Figure(ALL[name](facts))


def test_history_has_the_best_so_far_and_no_repeats(facts: Facts) -> None:
    figure = figures.plot_history(facts)

    assert trace(figure, "trained to the end")["x"] == list(range(16))  # 18 is a repeat
    best = trace(figure, "best so far")["y"]
    assert best == sorted(best)
    assert trace(figure, "stopped, where it stood")["y"] == [0.2]


def test_the_best_of_what_shall_be_small_falls() -> None:
    figure = figures.plot_history(two((0.1, 300.0), (0.2, 100.0), (0.3, 200.0)), 1)

    assert trace(figure, "best so far")["y"] == [300.0, 100.0, 100.0]


def test_what_was_stopped_far_off_does_not_flatten_the_history() -> None:
    study = empty_study()
    for seed in range(4):
        add(study, [0.9 + seed / 100], seed=seed)
        add(study, None, {1: [0.88, 0.1][seed % 2]}, state=TrialState.PRUNED, seed=seed)

    figure = figures.plot_history(Facts.of(study))

    assert figure is not None
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0.8 < low < 0.88
    assert 0.93 < high < 1.0


def test_the_front_is_marked() -> None:
    figure = figures.plot_front(two((0.9, 200.0), (0.8, 100.0), (0.7, 150.0)))

    assert trace(figure, "Pareto front")["text"] == ["trial 0", "trial 1"]
    assert trace(figure, "others")["x"] == [150.0]
    go.Figure(figure)


def test_of_three_objectives_no_line_joins_the_front() -> None:
    metrics = ("val_accuracy", "macs", "params")

    figure = figures.plot_front(two((0.9, 2.0, 1.0), (0.8, 1.0, 2.0), metrics=metrics))

    assert figure is not None
    assert [each["mode"] for each in figure["data"]] == ["markers", "markers"]


def test_curves_are_sorted_by_how_they_ended(facts: Facts) -> None:
    figure = figures.plot_curves(facts)

    assert trace(figure, "best")["y"] == [0.4, 0.79, 0.8, None]
    assert trace(figure, "stopped")["y"] == [0.2, None]
    assert trace(figure, "to the end")["x"].count(None) == 16


def test_of_many_curves_the_best_and_the_latest_are_drawn() -> None:
    study = empty_study()
    add(study, [0.99], {1: 0.99})
    for number in range(figures.MOST_CURVES + 50):
        add(study, [0.1 + number / 10_000], {1: 0.1})

    shown = {trial.number for trial in figures.curves_shown(Facts.of(study))}

    assert len(shown) <= figures.MOST_CURVES
    assert {0, figures.MOST_CURVES + 50} <= shown
    assert 1 not in shown


def test_operations_are_shares(facts: Facts) -> None:
    figure = figures.plot_operations(facts)

    assert figure is not None
    assert {each["name"] for each in figure["data"]} == {"ReLU", "Dropout"}
    for shares in zip(*(each["y"] for each in figure["data"]), strict=True):
        assert sum(shares) == pytest.approx(100)


def test_workers_have_a_row_each(facts: Facts) -> None:
    figure = figures.plot_workers(facts)

    assert figure is not None
    assert figure["layout"]["yaxis"]["ticktext"] == ["worker 1", "worker 2"]
    assert trace(figure, "failed")["y"] == [1, 1, None, 0, 0, None]
    assert trace(figure, "failed")["x"][:2] == [57.0, 59.0]


def test_scores_stand_against_results(facts: Facts) -> None:
    (figure,) = figures.plot_proxies(facts).values()

    assert figure["data"][0]["x"] == list(range(16))
    assert figure["data"][0]["y"][0] == 0.5


@pytest.mark.parametrize(("most", "kind"), [(4, "linear"), (400, "log")])
def test_sizes_of_different_orders_are_logarithmic(most: int, kind: str) -> None:
    study = empty_study()
    add(study, [0.1], params=1)
    add(study, [0.1], params=most)

    figure = figures.plot_size(Facts.of(study))

    assert figure is not None
    assert figure["layout"]["xaxis"]["type"] == kind


def test_equal_short_names_are_two_bars() -> None:
    names = ["a" * 20 + end + "b" * 20 for end in "xy"]

    figure = figures.plot_importances(dict(zip(names, (0.7, 0.3), strict=True)))

    assert figure["data"][0]["y"] == [0, 1]
    assert figure["data"][0]["x"] == [0.3, 0.7]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a<b>", "a&lt;b&gt;"), ("a\n b", "a b"), ("x" * 99, "x" * 17 + "…" + "x" * 17)],
    ids=["tag", "lines", "long"],
)
def test_labels(text: str, shown: str) -> None:
    assert figures.label(text) == shown


# --- of a dashboard --------------------------------------------------------------------------


def test_the_study_note_has_the_best_the_ledger_and_the_space(facts: Facts) -> None:
    note = study_note(facts)

    assert "trial 15, has val\\_accuracy 0\\.8" in note
    assert "| networks trained | 17 |" in note
    assert "| failed | 1 |" in note
    assert "**Fallback:** ray is missing: sequential" in note
    assert str(facts.attributes["space"]) in note


def test_a_space_cannot_end_its_block() -> None:
    study = empty_study(fallbacks=[HOSTILE])
    study.set_user_attr("space", f"{study.user_attrs['space']}\n# `````\n")

    note = study_note(Facts.of(study))

    assert note.endswith("\n``````")
    assert "<script>" not in note


def test_figures_of_a_dashboard_have_titles(facts: Facts) -> None:
    made = dashboard_figures(facts)

    assert set(made) == {"results-and-sizes", "operations", "best-network", "proxy-0"}
    assert all(figure["layout"]["title"]["text"] for figure in made.values())
    assert "pareto-front" in dashboard_figures(two((0.5, 1.0)))
