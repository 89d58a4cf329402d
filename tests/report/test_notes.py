"""Notes and figures in a study, read back with optuna-dashboard's own functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard._note import get_note_from_system_attrs

from neural_automl.architecture_space import ArchitectureSpace, Layer, Repeat
from neural_automl.objective import ArchitectureObjective
from neural_automl.report import publish
from neural_automl.report._notes import (
    describe_curve,
    escaped,
    network_table,
    outcome_text,
    trial_note,
    write_figure,
    write_study_note,
)
from neural_automl.studies import open_storage
from tests.report.studies import HOSTILE, branched
from tests.search.fakes import CurveEvaluator, small_space

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.storages import BaseStorage


@pytest.fixture
def storage(tmp_path: Path) -> BaseStorage:
    return open_storage(tmp_path / "study.db")


def _run(storage: BaseStorage, trials: int = 3, **options: Any) -> optuna.Study:
    study = optuna.create_study(
        storage=storage, direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    objective = ArchitectureObjective(small_space(), CurveEvaluator(), epochs=4, **options)
    study.optimize(objective, n_trials=trials, catch=(RuntimeError,))
    publish(study)
    return study


def _notes(study: optuna.Study) -> list[str]:
    held = study._storage.get_study_system_attrs(study._study_id)
    return [get_note_from_system_attrs(held, trial._trial_id)["body"] for trial in study.trials]


# --- what a note says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "maximize", "text"),
    [
        ({}, True, "m was reported after no epoch"),
        ({2: 0.5}, True, "m was 0.5 after epoch 2"),
        ({1: 0.1, 2: 0.9, 3: 0.8}, True, ("m went from 0.1 after epoch 1 to 0.8 after epoch 3; "
         "best 0.9 after epoch 2")),
        ({1: 0.1, 2: 0.2, 3: 0.4, 4: 0.8}, True, ("m went from 0.1 after epoch 1 to 0.8 after "
         "epoch 4; still improving at the end")),
        ({1: 0.9, 2: 0.2, 3: 0.1, 4: 0.5}, False, ("m went from 0.9 after epoch 1 to 0.5 after "
         "epoch 4; best 0.1 after epoch 3; worse at the end")),
        ({1: 0.9, 2: 0.2, 3: 0.1, 4: 0.1}, False, ("m went from 0.9 after epoch 1 to 0.1 after "
         "epoch 4; flat at the end")),
        ({1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2}, True, ("m went from 0.5 after epoch 1 to 0.2 after "
         "epoch 4; best 0.5 after epoch 1; never better than at first")),
    ],
    ids=["none", "one", "few", "rising", "worse", "flat", "falling"],
)  # fmt: skip
def test_a_curve_in_words(curve: dict[int, float], maximize: bool, text: str) -> None:
    assert describe_curve(curve, "m", maximize=maximize) == text


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"epochs": 3, "train_seconds": 1.5, "device": "cpu"}, "trained 3 epochs in 1.5 s on cpu"),
        ({"epochs": 3}, "trained 3 epochs"),
        ({"stopped": "by MedianPruner, after epoch 1"}, "stopped by MedianPruner, after epoch 1"),
        ({"infeasible": "params 9 > 5"}, "infeasible: params 9 > 5"),
        ({"cached_from": 4}, "answered by the equal trial 4, not trained again"),
        ({"error": "Traceback\nValueError: no"}, "failed: ValueError: no"),
        ({"error": ""}, "failed: an error without a text"),
        ({"interrupted": True}, "cut off by its user"),
        ({"cached_from": 4, "infeasible": "x"}, "infeasible: x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_a_trial_ended(attributes: dict[str, Any], text: str) -> None:
    trial = create_trial(state=TrialState.PRUNED, user_attrs=attributes)

    assert outcome_text(trial) == text


def test_the_network_is_a_table() -> None:
    lines = network_table(branched()).splitlines()

    assert lines[:4] == [
        "| layer | output | params | MACs |",
        "|---|---|---:|---:|",
        "| input | 6 × 6 × 1 | | |",
        "| Conv2D | 6 × 6 × 4 | 40 | 1,296 |",
    ]
    assert "| · Conv2D | 6 × 6 × 4 | 148 | 5,184 |" in lines
    assert {line.count("|") for line in lines} == {5}


def test_a_long_network_is_cut_short() -> None:
    deep = ArchitectureSpace((4,), [Repeat([Layer("Dense", 4)], 60)]).sample_architecture(seed=0)

    lines = network_table(deep).splitlines()

    assert len(lines) == 44
    assert lines[-1] == "| … 20 more layers | | | |"


def test_a_note_without_a_network_has_the_reason_alone() -> None:
    trial = create_trial(state=TrialState.PRUNED, user_attrs={"infeasible": "no shape"})

    assert trial_note(trial, None, ["a"], ["maximize"], None) == "Infeasible: no shape"


@pytest.mark.parametrize("sign", list("\\`*_[](){}#~|<>"))
def test_signs_of_markdown_are_escaped(sign: str) -> None:
    kept = {"<": "&lt;", ">": "&gt;"}.get(sign, f"\\{sign}")

    assert escaped(f"a{sign}b") == f"a{kept}b"


def test_an_escaped_text_is_one_line_and_not_endless() -> None:
    assert escaped("a\n\nb\tc") == "a b c"
    assert len(escaped("x" * 10_000)) < 500
    assert "<" not in escaped(HOSTILE)
    assert "\\[x\\]\\(javascript:1\\)" in escaped(HOSTILE)


# --- notes of a search -----------------------------------------------------------------------


def test_each_trial_has_its_note(storage: BaseStorage) -> None:
    study = _run(storage)

    for trial, note in zip(study.trials, _notes(study), strict=True):
        assert note.startswith("**val\\_accuracy ")
        assert "| Dense |" in note
        assert f"{trial.user_attrs['params']:,} parameters" in note
        assert ("went from" in note) == ("cached_from" not in trial.user_attrs)


def test_a_stopped_trial_has_one(storage: BaseStorage) -> None:
    study = optuna.create_study(
        storage=storage, direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2.0)
    )
    study.optimize(ArchitectureObjective(small_space(), CurveEvaluator(), epochs=4), n_trials=1)
    publish(study)

    (note,) = _notes(study)
    assert note.startswith("Stopped by ThresholdPruner, after epoch 1")
    assert "| Dense |" in note


def test_an_infeasible_trial_and_a_failed_one_have_theirs(storage: BaseStorage) -> None:
    study = _run(storage, 1, constraints={"params": 1})
    (note,) = _notes(study)
    assert note.startswith("Infeasible: ")
    assert "| Dense |" in note

    def fail(architecture: object, epoch: int) -> float:
        raise RuntimeError("out of *luck*")

    study = optuna.create_study(storage=storage, direction="maximize")
    objective = ArchitectureObjective(small_space(), CurveEvaluator(fail), epochs=4)
    study.optimize(objective, n_trials=1, catch=(RuntimeError,))
    publish(study)
    (note,) = _notes(study)
    assert note.startswith("Failed: RuntimeError: out of \\*luck\\*")


def test_no_note_where_nobody_looks() -> None:
    study = _run(optuna.storages.InMemoryStorage(), 1)

    assert study._storage.get_study_system_attrs(study._study_id) == {}


class _Counting:
    """Stands before a storage and counts what is written of the study."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self.written: list[str] = []

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.written.append(key)
        self._storage.set_study_system_attr(study_id, key, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


def test_a_trial_costs_no_note(storage: BaseStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    study = _run(storage, 1)
    counting = _Counting(study._storage)
    monkeypatch.setattr(study, "_storage", counting)

    study.optimize(ArchitectureObjective(small_space(), CurveEvaluator(), epochs=4), n_trials=2)

    assert [key for key in counting.written if key.startswith("dashboard:")] == []


def test_of_many_trials_the_best_have_notes(
    storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neural_automl.report._notes.MOST_NOTES", 2)
    study = optuna.create_study(storage=storage, direction="maximize")
    objective = ArchitectureObjective(small_space(), CurveEvaluator(), epochs=4)
    study.optimize(objective, n_trials=5)
    ranked = sorted(study.trials, key=lambda trial: (-(trial.value or 0.0), trial.number))

    for noted in (2, 4, 5, 5):  # each search has its own
        publish(study)
        expected = {trial.number for trial in ranked[:noted]}
        assert {number for number, note in enumerate(_notes(study)) if note} == expected


def test_a_note_of_ones_own_stays(storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage, direction="maximize")
    study.optimize(ArchitectureObjective(small_space(), CurveEvaluator(), epochs=4), n_trials=2)
    save_note(optuna.trial.Trial(study, study.trials[0]._trial_id), "mine")

    publish(study)

    mine, ours = _notes(study)
    assert mine == "mine"
    assert "| Dense |" in ours


def test_a_trial_cut_off_before_its_choices_has_one(storage: BaseStorage) -> None:
    study = _run(storage, 1)
    study.tell(study.ask(), state=TrialState.FAIL)

    publish(study)

    assert _notes(study)[1] == "Trained 0 epochs"


# --- notes and figures of a study ------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 10, 15_999, 16_001, 50_000])
def test_a_study_note_is_read_back(storage: BaseStorage, length: int) -> None:
    study = optuna.create_study(storage=storage)
    body = "äb" * (length // 2)

    write_study_note(study, "y" * 40_000)
    write_study_note(study, body)

    assert get_note(study) == body
    held = study._storage.get_study_system_attrs(study._study_id)
    assert held["dashboard:note_ver"] == 2


def test_figures_are_read_back_and_replaced(storage: BaseStorage) -> None:
    study = optuna.create_study(storage=storage)
    long = {"data": [{"y": list(range(20_000))}], "layout": {}}
    short = {"data": [{"y": [1.0, float("nan")]}], "layout": {}}

    for figure in (long, short):
        write_figure(study, "a-figure", figure)
    write_figure(study, "other", long)

    kept = get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))
    assert {name: json.loads(text) for name, text in kept.items()} == {
        "a-figure": {"data": [{"y": [1.0, None]}], "layout": {}},
        "other": long,
    }


@pytest.mark.parametrize("name", ["", "1a", "a b", "a:b", "a/b"])
def test_a_figure_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="`name` must be letters"):
        write_figure(optuna.create_study(), name, {})
