from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neural_automl.data import load_data
from neural_automl.exceptions import DataError


def save(path: Path, value: int, mode: str = "L", size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path)


def fill(root: Path, names: tuple[str, ...] = ("cat", "dog"), count: int = 10) -> Path:
    """Make a folder a class; the images of the second class are brighter."""
    for label, name in enumerate(names):
        for index in range(count):
            save(root / name / f"{index:02}.png", 100 * label + index)
    return root


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    splits = load_data(fill(tmp_path), test_split=0.2)
    assert splits.sample_shape == (4, 6, 1)
    assert (splits.task, splits.classes, splits.class_names) == (
        "classification",
        2,
        ("cat", "dog"),
    )
    assert splits.test is not None
    parts = (splits.train, splits.validation, splits.test)
    assert [len(x) for x, _ in parts] == [13, 3, 4]
    for x, y in parts:
        assert x.dtype == np.float32
        assert np.array_equal(x[:, 0, 0, 0] > 0.3, y == 1)
    assert np.bincount(splits.test[1]).tolist() == [2, 2]


def test_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path)
    first, again, other = (load_data(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    values = np.rint(255 * first.train[0][:, 0, 0, 0]).astype(int)
    assert values.tolist() == sorted(values)


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_folders_of_parts_are_taken_as_they_are(tmp_path: Path, validation: str) -> None:
    for part, count in (("train", 8), (validation, 3), ("test", 2)):
        fill(tmp_path / part, count=count)
    splits = load_data(tmp_path, test_split=0.5)
    assert splits.test is not None
    assert [len(x) for x, _ in (splits.train, splits.validation, splits.test)] == [16, 6, 4]


def test_a_part_may_lack_a_class(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("dog",), 2)
    splits = load_data(tmp_path)
    assert splits.test is not None
    assert splits.test[1].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        pytest.param("L", "png", 1, id="grey"),
        pytest.param("1", "png", 1, id="black and white"),
        pytest.param("LA", "png", 1, id="grey with transparency"),
        pytest.param("RGB", "png", 3, id="color"),
        pytest.param("RGBA", "png", 3, id="color with transparency"),
        pytest.param("P", "png", 3, id="palette"),
        pytest.param("L", "jpg", 1, id="grey jpg"),
        pytest.param("CMYK", "jpeg", 3, id="print jpg"),
    ],
)
def test_kinds_of_pixels(tmp_path: Path, mode: str, suffix: str, channels: int) -> None:
    for name, value in (("dark", 0), ("light", 255)):
        for index in range(5):
            save(tmp_path / name / f"{index}.{suffix}", value, mode)
    splits = load_data(tmp_path)
    assert splits.sample_shape == (4, 6, channels)
    assert splits.train[0][splits.train[1] == 0].max() < 0.01
    assert splits.train[0][splits.train[1] == 1].min() > 0.99


def test_one_image_in_color_makes_all_so(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.new("RGB", (6, 4), (255, 0, 0)).save(tmp_path / "cat" / "99.png")
    splits = load_data(tmp_path)
    x = np.concatenate([splits.train[0], splits.validation[0]])
    assert x.shape[1:] == (4, 6, 3)
    assert (x[..., 0] != x[..., 1]).any(axis=(1, 2)).sum() == 1


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    before = load_data(fill(tmp_path)).fingerprint
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "._00.png").write_bytes(b"x")
    assert load_data(tmp_path).fingerprint == before


def broken(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda root: save(root / "dog" / "x.png", 0, size=(5, 4)),
            r"one size, but '.*x.png' is 5 x 4 and '.*00.png' 6 x 4",
            id="size",
        ),
        pytest.param(
            lambda root: broken(root / "dog" / "x.png", b"GIF89a"), "cannot read .*x.png", id="text"
        ),
        pytest.param(
            lambda root: broken(
                root / "dog" / "x.png", (root / "dog" / "00.png").read_bytes()[:-30]
            ),
            "cannot read .*x.png",
            id="cut off",
        ),
        pytest.param(
            lambda root: Image.new("I;16", (6, 4)).save(root / "dog" / "x.png"),
            "x.png' has pixels of the kind I;16; save it with 8 bits",
            id="16 bits",
        ),
        pytest.param(
            lambda root: (root / "empty").mkdir(), "empty' holds no image", id="empty class"
        ),
        pytest.param(
            lambda root: (root / "train").mkdir(), "holds the folder train", id="parts and classes"
        ),
    ],
)
def test_a_folder_that_breaks_a_rule_is_refused(
    tmp_path: Path, spoil: object, message: str
) -> None:
    assert callable(spoil)
    spoil(fill(tmp_path))
    with pytest.raises(DataError, match=message):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        pytest.param([], "must hold one folder of images a class", id="nothing"),
        pytest.param(["train"], "train' must hold one folder of images", id="empty training part"),
        pytest.param(["train/a", "test"], "a' holds no image", id="empty class"),
        pytest.param(["train/a", "val", "valid"], "both validation data", id="two validations"),
        pytest.param(["train/a", "Test"], "'Test' must be val or test", id="unknown part"),
    ],
)
def test_folders_that_hold_nothing_are_refused(
    tmp_path: Path, folders: list[str], message: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path)


def test_parts_must_agree(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="test' must hold one folder of images a class"):
        load_data(tmp_path)
    fill(tmp_path / "test", ("bird",))
    with pytest.raises(DataError, match="bird' is a class that the training data lacks"):
        load_data(tmp_path)


def test_an_image_made_to_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    for limit in (10, 20):  # twice the limit is an error of Pillow's, the limit a warning
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=r"cannot read .*exceeds limit of"):
            load_data(tmp_path)


def test_without_pillow_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        DataError,
        match=r"install it with `pip install \"neural-automl\[images\]\"`, or, in a clone",
    ):
        load_data(tmp_path)
    assert load_data("digits").classes == 10
