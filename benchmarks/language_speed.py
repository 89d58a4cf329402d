"""How fast the space language is read, beside Lark's bare parse of the same text.

    python benchmarks/language_speed.py

Bare is Lark with our grammar file, LALR, basic lexer and positions, and nothing of ours: no
callbacks, no checks. Where that parse stops at the first fault, bare is the cutting of the whole
text into words, since we look for all faults of a text. Where a short text stands for a long
network, bare parses the network written out.

The bars: a space of 200 layers, parsed and built, below 10 times bare; from 1,000 to 4,000 lines
the time grows at most 1.3 times as fast as the length; each hostile text is read, or refused by a
DSLError, within 20 times bare and in a process of at most 300 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedInput

from neural_automl import dsl
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.exceptions import DSLError

GRAMMAR = Path(dsl.__file__).with_name("_grammar.lark")
WHOLE_TEXT = """
start: (define | network | _separator)*
network: NETWORK NAME LBRACE (let | named | layers | settings | constraints | _separator)* _RBRACE
any: (BAD_NUMBER | BAD_STRING | BAD_CHARACTER)*
"""
RATIO = 10
GROWTH = 1.3
HOSTILE_RATIO = 20
MEGABYTES = 300


@cache
def bare() -> Lark:
    """Return Lark's parser of whole texts, with nothing of ours."""
    return Lark(
        WHOLE_TEXT + GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        start=["start", "any"],  # the second keeps the terminals of what cannot be read
        propagate_positions=True,
    )


def bare_seconds(text: str) -> float:
    """Return the seconds that a bare parse takes, or a bare lexing where that stops early."""
    begin = time.perf_counter()
    try:
        bare().parse(text, start="start")
    except UnexpectedInput:
        begin = time.perf_counter()
        for _ in bare().lex(text):
            pass
    return time.perf_counter() - begin


def seconds(read: Callable[[str], Any], text: str) -> float:
    """Return the seconds that reading takes; a text may be wrong, but only by a DSLError."""
    begin = time.perf_counter()
    with contextlib.suppress(DSLError):
        read(text)
    return time.perf_counter() - begin


def least(measure: Callable[[], float], rounds: int) -> float:
    return min(measure() for _ in range(rounds))


def network(layers: str, before: str = "") -> str:
    return f"{before}network X {{\n  input: (8, 8, 3)\n  layers: {layers}\n}}\n"


