from __future__ import annotations

import pytest

from neural_automl.dsl import parse
from neural_automl.exceptions import DSLError
from tests.dsl.texts import marked, network

#: (text with a mark before each error, what the messages say, in text order)
Row = tuple[str, list[str]]


def check(text: str, messages: list[str]) -> None:
    plain, places = marked(text)

    with pytest.raises(DSLError) as caught:
        parse(plain)

    errors = caught.value.errors
    assert [(error.line, error.column) for error in errors] == places
    assert [error.message for error in errors] == [
        error.message if wanted in error.message else wanted
        for error, wanted in zip(errors, messages, strict=True)
    ]


LAYERS: list[Row] = [
    # names
    ("¦dense(3)", ["unknown layer or macro 'dense'"]),
    ("¦Foo", ["unknown layer or macro 'Foo'"]),
    ("¦sequence { ReLU }", ["unknown layer or macro 'sequence'"]),
    ("¦range(1, 2)", ["unknown layer or macro 'range'"]),
    ("¦" + "F" * 60, ["unknown layer or macro 'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF…"]),
    # arguments
    ("¦Dense", ["Dense requires 'units'"]),
    ("¦Conv2D()", ["Conv2D requires 'filters' and 'kernel_size'"]),
    ("Dense(3, 'relu', true, ¦4)", ["Dense takes at most 3 values"]),
    ("ReLU(¦1)", ["ReLU takes no values"]),
    ("Dropout(0.5, ¦1)", ["Dropout takes at most 1 value"]),
    ("Dense(¦unit=3)", ["Dense has no parameter 'unit'"]),
    ("Dense(¦input=3)", ["Dense has no parameter 'input'"]),
    ("Dense(3, ¦units=4)", ["'units' is given twice"]),
    ("Dense(units=3, ¦units=4)", ["'units' is given twice"]),
    ("Dense(units=3, ¦'relu')", ["a positional value can't follow a named one"]),
    ("Dense(¦units2=3, ¦'relu')", ["no parameter 'units2'", "can't follow a named one"]),
    ("conv_3x3(¦kernel_size=3)", ["conv_3x3 has no parameter 'kernel_size'"]),
    # kinds and bounds
    ("Dense(¦-1)", ["'units' must be positive, at least 1 but got -1"]),
    ("Dense(¦0)", ["'units' must be positive"]),
    ("Dense(¦12.7)", ["'units' must be an integer but got 12.7"]),
    ("Dense(¦'a')", ["'units' must be an integer but got 'a'"]),
    ("Dense(¦true)", ["'units' must be an integer"]),
    ("Dense(¦none)", ["'units' must be an integer"]),
    ("Dense(¦(3,))", ["'units' must be an integer"]),
    ("Dense(¦ReLU)", ["'units' must be an integer but got ReLU"]),
    ("Dense(¦Dropout(0.5))", ["'units' must be an integer but got Dropout(...)"]),
    ("Dense(¦CosineDecay(0.5))", ["'units' must be an integer but got CosineDecay(...)"]),
    ("Dropout(¦1.5)", ["'rate' must be between 0 and 1"]),
    ("Dropout(¦1)", ["'rate' must be between 0 and 1"]),
    ("Dropout(¦-0.1)", ["'rate' must be between 0 and 1"]),
    ("Dropout(¦'x')", ["'rate' must be a number"]),
    ("Dense(3, ¦'rellu')", ["'activation' must be one of relu"]),
    ("Dense(3, ¦3)", ["'activation' must be a string"]),
    ("Dense(3, use_bias=¦1)", ["'use_bias' must be true or false"]),
    ("Conv2D(8, ¦(3, 3, 3, 3))", ["'kernel_size' must be an integer or a tuple"]),
    ("Conv2D(8, ¦[])", ["'kernel_size' must be an integer or a tuple"]),
    ("Conv2D(8, ¦(3, 0))", ["'kernel_size' must be positive"]),
    ("Conv2D(8, (3, choice(3, ¦0)))", ["'kernel_size' must be positive"]),
    ("Conv2D(8, 3, padding=¦'sam')", ["'padding' must be \"valid\""]),
    ("Reshape(¦3)", ["'shape' must be a tuple of integers"]),
    ("Reshape(¦channels)", ["'shape' must be a tuple of integers but got channels"]),
    ("Dense(3, ¦channels)", ["'activation' must be a string but got channels"]),
    # open values
    ("Dense(¦choice())", ["a choice needs at least one value"]),
    ("Dense(¦choice(name='k'))", ["a choice needs at least one value"]),
    ("Dense(choice(2, ¦'relu'))", ["a choice can't mix numbers and strings"]),
    ("Dense(choice(2, ¦true))", ["a choice can't mix numbers and booleans"]),
    ("Dense(choice((1, 2), ¦3))", ["a choice can't mix tuples and numbers"]),
    ("Dense(choice(choice(1, 2), ¦'a'))", ["a choice can't mix numbers and strings"]),
    ("Dense(choice(1, ¦1.0))", ["a choice can't offer 1.0 twice"]),
    ("Dense(choice((1, 2), ¦(1, 2)))", ["a choice can't offer (1, 2) twice"]),
    ("Dense(choice(3, ¦0))", ["'units' must be positive"]),
    ("Dense(choice(3, ¦4.5))", ["'units' must be an integer but got 4.5"]),
    ("Dense(choice(3, range(¦0, 4)))", ["'units' must be positive"]),
    ("Dense(choice(¦ReLU, Flatten))", ["a choice of layers or schedules can't be a value"]),
    ("Dense(choice(1, ¦k='a'))", ["choice has no parameter 'k'"]),
    ("Dense(choice(1, name=¦3))", ["'name' must be a string of 1 to 1,000 characters but got 3"]),
    ("Dense(choice(1, name=¦''))", ["'name' must be a string of 1 to 1,000 characters"]),
    ("Dense(¦range(1))", ["range requires 'high'"]),
    ("Dense(¦range())", ["range requires 'low'"]),
    ("Dense(range(4, ¦1))", ["range must not fall, but 4 is above 1"]),
    ("Dense(range(1, 4, step=¦0))", ["'step' must be positive but got 0"]),
    ("Dense(range(1, 4, ¦-1))", ["'step' must be positive but got -1"]),
    ("Dense(range(1, ¦4, step=2))", ["4 is not reached from 1 in steps of 2"]),
    ("Dropout(range(0, ¦0.5, step=0.2))", ["0.5 is not reached from 0.0 in steps of 0.2"]),
    ("Dropout(range(0, ¦1e300, step=1e-300))", ["1e+300 is not reached"]),
    ("Dense(range(1, 4, 1, 'k', ¦5))", ["range takes at most 4 values"]),
    ("Dense(range(¦'a', 4))", ["'low' of range must be a plain number but got 'a'"]),
    (
        "Dense(range(1, ¦choice(2, 3)))",
        ["'high' of range must be a plain number but got choice(2, 3"],
    ),
    ("Dense(range(¦0, 4))", ["'units' must be positive"]),
    ("Dense(range(¦1.5, 4))", ["'units' must be an integer but got 1.5"]),
    ("Dense(¦range(1, 4, step=1.5))", ["'units' must be an integer but has steps of 1.5"]),
    ("Dropout(range(0.1, ¦1.0))", ["'rate' must be between 0 and 1"]),
    ("Dropout(log_range(¦0, 0.5))", ["log_range must start above 0 but starts at 0.0"]),
    ("Dropout(log_range(0.5, ¦0.1))", ["log_range must not fall"]),
    ("Dense(log_range(1, 8, ¦step=2))", ["log_range has no parameter 'step'"]),
    ("Dense(¦HPO(3))", ["HPO holds one choice, range or log_range"]),
    ("Dense(¦HPO())", ["HPO holds one choice, range or log_range"]),
    ("Dense(¦HPO(choice(1, 2), choice(1, 2)))", ["HPO holds one choice, range or log_range"]),
    # names and arithmetic
    ("Dense(¦foo)", ["unknown name 'foo'"]),
    ("Dense(¦foo())", ["unknown value 'foo'"]),
    ("Dense(1 + ¦foo)", ["unknown name 'foo'"]),
    ("Dense(¦1e400)", ["a number is too large"]),
    ("Dense(1e300 * ¦1e300)", ["a number is too large"]),
    ("Dense(¦1e300)", ["'units': a number is too large"]),
    ("Dense(¦1e300 * choice(1, 2))", ["'units': a number is too large"]),
    ("Conv2D(8, ¦(3, 1e300))", ["'kernel_size': a number is too large"]),
    (f"Dense(¦{'9' * 100})", ["a number is too large"]),
    ("Dense(1 / ¦0)", ["division by zero"]),
    ("Dense(1 / (¦2 - 2))", ["division by zero"]),
    ("Dense(¦6 / choice(0, 2))", ["division by zero for some of the choices"]),
    ("Dense(1 + ¦'a')", ["arithmetic needs numbers but got 'a'"]),
    ("Dense(¦true + 1)", ["arithmetic needs numbers but got true"]),
    ("Dense(-¦'a')", ["arithmetic needs numbers but got 'a'"]),
    ("Dense(¦choice('a', 'b') * 2)", ["arithmetic needs numbers but got choice('a', 'b')"]),
    ("Dense(¦7 / 2)", ["'units' must be an integer but got 3.5"]),
    ("Dense(¦choice(3, 5) / 2)", ["'units' must be an integer but got 1.5"]),
    ("Dense(¦range(1, 4) / 2)", ["'units' must be an integer but got 0.5"]),
    ("Dense(¦range(1, 4) - 4)", ["'units' must be positive, at least 1 but got -3"]),
    (
        "Dense(¦range(1.0, 2.0) * 2)",
        ["'units' must be an integer but is computed from a continuous"],
    ),
    ("Dense(channels(¦-1))", ["channels(back, up) takes whole numbers from 0"]),
    ("Dense(channels(1, 2, ¦3))", ["channels takes at most 2 values"]),
    # counts
    ("Dense(3) * ¦0", ["a count of 0 leaves nothing"]),
    ("Dense(3) * ¦-1", ["'count' must be at least 0 but got -1"]),
    ("Dense(3) * ¦1.5", ["'count' must be an integer but got 1.5"]),
    ("Dense(3) * choice(1, ¦2.5)", ["'count' must be an integer but got 2.5"]),
    ("Dense(3) * range(¦-1, 2)", ["'count' must be at least 0 but got -1"]),
    ("Dense(3) * ¦n", ["unknown name 'n'"]),
    ("Dense(3) * ¦channels", ["a repetition can't depend on channels"]),
    ("Dense(3) * 2 ¦* 3", ["a layer takes one '*', this is a second"]),
    ('Dense(3) @ "cpu" ¦@ "cpu"', ["a layer takes one '@', this is a second"]),
    ('Dense(3) @ ¦"gpu"', ["a device must be one of auto, cpu, cuda, mps, tpu, cuda:N"]),
    ('Dense(3) @ ¦"cuda:"', ["a device must be one of"]),
    ('Dense(3) @ ¦"cuda:9999"', ["a device must be one of"]),
    ('Dense(3) @ ¦"cpu:1"', ["a device must be one of"]),
    # blocks and choices
    ("¦residual", ["residual needs a block"]),
    ("¦residual ReLU", ["residual needs a block"]),
    ("¦residual * 2 { ReLU }", ["residual needs a block"]),
    ("¦residual {}", ["residual holds no layer"]),
    ("¦residual { {} }", ["residual holds no layer"]),
    ("residual(projection=¦'nope') { ReLU }", ["'projection' must be one of conv, none"]),
    ("¦parallel", ["parallel needs a block"]),
    ("¦parallel {}", ["parallel needs at least one branch"]),
    ("parallel { ¦ReLU }", ["each branch of parallel stands in braces"]),
    ("parallel { { ReLU } ¦| { ReLU } }", ["branches are not divided by '|'"]),
    ("parallel(merge=¦'mul') { { ReLU } }", ["'merge' must be one of"]),
    ("¦parallel(merge='add') { { ReLU } Add }", ["'merge' is given twice"]),
    ("¦Add", ["Add needs a block"]),
    ("{ ReLU ¦| Flatten }", ["'|' stands between the alternatives of a choice only"]),
    ("¦maybe {}", ["a maybe holds no layer"]),
    ("maybe ¦k=3 ReLU", ["maybe has no parameter 'k'"]),
    ("¦choice {}", ["a choice needs its alternatives { ... | ... }"]),
    ("choice { ReLU ¦| }", ["an alternative of this choice is empty"]),
    ("choice { ¦| ReLU }", ["an alternative of this choice is empty"]),
    ("choice { ReLU ¦| | ReLU }", ["an alternative of this choice is empty"]),
    ("choice ¦k=1 { ReLU | Flatten }", ["choice has no parameter 'k'"]),
    ("choice labels=¦['a'] { ReLU | Flatten }", ["'labels' of this choice must be a list of 2"]),
    ("choice labels=¦['a', 'a'] { ReLU | Flatten }", ["list of 2 different strings"]),
    ("choice labels=¦'a' { ReLU }", ["'labels' of this choice must be a list of 1 string"]),
    ("¦HPO(range(1, 2))", ["HPO at a layer's place holds one choice of layers"]),
    ("HPO(choice(ReLU, ¦3))", ["an alternative of a choice of layers must be a layer"]),
    ("HPO(choice(ReLU, ¦Foo))", ["unknown layer or macro 'Foo'"]),
    # cells
    ("¦cell()", ["cell requires 'operations'"]),
    ("cell(nodes=¦1, operations=[none])", ["'nodes' must be at least 2"]),
    ("cell(nodes=¦13, operations=[none])", ["a cell is limited to 12 nodes but has 13"]),
    ("cell(nodes=¦choice(3, 4), operations=[none])", ["'nodes' of a cell must be a plain number"]),
    ("cell(operations=¦[])", ["'operations' must list 1 to 1,000 operations"]),
    ("cell(operations=¦none)", ["'operations' must be a list of operations"]),
    ("cell(operations=[none, ¦conv_9x9])", ["unknown operation 'conv_9x9'"]),
    ("cell(operations=[none, ¦3])", ["an operation must be a layer but got 3"]),
    ("cell(operations=[none, ¦none])", ["a cell can't offer an operation twice"]),
    ("cell(operations=[SepConv(8), ¦SepConv(8)])", ["a cell can't offer an operation twice"]),
    ("cell(operations=[¦Dense])", ["Dense requires 'units'"]),
    ("cell(operations=[Dense(¦0)])", ["'units' must be positive"]),
    ("cell(operations=[¦residual])", ["residual can't be an operation of a cell"]),
    ("cell(operations=[¦SepConv(choice(4, 8))])", ["a cell's operation can't hold an open value"]),
    (
        "cell(operations=[none], ¦edges=[none])",
        ["a cell has 'operations' to choose from or chosen 'edges', not both"],
    ),
    ("cell(nodes=4, ¦edges=[none])", ["a cell of 4 nodes has 6 edges but 'edges' lists 1"]),
    ("cell(¦edges=[none, none])", ["a cell has 1, 3, 6, 10, ... edges but 'edges' lists 2"]),
    ("cell(operations=[none], ¦node=3)", ["cell has no parameter 'node'"]),
    # ties
    (
        "Dense(choice(1, 2, name='k')) Dense(¦choice(1, 3, name='k'))",
        ["all choices named 'k' must offer the same, this one differs from that at 3:17"],
    ),
    ("maybe name='d' ReLU ¦choice name='d' { ReLU | Flatten }", ["must offer the same"]),
    ("ReLU * range(1, 2, name='n') ReLU * ¦range(1, 3, name='n')", ["must offer the same"]),
    (
        "cell(operations=[none], name='c') ¦cell(operations=[conv_1x1], name='c')",
        ["must offer the same"],
    ),
    (
        "Dense(¦choice(1, 2, name='layers[1].Dense.units')) Dense(choice(1, 2))",
        ["the name 'layers[1].Dense.units' is also the p"],
    ),
    # lets
    ("let w = ¦w Dense(3)", ["'w' is used before its let"]),
    ("let v = ¦w let w = 3 Dense(v)", ["'w' is used before its let"]),
    ("let w = 3 let ¦w = 4 Dense(w)", ["let 'w' is given twice (first at 3:15)"]),
    ("let ¦Dense = 3 ReLU", ["'Dense' can't be the name of a let"]),
    ("let ¦channels = 3 ReLU", ["'channels' can't be the name of a let"]),
    (
        "let w = 0 ¦Dense(w)",
        ["'units' must be positive, at least 1 but got 0 ('w' is bound at 3:19)"],
    ),
    ("let w = choice(1, 0) ¦Dense(w)", ["'units' must be positive"]),
    ("let n = -1 ¦Dense(3) * n", ["'count' must be at least 0 but got -1 ('n' is bound at 3:19)"]),
]


