"""What every pruner that has a name must do, Optuna's too, and one of a user's own."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import optunahub
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from neural_automl.early_stopping import (
    PRUNER_NAMES,
    EarlyStoppingStrategy,
    create_pruner,
)
from neural_automl.pruners.learning_curve import LearningCurvePruner
from neural_automl.pruners.multi_objective import MultiObjectivePruner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.pruners import BasePruner

    from neural_automl.early_stopping import History

ROOT = Path(__file__).resolve().parents[2]
LAST = 27
WORST, BEST = 0.9, 0.1


class Behind(EarlyStoppingStrategy):
    """Stops what was last but one, or last, of at least three at its step."""

    def __init__(self, sign: float) -> None:
        super().__init__("behind")
        self.sign = sign

    def should_stop(
        self, trial_id: int, step: int, metrics: Mapping[str, float], history: History
    ) -> bool:
        (name,) = metrics
        others = [
            self.sign * curve[step][name]
            for number, curve in history.items()
            if number != trial_id and step in curve
        ]
        better = sum(value < self.sign * metrics[name] for value in others)
        return len(others) >= 2 and better >= 2


def make(name: str, direction: str) -> BasePruner:
    if name == "own":
        return Behind(1.0 if direction == "minimize" else -1.0)
    bound: dict[str, Any] = {"upper": 0.75} if direction == "minimize" else {"lower": -0.75}
    options: dict[str, dict[str, Any]] = {
        "threshold": bound,
        "patient": {"patience": 2, "wrapped_pruner": "median", "n_warmup_steps": 3},
    }
    return create_pruner(name, max_epochs=LAST, **options.get(name, {}))


every = pytest.mark.parametrize("name", [*PRUNER_NAMES, "own"])
both = pytest.mark.parametrize("direction", ["minimize", "maximize"])


def curve(level: float, direction: str = "minimize") -> dict[int, float]:
    """Return a curve that falls to a level, for ``maximize`` its negative."""
    sign = 1.0 if direction == "minimize" else -1.0
    return {step: sign * (level + 0.2 / step) for step in range(1, LAST + 1)}


def levels(count: int) -> list[float]:
    """Return levels in no order, the best in the midst."""
    return [WORST - (WORST - BEST) * (number * 7 % count) / (count - 1) for number in range(count)]


def run(
    name: str,
    direction: str,
    storage: str | None = None,
    *,
    restart: bool = False,
    trials: int = 24,
) -> optuna.Study:
    """Run a study whose trials follow the curves of the levels."""
    study = optuna.create_study(
        direction=direction,  # type: ignore[arg-type]
        pruner=make(name, direction),
        storage=storage,
        study_name="contract",
    )

    def objective(trial: optuna.Trial) -> float:
        values = curve(levels(trials)[trial.number], direction)
        for step, value in values.items():
            trial.report(value, step)
            if step < LAST and trial.should_prune():
                raise optuna.TrialPruned
        return values[LAST]

    for _ in range(trials):
        if restart:
            study.pruner = pickle.loads(pickle.dumps(study.pruner))
        study.optimize(objective, n_trials=1)
    return study


def outcome(study: optuna.Study) -> list[tuple[str, int | None]]:
    return [(trial.state.name, trial.last_step) for trial in study.get_trials(deepcopy=False)]


def running(values: dict[int, float], number: int = 99) -> FrozenTrial:
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=values)
    trial.number = number
    return trial


@every
@both
def test_the_best_is_never_stopped_and_others_are(name: str, direction: str) -> None:
    study = run(name, direction)

    stopped = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert study.best_value == pytest.approx(curve(BEST, direction)[LAST])
    if name in ("none", "patient"):  # no curve of these ever stops improving
        assert not stopped
    else:
        assert len(stopped) >= 4


@every
def test_decisions_are_the_same_in_the_other_direction(name: str) -> None:
    assert outcome(run(name, "minimize")) == outcome(run(name, "maximize"))


@every
def test_decisions_are_the_same_out_of_a_database(name: str, tmp_path: Path) -> None:
    stored = run(name, "minimize", f"sqlite:///{tmp_path}/study.db", trials=9)

    assert outcome(stored) == outcome(run(name, "minimize", trials=9))


@every
def test_decisions_are_the_same_after_pickling(name: str) -> None:
    assert outcome(run(name, "minimize", restart=True)) == outcome(run(name, "minimize"))


@every
@both
def test_a_trial_that_reported_nothing_goes_on(name: str, direction: str) -> None:
    study = optuna.create_study(direction=direction)  # type: ignore[arg-type]

    assert not make(name, direction).prune(study, running({}))


@every
@both
def test_the_first_trial_goes_on(name: str, direction: str) -> None:
    study = optuna.create_study(direction=direction)  # type: ignore[arg-type]
    trial = study.ask()
    pruner = make(name, direction)

    for step, value in curve(0.5, direction).items():
        trial.report(value, step)
        assert not pruner.prune(study, study.trials[0])


def of_levels(count: int, states: tuple[TrialState, ...] = (TrialState.COMPLETE,)) -> optuna.Study:
    """Return a study of trials that ended, or not, in turns; a running one has no value."""
    study = optuna.create_study()
    for number, level in enumerate(levels(count)):
        values = curve(level)
        state = states[number % len(states)]
        value = values[LAST] if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, intermediate_values=values))
    return study


# Those that look at no rank let it go on.
STOPS_THE_WORST = sorted({*PRUNER_NAMES, "own"} - {"none", "patient", "asha", "hyperband"})


@pytest.mark.parametrize("name", STOPS_THE_WORST)
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
def test_steps_in_any_order_are_read_by_their_number(name: str, turned: bool) -> None:
    steps = sorted(range(1, 10), reverse=turned)
    values = {step: curve(WORST)[step] for step in steps}

    assert make(name, "minimize").prune(of_levels(12), running(values))


@pytest.mark.parametrize("name", ["asha", "threshold", "learning_curve", "multi_objective"])
def test_a_nan_at_a_step_that_counts_is_stopped(name: str) -> None:
    study = of_levels(12)
    trial = study.ask()
    for step in range(1, 9):
        trial.report(curve(BEST)[step], step)
    trial.report(math.nan, 9)

    assert make(name, "minimize").prune(study, study.trials[-1])


@every
@pytest.mark.parametrize("other", [TrialState.RUNNING, TrialState.FAIL], ids=lambda s: s.name)
def test_trials_that_did_not_end_well_do_no_harm(name: str, other: TrialState) -> None:
    study = of_levels(12, (TrialState.COMPLETE, other, TrialState.PRUNED))
    study.add_trial(create_trial(state=other))
    trial = study.ask()
    pruner = make(name, "minimize")

    for step in range(1, 10):
        trial.report(curve(BEST)[step], step)
        assert not pruner.prune(study, study.trials[-1])


@pytest.mark.parametrize("kind", [LearningCurvePruner, MultiObjectivePruner])
def test_hub_loads_the_class_itself(kind: type[BasePruner]) -> None:
    folder = kind.__module__.split(".")[2]

    module = optunahub.load_local_module(f"pruners/{folder}", registry_root=str(ROOT))

    assert getattr(module, kind.__name__) is kind


@pytest.mark.parametrize("folder", ["learning_curve", "multi_objective"])
def test_readme_has_the_front_matter_of_the_hub(folder: str) -> None:
    lines = (ROOT / "pruners" / folder / "README.md").read_text().split("---\n")[1].splitlines()

    keys = [line.partition(":")[0] for line in lines]
    assert keys == ["author", "title", "description", "tags", "optuna_versions", "license"]
    assert "pruner" in lines[3]