def long_space(lines: int) -> str:
    """Return a space with one layer on each line but the first and last few."""
    block = [
        '    Conv2D(w, choice(3, 5), padding="same")',
        "    BatchNormalization()",
        "    ReLU()",
        "    maybe Dropout(range(0.1, 0.5, step=0.1))",
    ]
    head = ["network Long {", "  input: (32, 32, 3)", "  let w = choice(16, 32)", "  layers:"]
    tail = [
        "    GlobalAveragePooling2D()",
        "    Dense(10)",
        "  optimizer: Adam(learning_rate=log_range(1e-4, 1e-2))",
        "  train { epochs: 20  batch_size: choice(32, 64) }",
        "}",
    ]
    inner = lines - len(head) - len(tail)
    body = (block * (inner // len(block) + 1))[:inner]
    return "\n".join([*head, *body, *tail]) + "\n"


def doubling() -> str:
    macros = "".join(f"define M{i + 1} {{ M{i} M{i} }}\n" for i in range(60))
    return network("M60", before="define M0 { ReLU }\n" + macros)


def doubling_argument() -> str:
    macros = "".join(f"define A{i + 1}(x) {{ A{i}((x, x)) }}\n" for i in range(60))
    return network("A60(choice(3, 4))", before="define A0(x) { Reshape(x) }\n" + macros)


def doubling_let() -> str:
    lets = "".join(f" let a{i + 1} = (a{i}, a{i})\n" for i in range(60))
    return f"network X {{\n input: (8,)\n let a0 = (1, 1)\n{lets} layers: Reshape(a60)\n}}\n"


def hostile() -> dict[str, tuple[str, str]]:
    """Return texts by name, each with the text whose bare parse it is compared with."""
    texts = {
        "1 MB of layers": network("ReLU " * 199_990),
        "1 MB, 90,000 words": network(("Dense(10)" + " " * 40 + "\n") * 18_000),
        "1 MB of braces": network("{" * 999_900),
        "1 MB of brackets": "(" * 1_000_000,
        "1 MB comment": network("ReLU # " + "x" * 999_900),
        "1 MB string": network(f"Dense('{'x' * 999_900}')"),
        "1 MB optimizer": network(f"ReLU optimizer: 'Adam({'1,' * 490_000}'"),
        "1 MB number": network(f"Dense({'9' * 999_900})"),
        "1 MB of null bytes": "\0" * 1_000_000,
        "null bytes inside": network("ReLU \0 Dense(3\0)"),
        "10,000 nested braces": network("{" * 10_000 + "ReLU" + "}" * 10_000),
        "10,000 nested parentheses": network(f"Dense({'(' * 10_000}1{')' * 10_000})"),
        "* 1000000000": network("ReLU * 1000000000"),
        "repetitions that multiply": network("{ { ReLU * 10000 } * 10000 } * 10000"),
        "60 macros that double": doubling(),
        "60 arguments that double": doubling_argument(),
        "60 lets that double": doubling_let(),
        "24,000 faults": network("Dnse(3) " * 24_000),
        "unknown sections": "network X {" + "los: 'mse' " * 20_000 + "}",
        "99,000 signs": network(f"Dense({'-' * 99_000}1)"),
    }
    found = {name: (text, text) for name, text in texts.items()}
    found["10,000 open copies"] = (
        network("{ Dense(choice(1, 2)) } * 10000"),
        network("Dense(choice(1, 2)) " * 10_000),
    )
    return found


def measure_hostile(name: str) -> dict[str, float]:
    """Read a hostile text in this process, then its bare twin; for a process of its own."""
    text, twin = hostile()[name]
    seconds(ArchitectureSpace.from_dsl, network("ReLU"))  # makes the parser
    ours = least(lambda: seconds(ArchitectureSpace.from_dsl, text), 3)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bare()
    return {"ours": ours, "mb": kilobytes / 1024, "bare": least(lambda: bare_seconds(twin), 3)}


def report_hostile() -> bool:
    fits = True
    for name in hostile():
        command = [sys.executable, __file__, "--hostile", name]
        run: dict[str, float] = json.loads(subprocess.check_output(command))
        ratio = run["ours"] / run["bare"]
        fits = fits and ratio <= HOSTILE_RATIO and run["mb"] <= MEGABYTES
        print(f"{name:<26} {1000 * run['ours']:8.1f} ms, {ratio:5.1f} times, {run['mb']:4.0f} MB")
    return fits


def report_speed(rounds: int) -> bool:
    text = long_space(209)  # 200 lines of layers between head and tail
    bare_seconds(text)
    seconds(ArchitectureSpace.from_dsl, text)
    pairs = [(bare_seconds(text), seconds(ArchitectureSpace.from_dsl, text)) for _ in range(rounds)]
    theirs = min(pair[0] for pair in pairs)
    ours = min(pair[1] for pair in pairs)
    print(f"200 layers: bare {1000 * theirs:.1f} ms, parsed and built {1000 * ours:.1f} ms")
    print(f"ratio {ours / theirs:.2f}, bar {RATIO}")
    return ours / theirs < RATIO


def report_growth(rounds: int) -> bool:
    sizes = (1000, 2000, 4000)
    texts = {lines: long_space(lines) for lines in sizes}
    times = {lines: float("inf") for lines in sizes}
    for _ in range(rounds):
        for lines, text in texts.items():
            times[lines] = min(times[lines], seconds(dsl.parse, text))
    fits = True
    for lines in sizes:
        growth = times[lines] / times[sizes[0]] / (lines / sizes[0])
        fits = fits and growth <= GROWTH
        print(f"{lines} lines: parsed in {1000 * times[lines]:.1f} ms, growth {growth:.2f}")
    print(f"bar of the growth {GROWTH}")
    return fits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hostile", help="read one hostile text, print JSON")
    options = parser.parse_args()
    if options.hostile:
        print(json.dumps(measure_hostile(options.hostile)))
        return 0
    results = [report_speed(options.rounds), report_growth(options.rounds), report_hostile()]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
