"""Scores of many networks of a space: drawn, built, scored, and kept in a file as they come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neural_automl.architecture import Architecture
from neural_automl.exceptions import DataError, SpaceError
from neural_automl.zero_cost._ranks import log_ranks
from neural_automl.zero_cost._scoring import Kept, Scoring, Submits, scored, scoring_on
from neural_automl.zero_cost._table import DEFAULT_PROXIES, GROUPS, check_proxies

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.evaluation import ArchitectureEvaluator

#: Draws, for each network that is wanted, before a space is taken for smaller than that.
_DRAWS: Final = 20


@dataclass(frozen=True)
class ScoredPool:
    """Networks of a space with their zero-cost scores.

    Args:
        architectures: In the order in which they were drawn.
        scores: By proxy, one of each network; NaN where it says nothing of it.
    """

    architectures: tuple[Architecture, ...] = field(repr=False)
    scores: Mapping[str, NDArray[np.float64]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.architectures)

    @property
    def rank(self) -> NDArray[np.float64]:
        """All proxies as one score, at most 0, by ``log_ranks``."""
        return log_ranks(self.scores)

    def best(self, count: int, by: str | None = None) -> list[Architecture]:
        """Return the best networks, the best first.

        Args:
            count: How many.
            by: A proxy, or ``az_nas``, its parts by rank; None is all by rank.

        Raises:
            ValueError: There are fewer, or no such proxy.
        """
        if not 0 < count <= len(self):
            raise ValueError(f"`count` must be 1 to {len(self)} but got {count}")
        names = self.scores if by is None else GROUPS.get(by, (by,))
        for name in names:
            if name not in self.scores:
                raise ValueError(f"there is no score {name!r}; there are: {', '.join(self.scores)}")
        columns = {name: self.scores[name] for name in names}
        column = columns[by] if by in columns else log_ranks(columns)
        order = np.argsort(-np.where(np.isnan(column), -np.inf, column), kind="stable")
        return [self.architectures[k] for k in order[:count]]

    def to_frame(self) -> pd.DataFrame:
        """Return a table: a row a network, with its key, costs, scores and rank, best first."""
        import pandas as pd

        costs = [network.cost for network in self.architectures]
        frame = pd.DataFrame(
            {
                "key": [network.key for network in self.architectures],
                "params": [cost.params for cost in costs],
                "macs": [cost.macs for cost in costs],
                **{f"zero_cost.{name}": column for name, column in self.scores.items()},
                "rank": self.rank,
            }
        )
        return frame.sort_values("rank", ascending=False, ignore_index=True, kind="stable")

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows of the table with each network's choices, as JSON may hold them.

        What has no score is None.
        """
        choices = {network.key: dict(network.choices) for network in self.architectures}
        return [
            {
                **{
                    str(name): None if isinstance(value, float) and isnan(value) else value
                    for name, value in row.items()
                },
                "choices": choices[row["key"]],
            }
            for row in self.to_frame().to_dict("records")
        ]

    def write(self, folder: str | Path, title: str) -> list[Path]:
        """Write all scores into a folder: scores.csv, scores.json, and a page, scores.html.

        Args:
            folder: Is made if it is not there.
            title: Of the page.

        Returns:
            The files.

        Raises:
            DataError: One can't be written.
            ImportError: Plotly is not installed.
        """
        from neural_automl.zero_cost._page import score_page

        frame = self.to_frame()
        texts = {
            "scores.csv": frame.to_csv(index=False),
            "scores.json": json.dumps(self.to_dicts(), indent=1) + "\n",
            "scores.html": score_page(frame, title),
        }
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, text in texts.items():
                (folder / file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(f"{error.filename} can't be written: {error.strerror}") from error
        return [folder / file for file in texts]


def score_space(
    space: ArchitectureSpace,
    evaluator: ArchitectureEvaluator | None,
    *,
    candidates: int = 1000,
    proxies: Iterable[str] = DEFAULT_PROXIES,
    batch_size: int = 32,
    seed: int = 0,
    file: str | Path | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    executor: Submits | None = None,
) -> ScoredPool:
    """Draw distinct feasible networks of a space and score them untrained.

    Args:
        space: Where they are drawn from, at random.
        evaluator: Holds the data: all networks see the same batch of it. None gives them one of
            random numbers, on the CPU.
        candidates: How many; a space that has fewer gives what it has.
        proxies: Names.
        batch_size: Samples of the batch.
        seed: Of the draws, the batch and the initial weights.
        file: Where scores are kept, a line a network; a call with the same file goes on from it.
        progress: Called with how many networks are done, and of how many.
        executor: Makes calls, several at once, as ``create_executor("process", 4)`` does: each
            scores some networks. None scores one after another, in this thread.

    Raises:
        ValueError: An option is out of its range, or there is no such proxy.
        DataError: The data does not fit, or the file was written for something else.
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
    """
    names = check_proxies(proxies)
    if candidates < 1:
        raise ValueError(f"`candidates` must be at least 1 but got {candidates}")
    if batch_size < 2:
        raise ValueError(f"`batch_size` must be at least 2 but got {batch_size}")
    networks = draw_distinct(space, candidates, seed)
    scoring = scoring_on(evaluator, networks[0], names, batch_size, seed)
    kept = Kept(None if file is None else Path(file), _terms(space, scoring))
    known = {n.key: kept.scores[n.key] for n in networks if n.key in kept.scores}
    progress(len(known), len(networks))
    missing = [network for network in networks if network.key not in known]
    for network, found in scored(scoring, missing, executor):
        known[network.key] = found
        kept.add(network.key, found)
        progress(len(known), len(networks))
    rows = [known[network.key] for network in networks]
    columns = {name: np.array([row[name] for row in rows], dtype=float) for name in names}
    return ScoredPool(tuple(networks), columns)


def draw_distinct(space: ArchitectureSpace, count: int, seed: int) -> list[Architecture]:
    """Draw feasible networks that compute different functions; fewer where there are fewer.

    Raises:
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
    """
    from neural_automl.architecture_space import RandomTrial

    found = {(first := space.sample_architecture(seed)).key: first}
    trial = RandomTrial(seed)
    for _ in range(_DRAWS * count):
        if len(found) == count:
            break
        try:
            network = space.suggest(trial)
            if not space.violations(network):
                found.setdefault(network.key, network)
        except SpaceError:  # shapes that cannot follow
            continue
    return list(found.values())


def _terms(space: ArchitectureSpace, scoring: Scoring) -> str:
    digest = hashlib.sha256(space.to_dsl().encode())
    for array in (scoring.inputs, scoring.targets):
        digest.update(array.tobytes())
    return json.dumps([digest.hexdigest()[:32], list(scoring.proxies), scoring.seed])
