"""A study as samplers read it: what each trial says, what it cost, and what was seen."""

from __future__ import annotations

import math
import pickle
from collections.abc import Hashable, Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from neural_automl.samplers._define_by_run import (
    Observation,
    StudyReader,
    _observations,
    losses,
    propose_new,
    replay,
    seen_keys,
    values_are_known,
    values_key,
)
from tests.samplers.spaces import cells

EDGE = CategoricalDistribution(["a", "b", "c"])
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def _params(cell: str) -> dict[str, Any]:
    return {f"edge_{i}": letter for i, letter in enumerate(cell)}


def _add(
    study: optuna.Study,
    cell: str,
    state: TrialState = COMPLETE,
    value: float | None = None,
    curve: list[float] | None = None,
    excess: float | None = None,
) -> None:
    distributions: dict[str, BaseDistribution] = dict.fromkeys(_params(cell), EDGE)
    study.add_trial(
        optuna.create_trial(
            params=_params(cell),
            distributions=distributions,
            state=state,
            value=value,
            intermediate_values=dict(enumerate(curve or [])),
        )
    )
    if excess is not None:
        trial = study.ask(fixed_distributions=distributions)
        trial.set_constraint("limit", excess)
        study.tell(trial, value)


def _sorted(cell: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(cell))


def test_each_state_says_what_it_can() -> None:
    study = optuna.create_study()
    _add(study, "aaaa", value=1.0, curve=[3.0, 2.0])
    _add(study, "aaab", PRUNED, curve=[3.0, math.nan])
    _add(study, "aaac", FAIL)
    study.enqueue_trial(_params("aabb"))
    found = StudyReader(cells).observations(study)

    assert [o.state for o in found] == [COMPLETE, PRUNED, FAIL, TrialState.WAITING]
    assert [o.teaches for o in found] == [True, True, False, False]
    assert [o.values for o in found] == [(1.0,), None, None, None]
    assert [o.last for o in found] == [(1, 2.0), (0, 3.0), None, None]
    assert [o.configuration for o in found] == [replay(cells, _params(c)) for c in _cells(found)]


def _cells(observations: list[Observation]) -> list[str]:
    return ["".join(o.params[f"edge_{i}"] for i in range(4)) for o in observations]


def test_trial_that_is_sampled_is_left_out() -> None:
    study = optuna.create_study()
    for cell in ("aaaa", "bbbb", "cccc"):
        _add(study, cell, value=1.0)

    assert _cells(StudyReader(cells).observations(study, but=1)) == ["aaaa", "cccc"]


def test_running_trial_says_what_it_has_suggested() -> None:
    study = optuna.create_study()
    trial = study.ask()
    reader = StudyReader(cells)
    before = reader.observations(study)[0].configuration
    result = cells(trial)
    after = reader.observations(study)[0].configuration

    assert before is None
    assert after is not None
    assert after.result == result


def test_finished_trial_is_worked_out_once_and_a_running_one_anew() -> None:
    asked = []

    def identity(cell: tuple[str, ...]) -> tuple[str, ...]:
        asked.append("".join(cell))
        return _sorted(cell)

    study = optuna.create_study()
    _add(study, "cbaa", value=1.0)
    _add(study, "cccc", FAIL)
    running = study.ask()
    cell = "".join(cells(running))
    reader = StudyReader(cells, identity)
    reader.observations(study)
    reader.observations(study)
    found = reader.observations(study)

    assert [o.identity for o in found] == [tuple("aabc"), tuple("cccc"), _sorted(tuple(cell))]
    assert sorted(asked) == sorted(["cbaa", "cccc", *[cell] * 3])


def test_what_may_not_be_tried_is_not_asked_for_its_identity() -> None:
    def identity(cell: tuple[str, ...]) -> int:
        return 10 // cell.count("a")

    study = optuna.create_study()
    _add(study, "aabb", value=1.0)
    _add(study, "bbbb", value=1.0)
    reader = StudyReader(cells, identity, feasible=lambda cell: "a" in cell)

    assert [o.identity for o in reader.observations(study)] == [5, None]


def test_reader_is_empty_when_it_was_pickled() -> None:
    study = optuna.create_study()
    _add(study, "abca", value=1.0)
    reader = StudyReader(cells, _sorted)
    before = reader.observations(study)
    again = pickle.loads(pickle.dumps(reader))

    assert again._finished == {}
    assert again.observations(study) == before


