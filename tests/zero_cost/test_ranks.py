"""Ranks of a pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.zero_cost import log_ranks, rank_gauss

SCORES = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30)


def test_the_best_of_all_has_0_and_others_less() -> None:
    found = log_ranks({"a": [1.0, 2.0, 3.0, 4.0], "b": [10.0, 30.0, 20.0, 40.0]})
    assert found == pytest.approx(
        [2 * np.log(1 / 4), np.log(2 / 4 * 3 / 4), np.log(3 / 4 * 2 / 4), 0.0]
    )


def test_ties_share_their_rank_and_nothing_known_comes_last() -> None:
    found = log_ranks({"a": [5.0, 5.0, float("nan"), -float("inf"), 9.0]})
    assert found == pytest.approx(np.log(np.array([3.5, 3.5, 1.5, 1.5, 5.0]) / 5))


@given(SCORES)
def test_ranks_do_not_depend_on_the_scale(scores: list[float]) -> None:
    grown = [np.arctan(s / 1e299) for s in scores]
    if len(set(grown)) == len(set(scores)):
        assert log_ranks({"a": scores}) == pytest.approx(log_ranks({"a": grown}))
        assert rank_gauss(scores) == pytest.approx(rank_gauss(grown))


@given(SCORES)
def test_rank_gauss_is_finite_and_in_order(scores: list[float]) -> None:
    found = rank_gauss(scores)
    assert np.isfinite(found).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


@pytest.mark.parametrize("scores", [{}, {"a": [1.0], "b": [1.0, 2.0]}, {"a": []}])
def test_columns_must_fit(scores: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="each proxy must have a score of each network"):
        log_ranks(scores)