@pytest.mark.parametrize(("text", "messages"), LAYERS, ids=[text for text, _ in LAYERS])
def test_errors_in_layers(text: str, messages: list[str]) -> None:
    check(network(text), messages)


SYNTAX: list[Row] = [
    ("layers: Dense(3 ¦4)", ["expected ',' or ')', found '4'"]),
    ("layers: Dense(3, ¦)", ["expected a value, found ')'"]),
    ("layers: Dense(units=¦)", ["expected a value, found ')'"]),
    ("layers: Dense(¦, 3)", ["expected a value or ')', found ','"]),
    ("layers: Dense(3 + ¦)", ["expected a value, found ')'"]),
    ("layers: Dense(¦* 3)", ["expected a value or ')', found '*'"]),
    ("layers: Dense(choice(32, ¦))", ["expected a value, found ')'"]),
    ("layers: Dense((¦))", ["expected a value, found ')'"]),
    ("layers: Dense(¦{ })", ["expected a value or ')', found '{'"]),
    ("layers: Dense ¦3", ["found '3'"]),
    ("layers: Dense ¦= 3", ["found '='"]),
    ('layers: Dense(3) * ¦"a"', ["expected a count, found '\"a\"'"]),
    ("layers: Dense(3) @ ¦cpu", ["expected a string, found 'cpu'"]),
    ("layers: maybe ¦maybe ReLU", ["expected a layer, found 'maybe'"]),
    ("layers: choice ¦ReLU | Flatten", ["expected '{', found 'ReLU'"]),
    ("layers: choice ¦Dense(3)", ["expected '{', found 'Dense'"]),
    ("layers: let ¦3 = 4", ["expected a name, found '3'"]),
    ("layers: let w ¦3", ["expected '=', found '3'"]),
    ("layers: let ¦choice = 3", ["expected a name, found 'choice'"]),
    ("layers: Dense(choice=¦)", ["expected a value, found ')'"]),
    ("layers ¦Dense(3)", ["expected ':', found 'Dense'"]),
    ('layers: ReLU loss ¦"mse"', ["expected ':', found '\"mse\"'"]),
    ("layers: ReLU loss: 'mse' ¦'mae'", ["expected the next section, found"]),
    ("layers: ReLU train ¦: 3", ["expected '{', found ':'"]),
    ("layers: ReLU train { ¦3 }", ["expected a name or '}', found '3'"]),
    ("layers: ReLU train { epochs ¦}", ["expected ':', found '}'"]),
    ("layers: ReLU train { epochs: ¦}", ["expected a value, found '}'"]),
    ("layers: ReLU constraints { params ¦= 3 }", ["expected '<=', '<', '>=' or '>', found '='"]),
    ("layers: ReLU constraints { params <= ¦}", ["expected a value, found '}'"]),
    ("layers: ReLU train { } ¦ReLU", ["expected the next section, found 'ReLU'"]),
    ("layers: Dense(¦12abc)", ["'12abc' is not a number"]),
    ("layers: Dense(¦1.2.3)", ["'1.2.3' is not a number"]),
    ('layers: Dense(3, ¦"abc)', ["is a string that is not closed on its line"]),
    ("layers: Dense(3, ¦'a\\x')", ["or holds a control character or an unknown escape"]),
    ("layers: Dense(¦é)", ["unexpected character 'é'"]),
    ("layers: Dense(3) ¦\x00", [r"unexpected character '\x00'"]),
    ("layers: Dense(3) ¦$ $ $", ["unexpected character '$'"]),
    ("¦los: mse layers: ReLU", ["unknown section 'los'"]),
    ("layers: ReLU ¦Optimizer: Adam", ["unknown section 'Optimizer'"]),
    ("layers: ReLU loss: 'mse' ¦loss: 'mae'", ["section 'loss' is given twice (first at 3:16)"]),
    ("layers: ReLU execution {} ¦execute {}", ["section 'execution' is given twice"]),
    ("¦3 layers: ReLU", ["expected the next section, found '3'"]),
]


