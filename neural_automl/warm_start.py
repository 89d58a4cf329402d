"""The first trials of a study: the best by zero-cost scores, or by what earlier studies found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neural_automl._earlier import Suggestion, best_of_studies
from neural_automl.trials._scores import attributes_of, data_of
from neural_automl.workers._recovery import is_gone, own_name

if TYPE_CHECKING:
    from pathlib import Path

    import optuna

    from neural_automl.architecture_space import ArchitectureSpace
    from neural_automl.evaluation import Evaluator
    from neural_automl.zero_cost import ScoredPool
    from neural_automl.zero_cost._scoring import Submits

#: Attribute of a study: what was queued first, and why.
WARM_START: Final = "warm_start"
#: Attribute of a trial: why it was queued.
QUEUED_AS: Final = "warm_start"
ZERO_COST: Final = "zero_cost"
_RANDOM: Final = 2
#: Seconds that another process may take between looking for a plan and writing its own.
_SETTLE: Final = 0.2
_ONE_AT_A_TIME: Final = threading.Lock()


@dataclass(frozen=True)
class WarmStart:
    """What a study was warm started with.

    Attributes:
        by: ``zero_cost``, or the names of the earlier studies.
        candidates: Networks that were looked at.
        best: Trials that were queued as the best of them.
        random: Trials that were queued as drawn at random.
        dropped: By reason, networks that would have been queued: ``not in this space``,
            ``infeasible``, ``in the study already``.
        trials: The choices of each, in order.
    """

    by: str
    candidates: int
    best: int
    random: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    trials: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    def __str__(self) -> str:
        text = (
            f"{self.best} best of {self.candidates:,} networks by {self.by}, "
            f"{self.random} at random"
        )
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items() if count)
        return f"{text}; dropped: {dropped}" if dropped else text


def warm_start(
    study: optuna.Study,
    space: ArchitectureSpace,
    by: str | ScoredPool | Sequence[optuna.Study] = ZERO_COST,
    candidates: int = 1000,
    trials: int = 8,
    *,
    random: int = _RANDOM,
    evaluator: Evaluator | None = None,
    proxies: Sequence[str] | None = None,
    seed: int = 0,
    file: str | Path | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
    executor: Submits | None = None,
) -> WarmStart:
    """Queue a study's first trials: good ones as far as can be known, and some at random.

    Only the choices of the network are fixed; training hyperparameters are left to the sampler.
    A study is warm started once: a later call queues what an interrupted one did not, and nothing
    else. Workers that start together queue nothing twice. Networks that the study holds are not
    queued again.

    Args:
        study: With any sampler; one that never repeats keeps clear of what is queued.
        space: Is searched.
        by: ``zero_cost``: the best of a pool by the ranks of their scores. Or such a pool, scored
            already: what is said of scores below has no part then. Or earlier studies of this
            package: their best networks, as far as this space has them, and where it does not the
            networks of a pool that are most like them, by similarity and by their rank.
        candidates: Networks of the pool, drawn at random.
        trials: How many are queued, the random ones included.
        random: How many of them are drawn at random: a proxy may be wrong for a space.
        evaluator: Its training data gives the batch of the scores; None takes random numbers.
        proxies: Names; None is the default set.
        seed: Of draws, batch and weights.
        file: Where scores are kept, to go on from; see ``score_space``.
        progress: Called with how many networks are scored, and of how many.
        executor: Scores several at once; see ``score_space``.

    Returns:
        What was queued, also where another call did so.

    Raises:
        ValueError: An option is out of its range, or there is no such proxy.
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
        StudyError: An earlier study holds no space of architectures.

    Example:
        >>> import optuna
        >>> from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
        >>> layers = [Layer("Dense", Choice(4, 8, 16)), "ReLU", Layer("Dense", 2)]
        >>> study = optuna.create_study()
        >>> print(warm_start(study, ArchitectureSpace((4,), layers), trials=3))
        1 best of 3 networks by zero_cost, 2 at random
    """
    from neural_automl.zero_cost import DEFAULT_PROXIES, ScoredPool, score_space

    check_warm_start(by, candidates, trials, random)
    if WARM_START in study.user_attrs:
        return finish_warm_start(study)
    if isinstance(by, str):
        by = score_space(
            space,
            data_of(evaluator),
            candidates=candidates,
            proxies=proxies or DEFAULT_PROXIES,
            seed=seed,
            file=file,
            progress=progress,
            executor=executor,
        )
    seen = _keys_of(study)
    wanted = trials - random
    if isinstance(by, ScoredPool):
        pool, best = _ranked(by)
        dropped = {"in the study already": sum(s.network.key in seen for s in best[:wanted])}
        name = ZERO_COST
    else:
        pool, best, dropped = best_of_studies(by, space, candidates, wanted, seed, seen)
        name = ", ".join(earlier.study_name for earlier in by)
    chosen = [s for s in best if s.network.key not in seen][:wanted]
    drawn = _drawn(pool, seen | {s.network.key for s in chosen}, random, seed)
    queued = [_trial_of(s, space, "best", place) for place, s in enumerate(chosen, 1)]
    queued += [_trial_of(s, space, "random", place) for place, s in enumerate(drawn, 1)]
    with _ONE_AT_A_TIME:
        return _queue(study, WarmStart(name, len(pool), len(chosen), len(drawn), dropped, queued))


def finish_warm_start(study: optuna.Study) -> WarmStart:
    """Queue what a call that was cut off did not, of a study that was warm started.

    Returns:
        What was queued, by that call and now.
    """
    with _ONE_AT_A_TIME:
        return _queue(study, None)


def check_warm_start(by: object, candidates: int, trials: int, random: int) -> None:
    """Check the options of ``warm_start``.

    Raises:
        ValueError: One is out of its range.
    """
    if candidates < 1:
        raise ValueError(f"`candidates` must be at least 1 but got {candidates}")
    if isinstance(by, str) and by != ZERO_COST:
        raise ValueError(f"`by` must be 'zero_cost' or a list of earlier studies but got {by!r}")
    if not by:
        raise ValueError("`by` must name at least one earlier study but is empty")
    if random < _RANDOM:
        raise ValueError(f"`random` must be at least {_RANDOM} but got {random}")
    if trials <= random:
        raise ValueError(
            f"`trials` must be more than the {random} at random that are among them but got "
            f"{trials}"
        )


def _ranked(pool: ScoredPool) -> tuple[list[Suggestion], list[Suggestion]]:
    """Return a pool's networks with their scores, as they were drawn and the best first."""
    suggestions = [
        Suggestion(network, attributes_of({n: float(c[k]) for n, c in pool.scores.items()}))
        for k, network in enumerate(pool.architectures)
    ]
    order = np.argsort(-pool.rank, kind="stable")
    return suggestions, [suggestions[place] for place in order]


