from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural_automl.data import Column, DataSplits, load_data
from neural_automl.evaluation import ArchitectureEvaluator
from neural_automl.exceptions import DataError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def flowers(rows: int = 60) -> str:
    """A number that grows, a category of two texts, and a label of three."""
    lines = [f"{i},{'red' if i % 2 else 'blue'},{'abc'[i % 3]}" for i in range(rows)]
    return "\n".join(["size,color,label", *lines]) + "\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "flowers.csv", flowers())


def everything(splits: DataSplits) -> np.ndarray[Any, Any]:
    assert splits.test is not None
    return np.concatenate([splits.train[0], splits.validation[0], splits.test[0]])


def test_a_table_becomes_features_and_labels(table: Path) -> None:
    splits = load_data(table)
    assert splits.sample_shape == (3,)
    assert (splits.task, splits.classes, splits.class_names) == (
        "classification",
        3,
        ("a", "b", "c"),
    )
    assert [(column.name, column.width) for column in splits.columns] == [("size", 1), ("color", 2)]
    assert splits.columns[1].categories == ("blue", "red")
    assert splits.train[0].dtype == np.float32
    assert splits.train[1].dtype == np.int64
    assert splits.test is None


def test_the_features_are_those_of_the_rows(table: Path) -> None:
    splits = load_data(table, test_split=0.2)
    size = splits.columns[0]
    original = np.rint(everything(splits)[:, 0] * size.deviation + size.mean).astype(int)
    assert sorted(original) == list(range(60))
    assert splits.test is not None
    labels = np.concatenate([splits.train[1], splits.validation[1], splits.test[1]])
    assert np.array_equal(labels, original % 3)
    assert np.array_equal(everything(splits)[:, 1:], np.eye(2)[original % 2])


NUMBERS = "numbers less the training data's mean, divided by its deviation"


@pytest.mark.parametrize(
    ("columns", "scaling"),
    [
        (slice(None), f"{NUMBERS}; categories as zeros and ones"),
        (slice(0, 3, 2), NUMBERS),
        (slice(1, 3), "categories as zeros and ones"),
    ],
    ids=["both", "numbers", "categories"],
)
def test_what_was_done_to_the_columns_is_told(columns: slice, scaling: str, tmp_path: Path) -> None:
    rows = [",".join(row.split(",")[columns]) for row in flowers().splitlines()]

    assert load_data(write(tmp_path / "some.csv", "\n".join(rows))).scaling == scaling


@pytest.mark.parametrize(
    ("kind", "scaling"),
    [
        (np.uint8, "values 0 to 255 divided by 255"),
        (np.int32, "integers as they are"),
        (np.float64, "values as they are in the data"),
    ],
)
def test_what_is_done_to_arrays_is_told(kind: Any, scaling: str, tmp_path: Path) -> None:
    x, y = np.ones((20, 4, 4), kind), np.arange(20) % 2
    np.savez(tmp_path / "some.npz", x=x, y=y)

    assert load_data(tmp_path / "some.npz").scaling == scaling
    assert ArchitectureEvaluator((x, y), device="cpu").scaling == scaling


def test_of_batches_it_is_not_known() -> None:
    batches = [(np.ones((2, 4, 4), np.float32), np.arange(2))]

    assert ArchitectureEvaluator(batches, device="cpu").scaling == ""


def test_numbers_are_scaled_by_the_training_part_alone(table: Path) -> None:
    splits = load_data(table, test_split=0.3, seed=4)
    numbers = splits.train[0][:, 0]
    assert numbers.mean() == pytest.approx(0, abs=1e-6)
    assert numbers.std() == pytest.approx(1, abs=1e-6)
    assert splits.test is not None
    assert abs(splits.test[0][:, 0].mean()) > 1e-4
    # What the test holds can be altered without a change in the training data.
    size = splits.columns[0]
    rows = np.rint(splits.test[0][:, 0] * size.deviation + size.mean).astype(int)
    lines = flowers().splitlines()
    lines[rows[0] + 1] = lines[rows[0] + 1].replace(f"{rows[0]},", "1e6,", 1)
    other = load_data(write(table, "\n".join(lines)), test_split=0.3, seed=4)
    assert np.array_equal(other.train[0], splits.train[0])
    assert other.columns == splits.columns
    assert other.fingerprint != splits.fingerprint


