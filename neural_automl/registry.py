"""A view of a study: what was trained, what it cost, what is best."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.exceptions import DSLError, StudyError
from neural_automl.samplers._define_by_run import EXHAUSTED, SKIPPED
from neural_automl.trials._ledger import KNOWN_EPOCHS, LEDGER, total_seconds
from neural_automl.trials._scores import agreement

if TYPE_CHECKING:
    import optuna

    from neural_automl.architecture import Architecture


def is_trained(trial: FrozenTrial) -> bool:
    """Return whether a trial counts against a budget: it trained, to its end or until stopped.

    One that was answered with the result of an equal training did not, nor one that was skipped.
    """
    finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    is_untrained = is_repeat(trial) or {"infeasible", SKIPPED} & trial.user_attrs.keys()
    return finished and not is_untrained


def is_repeat(trial: FrozenTrial) -> bool:
    """Return whether a trial was answered with the result of an equal training."""
    return "cached_from" in trial.user_attrs


@dataclass(frozen=True)
class StudySummary:
    """What a study holds, in numbers.

    Attributes:
        name: Of the study.
        trials: All trials, by the name of their state, in lower case.
        trained: Trials that trained, to their end or until they were stopped.
        stopped: Those of them that were stopped early, not by a rung.
        promotions: Those of them that went on from a lower rung.
        lower_rungs: Those of them that ended on a rung below the last.
        full_trainings: What of a budget they used: their number, with rungs their epochs over
            those of a whole training.
        interrupted: Trials that their user cut off.
        infeasible: Trials that were not trained, or not to an end, for a limit, a shape,
            divergence or memory.
        repeats: Trials that were answered with the result of an equal training.
        skipped: Trials that were not trained for what was predicted of them.
        predictor: What the predictor's standing in the study is; None where there is none.
        epochs_trained: Sum over all trials.
        epochs_saved: Sum of the four that follow.
        epochs_saved_by_stopping: What stopped trials would still have trained.
        epochs_saved_by_known_values: What the equal trainings of repeats had taken.
        epochs_saved_by_rungs: Whole trainings of as many networks as the lowest rung saw, less
            what the rungs took; below 0 where few networks were promoted much.
        epochs_saved_by_prediction: What skipped trials would have trained.
        train_seconds: Sum over all trials, as the evaluator measured it.
        seconds: By kind, of all trials: ``training`` (the evaluator, its building and validating
            included), ``proposing`` (the space's suggest: sampler and writing of the choices),
            ``storing`` (what the objective writes and asks of the study, and artifacts) and
            ``waiting`` (for an equal training of another worker).
        best_trial: Number of the best trial; None where there is none, or several objectives.
        best_values: Its values.
        fallbacks: What was replaced by something lesser.
        warm_start: What was queued first, in words; None where nothing was.
        kendall: By zero-cost proxy, Kendall's tau of its scores with the first metric of completed
            trials, above 0 where it was right; ``rank`` is all proxies together. Empty where less
            than five trials have scores.
        kendall_trials: Trials that have.
    """

    name: str
    trials: dict[str, int]
    trained: int
    stopped: int
    promotions: int
    lower_rungs: int
    full_trainings: float
    interrupted: int
    infeasible: int
    repeats: int
    skipped: int
    predictor: dict[str, Any] | None
    epochs_trained: int
    epochs_saved: int
    epochs_saved_by_stopping: int
    epochs_saved_by_known_values: int
    epochs_saved_by_rungs: int
    epochs_saved_by_prediction: int
    train_seconds: float
    seconds: dict[str, float]
    best_trial: int | None
    best_values: tuple[float, ...] | None
    fallbacks: tuple[str, ...]
    warm_start: str | None = None
    kendall: dict[str, float] = field(default_factory=dict)
    kendall_trials: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        return asdict(self)


def summarise(study: optuna.Study) -> StudySummary:
    """Return a study in numbers."""
    trials = study.get_trials(deepcopy=False)
    states: dict[str, int] = {}
    for trial in trials:
        states[trial.state.name.lower()] = states.get(trial.state.name.lower(), 0) + 1
    best = best_trial(study)
    on_rungs = [trial for trial in trials if is_trained(trial) and "rung" in trial.user_attrs]
    pruned = [trial for trial in trials if is_trained(trial) and trial.state == TrialState.PRUNED]
    saved = {
        "stopping": sum(map(_epochs_saved, trials)),
        "known_values": int(sum(_number(trial, KNOWN_EPOCHS) for trial in trials)),
        "rungs": _saved_by_rungs(study, on_rungs),
        "prediction": int(sum(_number(t, "max_epochs") for t in trials if SKIPPED in t.user_attrs)),
    }
    kendall, scored = agreement(study)
    return StudySummary(
        name=study.study_name,
        trials=states,
        trained=sum(map(is_trained, trials)),
        stopped=sum("rung" not in trial.user_attrs for trial in pruned),
        promotions=sum(trial.user_attrs["rung"] > 0 for trial in on_rungs),
        lower_rungs=sum("rung" in trial.user_attrs for trial in pruned),
        full_trainings=full_trainings(study),
        interrupted=sum("interrupted" in trial.user_attrs for trial in trials),
        infeasible=sum(map(_is_infeasible, trials)),
        repeats=sum(map(is_repeat, trials)),
        skipped=sum(SKIPPED in trial.user_attrs for trial in trials),
        predictor=study.user_attrs.get("predictor"),
        epochs_trained=int(sum(_number(trial, "epochs") for trial in trials)),
        epochs_saved=sum(saved.values()),
        epochs_saved_by_stopping=saved["stopping"],
        epochs_saved_by_known_values=saved["known_values"],
        epochs_saved_by_rungs=saved["rungs"],
        epochs_saved_by_prediction=saved["prediction"],
        train_seconds=float(sum(_number(trial, "train_seconds") for trial in trials)),
        seconds=total_seconds(trials),
        best_trial=None if best is None else best.number,
        best_values=None if best is None else tuple(best.values),
        fallbacks=tuple(study.user_attrs.get("fallbacks", ())),
        warm_start=study.user_attrs.get("warm_start", {}).get("text"),
        kendall=kendall,
        kendall_trials=scored,
    )


def _is_infeasible(trial: FrozenTrial) -> bool:
    """Return whether an architecture was infeasible: not a repeat, nor a trial left without one."""
    reason = trial.user_attrs.get("infeasible", EXHAUSTED)
    return reason != EXHAUSTED and not is_repeat(trial)


def _number(trial: FrozenTrial, name: str) -> float:
    """Return an attribute; 0 where it is not there, or another program's and no number."""
    value = trial.user_attrs.get(name, 0)
    return value if isinstance(value, int | float) else 0


def _epochs_saved(trial: FrozenTrial) -> int:
    if trial.state != TrialState.PRUNED or not is_trained(trial):
        return 0
    return max(0, int(_number(trial, "max_epochs") - _number(trial, "epochs")))


def _saved_by_rungs(study: optuna.Study, on_rungs: Sequence[FrozenTrial]) -> int:
    networks = sum(not trial.user_attrs["rung"] for trial in on_rungs)
    whole = study.user_attrs.get("epochs", 0) if on_rungs else 0
    return int(networks * whole - sum(_number(trial, "max_epochs") for trial in on_rungs))


def full_trainings(study: optuna.Study) -> float:
    """Return what of a budget was used: trials that trained.

    With rungs each counts by its epochs, as a share of the whole training's.
    """
    trained = [trial for trial in study.get_trials(deepcopy=False) if is_trained(trial)]
    if not study.user_attrs.get("rungs"):
        return float(len(trained))
    epochs = sum(_number(trial, "max_epochs") for trial in trained)
    return float(epochs / study.user_attrs["epochs"])


def write_ledger(study: optuna.Study) -> None:
    """Write into a study what its trials spent and saved, for those who look at it elsewhere."""
    summary = summarise(study)
    names = [each.name for each in fields(summary) if each.name.startswith("epochs_")]
    kept = {name: getattr(summary, name) for name in names}
    study.set_user_attr(LEDGER, {**kept, "seconds": summary.seconds})


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the best completed trial; None where there is none, or several objectives."""
    trials = top_trials(study, 1) if len(study.directions) == 1 else []
    return trials[0] if trials else None


def require_best(study: optuna.Study) -> FrozenTrial:
    """Return the best completed trial.

    Raises:
        StudyError: There is none, or the study has several objectives and so no best one.
    """
    if len(study.directions) > 1:
        front = ", ".join(str(trial.number) for trial in study.best_trials) or "none yet"
        raise StudyError(
            f"the study {study.study_name!r} has {len(study.directions)} objectives and no best "
            f"trial; choose one of the Pareto front: {front}"
        )
    trial = best_trial(study)
    if trial is None:
        raise StudyError(f"no trial of the study {study.study_name!r} completed")
    return trial


def metrics_of(study: optuna.Study) -> list[str]:
    """Return the names of a study's objectives."""
    named = study.user_attrs.get("metrics")
    if named is None:
        return [f"value {index}" for index in range(len(study.directions))]
    return str(named).split(",")


def front_trials(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """Return the best trials: of several objectives, the Pareto front by the first of them."""
    if len(study.directions) == 1:
        return top_trials(study, count)
    sign = -1.0 if study.directions[0].name == "MAXIMIZE" else 1.0
    return sorted(study.best_trials, key=lambda trial: sign * trial.values[0])[:count]


def top_trials(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """Return the best completed trials of a study with one objective, best first.

    Of equal ones those that were trained come before repeats, then the earlier.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0

    def rank(trial: FrozenTrial) -> tuple[float, bool, int]:
        return sign * (trial.value or 0.0), is_repeat(trial), trial.number

    return sorted(complete, key=rank)[:count]


def space_of(study: optuna.Study) -> ArchitectureSpace:
    """Return the space that a study searches.

    Raises:
        StudyError: The study was not made by this package.
    """
    text = study.user_attrs.get("space")
    # Text alone: from_dsl takes a string without a brace for a file's name.
    if not isinstance(text, str) or "{" not in text:
        raise StudyError(f"the study {study.study_name!r} holds no space of architectures")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what has no effect was said when it was written
            return ArchitectureSpace.from_dsl(text)
    except DSLError as error:
        is_unknown = any(each.message.startswith("unknown layer") for each in error.errors)
        note = (
            "\nnote: a layer or operation of your own must be registered first, here too: import "
            "the module that does so (--import MODULE on the command line)"
        )
        raise StudyError(
            f"the space that the study {study.study_name!r} holds can't be read:\n{error}"
            f"{note if is_unknown else ''}"
        ) from error


def architecture_of(space: ArchitectureSpace, trial: FrozenTrial) -> Architecture:
    """Return the architecture of a trial, rebuilt from its parameters.

    Raises:
        StudyError: The trial is not one of this space.
    """
    try:
        return space.suggest(FixedTrial(trial.params))
    except ValueError as error:
        raise StudyError(
            f"trial {trial.number} is not one of the space {space.name}: {error}"
        ) from error


class ArchitectureRegistry:
    """A study seen as a table of architectures and their metrics; it stores nothing of its own.

    Args:
        study: One that was begun by ``ArchitectureObjective`` or ``AutoMLEngine``.

    Raises:
        StudyError: The study holds no space of architectures.

    Example:
        ``ArchitectureRegistry(result.study).get_top_k(3)``
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._space = space_of(study)

    def register(self, architecture: Architecture, metrics: Mapping[str, float]) -> int:
        """Add a completed trial of an architecture that was evaluated elsewhere.

        Args:
            architecture: With its ``choices``, as ``suggest`` and ``sample_architecture`` give it.
            metrics: At least the study's own.

        Returns:
            The number of the trial.

        Raises:
            StudyError: A metric of the study is missing, or the choices are none of its space.
        """
        names = metrics_of(self._study)
        missing = [name for name in names if name not in metrics]
        if missing:
            raise StudyError(
                f"`metrics` must hold {', '.join(names)} but {missing[0]!r} is missing"
            )
        trial = FixedTrial(dict(architecture.choices))
        try:
            rebuilt = self._space.suggest(trial)
        except ValueError as error:
            raise StudyError(
                f"the architecture's choices are none of the space {self._space.name}: {error}"
            ) from error
        if rebuilt != architecture:
            raise StudyError("the architecture's choices lead to another architecture")
        self._study.add_trial(
            create_trial(
                values=[float(metrics[name]) for name in names],
                params=dict(trial.params),
                distributions=dict(trial.distributions),
                user_attrs={"architecture_key": architecture.key, **metrics},
            )
        )
        return len(self._study.get_trials(deepcopy=False)) - 1

    def get(self, architecture: Architecture) -> dict[str, float] | None:
        """Return the metrics of the best trial with the same key; None where there is none."""
        for trial in self._ranked():
            if trial.user_attrs.get("architecture_key") == architecture.key:
                return {
                    name: value
                    for name, value in trial.user_attrs.items()
                    if isinstance(value, float)
                } | dict(zip(metrics_of(self._study), trial.values, strict=True))
        return None

    def get_top_k(self, k: int) -> list[Architecture]:
        """Return the best architectures that differ in their function, best first.

        Raises:
            ValueError: ``k`` is below 1.
            StudyError: The study has several objectives.
        """
        if k < 1:
            raise ValueError(f"`k` must be at least 1 but got {k}")
        best: dict[str, Architecture] = {}
        for trial in self._ranked():
            if len(best) == k:
                break
            key = trial.user_attrs.get("architecture_key", f"trial {trial.number}")
            if key not in best:
                best[key] = architecture_of(self._space, trial)
        return list(best.values())

    def size(self) -> int:
        """Return how many different functions completed a training."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return len({trial.user_attrs.get("architecture_key") for trial in complete})

    def _ranked(self) -> list[FrozenTrial]:
        if len(self._study.directions) > 1:
            raise StudyError(
                f"the study {self._study.study_name!r} has {len(self._study.directions)} "
                "objectives: no architecture is the best; ask for its Pareto front"
            )
        return top_trials(self._study, len(self._study.get_trials(deepcopy=False)))
