from __future__ import annotations

import pickle
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest

from neural_automl.data import (
    DataSplits,
    describe_targets,
    hash_arrays,
    load_data,
    prepare_inputs,
    prepare_targets,
    split_indices,
)
from neural_automl.exceptions import DataError

GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(0, 256, (60, 4, 4), dtype=np.uint8)
Y = np.arange(60) % 3


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def digits() -> DataSplits:
    return load_data("digits")


def test_digits_are_images_of_ten_classes_from_0_to_1(digits: DataSplits) -> None:
    assert digits.test is not None
    parts = (digits.train, digits.validation, digits.test)
    assert sum(len(x) for x, _ in parts) == 1797
    assert digits.sample_shape == (8, 8, 1)
    assert (digits.task, digits.classes) == ("classification", 10)
    for x, y in parts:
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert x.min() == 0
        assert x.max() == 1


def test_digits_hold_a_fifth_out_as_a_test_and_a_fifth_of_the_rest(digits: DataSplits) -> None:
    assert digits.test is not None
    assert len(digits.test[0]) == round(1797 / 5)
    assert len(digits.validation[0]) == round((1797 - 359) / 5)


def test_no_sample_of_digits_is_in_two_parts(digits: DataSplits) -> None:
    assert digits.test is not None
    parts = [
        {image.tobytes() for image in x} for x, _ in (digits.train, digits.validation, digits.test)
    ]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 1797


def test_each_part_of_digits_has_its_share_of_each_class(digits: DataSplits) -> None:
    assert digits.test is not None
    everything = np.bincount(
        np.concatenate([digits.train[1], digits.validation[1], digits.test[1]]), minlength=10
    )
    in_test = np.bincount(digits.test[1], minlength=10)
    assert np.all(np.abs(in_test - everything * 359 / 1797) < 1)


@pytest.mark.parametrize(
    ("options", "same"),
    [
        pytest.param({}, True, id="defaults"),
        pytest.param({"seed": 0, "test_split": 0.2, "validation_split": 0.2}, True, id="spelled"),
        pytest.param({"seed": 1}, False, id="seed"),
        pytest.param({"validation_split": 0.3}, False, id="validation"),
        pytest.param({"test_split": 0.1}, False, id="test"),
    ],
)
def test_splits_depend_on_shares_and_seed_alone(
    digits: DataSplits, options: dict[str, Any], same: bool
) -> None:
    other = load_data("digits", **options)
    assert (other.fingerprint == digits.fingerprint) is same
    assert np.array_equal(other.train[0], digits.train[0]) is same


def test_a_test_share_of_0_holds_nothing_out() -> None:
    splits = load_data("digits", test_split=0.0)
    assert splits.test is None
    assert len(splits.train[0]) + len(splits.validation[0]) == 1797


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(("x", "y"), id="one part"),
        pytest.param(("x_train", "y_train"), id="x_train"),
        pytest.param(("train_x", "train_y"), id="train_x"),
        pytest.param(("X_train", "Y_train"), id="capitals"),
    ],
)
def test_a_file_with_training_data_is_split(tmp_path: Path, keys: tuple[str, str]) -> None:
    path = save(tmp_path / "data.npz", **{keys[0]: X, keys[1]: Y})
    splits = load_data(path)
    assert splits.test is None
    assert len(splits.train[0]) == 48
    assert len(splits.validation[0]) == 12
    assert np.bincount(splits.validation[1]).tolist() == [4, 4, 4]
    assert splits.classes == 3


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_parts_that_a_file_has_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    arrays = {
        "x_train": X[:30],
        "y_train": Y[:30],
        f"x_{name}": X[30:50],
        f"y_{name}": Y[30:50],
        "test_x": X[50:],
        "test_y": Y[50:],
        "comment": np.array("ignored"),
    }
    splits = load_data(str(save(tmp_path / "data.npz", **arrays)), test_split=0.5)
    assert splits.test is not None
    for part, start, stop in (
        (splits.train, 0, 30),
        (splits.validation, 30, 50),
        (splits.test, 50, 60),
    ):
        assert np.array_equal(part[0], X[start:stop].astype(np.float32) / np.float32(255))
        assert np.array_equal(part[1], Y[start:stop])


