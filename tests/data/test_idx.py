from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural_automl.data import load_data
from neural_automl.exceptions import DataError

GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(0, 256, (40, 5, 4), dtype=np.uint8)
Y = (np.arange(40) % 4).astype(np.uint8)
TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def encode(array: Any) -> bytes:
    """Write an array as the format's authors describe it."""
    content: bytes = array.tobytes()
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + content


def fill(root: Path, end: str = "") -> Path:
    pack = gzip.compress if end else bytes
    for name, array in ((TRAIN_X, X), (TRAIN_Y, Y), (TEST_X, X[:8]), (TEST_Y, Y[:8])):
        (root / f"{name}{end}").write_bytes(pack(encode(array)))
    return root


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder_of_idx_files(tmp_path: Path, end: str) -> None:
    splits = load_data(fill(tmp_path, end), test_split=0.5)
    assert splits.test is not None
    assert splits.sample_shape == (5, 4, 1)
    assert (splits.task, splits.classes) == ("classification", 4)
    assert [len(x) for x, _ in (splits.train, splits.validation, splits.test)] == [32, 8, 8]
    assert np.array_equal(splits.test[0][..., 0], X[:8].astype(np.float32) / np.float32(255))
    assert np.array_equal(splits.test[1], Y[:8])
    assert np.bincount(splits.validation[1]).tolist() == [2, 2, 2, 2]


def test_any_of_the_files_means_all_of_them_packed_or_not(tmp_path: Path) -> None:
    packed, plain = tmp_path / "packed", tmp_path / "plain"
    packed.mkdir()
    plain.mkdir()
    fill(packed, ".gz")
    fill(plain)
    sources = [packed, plain, packed / f"{TRAIN_Y}.gz", plain / TRAIN_X, plain / TEST_Y]
    assert len({load_data(source).fingerprint for source in sources}) == 1


def test_names_as_some_archives_unpack_them(tmp_path: Path) -> None:
    before = load_data(fill(tmp_path)).fingerprint
    for path in tmp_path.iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert load_data(tmp_path).fingerprint == before
    assert load_data(tmp_path / "train-images.idx3-ubyte").fingerprint == before


def test_the_test_may_be_missing(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / TEST_X).unlink()
    (tmp_path / TEST_Y).unlink()
    assert load_data(tmp_path).test is None
    held_out = load_data(tmp_path, test_split=0.2).test
    assert held_out is not None
    assert len(held_out[0]) == 8


@pytest.mark.parametrize("missing", [TRAIN_X, TRAIN_Y, TEST_X, TEST_Y])
def test_a_file_without_its_other_half_is_refused(tmp_path: Path, missing: str) -> None:
    (fill(tmp_path) / missing).unlink()
    with pytest.raises(DataError, match=rf"there is no file '.*{missing}', with or without '.gz'"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(TRAIN_X, b"", "is no idx file of unsigned bytes with 3 axes", id="empty"),
        pytest.param(TRAIN_X, b"\0\0\x08", "is no idx file", id="short header"),
        pytest.param(TRAIN_X, encode(X[0]), "with 3 axes", id="too few axes"),
        pytest.param(TRAIN_Y, encode(X), "with 1 axes", id="too many axes"),
        pytest.param(TRAIN_X, b"\0\0\x0d" + encode(X)[3:], "unsigned bytes", id="floats"),
        pytest.param(TRAIN_X, b"\x80\x04" + encode(X)[2:], "is no idx file", id="a pickle"),
        pytest.param(TRAIN_X, encode(X)[:-1], "hold 800 bytes .* but holds 799", id="cut off"),
        pytest.param(TRAIN_X, encode(X) + b"\0", "800 bytes .* but holds more", id="too long"),
        pytest.param(TRAIN_Y, encode(Y[:30]), "40 images but .* 30 labels", id="lengths"),
        pytest.param(TRAIN_X, encode(X[:, :0]), "'x_train' is empty", id="no pixels"),
        pytest.param(TRAIN_Y, encode(Y * 2), "the largest is 6 and 5 does not", id="labels"),
        pytest.param(TEST_X, encode(X[:8, :4]), r"'x_test' have the shape \(4, 4, 1\)", id="parts"),
        pytest.param(
            TRAIN_X,
            b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 100,
            "should hold 79228162458924105385300197375 bytes .* but holds 100",
            id="promises too much",
        ),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_broken_file_is_refused(
    tmp_path: Path, end: str, name: str, content: bytes, message: str
) -> None:
    fill(tmp_path, end)
    (tmp_path / f"{name}{end}").write_bytes(gzip.compress(content) if end else content)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path)


@pytest.mark.parametrize(
    "spoil", [lambda whole: b"no archive", lambda whole: whole[:-20], lambda whole: whole[:40] * 2]
)
def test_a_broken_archive_is_refused(tmp_path: Path, spoil: Any) -> None:
    path = fill(tmp_path, ".gz") / f"{TRAIN_X}.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match="cannot read"):
        load_data(tmp_path)
