"""How sure a result is: the bootstrap, the spread, and when nothing is said."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl._plain import number_text, rounded, to_json
from neural_automl.report._chance import best_of_random, random_text, spread_text
from neural_automl.report._facts import Facts, choices_of
from neural_automl.report._importance import importances_of
from tests.report.studies import add, empty_study, full_study

VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=12)


@given(values=VALUES, count=st.integers(1, 100), maximize=st.booleans())
def test_the_best_of_many_is_one_of_them_and_in_order(
    values: list[float], count: int, maximize: bool
) -> None:
    low, middle, high = best_of_random(values, count, maximize=maximize)

    assert {low, middle, high} <= set(values)
    assert low <= middle <= high


@pytest.mark.parametrize("count", [1, 5, 20])
def test_quantiles_are_those_of_the_exact_distribution(count: int) -> None:
    # The best of n draws from m values is at most the k-th with probability (k / m) ** n.
    values = [float(k) for k in range(1, 1001)]

    found = best_of_random(values, count, maximize=True)

    exact = [1000 * quantile ** (1 / count) for quantile in (0.05, 0.5, 0.95)]
    assert found == pytest.approx(exact, abs=25)


def test_less_may_be_better() -> None:
    values = [float(k) for k in range(1, 101)]

    up = best_of_random(values, 7, maximize=True)
    down = best_of_random([-value for value in values], 7, maximize=False)

    assert down == pytest.approx([-value for value in reversed(up)], abs=1)


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [([], 3, "at least one value"), ([1.0], 0, "`count` must be at least 1 but got 0")],
)
def test_what_cannot_be_drawn(values: list[float], count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        best_of_random(values, count, maximize=True)


def _facts(values: list[float], **attributes: object) -> Facts:
    study = empty_study(**attributes)  # type: ignore[arg-type]
    for seed, value in enumerate(values):
        add(study, [value], seed=seed)
    return Facts.of(study)


def test_a_search_that_beat_chance() -> None:
    text = random_text(_facts([0.5] * 10 + [0.9]))

    assert "Of 11 random trials the best would have reached about 0.5" in text
    assert "so many draws find the best of them nearly always" in text
    assert "the search found better than that: 0.9" in text
    assert "the study's 10 random trials" in text


def test_a_search_that_did_not() -> None:
    text = random_text(_facts([0.9, *[0.5] * 12]))

    assert "the search did not do better than that" in text


@pytest.mark.parametrize(
    ("strategy", "engine", "text"),
    [
        ("random", {}, "All networks were drawn at random"),
        ("grid", {}, "the study does not say which trials were random"),
        ("tpe", {"n_initial_random": 3}, "has 3 random trials with a value, and it takes 5"),
        ("tpe (auto)", {}, "the study's 10 random trials"),
        ("regularized_evolution", {"n_initial_random": 11}, "the study's 11 random trials"),
        ("regularized_evolution", {}, "All networks were drawn at random"),  # as its first 15 are
    ],
    ids=["random", "grid", "few", "words", "evolution", "beginning"],
)
def test_which_trials_were_random(strategy: str, engine: dict[str, int], text: str) -> None:
    facts = _facts([0.1] * 12, strategy=strategy, settings={"engine": engine})

    assert text in random_text(facts)


def test_nothing_is_compared_without_a_result() -> None:
    assert random_text(Facts.of(empty_study())).endswith("no trial has a result.")
    assert spread_text(Facts.of(empty_study())) == ""


def test_settings_of_another_shape_are_passed_over() -> None:
    assert "the study's 10 random trials" in random_text(_facts([0.1] * 12, settings="?"))


def _curves(second: float) -> Facts:
    study = empty_study()
    add(study, [0.9], {1: 0.5, 2: 0.6, 3: 0.8, 4: 0.85, 5: 0.84, 6: 0.9})
    add(study, [second], seed=1)
    return Facts.of(study)


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (0.89, "1 other trial is within that, and their order is not sure"),
        (0.9, "the runner-up has the same value: 1 other trial"),
        (0.5, "no other trial is within that"),
    ],
    ids=["near", "tie", "far"],
)
def test_the_runner_up_and_the_noise(second: float, text: str) -> None:
    assert text in spread_text(_curves(second))


def test_a_short_curve_tells_no_noise() -> None:
    assert "train it again with other seeds" in spread_text(_facts([0.1, 0.2]))


# --- importance and choices ------------------------------------------------------------------


def test_importances_sum_to_one() -> None:
    found, text = importances_of(Facts.of(full_study()))

    assert sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert text.startswith("Of val_accuracy. PED-ANOVA")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1] * 9, "Not estimated: 9 trials have a result, and it takes 10."),
        ([0.1] * 10, "Not estimated: all results are equal."),
    ],
    ids=["few", "equal"],
)
def test_why_importance_is_not_estimated(values: list[float], text: str) -> None:
    assert importances_of(_facts(values)) == ({}, text)


def test_importance_of_several_objectives_is_of_the_first() -> None:
    study = empty_study(("val_accuracy", "macs"))
    for seed in range(12):
        add(study, [0.05 * seed, 100.0 + seed], seed=seed)

    found, text = importances_of(Facts.of(study))

    assert found
    assert text.startswith("Of val_accuracy, the first objective.")


def test_what_optuna_says_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> dict[str, float]:
        raise ValueError("no parameter")

    monkeypatch.setattr(optuna.importance, "get_param_importances", refuse)

    assert importances_of(Facts.of(full_study())) == ({}, "Not estimated: no parameter")


def test_each_value_of_a_choice_has_the_trials_that_had_it() -> None:
    facts = Facts.of(full_study())

    for choice in choices_of(facts):
        for value, trials in zip(choice.values, choice.trials, strict=True):
            assert all(trial.params[choice.name] == value for trial in trials)
        taken = sum(map(len, choice.trials))
        assert taken == sum(choice.name in trial.params for trial in facts.trained)


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345, "12,345"),
        (3.0, "3"),
        (0.123456, "0.1235"),
        (-0.00001234, "-1.234e-05"),
        (1234.56, "1,235"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (True, "True"),
    ],
)
def test_numbers_for_a_reader(value: float, text: str) -> None:
    assert number_text(value) == text


def test_data_of_figures_are_short_and_whole() -> None:
    data = {"a": (1.23456789, float("inf")), 2: [{"b": "x", "c": None, "d": 10**12}]}

    assert rounded(data) == {"a": [1.2346, None], "2": [{"b": "x", "c": None, "d": 10**12}]}
    assert to_json({"a": [float("nan")]}) == '{"a":[null]}'