@pytest.mark.parametrize(("text", "messages"), SYNTAX, ids=[text for text, _ in SYNTAX])
def test_errors_of_syntax(text: str, messages: list[str]) -> None:
    check(f"network X {{\n  input: (8,)\n  {text}\n}}", messages)


BRACKETS: list[Row] = [
    (
        "network X {\n input: (8,)\n layers: Dense(3¦",
        ["unexpected end of input, missing ')' (opened at 3:15)"],
    ),
    (
        "network X {\n input: (8,)\n layers: residual { ReLU\n ¦loss: 1 }",
        ["before 'loss': missing '}' (opened at 3:19)"],
    ),
    (
        "network X {\n input: (8,)\n layers: Dense(3\n ¦loss: 'mse' }",
        ["before 'loss': missing ')' (opened at 3:15)"],
    ),
    (
        "network X {\n input: (8,\n ¦layers: ReLU }",
        ["before 'layers': missing ')' (opened at 2:9)"],
    ),
    ("network X { ¦3 input: (8,) layers: ReLU }", ["expected a section, found '3'"]),
    ("network X { ¦(3 input: (8,) layers: ReLU }", ["expected a section, found '('"]),
    ("network X { input: (8,) layers: ReLU loss: ¦}", ["expected a value, found '}'"]),
    (
        "network X { input: (8,) layers: ReLU ¦los: ( 3 ¦}",
        ["unknown section 'los'", "before '}': missing ')'"],
    ),
    ("network X {\n input: (8, 8¦] layers: ReLU }", ["']' closes nothing"]),
    ("network X {\n input: ([8, 8¦) layers: ReLU }", ["before ')': missing ']' (opened at 2:10)"]),
    (
        "network X {\n input: (8,) layers: Dense(3¦} loss: 'mse'\n}",
        ["before '}': missing ')' (opened at 2:27)"],
    ),
    ("network X {\n input: (8,) layers: Dense(3)¦) loss: 'mse'\n}", ["')' closes nothing"]),
    ("network X {\n input: (8,) layers: ReLU } ¦}", ["'}' closes nothing"]),
    (
        "network X {\n input: (8,) layers: ReLU } ¦loss: 'mse' }",
        ["expected 'define' or 'network', found 'loss'"],
    ),
    (
        "define B { ReLU\n¦network X { input: (8,) layers: ReLU }",
        ["before 'network': missing '}' (opened at 1:10)"],
    ),
    (
        "network X { input: (8,) layers: ReLU\n¦define B { ReLU }",
        ["before 'define': missing '}' (opened at 1:11)"],
    ),
    ("¦", ["unexpected end of input, expected 'network'"]),
    ("define¦", ["unexpected end of input, expected a name"]),
    ("define B { ReLU }¦", ["unexpected end of input, expected 'network'"]),
    ("¦foo", ["expected 'define' or 'network', found 'foo'"]),
    ("¦} network X { input: (8,) layers: ReLU }", ["'}' closes nothing"]),
    ("network ¦{ input: (8,) layers: ReLU }", ["expected a name after 'network', found '{'"]),
    ("network ¦3 { input: (8,) layers: ReLU }", ["expected a name after 'network', found '3'"]),
    ("network X ¦input: (8,)", ["expected '{' after 'network', found 'input'"]),
    ("network¦", ["expected a name after 'network', found end of input"]),
    (
        "network X { input: (8,) layers: ReLU } ¦network Y { input: (8,) layers: Foo }",
        ["a text holds exactly one network, this is a second"],
    ),
    ("define ¦3 { }\nnetwork X { input: (8,) layers: ReLU }", ["expected a name, found '3'"]),
    (
        "define B(¦3) { }\nnetwork X { input: (8,) layers: ReLU }",
        ["expected a name or ')', found '3'"],
    ),
    (
        "define B(w, ¦=) { }\nnetwork X { input: (8,) layers: ReLU }",
        ["expected a name or ')', found '='"],
    ),
    (
        "define B ¦ReLU\nnetwork X { input: (8,) layers: ReLU }",
        ["expected '(' or '{', found 'ReLU'"],
    ),
    ("define B¦", ["unexpected end of input, expected '(' or '{'"]),
]


