from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import norm

from neural_automl.exceptions import FallbackWarning
from neural_automl.samplers._define_by_run import (
    Configuration,
    StudyReader,
    complete,
    draw,
    losses,
    neighbours,
)
from neural_automl.samplers.evolution import EvolutionSampler
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from neural_automl.samplers.gaussian_process import _surrogate as surrogate_module
from neural_automl.samplers.gaussian_process._acquisition import ACQUISITIONS
from neural_automl.samplers.gaussian_process._encoding import Encoder, Part
from neural_automl.samplers.gaussian_process._model import (
    Hyperparameters,
    Posterior,
    _loss,
    fit,
)
from neural_automl.samplers.gaussian_process._surrogate import Surrogate, best_and_latest
from neural_automl.samplers.gaussian_process._targets import rank_gauss, scalarise
from tests.samplers.spaces import cells, cells_value, tree, tree_value

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def _parts(rng: np.random.Generator, n: int = 20) -> list[Part]:
    groups = np.array([0, 0, 1, 2, 2])
    return [
        Part(rng.random((n, 5)), groups, ("a", "b", "c"), smooth=True),
        Part(rng.random((n, 2)), np.array([0, 0]), ("d",)),
    ]


def test_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    parts, target = _parts(rng), rng.standard_normal(20)
    means, spreads = np.zeros(7), np.ones(7)
    x = 0.3 * rng.standard_normal(7) - 1.0

    def loss(y: Any) -> float:
        return _loss(y, parts, target, means, spreads)[0]

    numeric = approx_fprime(x, loss, 1e-6)

    np.testing.assert_allclose(_loss(x, parts, target, means, spreads)[1], numeric, rtol=1e-3)


def test_posterior_is_the_formula() -> None:
    rng = np.random.default_rng(1)
    parts, target = _parts(rng), rng.standard_normal(20)
    learned = fit(parts, target)
    new = _parts(rng, 6)

    def kernel(a: list[Part], b: list[Part]) -> Any:
        total = 0.0
        for p, q, weights, amplitude in zip(a, b, learned.weights, learned.amplitudes, strict=True):
            scale = np.exp([weights[p.names[group]] for group in p.groups])
            difference = p.points[:, None, :] - q.points[None, :, :]
            squares = (scale * difference**2).sum(axis=2)
            r = np.sqrt(5 * squares)
            fall = (1 + r + r**2 / 3) * np.exp(-r) if p.smooth else np.exp(-squares)
            total = total + math.exp(amplitude) * fall
        return total

    inverse = np.linalg.inv(kernel(parts, parts) + (math.exp(learned.noise) + 1e-6) * np.eye(20))
    cross = kernel(new, parts)
    variance = np.diag(kernel(new, new) - cross @ inverse @ cross.T)
    mean, deviation = Posterior(parts, target, learned).mean_and_deviation(new)

    np.testing.assert_allclose(mean, cross @ inverse @ target, atol=1e-8)
    np.testing.assert_allclose(deviation, np.sqrt(variance), atol=1e-6)


def test_weights_of_what_matters_grow() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 2, (60, 4)).astype(float)
    target = rank_gauss(points[:, 2] + 0.01 * rng.standard_normal(60))
    weights = fit([Part(points, np.arange(4), tuple("abcd"))], target).weights[0]

    assert max(weights, key=weights.__getitem__) == "c"


@pytest.mark.parametrize("u", [-40.0, -8.0, -1.0, -0.999, 0.0, 3.0])
def test_log_expected_improvement(u: float) -> None:
    found = ACQUISITIONS["ei"](np.array([u * 2.0]), np.array([2.0]), 0.0)[0]
    # E max(u + z, 0) = phi(u) int_0^inf t exp(ut - t^2/2) dt
    integral = quad(lambda t: t * math.exp(u * t - t * t / 2), 0, 30)[0]

    assert found == pytest.approx(math.log(2.0 * integral) + norm.logpdf(u), rel=1e-6)


def test_log_expected_improvement_falls_without_end() -> None:
    mean = -np.logspace(0, 8, 50)
    found = ACQUISITIONS["ei"](mean, np.ones(50), 0.0)

    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_acquisition_grows_with_the_mean(name: str) -> None:
    found = ACQUISITIONS[name](np.linspace(-3, 3, 9), np.ones(9), 0.5)

    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("name", ["ei", "pi", "ucb"])
def test_every_acquisition_beats_random(name: Any) -> None:
    def best(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: tree_value(tree(trial)), n_trials=40)
        return study.best_value

    ours = [
        best(GaussianProcessSampler(tree, acquisition_function=name, seed=seed))
        for seed in range(4)
    ]
    random = [best(optuna.samplers.RandomSampler(seed=seed)) for seed in range(4)]

    assert np.mean(ours) < np.mean(random)