def test_a_test_share_is_held_out_of_a_file_without_a_test(tmp_path: Path) -> None:
    splits = load_data(save(tmp_path / "data.npz", x=X, y=Y), test_split=0.5)
    assert splits.test is not None
    assert [len(part[0]) for part in (splits.train, splits.validation, splits.test)] == [24, 6, 30]


def test_numbers_as_targets_are_a_regression(tmp_path: Path) -> None:
    path = save(tmp_path / "data.npz", x=GENERATOR.random((20, 3)), y=GENERATOR.random(20))
    splits = load_data(path)
    assert (splits.task, splits.classes) == ("regression", None)
    assert splits.train[0].dtype == splits.train[1].dtype == np.float32


def test_equal_content_has_equal_fingerprints_whatever_the_file(tmp_path: Path) -> None:
    first = load_data(save(tmp_path / "a.npz", x=X, y=Y))
    np.savez_compressed(tmp_path / "b.npz", y_train=Y, x_train=X)
    changed = X.copy()
    changed[0, 0, 0] ^= 1
    assert load_data(tmp_path / "b.npz").fingerprint == first.fingerprint
    held_out = [
        load_data(save(tmp_path / "d.npz", x=X, y=Y, x_test=test, y_test=Y)).fingerprint
        for test in (X, changed)
    ]
    assert len({first.fingerprint, *held_out}) == 3
    assert load_data(save(tmp_path / "c.npz", x=changed, y=Y)).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param({"x": X}, "holds no y_train", id="no targets"),
        pytest.param({"images": X}, "must hold x_train and y_train", id="other names"),
        pytest.param({}, "holds 'nothing'", id="no arrays"),
        pytest.param({"x": X, "y": Y[1:]}, "'x_train' holds 60 samples but 'y_train' 59", id="len"),
        pytest.param({"x": X, "y": Y, "x_val": X}, "holds no y_val", id="half a part"),
        pytest.param({"x": X, "y": Y - 1}, "0 to C-1 but has -1", id="negative label"),
        pytest.param({"x": X, "y": Y * 2}, "the largest is 4 and 1 does not occur", id="gap"),
        pytest.param({"x": X, "y": Y + 1}, "the largest is 3 and 0 does not occur", id="from 1"),
        pytest.param({"x": X, "y": Y.astype(str)}, "integers 0 to C-1", id="text labels"),
        pytest.param({"x": X.astype(str), "y": Y}, "must hold numbers", id="text inputs"),
        pytest.param({"x": X, "y": Y.reshape(5, 4, 3)}, r"\(N,\) or \(N, K\)", id="rank of y"),
        pytest.param({"x": X[:0], "y": Y[:0]}, "'x_train' is empty", id="empty"),
        pytest.param({"x": X[:1], "y": Y[:1]}, "leaves an empty part", id="one sample"),
        pytest.param(
            {"x": np.full((60, 2), np.nan), "y": Y}, "holds 120 values that are NaN", id="NaN"
        ),
        pytest.param(
            {"x": np.full((60, 2), 1e300), "y": Y}, "NaN or infinite", id="too large for float32"
        ),
        pytest.param(
            {"x": X, "y": np.where(Y > 0, np.inf, 0.0)}, "'y_train' holds 40", id="infinite target"
        ),
        pytest.param(
            {"x": X, "y": Y, "x_test": X[:, :3], "y_test": Y},
            r"'x_test' have the shape \(3, 4\) but those of 'x_train' \(4, 4\)",
            id="shapes of parts",
        ),
        pytest.param(
            {"x": X, "y": Y, "x_test": X, "y_test": Y.astype(float)},
            "'y_test' .* does not go with 'y_train'",
            id="kinds of targets",
        ),
        pytest.param(
            {"x": X, "x_train": X, "y": Y}, "both x and x_train, .* both x_train", id="x, x_train"
        ),
        pytest.param(
            {"train_x": X, "x_train": X, "y": Y}, "both train_x and x_train", id="two orders"
        ),
        pytest.param(
            {"x": X, "y": Y, "x_val": X, "x_valid": X, "y_val": Y},
            "both x_val and x_valid, which are both x_val",
            id="val, valid",
        ),
        pytest.param(
            {"x": X, "y": Y, "x_val": X.astype(np.float32), "y_val": Y},
            "'x_val' has dtype float32 but 'x_train' uint8",
            id="kinds of inputs",
        ),
        pytest.param({"x": X, "y": Y * 0}, "all targets are of one class", id="one class"),
        pytest.param(
            {"x": X, "y": np.full(60, 2**64 - 1, np.uint64)},
            "labels 0 to C-1 but has 18446744073709551615",
            id="unsigned labels",
        ),
        pytest.param(
            {"x": np.where(np.arange(120).reshape(60, 2) == 7, np.nan, 1.0), "y": Y},
            r"'x_train' holds 1 value that is NaN or infinite; the first is at \[3, 1\]",
            id="place of a NaN",
        ),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_data(save(tmp_path / "data.npz", **arrays))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    x = np.array([Trap()] * 3, dtype=object)
    with pytest.raises(DataError, match=r"cannot read .*allow_pickle=False"):
        load_data(save(tmp_path / "data.npz", x=x, y=Y[:3]))
    assert not marker.exists()
    pickle.loads(pickle.dumps(Trap()))
    assert marker.exists()  # the trap works


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is not an .npz file", id="empty"),
        pytest.param(b"x,y\n1,2\n", "is not an .npz file", id="text"),
        pytest.param(None, "cannot read", id="damaged"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = save(tmp_path / "data.npz", x=X, y=Y)
    whole = bytearray(path.read_bytes())
    whole[200:240] = bytes(40)
    path.write_bytes(whole if content is None else content)
    with pytest.raises(DataError, match=message):
        load_data(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("digit", "no data set 'digit'; did you mean digits", id="near name"),
        pytest.param("cifar10", "give one of digits, or the path", id="unknown name"),
        pytest.param("nowhere/data.npz", "no file 'nowhere/data.npz'", id="missing file"),
        pytest.param(Path("digits"), "no data set 'digits'", id="a path is not a name"),
        pytest.param(__file__, "the name must end in .npz", id="suffix"),
        pytest.param("", "no data set", id="nothing"),
        pytest.param("a" * 5000 + ".csv", "cannot read 'aaa.*File name too long", id="long name"),
    ],
)
def test_an_unknown_source_is_refused_and_the_known_ones_named(
    source: str | Path, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load_data(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"validation_split": 0.0}, "`validation_split` must be between", id="none"),
        pytest.param({"validation_split": 1.0}, "`validation_split` must be between", id="all"),
        pytest.param({"test_split": -0.1}, "`test_split` must be at least 0", id="negative"),
        pytest.param({"seed": -1}, "`seed` must be at least 0 but got -1", id="seed"),
        pytest.param({"validation_split": "0.2"}, "must be a number but got '0.2'", id="text"),
        pytest.param({"test_split": 1.0}, "`test_split` must be at least 0", id="test all"),
    ],
)
def test_shares_out_of_bounds_are_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        load_data("digits", **options)


