from __future__ import annotations

import random
import resource

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.language_speed import bare_seconds, seconds
from neural_automl.dsl import parse, print_network
from neural_automl.exceptions import DSLError
from tests.dsl.test_cases import CASES
from tests.dsl.test_errors import CALLS, LAYERS, SECTIONS
from tests.dsl.test_layers import LAYERS as VALID_LAYERS
from tests.dsl.test_macros import MACROS
from tests.dsl.test_network import TEXT
from tests.dsl.texts import MARK, network, paths_of

TEXTS = [
    TEXT,
    *(case["text"] for case in CASES),
    *(network(text) for text, _ in VALID_LAYERS),
    *(network(text.replace(MARK, "")) for text, _ in LAYERS if len(text) < 500),
    *(network(rest=text.replace(MARK, "")) for text, _ in SECTIONS),
    *(network(call, before=definitions + "\n") for definitions, call, _ in MACROS),
    *(text.replace(MARK, "").replace("|", network(), 1) for text, _ in CALLS),
]
PIECES = [
    *"(){}[]|,;:=*/+-@<>#\"'\\ \n\0é$0123456789.eKMGB_x",
    "define",
    "network",
    "let ",
    "input",
    "layers",
    "loss",
    "optimizer",
    "train",
    "execution",
    "constraints",
    "choice",
    "maybe ",
    "range(1, 3)",
    "log_range(",
    "HPO(",
    "none",
    "true",
    "channels",
    "residual",
    "parallel",
    "cell(",
    "Dense(",
    "TransformerEncoder",
    "<=",
    "1e999",
    "99999999999999999999",
    "-1",
    "0",
    'name="k"',
    "labels=",
    "* choice(0, 2)",
    '@ "cpu"',
    "{}",
    "{ ReLU }",
]


def mutate(rng: random.Random, text: str) -> str:
    """Return a text with one to five random changes."""
    for _ in range(rng.randint(1, 5)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 1, 2, 5, 20)))
        match rng.randrange(5):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + rng.choice(PIECES) + text[start:]
            case 2:
                text = text[:start] + rng.choice(PIECES) + text[end:]
            case 3:
                text = text[:end] + text[start:]
            case _:
                other = rng.choice(TEXTS)
                cut = rng.randrange(len(other))
                text = text[:start] + other[cut : cut + rng.choice((3, 30, 300))] + text[end:]
    return text


def check(text: str) -> bool:
    """Read a text that may be wrong in any way; return whether it is valid."""
    try:
        parsed = parse(text)
    except DSLError as error:
        check_error(text, error)
        return False
    printed = print_network(parsed.model)
    again = parse(printed)
    assert again.model == parsed.model
    assert paths_of(again) == paths_of(parsed)
    return True


def check_error(text: str, error: DSLError) -> None:
    lines = text.split("\n")
    places = [(found.line, found.column) for found in error.errors]
    assert 1 <= len(places) <= 20
    assert places == sorted(set(places))
    for found in error.errors:
        assert found.message
        assert "_Unknown" not in found.message, found.message
        assert len(found.message) < 400
        assert 1 <= found.line <= len(lines)
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1
    assert str(error)


def check_time(text: str) -> None:
    """Reading takes at most 20 times what Lark alone takes, from 2 milliseconds on."""

    def ratio() -> float:
        return seconds(parse, text) / max(bare_seconds(text), 2e-3)

    # A slow one is measured again: on a shared machine a single measurement says little.
    assert ratio() <= 20 or min(ratio() for _ in range(5)) <= 20, text


def _megabytes() -> float:
    """Return the most that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_changed_texts_give_a_network_or_a_dsl_error(verify: bool) -> None:
    seed = random.randrange(2**32) if verify else 20
    rng = random.Random(seed)
    before, valid = _megabytes(), 0
    for _ in range(100_000 if verify else 2000):
        text = mutate(rng, rng.choice(TEXTS))
        valid += check(text)
        if verify or rng.random() < 0.1:
            check_time(text)

    assert valid > 20  # the changes are small enough to leave some texts valid
    assert _megabytes() - before < 300, seed


@given(st.text(max_size=200))
def test_any_text_gives_a_network_or_a_dsl_error(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_words_give_a_network_or_a_dsl_error(pieces: list[str]) -> None:
    check(" ".join(pieces))
    check(network(" ".join(pieces)))


def test_every_text_cut_anywhere_gives_a_dsl_error() -> None:
    for length in range(len(TEXT) - 2):
        assert not check(TEXT[:length])