def test_distance_of_choices() -> None:
    rng = np.random.default_rng(0)
    base = {"depth": 1, "kind_0": "pool", "rate": 0.01, "units": 16}
    others = [{**base, "kind_0": "skip"}, {**base, "rate": 1.0}, {**base, "depth": 2}]
    points = [complete(tree, values, rng) for values in (base, *others)]
    encoder = Encoder([*points, *(draw(tree, rng) for _ in range(20))])
    part = encoder.choices(points)

    def distances(index: int) -> dict[str, float]:
        columns = (part.points[0] - part.points[index]) ** 2
        sums = np.bincount(part.groups, columns)
        return {name: s for name, s in zip(part.names, sums, strict=True) if s > 0}

    assert distances(1) == {"kind_0": pytest.approx(1.0)}
    assert distances(2) == {"rate": pytest.approx(1.0)}  # half of the range on the log scale
    assert distances(3).keys() >= {"depth", "kind_1"}
    assert distances(3)["kind_1"] == pytest.approx(1.0)


def test_counts_are_over_shared_categories() -> None:
    rng = np.random.default_rng(0)
    one, two = (
        complete(cells, {f"edge_{i}": x for i, x in enumerate(cell)}, rng)
        for cell in ("aabc", "cbaa")
    )
    part = Encoder([one]).counts([one, two])

    assert part is not None
    np.testing.assert_allclose(part.points, np.array([[2, 1, 1], [2, 1, 1]]) / 2.0)


def test_numbers_have_a_part_of_their_own_beside_choices() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(tree, rng) for _ in range(20)]
    encoder = Encoder(drawn)
    part = encoder.numbers(encoder.choices(drawn))

    assert part is not None
    assert part.names == ("number:rate",)
    assert np.ptp(part.points, axis=0).min() > 0

    numeric = [draw(lambda trial: trial.suggest_float("x", 0, 1), rng) for _ in range(5)]
    for some in (numeric, [draw(cells, rng) for _ in range(5)]):
        encoder = Encoder(some)
        assert encoder.numbers(encoder.choices(some)) is None


def _numbers(trial: BaseTrial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


@pytest.mark.parametrize(
    ("suggest", "margin"),
    [(tree, 0.25), (cells, 0.0), (_numbers, 0.0)],
    ids=["mixed", "choices", "numbers"],
)
def test_improvement_is_over_the_best_mean_and_a_margin_where_there_are_both(
    suggest: Any, margin: float
) -> None:
    rng = np.random.default_rng(0)
    points = [draw(suggest, rng) for _ in range(20)]
    surrogate = Surrogate(points, rank_gauss(rng.standard_normal(20)), [], [])
    over = []

    def acquisition(mean: Any, deviation: Any, best: float) -> Any:
        over.append(best)
        return mean

    means = surrogate.score(points, acquisition)

    assert over[0] - means.max() == pytest.approx(margin)
    assert surrogate.best(1) == [points[int(means.argmax())]]


def test_running_ones_lower_the_deviation_and_keep_the_mean() -> None:
    rng = np.random.default_rng(0)
    points = [draw(cells, rng) for _ in range(20)]
    new = next(near for near in neighbours(cells, points[0], rng) if near not in points)
    target = rank_gauss(rng.standard_normal(20))

    def both(running: list[Configuration]) -> tuple[float, float]:
        surrogate = Surrogate(points, target, running, [new])
        mean = surrogate.score([new], lambda mean, deviation, best: mean)
        deviation = surrogate.score([new], lambda mean, deviation, best: deviation)
        return float(mean[0]), float(deviation[0])

    before, after = both([]), both([new])

    assert after[0] == pytest.approx(before[0], abs=1e-6)
    assert after[1] < before[1]


def test_single_choice_has_no_counts() -> None:
    def suggest(trial: BaseTrial) -> None:
        trial.suggest_categorical("x", ["a", "b"])
        trial.suggest_float("y", 0, 1)

    drawn = draw(suggest, np.random.default_rng(0))

    assert Encoder([drawn]).counts([drawn]) is None


def test_normal_scores() -> None:
    scores = rank_gauss(np.array([1.0, 1e9, 2.0, 2.0]))

    assert scores[2] == scores[3]
    assert (scores.mean(), scores.std()) == (pytest.approx(0), pytest.approx(1))
    assert rank_gauss(np.ones(3)).tolist() == [0.0, 0.0, 0.0]


def test_scalarised_loss_keeps_dominance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        better, worse, other = scalarise(np.array([[0.0, 1.0], [0.5, 2.0], [3.0, 0.0]]), rng)
        assert better < worse
        assert other >= 0


def _curves(*curves: tuple[list[float], bool]) -> optuna.Study:
    study = optuna.create_study()
    distribution = CategoricalDistribution([str(i) for i in range(10)])
    for number, (curve, pruned) in enumerate(curves):
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.create_trial(
                params={"x": str(number)},
                distributions={"x": distribution},
                intermediate_values=dict(enumerate(curve)),
                value=None if pruned else curve[-1],
                state=state,
            )
        )
    return study


