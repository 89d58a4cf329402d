"""Every rule of values, nodes and dictionaries: what breaks it says rule and value."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Cell,
    Choice,
    Expression,
    Layer,
    LayerChoice,
    LogRange,
    Maybe,
    Parallel,
    Range,
    Repeat,
    Residual,
)
from neural_automl.exceptions import DSLError, ShapeError, SpaceError, UnknownLayerError, excerpt

HUGE = 10**5000  # more digits than Python writes

VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "empty choice": (lambda: Choice(), "a choice needs at least one value"),
    "equal values": (lambda: Choice(1, 2, 1), "must differ but 1 stands twice"),
    "equal numbers": (lambda: Choice(1, 1.0), "must differ but 1.0 stands twice"),
    "equal tuples": (lambda: Choice((1, 2), [1, 2]), r"must differ but '\(1, 2\)' stands twice"),
    "equal open values": (
        lambda: Choice(Range(1, 2), Range(1, 2)),
        r"must differ but 'range\(1, 2\)' stands twice",
    ),
    "numbers and strings": (lambda: Choice(1, "a"), "can't mix numbers and strings"),
    "numbers and booleans": (lambda: Choice(2, True), "can't mix booleans and numbers"),
    "numbers and tuples": (lambda: Choice(2, (1, 2)), "can't mix numbers and tuples"),
    "numbers and calls": (lambda: Choice(2, Call("Decay")), "can't mix calls and numbers"),
    "open numbers and strings": (lambda: Choice(Range(1, 2), "a"), "can't mix numbers and strings"),
    "no number": (lambda: Choice(1.0, nan), "the numbers of a choice must be finite but got nan"),
    "infinite in a tuple": (lambda: Choice((1, inf)), "must be finite but got inf"),
    "an object": (lambda: Choice(object), "but got <class 'object'> of type type"),
    "a dictionary": (lambda: Choice({"a": 1}), r"but got {'a': 1} of type dict"),
    "an empty name": (lambda: Choice(1, name=""), "must be a string, not empty, but got ''"),
    "a name that is none": (lambda: Choice(1, name=3), "must be a string, not empty, but got 3"),  # type: ignore[arg-type]
    "range of strings": (
        lambda: Range("a", 3),  # type: ignore[arg-type]
        "ends of a range must be finite numbers but got 'a'",
    ),
    "range of booleans": (lambda: Range(False, 3), "must be finite numbers but got False"),
    "range to infinity": (lambda: Range(1, inf), "must be finite numbers but got inf"),
    "range that falls": (lambda: Range(3, 1), "must not begin above its end but got 3 and 1"),
    "range of no number": (lambda: Range(nan, 1), "must be finite numbers but got nan"),
    "huge range that falls": (
        lambda: Range(HUGE, 1),
        "must not begin above its end but got a value of type int too long to write and 1",
    ),
    "step of zero": (lambda: Range(1, 3, 0), "the step of a range must be above 0 but got 0"),
    "step below zero": (lambda: Range(1, 3, -1), "must be above 0 but got -1"),
    "step of no number": (lambda: Range(1, 3, "1"), "must be a number but got '1'"),  # type: ignore[arg-type]
    "boolean step": (lambda: Range(1, 3, True), "must be a number but got True"),
    "step that misses": (lambda: Range(1, 4, 2), "a step of 2 from 1 does not reach 4"),
    "step that just misses": (
        lambda: Range(0.0, 1.0, 0.3),
        "a step of 0.3 from 0.0 does not reach 1.0",
    ),
    "range with a wrong name": (lambda: Range(1, 2, name=""), "must be a string, not empty"),
    "log range from zero": (
        lambda: LogRange(0, 1),
        "the low end of a log_range must be above 0 but got 0",
    ),
    "log range that falls": (lambda: LogRange(2, 1), "a log_range must not begin above its end"),
    "log range of strings": (lambda: LogRange(1, "b"), "ends of a log_range must be finite"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("make", "message"), VALUES.values(), ids=VALUES)
def test_open_values_say_rule_and_value(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


AT = (3, 7)

NODES: dict[str, tuple[Callable[[], Any], str]] = {
    "near type": (lambda: Layer("Con2D", position=AT), "unknown layer 'Con2D'; did you mean Conv"),
    "type of another kind": (lambda: Layer(3, position=AT), "type must be a string but got 3"),  # type: ignore[arg-type]
    "a cell in a cell": (
        lambda: Cell(3, ["cell", "none"], position=AT),
        "cell can't be an operation of a cell",
    ),
    "a block in a cell": (
        lambda: Cell(3, ["sequence", "none"], position=AT),
        "sequence can't be an operation of a cell",
    ),
    "two spellings of an operation": (
        lambda: Cell(3, ["conv_3x3", Call("ConvBN", {"kernel_size": (3, 3)})], position=AT),
        "the operations of a cell must be different ones",
    ),
    "two names of an operation": (
        lambda: Cell(3, ["none", "Zero"], position=AT),
        "the operations of a cell must be different ones",
    ),
    "near parameter": (
        lambda: Layer("Dense", unit=3, position=AT),
        "Dense has no parameter 'unit'; did you mean units",
    ),
    "too many values": (
        lambda: Layer("ReLU", 1, position=AT),
        "ReLU takes at most 0 values but got 1",
    ),
    "twice": (lambda: Layer("Dense", 1, units=2, position=AT), "'units' of Dense is given twice"),
    "missing": (lambda: Layer("Conv2D", 3, position=AT), "Conv2D requires 'kernel_size'"),
    "kind": (
        lambda: Layer("Dense", "8", position=AT),
        "Dense: 'units' must be an integer but got '8'",
    ),
    "no integer": (
        lambda: Layer("Dense", 12.7, position=AT),
        "Dense: 'units' must be an integer but got 12.7",
    ),
    "bounds": (
        lambda: Layer("Dense", -1, position=AT),
        "Dense: 'units' must be positive, at least 1 but got -1",
    ),
    "bounds of a rate": (
        lambda: Layer("Dropout", 1.5, position=AT),
        r"Dropout: 'rate' must be between 0 and 1 \(1 excluded\) but got 1.5",
    ),
    "near option": (
        lambda: Layer("Activation", "rely", position=AT),
        "Activation: 'name' must be one of relu, .* but got 'rely'; did you mean relu",
    ),
    "in a choice": (
        lambda: Layer("Dense", Choice(4, 0), position=AT),
        "Dense: 'units' must be positive, at least 1 but got 0",
    ),
    "in a nested choice": (
        lambda: Layer("Dense", Choice(4, Range(0, 2)), position=AT),
        "Dense: 'units' must be positive, at least 1 but got 0",
    ),
    "equal only as integers": (
        lambda: Layer("Dense", Choice((1, 2), (3, 4)), position=AT),
        r"Dense: 'units' must be an integer but got \(1, 2\)",
    ),
    "end of a range": (
        lambda: Layer("Dropout", Range(0.1, 1.0), position=AT),
        "Dropout: 'rate' must be between 0 and 1",
    ),
    "step of an integer": (
        lambda: Layer("Dense", Range(1, 2, 0.5), position=AT),
        "Dense: 'units' must be an integer but a range of it has the step 0.5",
    ),
    "range of a boolean": (
        lambda: Layer("Dense", 3, use_bias=Range(0, 1), position=AT),
        "Dense: 'use_bias' must be true or false but got 0",
    ),
    "too many sizes": (
        lambda: Layer("Conv2D", 1, (1, 1, 1, 1), position=AT),
        "'kernel_size' must be an integer or a tuple of 1 to 3",
    ),
    "too many open sizes": (
        lambda: Layer("Conv2D", 1, (Choice(1, 2), 1, 1, 1), position=AT),
        "'kernel_size' must be an integer or a tuple of 1 to 3",
    ),
    "an open size out of bounds": (
        lambda: Layer("Conv2D", 1, (Choice(0, 2), 1), position=AT),
        "'kernel_size' must be positive, at least 1 but got 0",
    ),
    "a size in a size": (
        lambda: Layer("Conv2D", 1, ((1, 2), Choice(1, 2)), position=AT),
        r"'kernel_size' must be an integer but got \(1, 2\)",
    ),
    "arithmetic in a string": (
        lambda: Layer("Activation", Expression("neg", (1,)), position=AT),
        "Activation: 'name' takes no arithmetic but got -1",
    ),
    "arithmetic over strings": (
        lambda: Layer("Dense", Expression("mul", (Choice("a", "b"), 2)), position=AT),
        r'Dense: arithmetic is over numbers but got choice\("a", "b"\)',
    ),
    "arithmetic out of bounds": (
        lambda: Layer("Dense", Expression("sub", (1, 3)), position=AT),
        "Dense: 'units' must be positive, at least 1 but got -2",
    ),
    "arithmetic that does not divide": (
        lambda: Layer("Dense", Expression("div", (3, 2)), position=AT),
        "Dense: 'units' must be an integer but got 1.5",
    ),
    "a division by zero": (
        lambda: Layer("Dense", Expression("div", (3, 0)), position=AT),
        "Dense: a division by zero",
    ),
    "huge": (
        lambda: Layer("Dense", -HUGE, position=AT),
        "'units' must be positive, at least 1 but got a value of type int too long to write",
    ),
    "a block too many": (lambda: Layer("Dense", 3, body="ReLU", position=AT), "takes no block"),
    "a block too few": (
        lambda: Layer("residual", position=AT),
        "residual requires a block",
    ),
    "no alternative": (lambda: LayerChoice([], position=AT), "needs at least one alternative"),
    "too few labels": (
        lambda: LayerChoice(["ReLU", []], labels=["a"], position=AT),
        r"a choice of 2 needs as many different labels, strings, but got \['a'\]",
    ),
    "equal labels": (
        lambda: LayerChoice(["ReLU", []], labels=["a", "a"], position=AT),
        "needs as many different labels",
    ),
    "labels that are none": (
        lambda: LayerChoice(["ReLU", []], labels=[1, 2], position=AT),  # type: ignore[list-item]
        r"needs as many different labels, strings, but got \[1, 2\]",
    ),
    "empty maybe": (lambda: Maybe([], position=AT), "a maybe needs at least one layer"),
    "empty repetition": (lambda: Repeat([], 2, position=AT), "a repetition needs at least one"),
    "no times": (lambda: Repeat("ReLU", 0, position=AT), "must be 1 to 10000 times but got 0"),
    "too many times": (
        lambda: Repeat("ReLU", 10_001, position=AT),
        "must be 1 to 10000 times but got 10001",
    ),
    "half a time": (
        lambda: Repeat("ReLU", 1.5, position=AT),
        "a repetition must be a number, or open over integers from 0 to 10000, but got 1.5",
    ),
    "no count": (
        lambda: Repeat("ReLU", None, position=AT),
        "integers from 0 to 10000, but got None",
    ),
    "open over floats": (
        lambda: Repeat("ReLU", Range(0.5, 1.5), position=AT),
        "integers from 0 to 10000, but got {'hpo'",
    ),
    "open below zero": (
        lambda: Repeat("ReLU", Choice(-1, 1), position=AT),
        "integers from 0 to 10000, but got {'hpo'",
    ),
    "open over too many": (
        lambda: Repeat("ReLU", Range(1, 10**9), position=AT),
        r"over 10000 numbers at most, integers from 0, but got range\(1, 1000000000\)",
    ),
    "open to too much": (
        lambda: Repeat("ReLU", Choice(1, 20_000), position=AT),
        "must be 0 to 10000 times but can be 20000",
    ),
    "arithmetic over too many": (
        lambda: Repeat("ReLU", Expression("add", (Range(1, 200), Range(1, 200))), position=AT),
        "over 10000 numbers at most",
    ),
    "arithmetic that is no count": (
        lambda: Repeat("ReLU", Expression("div", (Choice(2, 3), 2)), position=AT),
        "must be 0 to 10000 times but can be 1.5",
    ),
    "arithmetic below zero": (
        lambda: Repeat("ReLU", Expression("sub", (Choice(1, 3), 2)), position=AT),
        "must be 0 to 10000 times but can be -1",
    ),
    "arithmetic that divides by zero": (
        lambda: Repeat("ReLU", Expression("div", (2, Choice(0, 1))), position=AT),
        r"must be 0 to 10000 times but is 2 / choice\(0, 1\): a division by zero",
    ),
    "a count of channels": (
        lambda: Repeat("ReLU", Expression("sub", ("channels", 1)), position=AT),
        "the count of a repetition can't depend on channels",
    ),
    "a cell too small": (
        lambda: Cell(1, ["none"], position=AT),
        "the nodes of a cell must be 2 to 12 but got 1",
    ),
    "a cell too large": (lambda: Cell(13, ["none"], position=AT), "must be 2 to 12 but got 13"),
    "a cell of true nodes": (lambda: Cell(True, ["none"], position=AT), "2 to 12 but got True"),
    "no operation": (
        lambda: Cell(3, [], position=AT),
        r"must be different ones, at least one, but got \[\]",
    ),
    "equal operations": (
        lambda: Cell(3, ["none", "none"], position=AT),
        "must be different ones, at least one, but got",
    ),
    "equal calls": (
        lambda: Cell(
            3,
            [Call("SepConv", {"kernel_size": [3, 3]}), Call("SepConv", {"kernel_size": (3, 3.0)})],
            position=AT,
        ),
        "must be different ones, at least one, but got",
    ),
    "one operation for a list": (
        lambda: Cell(3, "none", position=AT),
        "the operations of a cell must be a list but got 'none'",
    ),
    "unknown operation": (lambda: Cell(3, ["nine"], position=AT), "unknown layer 'nine'"),
    "an operation that requires": (lambda: Cell(3, ["Dense"], position=AT), "requires 'units'"),
    "an operation with a block": (lambda: Cell(3, ["residual"], position=AT), "requires a block"),
    "an open operation": (
        lambda: Cell(3, [Call("SepConv", {"kernel_size": Choice(3, 5)})], position=AT),
        "the operations of a cell must hold nothing open but got",
    ),
    "an operation of another kind": (
        lambda: Cell(3, [3], position=AT),  # type: ignore[list-item]
        "a layer's type must be a string but got 3",
    ),
}


@pytest.mark.parametrize(("make", "message"), NODES.values(), ids=NODES)
def test_nodes_say_rule_and_value_and_place(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as caught:
        make()

    assert caught.value.position == AT


ELSEWHERE: dict[str, tuple[Callable[[], Any], str]] = {
    "layers that are none": (
        lambda: ArchitectureSpace((4,), 3),
        "a layer must be a node, .* got 3",
    ),
    "a layer that is none": (lambda: Residual(["ReLU", 3]), "a layer must be a node, .* got 3"),
    "branches that are none": (lambda: Parallel(3), "branches must be a list of layers but got 3"),  # type: ignore[arg-type]
    "merge": (
        lambda: Parallel(["ReLU"], merge="sum"),
        "'merge' must be one of concat, add but got 'sum'",
    ),
    "projection": (
        lambda: Residual("ReLU", projection="dense"),
        "'projection' must be one of conv, none but got 'dense'",
    ),
    "input of rank 4": (lambda: ArchitectureSpace((1, 2, 3, 4), []), r"but got \(1, 2, 3, 4\)"),
    "input of zero": (lambda: ArchitectureSpace((0,), []), r"of positive integers but got \(0,\)"),
    "input of halves": (lambda: ArchitectureSpace((1.5,), []), r"but got \(1.5,\)"),  # type: ignore[arg-type]
    "input of text": (lambda: ArchitectureSpace("8", []), "of positive integers but got '8'"),  # type: ignore[arg-type]
    "None behind": (lambda: ArchitectureSpace((8, None, 1), []), r"but got \(8, None, 1\)"),  # type: ignore[arg-type]
    "hyperparameter": (
        lambda: ArchitectureSpace((4,), [], {"traning.epochs": 3}),
        "there is no hyperparameter 'traning.epochs'; did you mean training.epochs",
    ),
    "hyperparameter of a number": (
        lambda: ArchitectureSpace((4,), [], {3: 3}),  # type: ignore[dict-item]
        "there is no hyperparameter 3",
    ),
    "training": (
        lambda: ArchitectureSpace((4,), [], {"training": {"epoch": 3}}),
        "training.epoch: training has no parameter 'epoch'; did you mean epochs",
    ),
    "training value": (
        lambda: ArchitectureSpace((4,), [], {"training": {"epochs": Choice(1, 0)}}),
        "training.epochs: 'epochs' must be positive, at least 1 but got 0",
    ),
    "training arithmetic": (
        lambda: ArchitectureSpace(
            (4,), [], {"training.epochs": Expression("sub", (Choice(1, 2), 1))}
        ),
        "training.epochs: 'epochs' must be positive, at least 1 but got 0",
    ),
    "training arithmetic in a choice": (
        lambda: ArchitectureSpace(
            (4,), [], {"training.patience": Choice(None, Expression("div", (Choice(2, 3), 2)))}
        ),
        "training.patience: 'patience' must be an integer but got 1.5",
    ),
    "continuous training arithmetic": (
        lambda: ArchitectureSpace(
            (4,), [], {"training.epochs": Expression("mul", (Range(0.5, 1.5), 2))}
        ),
        r"10000 numbers at most, none of them continuous, but is range\(0.5, 1.5\) \* 2",
    ),
    "training of channels": (
        lambda: ArchitectureSpace(
            (4,), [], {"training.epochs": Expression("add", ("channels", 1))}
        ),
        "training.epochs: 'epochs' can't depend on channels",
    ),
    "optimizer": (
        lambda: ArchitectureSpace((4,), [], {"optimizer": "Adm"}),
        "optimizer: optimizer must be one of Adam, .* but got 'Adm'; did you mean Adam",
    ),
    "an optimizer of another kind": (
        lambda: ArchitectureSpace((4,), [], {"optimizer": Choice("Adam", "SGD")}),
        "an optimizer must be a name or a call but got",
    ),
    "optimizer parameter": (
        lambda: ArchitectureSpace((4,), [], {"optimizer.lr": 0.1}),
        "optimizer.lr: Adam has no parameter 'lr'",
    ),
    "schedule": (
        lambda: ArchitectureSpace((4,), [], {"optimizer.learning_rate": Call("Cosine", {})}),
        "a schedule must be one of ExponentialDecay, CosineDecay but got 'Cosine'",
    ),
    "schedule parameter": (
        lambda: ArchitectureSpace((4,), [], {"optimizer.learning_rate": Call("CosineDecay", {})}),
        "CosineDecay requires 'initial_learning_rate'",
    ),
    "malformed schedule": (
        lambda: ArchitectureSpace((4,), [], {"optimizer.learning_rate": {"rate": 3}}),
        "optimizer.learning_rate: a value must be plain, an 'expr' or a 'type'",
    ),
    "a list for a schedule": (
        lambda: ArchitectureSpace((4,), [], {"optimizer.learning_rate": [1, 2]}),
        r"'learning_rate' must be a number but got \(1, 2\)",
    ),
    "loss": (
        lambda: ArchitectureSpace((4,), [], {"loss": Choice("mse", "mea")}),
        "loss must be one of cross_entropy, .* but got 'mea'",
    ),
    "a loss of another kind": (
        lambda: ArchitectureSpace((4,), [], {"loss": 3}),
        "loss: a loss must be a name but got 3",
    ),
    "device of a layer": (
        lambda: Layer("ReLU", device="gpu"),
        "a device must be one of auto, cpu, .*, cuda:N but got 'gpu'",
    ),
    "device that is no string": (
        lambda: ArchitectureSpace.from_dict(space_of({"type": "ReLU", "device": 3})),
        "a device must be one of auto, cpu, .*, cuda:N but got 3",
    ),
    "device": (
        lambda: ArchitectureSpace((4,), [], {"execution": {"device": "gpu"}}),
        "execution.device: a device must be one of auto, cpu, .*, cuda:N but got 'gpu'",
    ),
    "too many layers": (
        lambda: ArchitectureSpace((4,), [Repeat(Repeat("ReLU", 200), 101)]),
        "may have 20000 layers, written out, but can have 20200",
    ),
    "too many layers at most": (
        lambda: ArchitectureSpace((4,), [Repeat(Repeat("ReLU", Range(1, 9999)), Range(1, 9999))]),
        "may have 20000 layers, written out, but can have 99980001",
    ),
    "too many layers together": (
        lambda: ArchitectureSpace((4,), [Repeat("ReLU", 9999), Repeat("ReLU", 9999)] * 2),
        "may have 20000 layers, written out, but can have 39996",
    ),
}


@pytest.mark.parametrize(("make", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_spaces_say_rule_and_value(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


def deep(levels: int, twice: bool = False) -> Any:
    node: Any = "ReLU"
    for _ in range(levels):
        node = Residual([node, node] if twice else node)
    return node


def test_networks_may_be_nested_but_not_for_ever() -> None:
    ArchitectureSpace((4,), deep(63)).sample_architecture(0)
    for levels in (64, 3000):
        with pytest.raises(SpaceError, match="may be nested 64 deep but is deeper"):
            ArchitectureSpace((4,), deep(levels))


def test_a_node_that_doubles_is_counted_before_it_is_written_out() -> None:
    with pytest.raises(SpaceError, match="may have 20000 layers, written out, but can have"):
        ArchitectureSpace((4,), deep(60, twice=True))


# --- the dictionary form -------------------------------------------------------------------------


def space_of(*layers: Any) -> dict[str, Any]:
    return {"input": {"shape": [4]}, "layers": [*layers]}


def dense(units: Any) -> dict[str, Any]:
    return {"type": "Dense", "params": {"units": units}}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


DICTIONARIES: dict[str, tuple[Any, str]] = {
    "no dictionary": (3, "a space must be a dictionary but got 3"),
    "no input": ({"layers": []}, "a space needs 'input' with a 'shape', and a list of 'layers'"),
    "input of another kind": ({"input": [4], "layers": []}, "a space needs 'input' with a 'shape'"),
    "layers of another kind": ({"input": {"shape": [4]}, "layers": "ReLU"}, "a list of 'layers'"),
    "near section": ({**space_of(), "trainin": {}}, "a space has no 'trainin'; did you mean train"),
    "shape": ({"input": {"shape": 3}, "layers": []}, "an input shape must be .* but got 3"),
    "training": ({**space_of(), "training": 3}, "'training' must be a dictionary but got 3"),
    "a layer that is none": (
        space_of("ReLU"),
        r"layers\[0\]: a layer must be a dictionary with a 'type' but got 'ReLU'",
    ),
    "a layer without type": (
        space_of({"params": {}}),
        r"layers\[0\]: a layer must be a dictionary",
    ),
    "near key": (
        space_of({"type": "ReLU", "parms": {}}),
        r"layers\[0\]: a layer's dictionary has no 'parms'; did you mean params",
    ),
    "params": (space_of({"type": "ReLU", "params": 3}), "'params' of a layer must be a dictionary"),
    "sublayers": (space_of({"type": "residual", "sublayers": "ReLU"}), "and 'sublayers' a list"),
    "unknown layer": (
        space_of({"type": "ReLU"}, {"type": "residual", "sublayers": [{"type": "Rely"}]}),
        r"layers\[1\]\[0\]: unknown layer 'Rely'; did you mean ReLU",
    ),
    "parameter": (
        space_of({"type": "ReLU"}, dense(0)),
        r"layers\[1\]: Dense: 'units' must be positive, at least 1 but got 0",
    ),
    "a word of Python's": (
        space_of({"type": "Dense", "params": {"units": 3, "body": []}}),
        r"layers\[0\]: Dense has no parameter 'body'",
    ),
    "hpo of another kind": (
        space_of(dense({"hpo": 3})),
        r"layers\[0\]: an open value must be categorical \(values\), range .* but got 3",
    ),
    "unknown hpo": (space_of(dense({"hpo": {"type": "normal"}})), "an open value must be categor"),
    "values of another kind": (
        space_of(dense({"hpo": {"type": "categorical", "values": 3}})),
        "an open value must be categorical",
    ),
    "hpo that breaks a rule": (
        space_of(dense({"hpo": {"type": "range", "start": 3, "end": 1}})),
        r"layers\[0\]: a range must not begin above its end",
    ),
    "empty expr": (space_of(dense({"expr": []})), "an 'expr' must be a list of an operator and"),
    "expr of another kind": (space_of(dense({"expr": 3})), "an 'expr' must be a list"),
    "operator": (
        space_of(dense({"expr": ["pow", 1, 2]})),
        r"layers\[0\]: an expression's operator must be one of add, .* but got 'pow'",
    ),
    "operands": (space_of(dense({"expr": ["mul", 1]})), "'mul' takes 2 operands but got 1"),
    "unknown value": (
        space_of(dense({"value": 3})),
        r"layers\[0\]: a value must be plain, an 'expr' or a 'type' but got {'value': 3}",
    ),
    "call of another kind": (
        space_of(dense({"type": 3})),
        r"layers\[0\]: a call must have a 'type' and 'params' but got {'type': 3}",
    ),
    "parameter of a choice": (
        space_of({"type": "choice", "params": {"lables": []}, "sublayers": [{"type": "ReLU"}]}),
        r"layers\[0\]: choice has no parameter 'lables'; did you mean labels",
    ),
    "parameter of a repeat": (
        space_of({"type": "repeat", "params": {"times": 3}, "sublayers": [{"type": "ReLU"}]}),
        "repeat has no parameter 'times'",
    ),
    "repeat without count": (
        space_of({"type": "repeat", "sublayers": [{"type": "ReLU"}]}),
        r"layers\[0\]: a repetition must be a number, or open over integers",
    ),
    "a cell with a block": (
        space_of(
            {"type": "cell", "params": {"operations": ["none"]}, "sublayers": [{"type": "ReLU"}]}
        ),
        r"layers\[0\]: cell takes no block",
    ),
    "too deep": (space_of(dense(nested(400))), "may be nested 300 deep but is deeper"),
    "constraint": (
        {**space_of(), "constraints": [{"metric": "time", "op": "<", "limit": 1}]},
        "a constraint must limit one of",
    ),
}


@pytest.mark.parametrize(("data", "message"), DICTIONARIES.values(), ids=DICTIONARIES)
def test_dictionaries_say_rule_and_value(data: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        ArchitectureSpace.from_dict(data)


def test_positions_of_a_text_are_kept() -> None:
    data = space_of(
        {
            "type": "residual",
            "sublayers": [{"type": "ReLU"}, {"type": "LSTM", "params": {"units": 2}}],
        }
    )
    positions = {(0,): (3, 5), (0, 1): (4, 9)}

    space = ArchitectureSpace._from_dict(data, positions)
    with pytest.raises(ShapeError) as caught:
        space.check()
    assert (caught.value.position, caught.value.path) == ((4, 9), "layers[0][1]")
    with pytest.raises(ShapeError) as caught:
        _ = space.sample_architecture(0, feasible=False).graph
    assert (caught.value.position, caught.value.path) == ((4, 9), "layers[0][1]")

    data["layers"][0]["sublayers"][1]["params"] = {"units": 0}
    with pytest.raises(SpaceError) as wrong:
        ArchitectureSpace._from_dict(data, positions)
    assert (wrong.value.position, wrong.value.path) == ((4, 9), "layers[0][1]")


def test_a_device_is_kept_and_has_no_effect() -> None:
    placed = ArchitectureSpace.from_dict(space_of({"type": "ReLU", "device": "cuda:0"}))
    plain = ArchitectureSpace.from_dict(space_of({"type": "ReLU"}))

    assert placed.to_dict()["layers"] == [
        {"type": "ReLU", "params": {}, "sublayers": [], "device": "cuda:0"}
    ]
    assert placed != plain
    assert placed.sample_architecture(0) == plain.sample_architecture(0)


RELU = {"type": "ReLU"}
PLACED = {"type": "ReLU", "params": {}, "sublayers": [], "device": "cpu"}


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "sequence", "sublayers": [RELU, {**RELU, "device": "cuda:1"}]},
        {
            "type": "repeat",
            "params": {"count": 1},
            "sublayers": [RELU, {**RELU, "device": "cuda:1"}],
        },
    ],
    ids=["sequence", "fixed repetition"],
)
def test_what_is_written_out_hands_its_device_on(layer: dict[str, Any]) -> None:
    space = ArchitectureSpace.from_dict(space_of({**layer, "device": "cpu"}))

    assert space.to_dict()["layers"] == [PLACED, {**PLACED, "device": "cuda:1"}]


@pytest.mark.parametrize(
    "node",
    [
        Layer("ReLU", device="mps"),
        LayerChoice(["ReLU", []], device="mps"),
        Maybe("ReLU", device="mps"),
        Repeat("ReLU", Range(1, 2), device="mps"),
        Cell(2, ["none"], device="mps"),
    ],
    ids=lambda node: type(node).__name__,
)
def test_every_node_takes_a_device(node: Any) -> None:
    (data,) = ArchitectureSpace((4,), [node]).to_dict()["layers"]

    assert data["device"] == "mps"


def test_a_cell_of_chosen_edges_is_a_layer() -> None:
    data = {"type": "cell", "params": {"nodes": 2, "edges": ["skip_connect"]}, "sublayers": []}

    space = ArchitectureSpace.from_dict(space_of(data))

    assert space.get_search_space_size() == 1
    assert space.to_dict()["layers"][0]["type"] == "cell"
    assert space.sample_architecture(0).graph.output_shape == (4,)


# --- the errors themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SpaceError, ShapeError, UnknownLayerError])
def test_space_errors_keep_their_place_when_pickled(kind: type[SpaceError]) -> None:
    error = kind("rule and value", path="layers[3]", position=(2, 5))

    copied = pickle.loads(pickle.dumps(error))

    assert type(copied) is kind
    assert str(copied) == "layers[3]: rule and value"
    assert (copied.message, copied.path, copied.position) == (
        "rule and value",
        "layers[3]",
        (2, 5),
    )
    assert str(kind("rule")) == "rule"


def test_dsl_errors_show_the_line_and_survive_pickle() -> None:
    second = DSLError("second", 2, 3)
    error = DSLError("first", 1, 7, "write 8", source_line="Dense(\t-1)", errors=())
    error.errors = (error, second)

    text = "1:7: first\n    Dense( -1)\n          ^\n    hint: write 8\n2:3: second"
    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text
    assert error.describe("a.neural").startswith("a.neural:1:7: first")
    assert second.errors == (second,)


def test_a_long_line_is_shown_around_its_column() -> None:
    line = "x" * 200 + "!" + "y" * 200

    shown = DSLError("wrong", 1, 201, source_line=line).describe().split("\n")

    assert len(shown[1]) == 104
    assert shown[1][shown[2].index("^")] == "!"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (3, "3"),
        ("a" * 40, "'" + "a" * 38 + "…"),
        ([1] * 30, str([1] * 30)[:39] + "…"),
        (HUGE, "a value of type int too long to write"),
    ],
    ids=["text", "number", "long text", "long list", "huge"],
)
def test_excerpts_are_short(value: object, text: str) -> None:
    assert excerpt(value) == text
