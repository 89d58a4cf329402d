from __future__ import annotations

import time

import pytest

from neural_automl.dsl import parse
from neural_automl.exceptions import DSLError
from tests.dsl.texts import network

DOUBLING = "".join(f"define A{i} {{ A{i - 1} A{i - 1} }}\n" for i in range(1, 61))
LONG_CHAIN = "".join(f"define A{i} {{ A{i - 1} }}\n" for i in range(1, 3000))


def lets(value: str, first: str, count: int = 60) -> str:
    """Return lets of which each is made of the one before."""
    made = [f"let a0 = {first}"]
    made += [f"let a{i} = {value.format(a=f'a{i - 1}')}" for i in range(1, count + 1)]
    return "\n".join(made) + "\n"


HOSTILE: list[tuple[str, str, tuple[int, int], str]] = [
    (
        "nested braces",
        network("{" * 10_000 + "}" * 10_000),
        (3, 74),
        "nesting is limited to 64",
    ),
    ("a megabyte of brackets", "(" * 1_000_000, (1, 100_001), "limited to 100,000 words"),
    ("brackets that close", ")" * 1_000_000, (1, 100_001), "limited to 100,000 words"),
    ("mixed brackets", network("([{" * 30_000), (3, 74), "nesting is limited to 64"),
    ("more than a megabyte", " " * 1_000_001, (1, 1), "limited to 1,000,000 characters"),
    ("words", network("ReLU " * 100_000), (3, 499_941), "limited to 100,000 words"),
    ("null bytes", "\0" * 50_000, (1, 1), r"unexpected character '\x00'"),
    ("a null byte", network("Dense(3\0)"), (3, 18), r"unexpected character '\x00'"),
    ("quotes", network('"' * 10_001), (3, 10_011), "is a string that is not closed on its line"),
    ("a long number", network(f"Dense({'9' * 101})"), (3, 17), "limited to 100 characters"),
    ("a long name", network("A" * 101), (3, 11), "limited to 100 characters"),
    ("digits", "1" * 900_000, (1, 1), "limited to 100 characters"),
    (
        "a huge repetition",
        network("Dense(3) * 1000000000"),
        (3, 22),
        "a repetition is limited to 10,000 but may be 1,000,000,000",
    ),
    ("10,001 copies", network("{} * 10001 ReLU"), (3, 16), "a repetition is limited to 10,000"),
    (
        "an open huge repetition",
        network("Dense(3) * range(1, 1000000000)"),
        (3, 22),
        "a repetition is limited to 10,000",
    ),
    (
        "nested repetitions",
        network("{ " * 10 + "ReLU" + " } * 10000" * 10),
        (3, 27),
        "the expanded network is limited to 20,000 layers",
    ),
    (
        "nested open repetitions",
        network("{ " * 10 + "ReLU" + " } * range(1, 9999)" * 10),
        (3, 27),
        "the expanded network is limited to 20,000 layers",
    ),
    (
        "too many layers",
        network("ReLU " * 20_001),
        (3, 100_011),
        "the expanded network is limited to 20,000 layers",
    ),
    (
        "macros that double",
        network("A60", before="define A0 { ReLU }\n" + DOUBLING),
        (64, 11),
        "the expanded network is limited to 20,000 layers",
    ),
    (
        "macros that double and are not called",
        network(before="define A0 { ReLU }\n" + DOUBLING),
        (61, 8),
        "the expanded network is limited to 20,000 layers",
    ),
    (
        "empty macros that double",
        network("A60 ReLU", before="define A0 { }\n" + DOUBLING),
        (64, 11),
        "the macro calls of a text are limited to 1,000,000 words and signs, written out",
    ),
    (
        "a long chain of macros",
        network("A2999", before="define A0 { ReLU }\n" + LONG_CHAIN),
        (2937, 16),
        "nesting is limited to 64",
    ),
    (
        "an argument that doubles",
        network(
            "A60((1, 1))",
            before="define A0(t) { Reshape(t) }\n"
            + "".join(f"define A{i}(t) {{ A{i - 1}((t, t)) }}\n" for i in range(1, 61)),
        ),
        (50, 21),
        "a value is limited to 10,000 elements",
    ),
    (
        "a let that doubles",
        network("ReLU", before="").replace("layers", lets("({a}, {a})", "(1, 1)") + "layers"),
        (15, 11),
        "a value is limited to 10,000 elements",
    ),
    (
        "an expression that doubles",
        network("ReLU").replace("layers", lets("{a} * {a}", "choice(1, 2)") + "layers"),
        (10, 10),
        "an expression is limited to 100 parts",
    ),
    (
        "a number that doubles",
        network("ReLU").replace("layers", lets("{a} * {a}", "99999999") + "layers"),
        (7, 15),
        "a number is too large",
    ),
    (
        "lets that nest",
        network("ReLU").replace("layers", lets("({a},)", "1", 100) + "layers"),
        (36, 12),
        "nesting is limited to 64",
    ),
    ("a long sum", network("Dense(" + "1+" * 100 + "1)"), (3, 217), "limited to 100 parts"),
    (
        "a long choice",
        network(f"Dense(choice({', '.join(map(str, range(1, 1002)))}))"),
        (3, 4917),
        "a choice is limited to 1,000 parts",
    ),
    (
        "a choice of many layers",
        network("choice { " + "ReLU | " * 1000 + "ReLU }"),
        (3, 11),
        "a choice is limited to 1,000 parts",
    ),
    (
        "a long tuple",
        network("Reshape((" + "1," * 10_000 + "))"),
        (3, 19),
        "a value is limited to 10,000 elements",
    ),
    (
        "values written out",
        network(f"Dense(choice({', '.join(map(str, range(1, 1001)))})) * 10000"),
        (3, 42),
        "the network is limited to 2,000,000 values, written out",
    ),
    (
        "a quoted optimizer",
        network(rest=f"optimizer: 'Adam({'(' * 9_000}'"),
        (4, 81),
        "nesting is limited to 64",
    ),
    (
        "a long quoted optimizer",
        network(rest=f"optimizer: 'Adam({'1 ' * 5_000})'"),
        (4, 12),
        "a quoted optimizer is limited to 10,000 characters but has 10,006",
    ),
    (
        "a long study name",
        network(f"Dense(choice(1, 2, name='{'n' * 1001}'))"),
        (3, 35),
        "'name' must be a string of 1 to 1,000 characters",
    ),
    (
        "thousands of errors",
        network("Dnse(3) " * 15_000),
        (3, 11),
        "unknown layer or macro 'Dnse'",
    ),
]