@pytest.mark.parametrize(
    ("array", "dtype", "largest"),
    [
        pytest.param(np.full((2, 3, 3), 255, np.uint8), np.float32, 1, id="image"),
        pytest.param(np.full((2, 3, 3, 1), 51, np.uint8), np.float32, np.float32(0.2), id="color"),
        pytest.param(np.full((2, 3), 255, np.uint8), np.uint8, 255, id="row of bytes"),
        pytest.param(np.full((2, 3, 3), 255, np.int32), np.int32, 255, id="integers"),
        pytest.param(np.full((2, 3), True), np.float32, 1, id="booleans"),
        pytest.param(np.full((2, 3), 0.5), np.float32, 0.5, id="doubles"),
        pytest.param(np.full((2, 3), 0.5, np.float16), np.float32, 0.5, id="halves"),
    ],
)
def test_inputs_are_prepared_by_their_kind(array: Any, dtype: Any, largest: float) -> None:
    prepared = prepare_inputs(array)
    assert prepared.dtype == dtype
    assert prepared.shape == array.shape
    assert prepared.max() == largest


@pytest.mark.parametrize(
    ("array", "shape", "dtype"),
    [
        pytest.param(np.array([0, 2, 1], np.uint8), (3,), np.int64, id="labels"),
        pytest.param(np.array([[0], [1]]), (2,), np.int64, id="column of labels"),
        pytest.param(np.array([True, False]), (2,), np.int64, id="booleans"),
        pytest.param(np.array([[0, 1], [1, 1]]), (2, 2), np.int64, id="several labels"),
        pytest.param(np.array([0.0, 1.0]), (2,), np.float32, id="values"),
        pytest.param(np.array([[0.5], [1.5]]), (2, 1), np.float32, id="column of values"),
    ],
)
def test_targets_are_prepared_by_their_kind(array: Any, shape: tuple[int, ...], dtype: Any) -> None:
    prepared = prepare_targets(array)
    assert prepared.shape == shape
    assert prepared.dtype == dtype


