"""Strategies of one's own and alone: what they propose, what they are told, what they may not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
from neural_automl.cli import main
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import NoFeasibleArchitectureError, SpaceError, StudyError
from neural_automl.samplers.gaussian_process import GaussianProcessSampler
from neural_automl.search_strategies import (
    SAMPLER_NAMES,
    SearchStrategy,
    create_sampler,
    register_strategy,
    strategy_names,
    unregister_strategy,
)
from neural_automl.search_strategies._exclusive import ExclusiveSampler
from tests.search.fakes import WIDTHS, CurveEvaluator, small_space, width_of

#: As its owner wrote it, but for the import.
OWNERS = """
from neural_automl.search_strategies import SearchStrategy

class MyStrategy(SearchStrategy):
    def __init__(self):
        super().__init__('my_strategy')
    
    def suggest(self, space, trial_number):
        # Your logic here
        return architecture
"""  # noqa: W293


class InOrder(SearchStrategy):
    """Proposes the widths in order, without the ReLU."""

    def __init__(self, first: int = 0) -> None:
        super().__init__("in_order")
        self.first = first
        self.updates: list[tuple[int, Mapping[str, float]]] = []

    def suggest(self, space: ArchitectureSpace, trial_number: int) -> Architecture:
        return by_hand(WIDTHS[(self.first + trial_number) % len(WIDTHS)])

    def update(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
        self.updates.append((width_of(architecture), metrics))
        super().update(architecture, metrics)


def by_hand(width: int) -> Architecture:
    layers = (LayerConfig("Dense", {"units": width}), LayerConfig("Dense", {"units": 2}))
    return Architecture((4,), layers)


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    yield
    for name in strategy_names():
        unregister_strategy(name)


# --- alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_a_name_proposes_and_learns_without_a_study(name: str) -> None:
    space = small_space()
    strategy = SearchStrategy(name, metric="params", seed=0)

    for number in range(8):
        architecture = strategy.suggest(space, number)
        strategy.update(architecture, {"params": architecture.cost.params, "depth": 2})

    assert len(strategy.history) == 8
    assert len({architecture for architecture, _ in strategy.history}) == 8
    assert width_of(strategy.get_best_architecture()) == min(WIDTHS)


def test_bayesian_alone_is_better_than_chance() -> None:
    space = ArchitectureSpace(
        (4,), [Layer("Dense", Choice(*range(1, 9))) for _ in range(3)] + [Layer("Dense", 2)]
    )
    strategy = SearchStrategy("bayesian", metric="params", seed=0, acquisition_function="ucb")

    for number in range(30):
        architecture = strategy.suggest(space, number)
        strategy.update(architecture, {"params": architecture.cost.params})

    assert strategy.get_best_architecture().cost.params < 20  # of 512 networks with 13 to 188


def test_an_exhausted_space_says_so() -> None:
    strategy = SearchStrategy("grid", metric="params")
    space = small_space()
    for number in range(8):
        strategy.update(strategy.suggest(space, number), {"params": 1})

    with pytest.raises(NoFeasibleArchitectureError, match="nothing is left to suggest"):
        strategy.suggest(space, 8)


def test_a_space_without_anything_feasible_says_so() -> None:
    with pytest.raises(NoFeasibleArchitectureError, match="nothing feasible was found"):
        SearchStrategy("random").suggest(small_space(constraints={"params": 3}), 0)


@pytest.mark.parametrize(
    ("metric", "direction", "best"),
    [
        ("val_accuracy", None, 32),
        ("val_loss", None, 4),
        ("params", None, 4),
        ("speed", None, 32),
        ("speed", "minimize", 4),
    ],
)
def test_the_best_by_the_direction_of_the_metric(
    metric: str, direction: str | None, best: int
) -> None:
    strategy = SearchStrategy("random", metric=metric, direction=direction, seed=0)
    space = small_space()

    for number in range(8):
        architecture = strategy.suggest(space, number)
        strategy.update(architecture, {metric: width_of(architecture)})

    assert width_of(strategy.get_best_architecture()) == best


def test_what_has_no_finite_metric_is_no_good_and_not_proposed_again() -> None:
    space = small_space()
    strategy = SearchStrategy("bayesian", seed=0)
    proposed = []
    for number in range(8):
        proposed.append(strategy.suggest(space, number))
        value = float("nan") if width_of(proposed[-1]) == 32 else width_of(proposed[-1])
        strategy.update(proposed[-1], {"val_accuracy": value})

    assert len(set(proposed)) == 8
    assert width_of(strategy.get_best_architecture()) == 16


def test_it_learns_of_what_others_propose() -> None:
    space = small_space()
    strategy = SearchStrategy("random", seed=0)
    first = strategy.suggest(space, 0)
    others = [by_hand(width) for width in WIDTHS if by_hand(width) != first]

    for architecture in others:
        strategy.update(architecture, {"val_accuracy": 0.5})
    rest = [strategy.suggest(space, number) for number in range(1, 8 - len(others))]

    assert len({first, *others, *rest}) == 8


def test_an_architecture_that_is_asked_twice_is_told_twice() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", 2)])
    strategy = SearchStrategy("random")

    for number in range(2):
        strategy.update(strategy.suggest(space, number), {"val_accuracy": 0.1 * number})

    assert [metrics["val_accuracy"] for _, metrics in strategy.history] == [0.0, 0.1]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("bayesien",), {}, ValueError, "did you mean bayesian"),
        (("my_strategy",), {}, ValueError, "search strategy must be one of grid, random"),
        (("tpe",), {"direction": "up"}, ValueError, "'maximize' or 'minimize' but got 'up'"),
        (("bayesian",), {"acquisition_function": "lcb"}, ValueError, '"ei", "pi", "ucb"'),
        (("evolutionary",), {"populaton_size": 3}, TypeError, "did you mean population_size"),
    ],
)
def test_wrong_arguments(
    arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SearchStrategy(*arguments, **options)


def test_wrong_uses() -> None:
    strategy = SearchStrategy("random")
    with pytest.raises(StudyError, match="nothing was suggested yet"):
        strategy.update(by_hand(4), {"val_accuracy": 0.5})
    architecture = strategy.suggest(small_space(), 0)
    with pytest.raises(StudyError, match="no architecture with a finite val_accuracy"):
        strategy.get_best_architecture()
    with pytest.raises(ValueError, match="must hold 'val_accuracy' but accuracy is there"):
        strategy.update(architecture, {"accuracy": 0.5})
    with pytest.raises(ValueError, match="a strategy searches one space"):
        strategy.suggest(small_space(constraints={"params": 90}), 1)
    with pytest.raises(SpaceError, match="not in the space"):
        strategy.update(by_hand(5), {"val_accuracy": 0.5})
    assert strategy.history == []


# --- in an engine ----------------------------------------------------------------------------


def search(tmp_path: Path, strategy: Any, *, trials: int = 4, **options: Any) -> Any:
    engine = AutoMLEngine(
        search_strategy=strategy, early_stopping="none", output_dir=tmp_path, **options
    )
    return engine.search(small_space(), evaluator=CurveEvaluator(), max_trials=trials)


def test_the_owners_strategy(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"architecture": by_hand(8)}
    exec(textwrap.dedent(OWNERS), namespace)
    register_strategy(namespace["MyStrategy"])

    result = search(tmp_path, "my_strategy", trials=1)

    assert result.best_architecture == by_hand(8)
    assert result.study.user_attrs["strategy"] == "my_strategy"


@pytest.mark.parametrize("how", ["name", "instance"])
def test_a_strategy_by_name_or_instance(how: str, tmp_path: Path) -> None:
    register_strategy(InOrder)

    result = search(tmp_path, "in_order" if how == "name" else InOrder())

    widths = [width_of(each) for each in proposals(result)]
    assert widths == list(WIDTHS)


def proposals(result: Any) -> list[Architecture]:
    return [
        result.space.suggest(optuna.trial.FixedTrial(trial.params)) for trial in result.study.trials
    ]


def test_options_of_a_registered_strategy() -> None:
    register_strategy(InOrder)
    space = small_space()
    study = optuna.create_study(sampler=create_sampler("in_order", space=space, first=2))

    study.optimize(lambda trial: float(width_of(space.suggest(trial))), n_trials=4)

    assert [trial.value for trial in study.trials] == [16, 32, 4, 8]
    with pytest.raises(TypeError, match="in_order has no option 'second'; it has first"):
        create_sampler("in_order", space=space, second=2)


def test_it_is_told_every_trial_of_the_study_once_also_of_earlier_runs(tmp_path: Path) -> None:
    told: list[tuple[int, Mapping[str, float]]] = []

    class Told(InOrder):
        def update(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
            told.append((width_of(architecture), metrics))
            super().update(architecture, metrics)

    search(tmp_path, Told(), trials=2)
    assert [width for width, _ in told] == [4]
    told.clear()

    search(tmp_path, Told(), trials=4)

    assert [width for width, _ in told] == [4, 8, 16]
    assert told[0][1]["val_accuracy"] == pytest.approx(0.05)
    assert told[0][1]["params"] == by_hand(4).cost.params


def test_a_trial_that_was_stopped_early_is_told_with_its_last_epoch() -> None:
    space = small_space()
    told: list[Mapping[str, float]] = []

    class Told(InOrder):
        def update(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
            told.append(metrics)

    def objective(trial: optuna.Trial) -> float:
        space.suggest(trial)
        trial.set_user_attr("val_accuracy", 0.25)
        if trial.number == 0:
            raise optuna.TrialPruned
        return 0.5

    study = optuna.create_study(sampler=create_sampler(Told(), space=space))
    study.optimize(objective, n_trials=3)

    assert told == [{"val_accuracy": 0.25}, {"val_accuracy": 0.25, "value 0": 0.5}]


def test_each_study_has_a_strategy_of_its_own() -> None:
    strategy = InOrder()
    space = small_space()
    sampler = create_sampler(strategy, space=space)
    for _ in range(2):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: float(width_of(space.suggest(trial))), n_trials=4)
        assert [trial.value for trial in study.trials] == list(WIDTHS)

    assert strategy.updates == []


def test_an_enqueued_trial_is_not_asked_for() -> None:
    space = small_space()
    study = optuna.create_study(sampler=create_sampler(InOrder(), space=space))
    study.enqueue_trial({"layers[0].Dense.units": 32, "layers[1].maybe": True})

    study.optimize(lambda trial: float(width_of(space.suggest(trial))), n_trials=3)

    assert [trial.value for trial in study.trials] == [32, 8, 16]


def test_a_repeat_is_asked_again() -> None:
    class Blind(SearchStrategy):
        def __init__(self) -> None:
            super().__init__("blind")

        def suggest(self, space: ArchitectureSpace, trial_number: int) -> Architecture:
            return space.sample_architecture()

    space = small_space()
    study = optuna.create_study(sampler=create_sampler(Blind(), space=space))
    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=8)

    assert len({tuple(trial.params.items()) for trial in study.trials}) == 8


class Always(SearchStrategy):
    """Proposes one thing."""

    def __init__(self, proposal: Any = None) -> None:
        super().__init__("always")
        self.proposal = proposal

    def suggest(self, space: ArchitectureSpace, trial_number: int) -> Any:
        return self.proposal


@pytest.mark.parametrize(
    ("proposal", "error", "message"),
    [
        pytest.param(
            by_hand(8),
            StudyError,
            "'always' proposed 100 times in a row .* the last time the same as trial 0",
            id="repeat",
        ),
        pytest.param(
            by_hand(32), StudyError, "the last time what breaks params by 106", id="infeasible"
        ),
        pytest.param(
            by_hand(5),
            StudyError,
            "'always' proposed what is not in the space: .*gives layer 0, Dense",
            id="not in the space",
        ),
        pytest.param(None, TypeError, "must return an architecture of the space", id="nothing"),
        pytest.param({"units": 8}, TypeError, "but returned {'units': 8}", id="no architecture"),
    ],
)
def test_what_a_strategy_may_not_propose(
    proposal: Any, error: type[Exception], message: str
) -> None:
    space = small_space(constraints={"params": 120})
    study = optuna.create_study(sampler=create_sampler(Always(proposal), space=space))

    with pytest.raises(error, match=message):
        study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=2)


def test_limits_of_the_call_are_named_too() -> None:
    sampler = create_sampler(Always(by_hand(32)), space=small_space(), constraints={"params": 9})

    with pytest.raises(StudyError, match="what breaks a limit"):
        optuna.create_study(sampler=sampler).ask({"x": optuna.distributions.IntDistribution(1, 2)})


def test_in_an_engine_it_ends_the_search_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"3 trials in a row failed.*not in the space"):
        search(tmp_path, Always(by_hand(5)))


def test_a_strategy_made_of_a_name_is_that_sampler() -> None:
    strategy = SearchStrategy("bayesian", seed=3, acquisition_function="pi")

    sampler = create_sampler(strategy, space=small_space())

    assert isinstance(sampler, ExclusiveSampler)
    assert isinstance(sampler.base, GaussianProcessSampler)


def test_a_strategy_that_has_learnt_alone_cannot_go_on_in_a_study() -> None:
    strategy = SearchStrategy("random")
    strategy.suggest(small_space(), 0)

    with pytest.raises(TypeError, match="was used alone can't go on in a study"):
        create_sampler(strategy, space=small_space())


def test_a_strategy_needs_a_space_and_takes_no_options() -> None:
    with pytest.raises(TypeError, match="in_order needs `space=`"):
        create_sampler(InOrder())
    with pytest.raises(TypeError, match="a strategy that is made already takes no seed"):
        create_sampler(InOrder(), space=small_space(), seed=1)
    with pytest.raises(TypeError, match="a strategy that is made already takes no seed"):
        AutoMLEngine(search_strategy=InOrder(), n_initial_random=3)


def test_where_nothing_is_open_a_strategy_is_not_asked() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", 2)])
    study = optuna.create_study(sampler=create_sampler(Always(None), space=space))

    study.optimize(lambda trial: float(space.suggest(trial).cost.params), n_trials=1)

    assert study.trials[0].state is TrialState.COMPLETE


# --- registering ----------------------------------------------------------------------------


class Named(InOrder):
    def __init__(self, name: str = "named") -> None:
        SearchStrategy.__init__(self, name)


class Bayesian(InOrder):
    def __init__(self) -> None:
        SearchStrategy.__init__(self, "bayesian")


class Needy(InOrder):
    def __init__(self, width: int) -> None:
        super().__init__(width)


class Nameless(InOrder):
    def __init__(self) -> None:
        pass


class Silent(SearchStrategy):
    pass


class Optioned(InOrder):
    def __init__(self) -> None:
        SearchStrategy.__init__(self, "optioned", n_startup_trials=3)


@pytest.mark.parametrize(
    ("strategy", "error", "message"),
    [
        (Bayesian, ValueError, "can't be called 'bayesian'"),
        (Needy, TypeError, "Needy can't be made without arguments"),
        (Nameless, TypeError, "Nameless has no name"),
        (Silent, TypeError, "Silent must define suggest"),
        (Optioned, TypeError, "options are its constructor's, not n_startup_trials"),
        (InOrder(), TypeError, "must be a class of SearchStrategy"),
        (dict, TypeError, "must be a class of SearchStrategy"),
    ],
)
def test_what_cannot_be_registered(strategy: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        register_strategy(strategy)

    assert strategy_names() == ()


def test_a_name_is_registered_once_and_can_be_taken_out() -> None:
    register_strategy(Named)
    with pytest.raises(ValueError, match="there is a strategy 'named' already"):
        register_strategy(Named)
    with pytest.raises(ValueError, match="regularized_evolution, nsga2, auto, named but got 'nam'"):
        create_sampler("nam", space=small_space())

    unregister_strategy("named")

    with pytest.raises(ValueError, match="registered strategy must be one of"):
        unregister_strategy("named")
    assert register_strategy(Named) is Named


MODULE = """
from neural_automl.search_strategies import SearchStrategy, register_strategy


@register_strategy
class Widest(SearchStrategy):
    def __init__(self):
        super().__init__("widest")

    def suggest(self, space, trial_number):
        draws = [space.sample_architecture() for _ in range(9)]
        return max(draws, key=lambda architecture: architecture.cost.params)
"""
SPACE = "network N { input: (8, 8, 1) layers: Flatten() Dense(choice(2, 3, 4)) Output(10) }"


@pytest.mark.slow
def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_widest_strategy.py").write_text(MODULE)
    (tmp_path / "n.neural").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = "search n.neural --data digits --trials 2 --epochs 1 --strategy widest"

    with pytest.raises(SystemExit) as unknown:
        main(command.split())
    assert unknown.value.code == 2
    assert "search strategy must be one of" in " ".join(capsys.readouterr().err.split())

    with pytest.raises(SystemExit) as known:
        main([*command.split(), "--import", "my_widest_strategy"])

    assert known.value.code == 0
    assert "strategy: widest" in capsys.readouterr().out
