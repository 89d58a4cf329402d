"""Search small networks for real data, and compare the winner with scikit-learn on the same split.

Run ``python benchmarks/real_data.py {fashion FILE | text | tabular}``. The search sees training and
validation data; scikit-learn's models, with their defaults, are trained on both together. All are
measured on the same test data, for each of some seeds: of the splits, where the data brings no
test, of the search, and of scikit-learn's models.

``fashion`` takes a file of 14 x 14 images in ten classes, or whatever fits its space, and asks for
one point of accuracy more than a random forest and a perceptron. ``text`` tells the language of
surnames, which the package faker brings along (``pip install faker``), against a logistic
regression on how often each letter is there, and shows one on all runs of one to three letters
besides. ``tabular`` tells the continent of a country by four numbers of Gapminder's, which plotly
brings along, against a logistic regression.
"""

from __future__ import annotations

import argparse
import importlib
import string
import tempfile
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from neural_automl import AutoMLEngine, load_data
from neural_automl.data import Array, DataSplits, Pair

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LANGUAGES = {
    "Croatian": "hr_HR",
    "Dutch": "nl_NL",
    "English": "en_GB",
    "Finnish": "fi_FI",
    "French": "fr_FR",
    "German": "de_DE",
    "Irish": "ga_IE",
    "Italian": "it_IT",
    "Polish": "pl_PL",
    "Slovak": "sk_SK",
    "Spanish": "es_ES",
    "Swedish": "sv_SE",
}
LONGEST_NAME = 16
MOST_NAMES = 1000  # of a language
LETTERS = string.ascii_lowercase

#: A model of scikit-learn's, how many points it must be beaten by, and what it sees of inputs.
Rival = tuple[Callable[[int], Any], float | None, Callable[[Array], Array]]


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
    print(f"  winner of {trials} trials: {ours:.2%} in {time.perf_counter() - start:.0f} s")
    missed = []
    for name, (make, points, see) in RIVALS[data].items():
        theirs = score(make(seed), splits, splits.test, see)
        print(f"  {name}: {theirs:.2%}, {100 * (ours - theirs):+.2f} points to the winner")
        if points is not None and 100 * (ours - theirs) <= points:
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
    both = see(np.concatenate([x, test[0]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(both[: len(x)], y)
    return float(model.score(both[len(x) :], test[1]))


@contextmanager
def data_file(data: str, file: Path | None) -> Iterator[Path]:
    """Give the path of a file that ``load_data`` reads."""
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("names.npz" if data == "text" else "countries.csv")
        if data == "text":
            write_names(path)
        else:
            write_countries(path)
        yield path


def write_names(path: Path) -> None:
    """Write surnames as numbers of letters, shape (N, 16), and the numbers of their languages.

    Accents are left out, so that it is the spelling that tells; so are names of two languages.
    """
    found: dict[str, set[int]] = {}
    for label, locale in enumerate(LANGUAGES.values()):
        module = importlib.import_module(f"faker.providers.person.{locale}")
        provider = module.Provider
        own_names = getattr(provider, "unisex_last_names", None) or provider.last_names
        for name in sorted({plain(str(name)) for name in own_names}):
            found.setdefault(name, set()).add(label)
    generator = np.random.default_rng(0)
    names, labels = [], []
    for label in range(len(LANGUAGES)):
        own = [name for name, languages in found.items() if languages == {label}]
        for index in generator.permutation(len(own))[:MOST_NAMES]:
            names.append(own[index])
            labels.append(label)
    np.savez(path, x=np.array([to_numbers(name) for name in names]), y=np.array(labels))


def plain(name: str) -> str:
    """Return a name in small letters without accents, cut to its length."""
    decomposed = unicodedata.normalize("NFKD", name.lower().replace("ł", "l"))
    letters = "".join(each for each in decomposed if not unicodedata.combining(each))
    return letters[:LONGEST_NAME]


def to_numbers(name: str) -> list[int]:
    numbers = [LETTERS.find(letter) + 1 or 27 for letter in name]
    return numbers + [0] * (LONGEST_NAME - len(numbers))


def count_letters(x: Array) -> Array:
    """Return how often each letter is in names (N, 16), shape (N, 27)."""
    return np.stack([(x == number).sum(axis=1) for number in range(1, 28)], axis=1)


def count_runs(x: Array) -> Array:
    """Return how often each run of one to three letters is in names, its ends included."""
    alphabet = f" {LETTERS}-"
    texts = ["".join(alphabet[number] for number in name if number) for name in x.tolist()]
    counts: Array = CountVectorizer(analyzer="char_wb", ngram_range=(1, 3)).fit_transform(texts)
    return counts


def write_countries(path: Path) -> None:
    """Write Gapminder's table: 142 countries in 12 years, without their names."""
    from plotly.data import gapminder

    columns = ["year", "lifeExp", "pop", "gdpPercap", "continent"]
    gapminder()[columns].to_csv(path, index=False)


def flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def same(x: Array) -> Array:
    return x


RIVALS: dict[str, dict[str, Rival]] = {
    "fashion": {
        "RandomForestClassifier": (lambda seed: RandomForestClassifier(random_state=seed), 1, flat),
        "MLPClassifier": (lambda seed: MLPClassifier(random_state=seed), 1, flat),
    },
    "text": {
        "LogisticRegression on letters": (lambda _: LogisticRegression(), 0, count_letters),
        "LogisticRegression on runs of letters": (
            lambda _: LogisticRegression(),
            None,
            count_runs,
        ),
    },
    "tabular": {"LogisticRegression": (lambda _: LogisticRegression(), 0, same)},
}


if __name__ == "__main__":
    main()