@pytest.mark.parametrize(("text", "messages"), BRACKETS, ids=[text for text, _ in BRACKETS])
def test_errors_of_brackets_and_of_whole_texts(text: str, messages: list[str]) -> None:
    check(text, messages)


DEFINITIONS: list[Row] = [
    ("define A(¦w) { ReLU }\n", ["macro 'A' never uses 'w'"]),
    ("define A(w, ¦w) { Dense(w) }\n", ["parameter 'w' is given twice"]),
    ("define A { ReLU }\ndefine ¦A { ReLU }\n", ["macro 'A' is defined twice (first at 1:8)"]),
    ("define ¦Dense { ReLU }\n", ["'Dense' can't be the name of a macro"]),
    ("define ¦residual { ReLU }\n", ["'residual' can't be the name of a macro"]),
    ("define ¦range { ReLU }\n", ["'range' can't be the name of a macro"]),
    ("define ¦true { ReLU }\n", ["'true' can't be the name of a macro"]),
    ("define ¦conv_3x3 { ReLU }\n", ["'conv_3x3' can't be the name of a macro"]),
    ("define A(¦channels) { Dense(channels) }\n", ["'channels' can't be the name of a parameter"]),
    ("define A { ¦A }\n", ["macro 'A' calls itself"]),
    ("define A { B }\ndefine B { ¦A }\n", ["macro 'A' calls itself through 'B'"]),
    ("define A { choice { ReLU | B } }\ndefine B { ReLU residual { ¦A } }\n", ["calls itself"]),
    ("define A { let ¦w = 3 Dense(w) }\n", ["let stands in the network, not in a macro"]),
    ("define A { ¦Dnse(3) }\n", ["unknown layer or macro 'Dnse'"]),
    ("define A { Dense(¦0) }\n", ["'units' must be positive"]),
    ("define A { Dense(¦w) }\n", ["unknown name 'w'"]),
    ("define A { ReLU ¦| ReLU }\n", ["'|' stands between the alternatives of a choice only"]),
    ("define A(w) { Dense(w, ¦w=3) }\n", ["Dense has no parameter 'w'"]),
]


