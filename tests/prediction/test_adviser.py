"""When a predictor is trusted, and which networks a search then does not train."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture import Architecture
from neural_automl.exceptions import FallbackWarning
from neural_automl.objective import ArchitectureObjective
from neural_automl.prediction import Adviser, PerformancePredictor, SkipRule
from neural_automl.prediction._adviser import lower_end, measured_pairs, standing_of
from neural_automl.registry import is_trained, summarise
from tests.prediction.helpers import SPACE, WorthEvaluator, networks, noise_of, trial_of, worth


def searched(
    trials: int = 80,
    *,
    value: Callable[[Architecture], float] = worth,
    rule: SkipRule | None = None,
    sampler: optuna.samplers.BaseSampler | None = None,
    predictor: PerformancePredictor | bool = True,
    **options: Any,
) -> tuple[optuna.Study, WorthEvaluator]:
    """Search at random, some trials of it, with a predictor."""
    evaluator = WorthEvaluator(value)
    objective = ArchitectureObjective(
        SPACE, evaluator, epochs=2, artifact_store=None, predictor=predictor, **options
    )
    if rule is not None:
        assert objective.adviser is not None
        objective.adviser.rule = rule
    study = optuna.create_study(
        direction="maximize",
        sampler=sampler or optuna.samplers.RandomSampler(seed=1),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective, n_trials=trials)
    return study, evaluator


def skipped(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if "skipped" in trial.user_attrs]


# --- trust --------------------------------------------------------------------------------------

GOOD = [(float(k), float(k)) for k in range(40)]
BAD = [(float(k), float(-k)) for k in range(40)]


@pytest.mark.parametrize(
    ("n", "cross_validated", "pairs", "trusted", "why"),
    [
        pytest.param(19, 0.99, [], False, "19 networks trained, of 20", id="few"),
        pytest.param(20, 0.9, [], True, "at least 0.7", id="good"),
        pytest.param(20, 0.6, [], False, "as low as 0.2", id="too few to be sure"),
        pytest.param(200, 0.6, [], True, "at least 0.5", id="enough to be sure"),
        pytest.param(200, 0.3, [], False, "not above 0.4", id="weak"),
        pytest.param(20, 0.9, GOOD, True, "at least", id="came true"),
        pytest.param(20, 0.9, BAD, False, "correlation of -1.00 alone", id="came false"),
        pytest.param(20, 0.9, BAD[:9], True, "at least", id="nine say nothing"),
        pytest.param(20, 0.9, [*BAD, *GOOD[:30]], True, "at least", id="the latest count"),
    ],
)
def test_trust_has_to_be_earned(
    n: int, cross_validated: float, pairs: list[tuple[float, float]], trusted: bool, why: str
) -> None:
    standing = standing_of(SkipRule(), n, cross_validated, pairs)

    assert (standing.trusted, standing.trials) == (trusted, n)
    assert why in standing.why
    assert standing.cross_validated == cross_validated
    assert (standing.measured is None) == (len(pairs) < 10)
    assert standing.measured_on == min(len(pairs), 30)


def test_the_lower_end_rises_with_the_trials_and_stays_below() -> None:
    ends = [lower_end(0.8, n) for n in (3, 4, 10, 100, 10_000)]
    assert ends == sorted(ends)
    assert ends[0] == -1.0
    assert ends[-1] == pytest.approx(0.8, abs=0.02)
    assert lower_end(1.0, 20) < 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, "`share` must be above 0 and below 1 but got 0.0"),
        ({"chance": 1.0}, "`chance` must be above 0 and below 1 but got 1.0"),
        ({"explore": 1.5}, "`explore` must be 0 to 1 but got 1.5"),
        ({"in_a_row": 0}, "`in_a_row` must be at least 1 but got 0"),
        ({"n_startup_trials": 4}, "`n_startup_trials` must be at least 5 but got 4"),
        ({"least_correlation": 1.0}, "`least_correlation` must be 0 to below 1 but got 1.0"),
        ({"least_measured": 1.0}, "`least_measured` must be -1 to below 1 but got 1.0"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_rule_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SkipRule(**options)


# --- what is skipped ----------------------------------------------------------------------------


def test_the_likely_poor_are_skipped_and_counted_but_not_as_trained() -> None:
    study, evaluator = searched()
    out = skipped(study)
    kept = [trial for trial in study.trials[20:] if is_trained(trial)]

    assert out
    assert kept
    for trial in out:
        assert trial.state is TrialState.PRUNED
        assert trial.number >= 20
        assert not is_trained(trial)
        assert trial.user_attrs["skipped"].startswith("predicted val_accuracy 0.")
        assert {"predicted", "predicted_std"} <= trial.user_attrs.keys()
        assert not {"epochs", "infeasible", "val_accuracy"} & trial.user_attrs.keys()
    trained = sum(map(is_trained, study.trials))
    assert len(evaluator.trained) == trained
    means = [
        sum(trial.user_attrs["predicted"] for trial in some) / len(some) for some in (kept, out)
    ]
    assert means[0] > means[1]

    summary = summarise(study)
    assert (summary.skipped, summary.trained) == (len(out), trained)
    assert summary.epochs_saved_by_prediction == 2 * len(out)
    assert summary.epochs_saved_by_stopping == 0
    assert summary.epochs_saved >= 2 * len(out)
    assert summary.stopped == 0


def test_the_study_says_how_well_it_was_predicted() -> None:
    study, _ = searched()
    standing = study.user_attrs["predictor"]
    pairs = measured_pairs(study.trials)

    assert summarise(study).predictor == standing
    assert standing["trusted"]
    assert standing["cross_validated"] > 0.7
    assert standing["measured"] > 0.5
    assert standing["trials"] <= sum(map(is_trained, study.trials))
    assert len(pairs) >= standing["measured_on"] >= 10
    assert all(value == pytest.approx(predicted, abs=0.3) for predicted, value in pairs)


def test_what_no_one_can_predict_is_trained_and_that_is_said_once() -> None:
    with pytest.warns(UserWarning, match="not trusted, and skips nothing") as caught:
        study, _ = searched(60, value=noise_of)

    assert not skipped(study)
    assert len(caught) == 1
    assert study.user_attrs["predictor"]["trusted"] is False
    assert "correlation" in study.user_attrs["predictor"]["why"]
    assert "fallbacks" not in study.user_attrs


def test_equal_studies_skip_equal_trials() -> None:
    first, second = searched(50)[0], searched(50)[0]
    assert [t.number for t in skipped(first)] == [t.number for t in skipped(second)] != []


# Impossible to satisfy: every network has less than this chance.
ALL = SkipRule(chance=0.999999, share=1e-6)


@pytest.mark.parametrize("in_a_row", [1, 3])
def test_so_many_in_a_row_and_no_more(in_a_row: int) -> None:
    study, _ = searched(90, rule=replace(ALL, explore=0.0, in_a_row=in_a_row))
    row = longest = 0
    for trial in study.trials:
        if "skipped" in trial.user_attrs:
            row += 1
        elif is_trained(trial):
            row = 0
        longest = max(longest, row)

    assert longest == in_a_row
    assert is_trained(study.trials[-1]) or row <= in_a_row


def test_a_share_is_trained_whatever_is_predicted() -> None:
    rule = replace(ALL, explore=0.5, in_a_row=1000)
    study, _ = searched(90, rule=rule)
    decided = [t for t in study.trials[20:] if is_trained(t) or "skipped" in t.user_attrs]

    assert 0.25 < len(skipped(study)) / len(decided) < 0.75
    assert not skipped(searched(60, rule=replace(ALL, explore=1.0))[0])


def test_what_the_user_asked_for_is_trained() -> None:
    study, _ = searched(40)
    worst = min(networks(100), key=worth)
    assert worst.choices not in [trial.params for trial in study.trials]
    study.enqueue_trial(dict(worst.choices))
    evaluator = WorthEvaluator()
    objective = ArchitectureObjective(
        SPACE, evaluator, epochs=2, artifact_store=None, predictor=True
    )
    study.optimize(objective, n_trials=1)

    assert evaluator.trained == [worst]
    assert study.trials[-1].user_attrs["predicted"] < 0.6
    assert study.trials[-1].state is TrialState.COMPLETE


def test_a_skipped_network_is_no_known_value() -> None:
    study, _ = searched(60)
    poor = skipped(study)[0]
    study.enqueue_trial(poor.params)
    evaluator = WorthEvaluator()
    study.optimize(
        ArchitectureObjective(SPACE, evaluator, epochs=2, artifact_store=None), n_trials=1
    )

    assert len(evaluator.trained) == 1
    assert "cached_from" not in study.trials[-1].user_attrs


# --- failures -----------------------------------------------------------------------------------


class Broken(PerformancePredictor):
    """Fails where it is told to."""

    place = "fit"

    def fit(self, trials: Any) -> None:
        if self.place == "fit":
            raise RuntimeError("no memory")
        super().fit(trials)

    def predict(self, architecture: Architecture, partial_metrics: Any = None) -> Any:
        raise RuntimeError("no idea")


@pytest.mark.parametrize("place", ["fit", "predict"])
def test_a_search_goes_on_without_a_predictor_that_fails(place: str) -> None:
    predictor = Broken(SPACE)
    predictor.place = place
    with pytest.warns(FallbackWarning, match="search goes on without") as caught:
        study, _ = searched(30, predictor=predictor)

    assert len(caught) == 1
    assert not skipped(study)
    assert all(trial.state is TrialState.COMPLETE for trial in study.trials)
    (text,) = study.user_attrs["fallbacks"]
    assert text.startswith("trial 5: the predictor failed")
    assert summarise(study).fallbacks == (text,)


# --- who may have one ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": ("val_accuracy", "params")}, ValueError, "needs one metric but got val_acc"),
        ({"metrics": "params"}, ValueError, "needs a metric of a training but got params"),
        ({"predictor": "gp"}, TypeError, "PerformancePredictor, True or False but got str"),
    ],
    ids=["several", "a cost", "a name"],
)
def test_an_objective_says_what_does_not_go(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ArchitectureObjective(SPACE, WorthEvaluator(), **{"predictor": True, **options})


def test_without_one_nothing_is_predicted() -> None:
    study, _ = searched(25, predictor=False)
    assert not any("predicted" in trial.user_attrs for trial in study.trials)
    assert summarise(study).predictor is None
    assert Adviser.of(False, SPACE, ("a", "b"), 0) is None


def test_an_adviser_is_pickled_without_what_it_knows_of_a_study() -> None:
    objective = ArchitectureObjective(SPACE, WorthEvaluator(), predictor=True)
    assert objective.adviser is not None
    again = pickle.loads(pickle.dumps(objective)).adviser
    assert again.rule == objective.adviser.rule
    assert isinstance(again._lock, type(threading.RLock()))


def test_on_rungs_a_prediction_is_that_of_the_first_trial() -> None:
    one, two = networks(2)
    trials = [
        trial_of(one, None, {1: 0.2}, predicted=0.7, rung=0),
        trial_of(one, 0.8, rung=1, resumed_from=0),
        trial_of(two, 0.5, predicted=0.4),
        trial_of(two, 0.5, predicted=0.4, cached_from=2),
        trial_of(two, 0.6),
    ]
    for number, trial in enumerate(trials):
        trial.number = number

    assert measured_pairs(trials) == [(0.7, 0.8), (0.4, 0.5)]


def test_threads_share_one_predictor() -> None:
    evaluator = WorthEvaluator()
    objective = ArchitectureObjective(
        SPACE, evaluator, epochs=1, artifact_store=None, predictor=True
    )
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        study.optimize(objective, n_trials=60, n_jobs=3)

    assert skipped(study)
    assert len(evaluator.trained) == sum(map(is_trained, study.trials))
