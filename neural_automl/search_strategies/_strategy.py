"""The base class of strategies: asked for an architecture, told its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from neural_automl._options import lookup
from neural_automl.evaluation import direction_of
from neural_automl.exceptions import NoFeasibleArchitectureError, StudyError
from neural_automl.objective import COST_METRICS

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture
    from neural_automl.architecture_space import ArchitectureSpace

#: The names that are there before anything is registered.
STRATEGIES: Final = (
    "grid",
    "random",
    "bayesian",
    "tpe",
    "evolutionary",
    "regularized_evolution",
    "nsga2",
    "auto",
)
#: The constraint of a trial whose metric is no number.
_NO_VALUE: Final = "no finite value"


class SearchStrategy:
    """Proposes architectures and learns from their metrics; no study to look after.

    Made from a name of ``create_sampler`` it is that sampler, with a study in memory. A subclass
    defines ``suggest`` and may define ``update``; ``register_strategy`` gives it a name. The engine
    asks a subclass for each trial, tells it every trial that trained, in the order of their
    numbers, those of other workers and earlier runs too, and keeps everything in the study:
    so what it knows must come from ``update`` alone.

    Args:
        name: A name of ``create_sampler``; of a subclass that defines ``suggest``, any other.
        metric: The metric that is optimised.
        direction: ``maximize`` or ``minimize``; by default what the metric's name says.
        seed: Of a sampler's random numbers.
        **options: Of a sampler, as ``create_sampler`` takes them.

    Attributes:
        name: The name.
        history: What ``update`` was told: architectures with their metrics, in order.

    Raises:
        ValueError: There is no such name or direction, or an option is out of its range.
        TypeError: The sampler has no such option.

    Example:
        >>> from neural_automl.architecture_space import ArchitectureSpace, Choice, Layer
        >>> space = ArchitectureSpace((4,), [Layer("Dense", Choice(4, 8)), Layer("Dense", 2)])
        >>> strategy = SearchStrategy("bayesian", metric="params", seed=0)
        >>> for number in range(2):
        ...     architecture = strategy.suggest(space, number)
        ...     strategy.update(architecture, {"params": architecture.cost.params})
        >>> strategy.get_best_architecture().cost.params
        30
    """

    def __init__(
        self,
        name: str,
        *,
        metric: str = "val_accuracy",
        direction: str | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.history: list[tuple[Architecture, dict[str, float]]] = []
        self.seed = seed
        self.options = options
        self._metric = metric
        if direction not in (None, "maximize", "minimize"):
            raise ValueError(f"`direction` must be 'maximize' or 'minimize' but got {direction!r}.")
        of_name = "minimize" if metric in COST_METRICS else direction_of(metric)
        self._direction = direction or of_name
        self._study: optuna.Study | None = None
        self._space: ArchitectureSpace | None = None
        self._asked: dict[Architecture, list[Trial]] = {}
        if not self.is_own:
            from neural_automl.search_strategies._names import check_strategy

            lookup("search strategy", name, dict.fromkeys(STRATEGIES))
            check_strategy(name, options)
        elif options:
            raise TypeError(
                f"{type(self).__name__} suggests by itself: options are its constructor's, not "
                f"{', '.join(options)}"
            )
        elif name in STRATEGIES:
            raise ValueError(
                f"{type(self).__name__} suggests by itself and can't be called {name!r}, which is "
                "another strategy; choose another name"
            )

    @property
    def is_own(self) -> bool:
        """Whether a subclass says what to suggest."""
        return type(self).suggest is not SearchStrategy.suggest

    def suggest(self, space: ArchitectureSpace, trial_number: int) -> Architecture:
        """Propose an architecture.

        A subclass returns one of the space that keeps its limits and is none that was proposed
        before: from ``space.sample_architecture``, ``space.suggest``, or built by hand, if
        ``space.choices_of`` finds it. If it may not be trained, the engine asks again, some times.

        Args:
            space: The space to propose from; the same each time.
            trial_number: Of the study in the engine; here without effect.

        Raises:
            NoFeasibleArchitectureError: There is no other architecture.
            ValueError: It is another space than before.
        """
        study = self._study_of(space)
        trial = study.ask()
        try:
            architecture = space.suggest(trial)
        except optuna.TrialPruned as end:
            study.tell(trial, state=TrialState.PRUNED)
            raise NoFeasibleArchitectureError(f"nothing is left to suggest: {end}") from end
        except NoFeasibleArchitectureError:
            study.tell(trial, state=TrialState.FAIL)
            raise
        self._asked.setdefault(architecture, []).append(trial)
        return architecture

    def update(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
        """Learn what an architecture is worth.

        Args:
            architecture: What was suggested; or another of the space, which is learnt from too,
                once something was suggested from it.
            metrics: At least the metric that is optimised, here. A value that is not finite says
                that the architecture is no good. In the engine: whatever a trial recorded; a
                trial that was stopped early has the metrics of its last epoch.

        Raises:
            ValueError: The metric is missing.
            StudyError: Nothing was suggested yet.
            SpaceError: The architecture is none of the space.
        """
        if not self.is_own:
            self._tell(architecture, metrics)
        self.history.append((architecture, dict(metrics)))

    def get_best_architecture(self) -> Architecture:
        """Return the architecture with the best metric so far, the first of several.

        Raises:
            StudyError: None was told yet that has a finite one.
        """
        sign = -1.0 if self._direction == "minimize" else 1.0
        told = [
            (sign * metrics[self._metric], architecture)
            for architecture, metrics in self.history
            if isfinite(metrics.get(self._metric, float("nan")))
        ]
        if not told:
            raise StudyError(f"no architecture with a finite {self._metric} was told yet")
        return max(told, key=lambda pair: pair[0])[1]

    def check_unused(self) -> None:
        """Check that it has learnt nothing, which would be left behind.

        Raises:
            TypeError: It has.
        """
        if self.history or self._asked:
            raise TypeError(
                f"a strategy {self.name!r} that was used alone can't go on in a study: give its "
                "name, and add what it knows with `study.add_trial`"
            )

    # --- the study in memory ------------------------------------------------------------------

    def _study_of(self, space: ArchitectureSpace) -> optuna.Study:
        if self._study is None:
            from neural_automl.studies import quiet_optuna

            with quiet_optuna():
                self._study = optuna.create_study(
                    directions=[StudyDirection[self._direction.upper()]],
                    sampler=self._sampler(space),
                )
            self._space = space
        elif space is not self._space and space != self._space:
            raise ValueError("a strategy searches one space: make another for another space")
        return self._study

    def _sampler(self, space: ArchitectureSpace) -> BaseSampler:
        from neural_automl.search_strategies._names import create_sampler

        return create_sampler(self.name, space=space, seed=self.seed, **self.options)

    def _tell(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
        if self._metric not in metrics:
            raise ValueError(
                f"`metrics` must hold {self._metric!r} but {', '.join(metrics) or 'nothing'} is "
                "there; name another with `metric=`"
            )
        if self._study is None or self._space is None:
            raise StudyError("nothing was suggested yet, so there is no space to learn of")
        value = float(metrics[self._metric])
        if self._asked.get(architecture):
            trial = self._asked[architecture].pop(0)
            if not isfinite(value):
                trial.set_constraint(_NO_VALUE, 1.0)
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, value)
            return
        if not isfinite(value):
            return  # nobody's proposal: it is kept in the history alone
        fixed = optuna.trial.FixedTrial(self._space.choices_of(architecture))
        self._space.suggest(fixed)
        self._study.add_trial(
            create_trial(params=fixed.params, distributions=fixed.distributions, value=value)
        )