@pytest.mark.parametrize(("text", "messages"), DEFINITIONS, ids=[text for text, _ in DEFINITIONS])
def test_errors_in_definitions(text: str, messages: list[str]) -> None:
    check(network(before=text), messages)


CALLS: list[Row] = [
    ("define A(w) { Dense(w) }\n|¦A", ["A requires 'w'"]),
    ("define A(w) { Dense(w) }\n|A(1, ¦2)", ["A takes at most 1 value"]),
    ("define A(w) { Dense(w) }\n|A(¦v=2)", ["A has no parameter 'v'"]),
    ("define A(w) { Dense(w) }\n|A(1, ¦w=2)", ["'w' is given twice"]),
    (
        "define A(w) { ¦Dense(w) }\n|A(0)",
        ["'units' must be positive, at least 1 but got 0 ('w' is bound at 4:13)"],
    ),
    (
        "define A(w) { ¦Dense(w) }\n|A(0) A(-1) * 2",
        ["'units' must be positive, at least 1 but got 0"],
    ),
    ("define A(w) { ¦Dense(w) }\ndefine B(v) { A(v) }\n|B(0)", ["('v' is bound at 5:13)"]),
    ("define A(w=0) { ¦Dense(w) }\n|A", ["('w' is bound at 1:12)"]),
    ("define A(w) { Dense(¦w * 2) }\n|A(-1)", ["'units' must be positive, at least 1 but got -2"]),
    (
        "define A(ops) { ¦cell(operations=ops) }\n|A([none, none])",
        ["a cell can't offer an operation twice"],
    ),
    (
        "define A(ops) { ¦cell(operations=ops) }\n|A(3)",
        ["'operations' must be a list of operations but got 3"],
    ),
    ("define A { ReLU }\n|Dense(¦A)", ["'A' is a macro, it stands for layers"]),
    ("define A { ReLU }\n|Dense(¦A())", ["'A' is a macro, it stands for layers"]),
    ("define A(w) { Dense(w) }\n|A(¦foo)", ["unknown name 'foo'"]),
    ("define Block { ReLU }\n|¦Blok", ["unknown layer or macro 'Blok'"]),
]