@pytest.mark.parametrize(
    ("text", "place", "message"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE]
)
def test_hostile_text_gives_a_clear_error_in_bounded_time(
    text: str, place: tuple[int, int], message: str
) -> None:
    start = time.perf_counter()

    with pytest.raises(DSLError) as caught:
        parse(text)

    assert time.perf_counter() - start < 20  # ten times what a slow machine needs
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == place
    assert len(caught.value.message) < 300


WITHIN: list[tuple[str, str]] = [
    ("64 open brackets", network("{" * 63 + "ReLU" + "}" * 63)),
    ("a deep value", network("Dense(" + "(" * 62 + "3" + ")" * 62 + ")")),
    ("residuals in residuals", network("residual {" * 63 + "ReLU" + "}" * 63)),
    ("choices in choices", network("choice {" * 63 + "ReLU" + " | Flatten }" * 63)),
    ("choices in a choice", network("Dense(" + "choice(" * 62 + "3" + ", 2)" * 62 + ")")),
    ("10,000 copies", network("ReLU * 10000")),
    ("20,000 layers", network("ReLU * 10000 Flatten * 10000")),
    ("empty repetitions", network("{ " * 60 + " } * 10000" * 60 + " ReLU")),
    ("100 operands", network("Dense(" + "1+" * 99 + "1)")),
    ("100 open operands", network("Dense(" + "choice(1,2)+" * 99 + "choice(1,2))")),
    ("1,000 values", network(f"Dense(choice({', '.join(map(str, range(1, 1001)))}))")),
    ("a name of 100 letters", network("A" * 100, before=f"define {'A' * 100} {{ ReLU }}\n")),
    ("many minus signs", network("Dense(" + "-" * 1000 + "1 + 2)".replace("-1", "1"))),
    ("many lets", network("ReLU").replace("layers", "let a = 1\n" + "layers")),
    (
        "a chain of 60 macros",
        network(
            "A60",
            before="define A0 { ReLU }\n"
            + "".join(f"define A{i} {{ A{i - 1} }}\n" for i in range(1, 61)),
        ),
    ),
    (
        "macros that double ten times",
        network(
            "A10",
            before="define A0 { ReLU }\n"
            + "".join(f"define A{i} {{ A{i - 1} A{i - 1} }}\n" for i in range(1, 11)),
        ),
    ),
]


@pytest.mark.parametrize("text", [row[1] for row in WITHIN], ids=[row[0] for row in WITHIN])
def test_text_at_a_limit_is_read(text: str) -> None:
    assert parse(text).model["layers"]


def test_reading_takes_time_in_proportion_to_length() -> None:
    def seconds(layers: int) -> float:
        text = network("Dense(choice(8, 16)) ReLU\n" * layers)
        start = time.process_time()
        parse(text)
        return time.process_time() - start

    seconds(10)
    assert seconds(4000) < 30 * seconds(400)


def test_a_caller_deep_in_the_stack_gets_no_recursion_error() -> None:
    text = network("residual {" * 60 + "ReLU" + "}" * 60)

    def deep(levels: int) -> object:
        if levels:
            return deep(levels - 1)
        try:
            return parse(text)
        except DSLError as error:
            return error

    # Somewhere between these depths the stack ends; whatever is left of it, a DSLError comes.
    for levels in range(300, 860, 40):
        result = deep(levels)
        if isinstance(result, DSLError):
            assert "too deeply" in result.message
