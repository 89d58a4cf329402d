"""What benchmarks/real_data.py makes of words and of a table, and how it compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from benchmarks import real_data
from neural_automl import ArchitectureEvaluator, ArchitectureSpace, load_data
from neural_automl.data import Array, DataSplits

CAT = ["K", "AE1", "T"]
TABLE = """carat,cut,color,clarity,depth,table,price,x,y,z
0.23,Ideal,E,SI2,61.5,55.0,326,3.95,3.98,2.43
0.21,Premium,E,SI1,59.8,61.0,326,3.89,3.84,2.31
0.23,Ideal,E,SI2,61.5,55.0,326,3.95,3.98,2.43
"""


@pytest.mark.parametrize(
    ("pronunciations", "expected"),
    [
        pytest.param([CAT], 1, id="one vowel"),
        pytest.param([["B", "AH0", "N", "AE1", "N", "AH0"]], 3, id="three vowels"),
        pytest.param([CAT, ["K", "AA1", "T"]], 1, id="two pronunciations of one length"),
        pytest.param([CAT, ["K", "AE1", "T", "AH0"]], None, id="two lengths"),
        pytest.param([["SH"]], 0, id="no vowel"),
    ],
)
def test_syllables(pronunciations: list[list[str]], expected: int | None) -> None:
    assert real_data.syllables(pronunciations) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [("cat", True), ("at", False), ("a" * 16, True), ("a" * 17, False), ("o'clock", False)],
)
def test_is_plain(word: str, expected: bool) -> None:
    assert real_data.is_plain(word) is expected


def test_words_come_back_out_of_their_numbers() -> None:
    words = ["cat", "zebra", "abcdefghijklmnop"]

    numbers = np.array([real_data.to_numbers(word) for word in words])

    assert numbers.shape == (3, 16)
    assert (numbers.min(), numbers.max()) == (0, 26)
    assert real_data.to_words(numbers).tolist() == words


def test_words_are_drawn_equally_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vowels = {"ba": 1, "ca": 1, "da": 1, "ea": 2, "fa": 2, "o'": 1}
    spoken = {f"{word}x": [["AH0"] * count] for word, count in vowels.items()}
    monkeypatch.setattr(real_data, "WORDS", 2)

    real_data.write_words(tmp_path / "words.npz", spoken)

    with np.load(tmp_path / "words.npz") as file:
        words, labels = real_data.to_words(file["x"]), file["y"]
    assert labels.tolist() == [0, 0, 1, 1]
    assert len(set(words)) == 4
    assert all(vowels[word[:2]] == label + 1 for word, label in zip(words, labels, strict=True))


def test_diamonds_are_different_and_their_cut_stands_last(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(TABLE, encoding="utf-8")

    real_data.write_diamonds(tmp_path / "some.csv", tmp_path / "all.csv")

    first, *rows = (tmp_path / "some.csv").read_text(encoding="utf-8").splitlines()
    assert first == "carat,color,clarity,depth,table,price,length,width,height,cut"
    assert sorted(rows) == [
        "0.21,E,SI1,59.8,61.0,326,3.89,3.84,2.31,Premium",
        "0.23,E,SI2,61.5,55.0,326,3.95,3.98,2.43,Ideal",
    ]


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(SystemExit, match="no_such_package is not installed"):
        real_data.package_folder("no_such_package")


def test_where_a_package_lies() -> None:
    assert (real_data.package_folder("sklearn") / "datasets").is_dir()


def test_a_rival_learns_from_training_and_validation_data_alone() -> None:
    # Of the three parts only the first two together have most labels 1.
    x = np.zeros((3, 2), dtype=np.int64)
    train, validation = (x, np.array([0, 0, 1])), (x, np.array([1, 1, 1]))
    test = (x, np.array([0, 0, 1]))
    splits = DataSplits(train, validation, test, "classification", 2, "")
    model = DummyClassifier(strategy="most_frequent")

    assert real_data.score(model, splits, test, real_data.same) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", list(real_data.RIVALS["text"]))
def test_a_rival_in_words_tells_what_letters_tell(name: str) -> None:
    words = ["aab", "aba", "baa", "xyz", "zyx", "yxz"] * 5
    pair = (
        np.array([real_data.to_numbers(word) for word in words]),
        np.array([0, 0, 0, 1, 1, 1] * 5),
    )
    splits = DataSplits(pair, pair, pair, "classification", 2, "")
    make, points, see = real_data.RIVALS["text"][name]

    assert points == 0
    assert real_data.score(make(0), splits, pair, see) == 1


@pytest.mark.parametrize(("ours", "missed"), [(1.0, 0), (0.0, 1)], ids=["better", "worse"])
def test_a_bar_that_is_missed_is_told(
    ours: float, missed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = load_data("digits")
    monkeypatch.setattr(real_data, "search", lambda *_: ours)
    monkeypatch.setitem(
        real_data.RIVALS,
        "fashion",
        {"most frequent": (lambda _: DummyClassifier(), 1, real_data.flat)},
    )

    assert len(real_data.compare("fashion", splits, 1, 0)) == missed


@pytest.mark.parametrize(
    ("example", "x", "classes"),
    [("text", np.full((8, 16), 26), 5), ("tabular", np.zeros((8, 22), dtype=np.float32), 5)],
)
def test_an_example_takes_its_data(example: str, x: Array, classes: int) -> None:
    space = ArchitectureSpace.from_dsl(real_data.EXAMPLES / f"{example}.neural")
    evaluator = ArchitectureEvaluator((x, np.arange(8) % classes), device="cpu")

    evaluator.check(space.sample_architecture(seed=0))

    assert space.sample_architecture(seed=0).graph.output_shape == (classes,)


def test_the_example_of_text_reads_sequences_in_three_ways() -> None:
    space = ArchitectureSpace.from_dsl(real_data.EXAMPLES / "text.neural")
    kinds = {
        node.op for seed in range(40) for node in space.sample_architecture(seed=seed).graph.nodes
    }

    assert {"Embedding", "LSTM", "GRU"} <= kinds
    assert any("Attention" in kind for kind in kinds)