@pytest.mark.parametrize(("text", "messages"), CALLS, ids=[text for text, _ in CALLS])
def test_errors_in_calls_of_macros(text: str, messages: list[str]) -> None:
    definitions, call = text.split("|")
    check(network(call, before=definitions), messages)


SECTIONS: list[Row] = [
    ("loss: ¦'ms'", ["loss must be one of cross_entropy, binary_crossentropy, mse"]),
    ("loss: ¦3", ["loss must be one of"]),
    ("loss: choice('mse', ¦'mea')", ["'loss' must be one of"]),
    ("optimizer: ¦adam", ["optimizer must be one of Adam, AdamW"]),
    ("optimizer: ¦Adan()", ["optimizer must be one of Adam, AdamW"]),
    ("optimizer: ¦'adan'", ["optimizer must be one of Adam, AdamW"]),
    ("optimizer: ¦3", ["optimizer must be one of"]),
    ("optimizer: ¦''", ["optimizer must be one of"]),
    ("optimizer: ¦choice('adam', 'sgd')", ["optimizer must be one of"]),
    ("let o = 3 optimizer: ¦o", ["optimizer must be one of"]),
    ("optimizer: '¦Adan(3)'", ["optimizer must be one of"]),
    ("optimizer: 'Adam(¦0)'", ["'learning_rate' must be above 0"]),
    ("optimizer: 'Adam(3 ¦4)'", ["expected ',' or ')', found '4'"]),
    ("optimizer: 'Adam(¦$)'", ["unexpected '$'"]),
    ("optimizer: ¦'Adam('", ["expected a value or ')', found the end of the string"]),
    ("optimizer: ¦'3 + 4'", ["optimizer must be one of"]),
    ("optimizer: Adam(¦lr=0.1)", ["Adam has no parameter 'lr'"]),
    ("optimizer: Adam(¦0)", ["'learning_rate' must be above 0"]),
    ("optimizer: Adam(beta_1=¦1)", ["'beta_1' must be between 0 and 1"]),
    (
        "optimizer: Adam(log_range(1e-4, 1e-2), weight_decay=choice(0.0, ¦-1e-4))",
        ["'weight_decay'"],
    ),
    (
        "optimizer: SGD(¦ExponentialDecay(0.1))",
        ["ExponentialDecay requires 'decay_steps' and 'decay_rate'"],
    ),
    ("optimizer: SGD(ExponentialDecay(0.1, ¦0, 0.9))", ["'decay_steps' must be positive"]),
    ("optimizer: SGD(CosineDecay(0.1, ¦steps=3))", ["CosineDecay has no parameter 'steps'"]),
    ("optimizer: SGD(¦CosinDecay(0.1))", ["unknown value 'CosinDecay'"]),
    ("optimizer: SGD(¦ReLU)", ["'learning_rate' must be a number or a schedule but got ReLU"]),
    ("train { epochs: ¦0 }", ["'epochs' must be positive"]),
    ("train { ¦epoch: 3 }", ["train has no setting 'epoch'"]),
    ("train { epochs: 3 ¦epochs: 4 }", ["'epochs' is given twice"]),
    ("train { validation_split: ¦1 }", ["'validation_split' must be between 0 and 1"]),
    ("train { batch_size: ¦foo }", ["unknown name 'foo'"]),
    (
        "let n = 0 train { ¦epochs: n }",
        ["'epochs' must be positive, at least 1 but got 0 ('n' is bound"],
    ),
    ("execution { device: ¦'gpu' }", ["a device must be one of auto"]),
    ("execution { device: ¦3 }", ["'device' must be a string"]),
    ("execution { device: ¦choice('cpu', 'cuda') }", ["a device must be one of"]),
    ("execution { ¦devices: 'cpu' }", ["execution has no setting 'devices'"]),
    ("constraints { ¦param <= 3 }", ["a constraint must limit one of params, macs"]),
    ("constraints { params <= ¦1e300 }", ["a number is too large"]),
    ("constraints { params <= ¦'a' }", ["the limit of params must be a plain number but got 'a'"]),
    ("constraints { params <= ¦choice(1, 2) }", ["the limit of params must be a plain number"]),
    ("constraints { params <= 3 ¦params <= 4 }", ["'params <=' is given twice"]),
]


@pytest.mark.parametrize(("text", "messages"), SECTIONS, ids=[text for text, _ in SECTIONS])
def test_errors_in_sections(text: str, messages: list[str]) -> None:
    check(network(rest=text), messages)