@pytest.mark.parametrize(
    ("last", "expected"),
    [(6.0, 1.0), (8.0, 2.0), (7.0, 1.5), (11.0, 5.0), (5.0, 0.0)],
    ids=["as the better", "as the worse", "between", "worse than all", "better than all"],
)
def test_pruned_trial_gets_the_final_value_of_its_place(last: float, expected: float) -> None:
    def suggest(trial: BaseTrial) -> None:
        trial.suggest_categorical("x", [str(i) for i in range(10)])

    study = _curves(([6.0, 1.0], False), ([8.0, 2.0], False), ([last], True))
    found = losses(StudyReader(suggest).observations(study), study.directions)

    assert found[:, 0].tolist() == [1.0, 2.0, expected]


def test_trial_pruned_early_is_told_from_one_pruned_later() -> None:
    study = _curves(([6.0, 1.0], False), ([8.0, 2.0], True), ([9.0], True), ([7.0], True))
    found = losses(StudyReader(cells).observations(study), study.directions)

    # The second is worse than the first by 1 at the end; the third by 1 than the second.
    assert found[:, 0].tolist() == [1.0, 2.0, 3.0, 1.5]


def test_pruned_trials_alone_count_by_their_last_values() -> None:
    study = _curves(([6.0], True), ([9.0], True), ([], True), ([math.nan], True))
    found = losses(StudyReader(cells).observations(study), study.directions)

    assert found[:, 0].tolist() == [6.0, 9.0, 9.0, 9.0]


def test_running_trials_spread_the_next_ones() -> None:
    study = optuna.create_study(sampler=GaussianProcessSampler(cells, seed=0))
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=15)
    batch = [study.ask() for _ in range(8)]

    assert len({cells(trial) for trial in batch}) == 8


def test_features_teach_what_choices_hide() -> None:
    def parity(cell: tuple[str, ...]) -> float:
        return float(sum(ord(x) * (i + 1) for i, x in enumerate(cell)) % 5)

    def mean_of_last(features: Any) -> float:
        found = []
        for seed in range(3):
            sampler = GaussianProcessSampler(cells, features=features, seed=seed)
            study = optuna.create_study(sampler=sampler)
            study.optimize(lambda trial: parity(cells(trial)), n_trials=25)
            found += [t.value for t in study.trials[10:] if t.value is not None]
        return float(np.mean(found))

    assert mean_of_last(lambda cell: [parity(cell)]) < 0.6 * mean_of_last(None)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda cell: [math.nan], "must give finite numbers"),
        (lambda cell: [0.0] * (1 + cell.count("a")), "equally many numbers each time"),
    ],
    ids=["nan", "other length"],
)
def test_wrong_features(features: Any, message: str) -> None:
    sampler = GaussianProcessSampler(cells, features=features, n_startup_trials=2, seed=0)
    study = optuna.create_study(sampler=sampler)

    with pytest.raises(ValueError, match=message):
        study.optimize(lambda trial: cells_value(cells(trial)), n_trials=6)


def test_more_trials_than_are_read() -> None:
    sampler = GaussianProcessSampler(cells, max_observations=12, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: cells_value(cells(trial)), n_trials=25)

    assert study.best_value == 0.0


def test_best_and_latest_are_read() -> None:
    loss = np.array([0.0, 9.0, 8.0, 1.0, 7.0, 6.0])

    assert best_and_latest(loss, 4) == [0, 3, 4, 5]
    assert best_and_latest(loss, 6) == list(range(6))


def test_singular_matrix_is_a_random_proposal_that_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def singular(*arguments: Any) -> Hyperparameters:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(surrogate_module, "fit", singular)
    sampler = GaussianProcessSampler(cells, n_startup_trials=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    with pytest.warns(FallbackWarning, match="trial 2: random instead of Gaussian process"):
        study.optimize(lambda trial: cells_value(cells(trial)), n_trials=3)

    assert len(study.trials) == 3
    assert study.user_attrs["fallbacks"] == [
        "trial 2: random instead of Gaussian process (not positive definite)"
    ]


@pytest.mark.parametrize(("pruned", "expected"), [(True, [7, 9, 11]), (False, [])])
def test_where_most_were_pruned_every_other_proposal_is_a_mutation(
    monkeypatch: pytest.MonkeyPatch, pruned: bool, expected: list[int]
) -> None:
    asked: list[int] = []
    child = EvolutionSampler.choose

    def noted(self: Any, study: Any, trial: Any, fixed: Any, rng: Any) -> Any:
        asked.append(trial.number)
        return child(self, study, trial, fixed, rng)

    monkeypatch.setattr(EvolutionSampler, "choose", noted)
    sampler = GaussianProcessSampler(cells, n_startup_trials=6, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for number in range(12):
        trial = study.ask()
        value = cells_value(cells(trial))
        trial.report(value, 1)
        if pruned and number:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
    assert asked == expected
