"""Scores of many networks of a space."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer, Maybe
from neural_automl.data import load_data
from neural_automl.evaluation import ArchitectureEvaluator, sample_batch
from neural_automl.exceptions import DataError, NoFeasibleArchitectureError
from neural_automl.executor import create_executor
from neural_automl.zero_cost import (
    AZ_NAS,
    draw_distinct,
    log_ranks,
    random_batch,
    register_proxy,
    score_space,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

NAMES = ("params", "synflow", "naswot")


def space(**options: object) -> ArchitectureSpace:
    layers = [
        Layer("Conv2D", Choice(2, 4, 8), kernel_size=3, padding="same"),
        Layer("BatchNormalization"),
        Layer("ReLU"),
        Maybe(Layer("Conv2D", 4, kernel_size=1)),
        Layer("GlobalAveragePooling2D"),
        Layer("Dense", 10),
    ]
    return ArchitectureSpace((8, 8, 1), layers, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def evaluator() -> ArchitectureEvaluator:
    return ArchitectureEvaluator(load_data("digits"), device="cpu")


def test_networks_are_distinct_feasible_and_the_same_each_time() -> None:
    limited = space(constraints={"params": 150})
    networks = draw_distinct(limited, 100, seed=3)
    assert len({network.key for network in networks}) == len(networks) == 4
    assert all(network.cost.params <= 150 for network in networks)
    assert [n.key for n in draw_distinct(limited, 100, seed=3)] == [n.key for n in networks]
    assert len(draw_distinct(space(), 2, seed=0)) == 2


def test_a_space_that_nothing_of_is_feasible_says_so() -> None:
    with pytest.raises(NoFeasibleArchitectureError):
        draw_distinct(space(constraints={"params": 1}), 3, seed=0)


def test_scores_are_in_order_and_the_same_each_time(evaluator: ArchitectureEvaluator) -> None:
    pool = score_space(space(), evaluator, candidates=10, proxies=NAMES)
    assert len(pool) == 6
    assert list(pool.scores) == list(NAMES)
    assert pool.scores["params"].tolist() == [n.cost.params for n in pool.architectures]
    assert all(math.isfinite(v) for column in pool.scores.values() for v in column)
    again = score_space(space(), evaluator, candidates=10, proxies=NAMES)
    for name in NAMES:
        assert again.scores[name].tolist() == pool.scores[name].tolist()
    best = pool.best(6)
    assert [n.key for n in best] == pool.to_frame()["key"].tolist()
    assert pool.best(1, by="params")[0].cost.params == max(pool.scores["params"])
    assert (np.diff(pool.to_frame()["rank"]) <= 0).all()


def test_az_nas_is_its_parts_by_rank() -> None:
    pool = score_space(space(), None, candidates=6, proxies=["params", "az_nas"], batch_size=8)
    assert list(pool.scores) == ["params", *AZ_NAS]
    ranks = log_ranks({name: pool.scores[name] for name in AZ_NAS})
    order = np.argsort(-ranks, kind="stable")
    best = [network.key for network in pool.best(6, by="az_nas")]
    assert best == [pool.architectures[k].key for k in order]
    # Those of one block have no progressivity, and are behind.
    assert np.isnan(pool.scores["az_progressivity"]).sum() == 3
    with pytest.raises(ValueError, match="there is no score 'az_expressivity'"):
        score_space(space(), None, candidates=6, proxies=["params"]).best(1, by="az_nas")
    assert list(pool.to_frame())[-1] == "rank"


def test_a_file_is_gone_on_from(evaluator: ArchitectureEvaluator, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    seen: list[tuple[int, int]] = []
    first = score_space(space(), evaluator, candidates=3, proxies=NAMES, file=file)
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    key, scores = json.loads(lines[1])
    scores["params"] = 12345.0  # to see that it is taken
    file.write_text("\n".join([lines[0], json.dumps([key, scores]), lines[2], lines[3][:20]]))
    second = score_space(
        space(),
        evaluator,
        candidates=6,
        proxies=NAMES,
        file=file,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert 12345.0 in second.scores["params"]
    assert seen == [(2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
    assert len(file.read_text().splitlines()) == 7
    assert [n.key for n in second.architectures[:3]] == [n.key for n in first.architectures]


def test_a_file_of_something_else_is_refused(
    evaluator: ArchitectureEvaluator, tmp_path: Path
) -> None:
    file = tmp_path / "scores.jsonl"
    score_space(space(), evaluator, candidates=2, proxies=["params"], file=file)
    kept = file.read_text()
    with pytest.raises(DataError, match="holds scores of another space, batch, seed or choice"):
        score_space(space(), evaluator, candidates=2, proxies=["params"], file=file, seed=1)
    assert file.read_text() == kept
    missing = tmp_path / "nowhere" / "scores.jsonl"
    with pytest.raises(DataError, match="can't be written"):
        score_space(space(), evaluator, candidates=2, proxies=["params"], file=missing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": 0}, "`candidates` must be at least 1 but got 0"),
        ({"batch_size": 1}, "`batch_size` must be at least 2 but got 1"),
        ({"proxies": ["nwot"]}, "there is no proxy 'nwot'"),
    ],
    ids=["candidates", "batch_size", "proxies"],
)
def test_options_out_of_range(
    evaluator: ArchitectureEvaluator, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score_space(space(), evaluator, **options)  # type: ignore[arg-type]


def test_a_batch_is_the_same_for_the_same_seed(evaluator: ArchitectureEvaluator) -> None:
    network = space().sample_architecture(0)
    inputs, targets = sample_batch(evaluator, network, 16, seed=4)
    assert inputs.shape == (16, 1, 8, 8)
    assert targets.shape == (16,)
    again, _ = sample_batch(evaluator, network, 16, seed=4)
    other, _ = sample_batch(evaluator, network, 16, seed=5)
    assert again.equal(inputs)
    assert not other.equal(inputs)
    with pytest.raises(DataError, match="a batch of 5000 samples is wanted but the data gave"):
        sample_batch(evaluator, network, 5000)


def test_what_a_pool_has_not_is_said(evaluator: ArchitectureEvaluator) -> None:
    pool = score_space(space(), evaluator, candidates=2, proxies=["params"])
    with pytest.raises(ValueError, match="`count` must be 1 to 2 but got 3"):
        pool.best(3)
    with pytest.raises(ValueError, match="there is no score 'macs'; there are: params"):
        pool.best(1, by="macs")


@pytest.mark.parametrize("kind", ["process", "threads"])
def test_several_at_once_score_as_one_does(
    kind: str, evaluator: ArchitectureEvaluator, tmp_path: Path
) -> None:
    @register_proxy(f"widest_by_{kind}")
    def widest(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
        return float(max(p.shape[0] for p in model.parameters()))

    names = (*NAMES, f"widest_by_{kind}")
    one = score_space(space(), evaluator, candidates=6, proxies=names)
    file = tmp_path / "scores.jsonl"
    made = create_executor("process", 2) if kind == "process" else ThreadPoolExecutor(2)
    with made as executor:
        pool = score_space(
            space(), evaluator, candidates=6, proxies=names, file=file, executor=executor
        )
    assert [n.key for n in pool.architectures] == [n.key for n in one.architectures]
    for name in names:
        assert pool.scores[name] == pytest.approx(one.scores[name])
    assert len(file.read_text().splitlines()) == 7


def test_a_batch_of_random_numbers_has_the_shapes_of_a_network() -> None:
    network = space().sample_architecture(0)
    inputs, targets = random_batch(network, 5, seed=1)
    assert inputs.shape == (5, 1, 8, 8)
    assert targets.shape == (5,)
    assert set(targets.tolist()) <= set(range(10))
    assert random_batch(network, 5, seed=1)[0].equal(inputs)
    pool = score_space(space(), None, candidates=3, proxies=NAMES)
    assert all(math.isfinite(v) for column in pool.scores.values() for v in column)
    words = ArchitectureSpace((4,), [Layer("Embedding", 9, 2), "Flatten", Layer("Dense", 1)])
    with pytest.raises(DataError, match="are scored on data"):
        random_batch(words.sample_architecture(0), 5, seed=1)
    one = ArchitectureSpace((4,), [Layer("Dense", 1)])
    assert random_batch(one.sample_architecture(0), 5, seed=1)[1].shape == (5, 1)


def test_a_pool_is_written_as_files(evaluator: ArchitectureEvaluator, tmp_path: Path) -> None:
    pool = score_space(space(), evaluator, candidates=3, proxies=NAMES)
    files = pool.write(tmp_path / "new" / "folder", "<all of them>")
    assert [file.name for file in files] == ["scores.csv", "scores.json", "scores.html"]
    rows = json.loads(files[1].read_text())
    assert rows == pool.to_dicts()
    assert [row["key"] for row in rows] == [network.key for network in pool.best(3)]
    chosen = {network.key: network.choices for network in pool.architectures}
    assert all(row["choices"] == chosen[row["key"]] for row in rows)
    assert "<h1>&lt;all of them&gt;</h1>" in files[2].read_text()
    files[0].unlink()
    files[0].mkdir()
    with pytest.raises(DataError, match=r"scores\.csv can't be written"):
        pool.write(tmp_path / "new" / "folder", "again")