@pytest.mark.parametrize("state", [COMPLETE, PRUNED, FAIL])
def test_seen_are_values_and_identities(state: TrialState) -> None:
    study = optuna.create_study()
    _add(study, "abca", state, value=1.0 if state is COMPLETE else None)
    seen = seen_keys(StudyReader(cells, _sorted).observations(study))
    same, turned, new = (replay(cells, _params(cell)) for cell in ("abca", "acba", "bbbb"))
    assert same is not None
    assert turned is not None
    assert new is not None

    assert propose_new([same], seen=seen) is None
    assert propose_new([same, turned], seen=seen) == turned
    assert propose_new([same, turned, new], seen=seen, identity=_sorted) == new


def test_same_number_in_another_storage_is_another_trial() -> None:
    reader = StudyReader(cells)
    found = []
    for cell in ("aaaa", "bbbb"):
        study = optuna.create_study()
        _add(study, cell, value=1.0)
        found += _cells(reader.observations(study))

    assert found == ["aaaa", "bbbb"]


def test_foreign_trial_has_no_configuration() -> None:
    study = optuna.create_study()
    study.add_trial(
        optuna.create_trial(
            params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)}, value=0.0
        )
    )

    assert StudyReader(cells, _sorted).observations(study)[0].configuration is None


@pytest.mark.parametrize(
    ("trial", "known"),
    [
        ({"value": 1.0}, True),
        ({"value": math.inf}, False),
        ({"state": PRUNED, "curve": [1.0]}, True),
        ({"state": PRUNED, "curve": [1.0, math.inf]}, False),
        ({"state": PRUNED, "curve": [math.nan]}, False),
        ({"state": PRUNED}, False),
    ],
)
def test_whether_a_value_is_known(trial: dict[str, Any], known: bool) -> None:
    study = optuna.create_study()
    _add(study, "aaaa", **trial)

    assert values_are_known(StudyReader(cells).observations(study)) == known


def test_value_of_an_infeasible_trial_is_not_known_and_counts_as_the_worst() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    cells(trial)
    trial.set_constraint("limit", 2.0)
    study.tell(trial, -5.0)
    reader = StudyReader(cells)
    assert not values_are_known(reader.observations(study))
    _add(study, "aaaa", value=1.0)
    _add(study, "bbbb", value=7.0)

    assert losses(reader.observations(study), study.directions)[:, 0].tolist() == [7.0, 1.0, 7.0]


def test_values_are_turned_where_the_study_maximises() -> None:
    study = optuna.create_study(direction="maximize")
    _add(study, "aaaa", value=1.0, curve=[10.0, 1.0])
    _add(study, "bbbb", value=3.0, curve=[30.0, 3.0])
    _add(study, "cccc", PRUNED, curve=[20.0])
    found = losses(StudyReader(cells).observations(study), study.directions)

    assert found[:, 0].tolist() == [-1.0, -3.0, -2.0]


def test_every_objective_has_its_worst() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for cell, values in (
        ("aaaa", (1.0, math.inf)),
        ("bbbb", (math.inf, 4.0)),
        ("cccc", (2.0, 9.0)),
    ):
        distributions: dict[str, BaseDistribution] = dict.fromkeys(_params(cell), EDGE)
        trial = study.ask(distributions)
        study.tell(trial, values)
    found = losses(StudyReader(cells).observations(study), study.directions)

    assert found.tolist() == [[1.0, -9.0], [2.0, -4.0], [2.0, -9.0]]


def test_what_was_not_tried_teaches_nothing_but_is_not_proposed_again() -> None:
    study = optuna.create_study()
    distributions = replay(cells, _params("aaaa")).distributions  # type: ignore[union-attr]
    trial = study.ask(fixed_distributions=dict(distributions))
    trial.set_user_attr("skipped", "predicted to be poor")
    study.tell(trial, state=PRUNED)
    (found,) = StudyReader(cells).observations(study)

    assert (found.skipped, found.teaches) == (True, False)
    assert found.configuration is not None
    assert found.configuration.key in seen_keys([found])


def test_the_keys_of_a_finished_trial_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def key(values: Mapping[str, Any]) -> frozenset[tuple[str, Hashable]]:
        made.append(dict(values))
        return values_key(values)

    monkeypatch.setattr(_observations, "values_key", key)
    study = optuna.create_study()
    for cell in ("cbaa", "cccc"):
        _add(study, cell, value=1.0)
    reader = StudyReader(cells, _sorted)
    first, second = (seen_keys(reader.observations(study)) for _ in range(2))

    expected: set[Hashable] = {values_key(trial.params) for trial in study.trials}
    assert first == second == expected | {tuple("aabc"), tuple("cccc")}
    assert len(made) == 2