def test_a_category_that_the_training_part_lacks_is_all_zeros(tmp_path: Path) -> None:
    lines = ["shade,y", *[f"{'ab'[i % 2]},{i % 2}" for i in range(40)], "rare,0"]
    path = write(tmp_path / "rare.csv", "\n".join(lines))
    seen = set()
    for seed in range(12):
        splits = load_data(path, seed=seed)
        held_out = (splits.validation[0].sum(axis=1) == 0).sum()
        assert splits.columns[0].categories == (("a", "b") if held_out else ("a", "b", "rare"))
        assert np.all(splits.train[0].sum(axis=1) == 1)
        seen.add(int(held_out))
    assert seen == {0, 1}


def test_splits_of_a_table_are_stratified_and_by_seed(table: Path) -> None:
    first, again, other = (load_data(table, test_split=0.2, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.test is not None
    assert np.bincount(first.test[1]).tolist() == [4, 4, 4]
    assert np.bincount(first.validation[1]).max() - np.bincount(first.validation[1]).min() <= 1


@pytest.mark.parametrize(
    ("header", "target", "features"),
    [
        pytest.param("a,target,b", None, ["a", "b"], id="called target"),
        pytest.param("Label,a,b", None, ["a", "b"], id="case does not matter"),
        pytest.param("a,class,b", None, ["a", "b"], id="called class"),
        pytest.param("y,a,b", None, ["a", "b"], id="called y"),
        pytest.param("a,b,c", None, ["a", "b"], id="else the last"),
        pytest.param("a,b,c", "a", ["b", "c"], id="said"),
        pytest.param("a,target,y", "y", ["a", "target"], id="said among several"),
        pytest.param(" a , y ,b", None, ["a", "b"], id="spaces around names"),
        pytest.param('\ufeff"y",a,b', None, ["a", "b"], id="a byte order mark"),
    ],
)
def test_the_target_is_found(
    tmp_path: Path, header: str, target: str | None, features: list[str]
) -> None:
    rows = "\n".join(f"{i % 2},{i % 2},{i % 2}" for i in range(10))
    splits = load_data(write(tmp_path / "t.csv", f"{header}\n{rows}\n"), target=target)
    assert [column.name for column in splits.columns] == features


@pytest.mark.parametrize(
    ("values", "task", "names", "targets"),
    [
        pytest.param("ba", "classification", ("a", "b"), {0, 1}, id="texts in sorted order"),
        pytest.param(["10", "9"], "classification", ("9", "10"), {0, 1}, id="numbers in order"),
        pytest.param(["-1", "1"], "classification", ("-1", "1"), {0, 1}, id="signs"),
        pytest.param(["yes", "1"], "classification", ("1", "yes"), {0, 1}, id="mixed"),
        pytest.param(["0.5", "2"], "regression", (), {0.5, 2.0}, id="decimals"),
        pytest.param(["1.0", "2.0"], "regression", (), {1.0, 2.0}, id="whole with a point"),
        pytest.param(["1e3", "5"], "regression", (), {1000.0, 5.0}, id="exponent"),
    ],
)
def test_targets_are_classes_or_values(
    tmp_path: Path, values: Any, task: str, names: tuple[str, ...], targets: set[float]
) -> None:
    rows = "\n".join(f"{i},{values[i % 2]}" for i in range(20))
    splits = load_data(write(tmp_path / "t.csv", f"a,y\n{rows}\n"))
    assert (splits.task, splits.class_names) == (task, names)
    assert splits.classes == (len(names) or None)
    assert set(splits.train[1].tolist()) == targets


def test_a_constant_column_becomes_zeros(tmp_path: Path) -> None:
    rows = "\n".join(f"0.1,{i % 2}" for i in range(30))
    splits = load_data(write(tmp_path / "t.csv", f"a,y\n{rows}\n"))
    assert splits.columns == (Column("a", mean=0.1),)
    assert np.all(splits.train[0] == 0)


@pytest.mark.parametrize("hole", ["", "NA", "nan", "NaN", "null", "?", "n/a"])
def test_a_hole_is_an_error_that_names_column_and_line(tmp_path: Path, hole: str) -> None:
    rows = "\n".join(f"{i if i != 4 else hole},{i % 2}" for i in range(20))
    path = write(tmp_path / "t.csv", f"a,y\n{rows}\n")
    with pytest.raises(DataError, match=r"column 'a' holds no value in line 6; .*`missing='mean'`"):
        load_data(path)
    assert load_data(path, missing="mean").sample_shape == (1,)


def test_a_hole_is_filled_with_the_mean_and_no_category(tmp_path: Path) -> None:
    rows = [f"{'' if i % 5 == 0 else i},{'' if i % 5 == 0 else 'uv'[i % 2]},0" for i in range(50)]
    path = write(tmp_path / "t.csv", "\n".join(["a,b,y", *rows, "7,u,1", "8,v,1", "9,v,1"]))
    x, _ = load_data(path, missing="mean").train
    holes = x[:, 1:].sum(axis=1) == 0
    assert 0 < holes.sum() < len(x)
    assert np.all(x[holes] == 0)
    assert x[~holes, 0].mean() == pytest.approx(0, abs=1e-6)


def test_quotes_blank_lines_and_windows_lines_are_read(tmp_path: Path) -> None:
    rows = "\r\n\r\n".join(f'"a, ""{"xy"[i % 2]}""", {i}.5 ,{i % 2}' for i in range(20))
    splits = load_data(write(tmp_path / "T.CSV", f"text,number,y\r\n{rows}\r\n"))
    assert splits.columns[0].categories == ('a, "x"', 'a, "y"')
    assert splits.columns[1].categories == ()


MANY = "\n".join(f"{i},{i % 2}" for i in range(20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "must hold a line of names and lines of values", id="empty"),
        pytest.param("a,y\n", "must hold a line of names and lines of values", id="header alone"),
        pytest.param(MANY, "must name the columns but holds the number", id="no header"),
        pytest.param(f"a;y\n{MANY.replace(',', ';')}", "divided by commas", id="semicolons"),
        pytest.param(f"a\ty\n{MANY.replace(',', chr(9))}", "divided by commas", id="tabs"),
        pytest.param(f"a,\n{MANY}", "column 2 of .* has no name$", id="no name"),
        pytest.param(
            f",a\n{MANY}",
            r"column 1 of .* has no name; .* `to_csv\(\.\.\., index=False\)`",
            id="index",
        ),
        pytest.param(f"a,a\n{MANY}", "2 columns of the name 'a'", id="two of a name"),
        pytest.param("a,y\n1,2\n3\n", "line 3 of .* holds 1 cells but the first line 2", id="few"),
        pytest.param("a,y\n1,2\n3,4,5\n", "line 3 .* holds 3 cells", id="too many cells"),
        pytest.param("y\n1\n2\n", "nothing but the target column 'y'", id="one column"),
        pytest.param("y,label\n1,2\n", "columns y, label may be the target", id="two targets"),
        pytest.param("a,y\n1,0\n2,\n", "target column 'y' holds no value in line 3", id="no label"),
        pytest.param('a,y\n"1,0\n2,1\n', "cannot read .*unexpected end", id="open quote"),
        pytest.param(f"a,y\n{MANY}\n1e39,0", "holds '1e39' in line 22, .*float32", id="too large"),
        pytest.param(
            "a,y\n" + "\n".join(f"n{i},{i % 2}" for i in range(101)),
            "column 'a' holds 101 different texts.* is 'n0' in line 2",
            id="names",
        ),
        pytest.param(
            "a,y\n" + "\n".join(f"{i if i != 150 else '15O'},{i % 2}" for i in range(200)),
            "the first that is no number is '15O' in line 152",
            id="slip in a number",
        ),
        *[
            pytest.param(
                "a,y\n" + "\n".join(f"{i if i != 7 else slip},{i % 2}" for i in range(10)),
                f"9 of 10 cells of the column 'a' are numbers; the first .* '{slip}' in line 9",
                id=f"feature {slip}",
            )
            for slip in ("1O", "12%", "1_000", "inf")
        ],
        *[
            pytest.param(
                "a,y\n" + "\n".join(f"{i},{i + 0.5 if i != 7 else slip}" for i in range(10)),
                f"9 of 10 cells of the column 'y' are numbers; the first .* '{slip}' in line 9",
                id=f"target {slip}",
            )
            for slip in ("n.a.", "inf")
        ],
        pytest.param(
            "a,y\n" + "\n".join(f"{i},n{i}" for i in range(101)),
            "'y' holds 101 different texts, more than the 100 that classes",
            id="texts as classes",
        ),
        pytest.param(
            "a,y\n" + "\n".join(f"{i},{10**18 + i % 2}" for i in range(20)),
            "'y' holds '1000000000000000000' in line 2, but whole numbers may have 18 digits",
            id="19 digits",
        ),
        pytest.param("a,y\n" + "1,0\n" * 20, "all targets are of one class", id="one number"),
        pytest.param("a,y\n" + "1,b\n" * 20, "all targets are of one class", id="one text"),
        pytest.param(f"a,1.5\n{MANY}", "holds the number '1.5'", id="a number in the header"),
        pytest.param(
            "a,b;y\n" + "1,5;0\n1,5;1\n" * 9,
            "divided by commas, but every line holds 1 of ';'",
            id="semicolons with commas",
        ),
        pytest.param(
            "a,y\n" + "\n".join(f"{i}e-200,{i % 2}" for i in range(20)),
            "the column 'a' differ by .* too little to be scaled",
            id="tiny spread",
        ),
        pytest.param(
            "a,y\n" + "\n".join(f"{i},{i}" for i in range(101)),
            "'y' holds 101 different whole numbers; write them with a decimal point",
            id="amounts",
        ),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match=message):
        load_data(path)


@pytest.mark.parametrize("count", [8, 9])
def test_cells_are_slips_only_where_nine_of_ten_are_numbers(tmp_path: Path, count: int) -> None:
    cells = [*map(str, range(count)), *"ab"[: 10 - count]]
    rows = "\n".join(f"{cell},{i % 2}" for i, cell in enumerate(cells * 2))
    path = write(tmp_path / "t.csv", f"a,y\n{rows}")
    if count == 9:
        with pytest.raises(DataError, match="18 of 20 cells of the column 'a' are numbers"):
            load_data(path)
    else:
        assert load_data(path).columns[0].categories[-2:] == ("a", "b")


def test_a_number_far_from_those_of_the_training_part_names_its_column(tmp_path: Path) -> None:
    rows = [f"{i % 2}e-30,{i % 2}" for i in range(40)]
    path = write(tmp_path / "t.csv", "\n".join(["a,y", *rows, "1e30,0"]))
    outcomes: set[object] = set()
    for seed in range(12):
        try:
            outcomes.add(load_data(path, seed=seed).sample_shape)
        except DataError as error:
            outcomes.add(str(error).split(",")[0])
    assert outcomes == {(1,), "the column 'a' holds 1e+30"}


def test_texts_that_differ_by_a_nul_at_the_end_are_two(tmp_path: Path) -> None:
    rows = "\n".join(["u,b", "u\0,b\0"] * 20)
    splits = load_data(write(tmp_path / "t.csv", f"a,y\n{rows}"))
    assert splits.class_names == ("b", "b\0")
    assert splits.columns[0].categories == ("u", "u\0")
    x, y = splits.train
    assert np.array_equal(x, np.eye(2)[y])


def test_what_python_alone_takes_for_numbers_are_texts(tmp_path: Path) -> None:
    rows = "\n".join(f"{('inf', '1_0', '٣')[i % 3]},{i % 2}" for i in range(60))
    splits = load_data(write(tmp_path / "t.csv", f"a,y\n{rows}"))
    assert splits.columns[0].categories == ("1_0", "inf", "٣")


def test_a_column_without_a_value_in_the_training_part_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b,y\n" + "\n".join(f",{i},{i % 2}" for i in range(20)))
    with pytest.raises(DataError, match="column 'a' holds no value in the training part"):
        load_data(path, missing="mean")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,y\nä,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot read .*utf-8"):
        load_data(path)


def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        load_data(tmp_path / "nowhere.csv", target="y")


def test_an_unknown_target_names_a_near_one(table: Path) -> None:
    with pytest.raises(DataError, match="no column 'colour'; did you mean color"):
        load_data(table, target="colour")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        pytest.param("digits", {"target": "y"}, "`target` is for .csv files", id="target"),
        pytest.param("digits", {"missing": "mean"}, "`missing` is for .csv files", id="missing"),
        pytest.param("t.csv", {"missing": "median"}, "must be 'error' or 'mean'", id="fill"),
    ],
)
def test_options_of_tables_are_for_tables(source: str, options: Any, message: str) -> None:
    with pytest.raises((ValueError, DataError), match=message):
        load_data(source, **options)