def test_several_labels_a_sample_must_be_0_or_1() -> None:
    with pytest.raises(DataError, match="must hold 0 and 1 but has 2"):
        prepare_targets(np.array([[0, 2], [1, 1]]))
    assert describe_targets([np.array([[0, 1, 1]])]) == ("classification", 3)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("counts", [(50, 50), (90, 9, 1), (7, 13, 29, 51), (100,)])
def test_a_split_takes_its_share_of_each_class(share: float, counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    kept, held_out = split_indices(labels, share, np.random.default_rng(3))
    assert sorted([*kept, *held_out]) == list(range(len(labels)))
    assert len(held_out) == round(len(labels) * share)
    taken = np.bincount(labels[held_out], minlength=len(counts))
    assert np.all(np.abs(taken - np.array(counts) * share) < 1 + 1e-9)


def test_a_split_of_values_is_drawn_from_all_of_them() -> None:
    values = np.arange(1000, dtype=np.float32)
    _, held_out = split_indices(values, 0.2, np.random.default_rng(0))
    _, again = split_indices(values, 0.2, np.random.default_rng(0))
    _, other = split_indices(values, 0.2, np.random.default_rng(1))
    assert np.array_equal(held_out, again)
    assert not np.array_equal(held_out, other)
    assert 400 < held_out.mean() < 600
    assert len(set(np.diff(held_out))) > 5  # not every fifth one


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([("b", np.zeros(4))], id="name"),
        pytest.param([("a", np.zeros((2, 2)))], id="shape"),
        pytest.param([("a", np.zeros(4, np.float32))], id="dtype"),
        pytest.param([("a", np.ones(4))], id="content"),
        pytest.param([("a", np.zeros(4)), ("b", np.zeros(1))], id="one more"),
    ],
)
def test_a_hash_sees_name_shape_dtype_and_content(other: Any) -> None:
    assert hash_arrays(other) != hash_arrays([("a", np.zeros(4))])


def test_a_hash_does_not_see_how_an_array_lies_in_memory() -> None:
    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    turned = np.asfortranarray(array)
    big_endian = array.astype(">i4")
    hashes = {hash_arrays([("a", variant)]) for variant in (array, turned, big_endian)}
    assert hashes == {hash_arrays([("a", np.arange(12, dtype=np.int32).reshape(3, 4))])}


def test_importing_data_and_evaluation_loads_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, neural_automl.data, neural_automl.evaluation\n"
        "sys.exit(str({'torch', 'sklearn', 'torchmetrics'} & set(sys.modules) or ''))"
    )
    result = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""
