"""What the predictor says of networks that it has not seen."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from neural_automl.architecture import Architecture
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.exceptions import PredictionError, StudyError
from neural_automl.prediction import PerformancePredictor
from neural_automl.prediction._features import Features, Row, scores_of
from neural_automl.prediction._predictor import correlation
from neural_automl.pruners.learning_curve._power_law import extrapolate
from tests.prediction.helpers import SPACE, known_trials, networks, trial_of, worth


def fitted(count: int = 30, **options: Any) -> PerformancePredictor:
    predictor = PerformancePredictor(SPACE, **options)
    predictor.fit(known_trials(count))
    return predictor


def ranked(predictor: PerformancePredictor, some: list[Architecture]) -> float:
    return correlation([predictor.predict(n).mean for n in some], [worth(n) for n in some])


# --- ranking ------------------------------------------------------------------------------------


def test_networks_that_were_not_seen_are_ranked() -> None:
    predictor = fitted()
    seen = {tuple(network.choices.items()) for network in networks(30)}
    rest = [n for n in networks(100, seed=1) if tuple(n.choices.items()) not in seen]

    assert len(rest) == 70
    assert ranked(predictor, rest) > 0.95
    assert predictor.cross_validate() > 0.9


def test_where_less_is_better_the_ranking_and_the_units_hold() -> None:
    predictor = PerformancePredictor(SPACE, metric="val_loss")
    predictor.fit([trial_of(network, 2.0 - worth(network)) for network in networks(30)])
    some = networks(40, seed=5)
    found = [predictor.predict(network).mean for network in some]

    assert correlation(found, [-worth(network) for network in some]) > 0.95
    assert 0.5 < min(found) < max(found) < 1.8
    best, worst = max(some, key=worth), min(some, key=worth)
    assert predictor.chance(best, 0.25) > 0.5 > predictor.chance(worst, 0.25)


def test_noise_is_not_taken_for_knowledge() -> None:
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        predictor = PerformancePredictor(SPACE)
        predictor.fit([trial_of(n, float(rng.random())) for n in networks(30, seed)])
        found.append(predictor.cross_validate())

    assert abs(float(np.mean(found))) < 0.3


def test_a_mean_is_near_what_came_of_it_and_the_deviation_says_how_near() -> None:
    predictor = fitted(40)
    errors = []
    for network in networks(60, seed=9):
        mean, std = predictor.predict(network)
        assert std > 0
        errors.append(abs(mean - worth(network)) / std)

    assert float(np.mean(np.array(errors) < 3)) > 0.9


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_chances_fall_with_the_share(share: float) -> None:
    predictor = fitted()
    for network in networks(10, seed=2):
        assert 0 <= predictor.chance(network, share / 2) <= predictor.chance(network, share) <= 1


def test_an_architecture_that_was_built_by_hand_finds_its_choices() -> None:
    predictor = fitted()
    network = networks(1, seed=4)[0]
    by_hand = Architecture.from_dict({**network.to_dict(), "choices": {}})

    assert not by_hand.choices
    assert predictor.predict(by_hand) == predictor.predict(network)


def test_what_was_learned_survives_pickling() -> None:
    predictor, network = fitted(), networks(1, seed=3)[0]
    again = pickle.loads(pickle.dumps(predictor))

    assert again.predict(network) == predictor.predict(network)


# --- what is learned from -----------------------------------------------------------------------


def test_a_stopped_training_stands_where_its_last_value_stood() -> None:
    some = networks(40)
    trials = [trial_of(n, worth(n), {1: worth(n) / 2, 2: worth(n)}) for n in some[:20]]
    trials += [trial_of(n, None, {1: worth(n) / 2}, epochs=1) for n in some[20:]]
    predictor = PerformancePredictor(SPACE)
    predictor.fit(trials)

    assert ranked(predictor, some[20:]) > 0.9
    for network in some[20:]:
        # In units of whole trainings, not of first epochs.
        assert abs(predictor.predict(network).mean - worth(network)) < worth(network) / 4


@pytest.mark.parametrize(
    "attributes",
    [{"infeasible": "too large"}, {"cached_from": 3}, {"skipped": "predicted 0.1"}],
    ids=["infeasible", "repeat", "skipped"],
)
def test_what_was_not_trained_is_not_learned_from(attributes: dict[str, Any]) -> None:
    network = networks(31)[30]
    predictor = fitted()
    other = PerformancePredictor(SPACE)
    other.fit([*known_trials(30), trial_of(network, None, {1: 0.0}, **attributes)])

    assert other.predict(network) == predictor.predict(network)


@pytest.mark.parametrize(
    "trials",
    [
        pytest.param([], id="none"),
        pytest.param(known_trials(4), id="four"),
        pytest.param([trial_of(n, math.inf) for n in networks(9)], id="infinite"),
        pytest.param([trial_of(n, None, {1: 0.5}) for n in networks(9)], id="none to the end"),
        pytest.param([trial_of(n, None) for n in networks(9)], id="no value"),
        pytest.param([create_trial(state=TrialState.FAIL)] * 9, id="failed"),
        pytest.param(known_trials(1) * 9, id="one network"),
    ],
)
def test_too_little_is_said(trials: list[Any]) -> None:
    with pytest.raises(PredictionError, match="must hold at least 5 trained networks, 2 of them"):
        PerformancePredictor(SPACE).fit(trials)


def test_equal_values_teach_nothing_and_break_nothing() -> None:
    predictor = PerformancePredictor(SPACE)
    predictor.fit([trial_of(network, 0.5) for network in networks(10)])

    assert predictor.predict(networks(1, seed=8)[0]) == (0.5, 0.0)
    assert predictor.cross_validate() == 0.0


def test_before_it_has_learned_a_predictor_says_so() -> None:
    predictor, network = PerformancePredictor(SPACE), networks(1)[0]
    for ask in (
        lambda: predictor.predict(network),
        lambda: predictor.chance(network, 0.25),
        predictor.cross_validate,
    ):
        with pytest.raises(PredictionError, match="must be fitted before"):
            ask()
    assert predictor.proxies == ()


def test_a_trial_of_another_space_is_refused() -> None:
    other = ArchitectureSpace((4,), [Layer("Dense", Choice(3, 5)), Layer("Dense", 2)])
    with pytest.raises(StudyError, match="not one of the space"):
        PerformancePredictor(other).fit(known_trials(6))


def test_a_direction_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="'maximize' or 'minimize' but got 'up'"):
        PerformancePredictor(SPACE, direction="up")
    assert PerformancePredictor(SPACE, metric="mine", direction="minimize").direction == "minimize"


# --- zero-cost scores ---------------------------------------------------------------------------


def scored(network: Architecture, score: float, value: float | None = None) -> Any:
    told = score if value is None else value
    attributes: dict[str, Any] = {"zero_cost.synflow": score, "zero_cost.note": "text"}
    return trial_of(network, told, **attributes)


def test_a_score_that_knows_makes_the_ranking() -> None:
    """The values have nothing to do with the networks but are the scores, over many magnitudes."""
    rng = np.random.default_rng(1)
    truth = {tuple(n.choices.items()): float(rng.random()) for n in networks(100)}
    some, rest = networks(100)[:40], networks(100)[40:]

    def value(network: Architecture) -> float:
        return truth[tuple(network.choices.items())]

    predictor = PerformancePredictor(SPACE)
    predictor.fit([scored(n, 10 ** (100 * value(n)), value(n)) for n in some])
    found = [predictor.predict(n, {"zero_cost.synflow": 10 ** (100 * value(n))}).mean for n in rest]

    assert predictor.proxies == ("synflow",)
    assert correlation(found, list(map(value, rest))) > 0.8


@pytest.mark.parametrize(("share", "counts"), [(0.5, True), (0.4, False)])
def test_a_score_counts_where_half_of_the_trials_have_it(share: float, counts: bool) -> None:
    some = networks(20)
    trials = [scored(network, worth(network)) for network in some[: int(20 * share)]]
    trials += [trial_of(network, worth(network)) for network in some[int(20 * share) :]]
    predictor = PerformancePredictor(SPACE)
    predictor.fit(trials)

    assert predictor.proxies == (("synflow",) if counts else ())
    known = predictor.predict(some[0], {"zero_cost.synflow": 1.0})
    assert (known != predictor.predict(some[0])) is counts


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=5, max_size=9))
@settings(deadline=None)
def test_scores_become_finite_numbers_of_their_order(scores: list[float]) -> None:
    encoding = np.array(SPACE.encode(networks(1)[0]))
    rows = [Row({}, {}, encoding, {"any": score}) for score in scores]
    features = Features(rows)
    points = features.parts(rows)[-1].points

    assert np.isfinite(points).all()
    if features.proxies:
        finite = [k for k, score in enumerate(scores) if math.isfinite(score)]
        ordered = sorted(finite, key=lambda k: scores[k])
        assert (np.diff(points[ordered, 0]) >= 0).all()


def test_only_numbers_are_scores() -> None:
    attributes = {"zero_cost.a": 1, "zero_cost.b": "x", "params": 3, "zero_cost.c": 0.5}
    assert scores_of(attributes) == {"a": 1.0, "c": 0.5}


# --- curves -------------------------------------------------------------------------------------


def curve(end: float, epochs: int) -> list[float]:
    return [end - 0.3 * epoch**-1.0 for epoch in range(1, epochs + 1)]


def with_curves(last: int = 30) -> PerformancePredictor:
    predictor = PerformancePredictor(SPACE)
    predictor.fit([trial_of(n, worth(n), {last: worth(n)}) for n in networks(30)])
    return predictor


@pytest.mark.parametrize("form", [list, lambda values: dict(enumerate(values, start=1))])
def test_a_curve_overrules_what_its_network_looks_like(form: Any) -> None:
    predictor, network = with_curves(), networks(1, seed=6)[0]
    prior = predictor.predict(network)
    end = 0.1
    found = predictor.predict(network, {"val_accuracy": form(curve(end, 10))})
    forecast = extrapolate(tuple(range(1, 11)), -np.array(curve(end, 10)), 30)

    assert abs(found.mean - end) < 0.05 < abs(prior.mean - end)
    assert forecast.deviation < found.std < prior.std


def test_a_longer_curve_says_more() -> None:
    predictor, network = with_curves(), networks(1, seed=6)[0]
    rng = np.random.default_rng(0)
    noisy = (np.array(curve(0.5, 20)) + 0.01 * rng.normal(size=20)).tolist()
    stds = [predictor.predict(network, {"val_accuracy": noisy[:n]}).std for n in (0, 4, 20)]

    assert stds == sorted(stds, reverse=True)
    assert stds[0] > stds[2]


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"val_accuracy": [0.4, 0.5]},
        {"val_accuracy": [0.4, math.nan, 0.5]},
        {"other": [1, 2, 3]},
    ],
    ids=["nothing", "two epochs", "two finite ones", "another metric"],
)
def test_what_is_no_curve_changes_nothing(known: dict[str, Any]) -> None:
    predictor, network = with_curves(), networks(1, seed=6)[0]
    assert predictor.predict(network, known) == predictor.predict(network)


def test_the_correlation_of_a_constant_is_none_at_all() -> None:
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == 0.0
    assert correlation([1.0], [2.0]) == 0.0
    assert correlation([1.0, 2.0, 9.0], [1.0, 2.0, 3.0]) == pytest.approx(1.0)