INPUTS: list[Row] = [
    ("¦8", ["input must be a tuple of sizes but got 8"]),
    ("(¦8)", ["input must be a tuple of sizes but got 8"]),
    ("¦[]", ["input must be a tuple of sizes"]),
    ("¦(None,)", ["input has no size besides the batch"]),
    ("(8, ¦None)", ["the sizes of input must be plain integers but got none"]),
    ("(8, ¦0)", ["'input' must be positive"]),
    ("(8, ¦1.5)", ["'input' must be an integer"]),
    ("(8, ¦'a')", ["the sizes of input must be plain integers but got 'a'"]),
    ("(8, ¦choice(1, 2))", ["the sizes of input must be plain integers but got choice(1, 2)"]),
    ("(8, ¦foo)", ["unknown name 'foo'"]),
]


@pytest.mark.parametrize(("text", "messages"), INPUTS, ids=[text for text, _ in INPUTS])
def test_errors_in_input(text: str, messages: list[str]) -> None:
    check(f"network X {{ input: {text} layers: ReLU }}", messages)


MISSING: list[Row] = [
    ("network ¦X { }", ["network 'X' has no 'input' and 'layers'"]),
    ("network ¦X { input: (8,) }", ["network 'X' has no 'layers'"]),
    ("network ¦X { layers: ReLU }", ["network 'X' has no 'input'"]),
    ("network X { input: (8,) ¦layers: }", ["layers holds no layer"]),
    ("network X { input: (8,) ¦layers: let w = 3 }", ["layers holds no layer"]),
]


@pytest.mark.parametrize(("text", "messages"), MISSING, ids=[text for text, _ in MISSING])
def test_missing_sections(text: str, messages: list[str]) -> None:
    check(text, messages)


def test_faults_of_syntax_in_several_sections_are_all_reported() -> None:
    check(
        "define A(w { Dense(w) }\n"
        "¦network X {\n  input: (8, ¦+)\n  layers: Dense(3 ¦4)\n  ¦los: 'mse'\n"
        "  optimizer: Adam(¦=)\n  train { epochs ¦3 }\n}\n",
        [
            "before 'network': missing ')' (opened at 1:9)",
            "expected a value or ')', found '+'",
            "expected ',' or ')', found '4'",
            "unknown section 'los'",
            "expected a value or ')', found '='",
            "expected ':', found '3'",
        ],
    )


def test_a_later_pass_runs_only_if_the_one_before_found_nothing() -> None:
    check("network X {\n input: (0,)\n layers: Foo(3 ¦4)\n}", ["expected ',' or ')'"])
    check("define A(¦w) { ReLU }\nnetwork X {\n input: (0,)\n layers: Foo\n}", ["never uses 'w'"])


CONSEQUENCES: list[tuple[str, str]] = [
    ("let o = ¦foo let p = (o, 1) layers: Dense(o) Dense(p) ReLU * o Conv2D(8, (o, 3))", "'foo'"),
    ("let o = ¦foo layers: ReLU optimizer: o", "'foo'"),
    ("let o = ¦foo layers: ReLU loss: o train { epochs: o } execution { device: o }", "'foo'"),
    ("let o = ¦foo layers: maybe name=o ReLU choice labels=o { ReLU | ReLU }", "'foo'"),
    ("let o = ¦foo layers: cell(nodes=o, operations=o, name=o) Dense(choice(o, 'a'))", "'foo'"),
    (
        "let o = ¦foo layers: Dense(o + 'a') Dense(range(o, 3)) constraints { params <= o }",
        "'foo'",
    ),
    ("layers: Dense(¦0) * ¦0", "'units'"),
    ("layers: residual { ¦Foo }", "'Foo'"),
    ("layers: maybe ¦Foo", "'Foo'"),
    ("layers: ¦Foo", "'Foo'"),
    ("layers: Dense(¦unit=3)", "no parameter 'unit'"),
    ("layers: Dense(choice(¦foo, 'a'))", "'foo'"),
]


@pytest.mark.parametrize(("text", "message"), CONSEQUENCES, ids=[row[0] for row in CONSEQUENCES])
def test_consequences_are_not_reported(text: str, message: str) -> None:
    plain, places = marked(f"network X {{\n  input: (8,)\n  {text}\n}}")

    with pytest.raises(DSLError) as caught:
        parse(plain)

    assert message in caught.value.message
    assert [(error.line, error.column) for error in caught.value.errors] == places


def test_faults_of_several_sections_are_all_reported() -> None:
    check(
        "network X {\n  input: (¦0,)\n  layers: Dense(¦0) ¦Foo\n  loss: ¦'x'\n  train { ¦a: 3 }\n}",
        ["'input' must be", "'units' must be", "'Foo'", "loss must be", "no setting 'a'"],
    )


def test_at_most_20_errors_are_reported() -> None:
    with pytest.raises(DSLError) as caught:
        parse(network("Dense(0)\n" * 50))

    assert [error.line for error in caught.value.errors] == list(range(3, 23))


def test_the_first_error_in_text_order_is_the_one_raised() -> None:
    text = network("A(0) Foo", before="define A(w) { Dense(w) }\n")

    with pytest.raises(DSLError) as caught:
        parse(text)

    assert (caught.value.line, caught.value.column) == (1, 15)
    assert caught.value is caught.value.errors[0]


HINTS = [
    ("dense(3)", "did you mean Dense?"),
    ("Conv2d(8, 3)", "did you mean Conv2D?"),
    ("Conv3D(8, 3)", "did you mean Conv2D or Conv1D or conv_3x3?"),
    ("Foo", "a macro is written define Foo(...) { ... }, outside the network"),
    ("Linear(3)", "did you mean Dense?"),
    ("Softmax", 'did you mean Activation("softmax")?'),
    ("repeat(3) { ReLU }", "a repetition is written { ... } * 3"),
    ("Dropout(p=0.5)", "did you mean rate?"),
    ("Dense(3, null)", "did you mean none?"),
    ("Dense(uniform(1, 3))", "did you mean range?"),
    ("Dense(width)", 'write let width = ... before it; a string stands in quotes: "width"'),
    ("cell(ops=[none])", "did you mean operations?"),
    ("residual ReLU", "write residual { Dense(64) ReLU }"),
    ("parallel { ReLU | ReLU }", "write parallel { { ... } { ... } }"),
    ("Dense(unit=3)", "did you mean units?"),
    ("Dense(relu)", 'a string stands in quotes: "relu"'),
    ("range(1, 2)", "layers are chosen by choice { ... | ... }"),
    ("choice { ReLU | }", "the identity is {}"),
    ("Dense(range(1, 4, step=2))", "the last value reached is 3"),
]