def _drawn(pool: Sequence[Suggestion], seen: set[str], count: int, seed: int) -> list[Suggestion]:
    """Return some of a pool at random, of those that are not seen."""
    others = [s for s in pool if s.network.key not in seen]
    places = np.random.default_rng(seed).permutation(len(others))[:count]
    return [others[place] for place in places]


def _keys_of(study: optuna.Study) -> set[str]:
    return {
        str(trial.user_attrs["architecture_key"])
        for trial in study.get_trials(deepcopy=False)
        if "architecture_key" in trial.user_attrs
    }


def _trial_of(
    suggestion: Suggestion, space: ArchitectureSpace, kind: str, place: int
) -> dict[str, Any]:
    names = space.decisions(training=False)
    choices = suggestion.network.choices
    return {
        "params": {name: value for name, value in choices.items() if name in names},
        "user_attrs": {QUEUED_AS: f"{kind} {place}", **suggestion.attributes},
    }


def _queue(study: optuna.Study, planned: WarmStart | None) -> WarmStart:
    """Queue what is planned, or what a call that was cut off did not.

    The plan is written before anything is queued. Of processes that come to this point together
    each writes its own, waits for the others to have written theirs, and all but the one whose plan
    stands leave.
    """
    name = own_name()
    if planned is not None and WARM_START not in study.user_attrs:
        kept = {**asdict(planned), "text": str(planned), "worker": name}
        study.set_user_attr(WARM_START, kept)
        time.sleep(_SETTLE)
    held = dict(study.user_attrs[WARM_START])
    worker, _ = held.pop("worker"), held.pop("text")
    if worker == name or is_gone(worker):
        queued = {t.user_attrs.get(QUEUED_AS) for t in study.get_trials(deepcopy=False)}
        for trial in held["trials"]:
            if trial["user_attrs"][QUEUED_AS] not in queued:
                study.enqueue_trial(trial["params"], user_attrs=trial["user_attrs"])
    return WarmStart(**held)


__all__ = ["QUEUED_AS", "WARM_START", "WarmStart", "warm_start"]