@pytest.mark.parametrize(("text", "hint"), HINTS, ids=[text for text, _ in HINTS])
def test_hints(text: str, hint: str) -> None:
    check_hint(network(text), hint)


def check_hint(text: str, hint: str) -> None:
    with pytest.raises(DSLError) as caught:
        parse(text)

    assert hint in [error.hint for error in caught.value.errors]


#: What stands in the network besides its name and braces.
SLIPS = [
    ("input: 8, 8", "a shape stands in parentheses: (32, 32, 3)"),
    ("input: (8,) ReLU", "layers stand after 'layers:'"),
    ("layers { ReLU }", "layers stand after the colon, without braces: layers: ..."),
    ("layers: Dense(choice[1, 2])", "a choice of values is written choice(16, 32)"),
    (
        "layers: choice(ReLU | Flatten)",
        "layers are chosen by choice { ... | ... }, values by choice(16, 32)",
    ),
    (
        "layers: Dense(choice({1, 2}))",
        "a tuple stands in (...) or [...], a choice of layers in choice { ... }",
    ),
    ("layers: Dense(units: 3)", "a parameter is written name=value"),
    (
        "layers: Dense 3",
        "parameters stand in parentheses: Dense(10); a repetition is Dense(10) * 3",
    ),
    (
        "layers: residual { 3 * ReLU }",
        "parameters stand in parentheses: Dense(10); a repetition is Dense(10) * 3",
    ),
    ("layers: ReLU // the first", "a comment begins with #"),
    ("layers: residual { ReLU // the first\n }", "a comment begins with #"),
    ("layers: maybe(ReLU)", "maybe stands before a layer, without parentheses: maybe Dropout(0.5)"),
    ("layers: ReLU @ cpu", 'a device is a string: @ "cpu"'),
    ("layers: ReLU training { epochs: 3 }", "did you mean train?"),
    ("train { epochs = 3 }", "a setting is written name: value"),
    ("train: { epochs: 3 }", "settings stand in braces: train { ... }"),
    ("execution { device = 'cpu' }", "a setting is written name: value"),
    ("execution: { device: 'cpu' }", "settings stand in braces: execution { ... }"),
    ("constraints: { params <= 3 }", "limits stand in braces: constraints { params <= 100K }"),
    ("constraints { params <= 10k }", "the units are K, M, G and KB, MB, GB"),
    ("layers: Dense(16..64)", "a range is written range(16, 64)"),
    ("layers: Dense(“16”)", "strings stand in \" or '"),
    ("input: (8,) layers: ReLU optimizer: choice(Adam, SGD)", "write Adam(log_range(1e-4, 1e-2))"),
]


@pytest.mark.parametrize(("text", "hint"), SLIPS, ids=[text for text, _ in SLIPS])
def test_hints_for_slips_of_syntax(text: str, hint: str) -> None:
    check_hint(f"network X {{ {text} }}", hint)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Network X { }", "did you mean network?"),
        ("def B { ReLU }", "did you mean define?"),
        ("input: (8,)", "sections and lets stand in network NAME { ... }"),
        ("let w = 3", "sections and lets stand in network NAME { ... }"),
        ("define B(w): Dense(w)", "a macro's layers stand in braces: define NAME(...) { ... }"),
        (
            network("B(3)", before="define B(w) { Dense(w) Dense(v) }\n"),
            'a macro sees only its parameters: define B(v, ...); a string stands in quotes: "v"',
        ),
    ],
    ids=["case", "another word", "a section outside", "a let outside", "colon", "scope"],
)
def test_hints_outside_the_network(text: str, hint: str) -> None:
    check_hint(text, hint)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("Dense(None)", "none"),
        ("Dense(True)", "true"),
        ("Dense([3, none])", "(3, none)"),
        ("Conv2D(8, [1, 2, 3, 4])", "(1, 2, 3, 4)"),
        ("Reshape((4, None))", "none"),
        ("Conv2D(8, 3, padding=False)", "false"),
        ("Dense(3, [])", "()"),
    ],
)
def test_messages_show_values_as_the_language_writes_them(text: str, got: str) -> None:
    with pytest.raises(DSLError) as caught:
        parse(network(text))

    assert caught.value.message.endswith(f"but got {got}")


def test_arithmetic_that_fails_for_some_choices_says_so() -> None:
    check(
        "network X { input: (8,) let w = choice(16, 32) layers: Dense(¦w / 3) }",
        ["'units' must be an integer but got 5.333333333333333 for some of the choices"],
    )


def test_the_text_of_an_error_shows_line_caret_and_hint() -> None:
    with pytest.raises(DSLError) as caught:
        parse(network("Dense(unit=3)"))

    assert str(caught.value) == (
        "3:17: Dense has no parameter 'unit'\n"
        "      layers: Dense(unit=3)\n"
        "                    ^\n"
        "    hint: did you mean units?"
    )


def test_user_text_in_messages_is_cut() -> None:
    with pytest.raises(DSLError) as caught:
        parse(network(f"Dense({'9' * 60}, '{'x' * 5000}')"))

    assert all(len(error.message) < 300 for error in caught.value.errors)
