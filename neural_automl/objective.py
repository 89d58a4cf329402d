"""The bridge to Optuna: what ``study.optimize`` runs."""

from __future__ import annotations

import hashlib
import json
import math
import traceback
import weakref
from typing import TYPE_CHECKING, Any, Final, Literal

import optuna

from neural_automl._leases import Lease
from neural_automl._memory import MemoryLimits
from neural_automl._recovery import own_name
from neural_automl._terms import Terms, agree
from neural_automl._trial_run import TrialRun, as_floats, infeasible, take_over
from neural_automl.architecture_space import ArchitectureSpace, Constraint, as_constraints
from neural_automl.artifacts import save_artifacts
from neural_automl.evaluation import (
    EvaluationContext,
    Evaluator,
    direction_of,
    measure_latency,
)
from neural_automl.exceptions import DivergenceError, EvaluationError, OutOfMemoryError, SpaceError
from neural_automl.hyperparameters import TRAINING
from neural_automl.identity import identity_of
from neural_automl.known_values import KnownValues
from neural_automl.parameters import check_parameters
from neural_automl.studies import artifact_store_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture

#: Costs that may be objectives beside the evaluator's metrics.
COST_METRICS: Final = ("params", "macs", "peak_memory_bytes", "depth")


class ArchitectureObjective:
    """Suggests, checks, trains and records one architecture a trial.

    Works with a plain ``study.optimize`` and any Optuna sampler and pruner.

    A trial whose architecture breaks a limit, whose shapes cannot follow, that diverges, finds no
    memory or cannot be trained (``EvaluationError``) ends PRUNED with a constraint above 0 and
    the reason in the user attribute ``infeasible``: FAIL would be invisible to samplers. Anything
    else that an evaluator raises is kept in the attribute ``error`` and raised again.

    Args:
        space: What architectures are suggested from.
        evaluator: Turns an architecture into metrics.
        metrics: The metric to optimise, or several; the evaluator's, or among ``params``,
            ``macs``, ``peak_memory_bytes`` and ``depth``.
        constraints: Further limits, in any form that a space takes.
        soft_constraints: Limits, in the same forms, that are recorded as constraints of the trial
            but do not keep an architecture from being trained.
        max_latency: Seconds that the forward pass of one sample may take, measured before the
            training, in the median, on the device; see ``evaluation.measure_latency``.
        epochs: Longest training; None leaves it to the evaluator or the architecture.
        seed: Each trial trains with a seed that follows from this and its number.
        device: Handed to the evaluator.
        value: Whether a trial's value is its ``last`` epoch's metric or its ``best`` epoch's.
        reuse: Names of further studies of the storage whose results are taken where an equal
            architecture was trained alike, on the same data.
        artifact_store: Where model source, weights and curve go; ``"auto"`` is a folder beside
            the study's SQLite database (nothing is kept for other storages), None keeps nothing.

    Raises:
        SpaceError: A constraint breaks a rule.
        ValueError: An option is out of its range.

    Example:
        >>> from neural_automl.architecture_space import Choice, Layer
        >>> from neural_automl.data import load_data
        >>> from neural_automl.evaluation import ArchitectureEvaluator
        >>> space = ArchitectureSpace((8, 8, 1), ["Flatten", Layer("Dense", 10)])
        >>> evaluator = ArchitectureEvaluator(load_data("digits"), epochs=1)
        >>> objective = ArchitectureObjective(space, evaluator)
        >>> study = optuna.create_study(direction="maximize")
        >>> study.optimize(objective, n_trials=1)
        >>> study.trials[0].user_attrs["params"]
        650
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        evaluator: Evaluator,
        *,
        metrics: str | Sequence[str] = "val_accuracy",
        constraints: Any = None,
        soft_constraints: Any = None,
        max_latency: float | None = None,
        epochs: int | None = None,
        seed: int = 0,
        device: str = "auto",
        value: Literal["last", "best"] = "last",
        reuse: Sequence[str] = (),
        artifact_store: ArtifactStore | Literal["auto"] | None = "auto",
    ) -> None:
        if not callable(getattr(evaluator, "evaluate", None)):
            raise TypeError(
                "an evaluator must have a method evaluate(architecture, context) but got "
                f"{type(evaluator).__name__}"
            )
        if value not in ("last", "best"):
            raise ValueError(f"`value` must be 'last' or 'best' but got {value!r}")
        if epochs is not None and epochs < 1:
            raise ValueError(f"`epochs` must be at least 1 but got {epochs}")
        self.space = space
        self.evaluator = evaluator
        self.metrics = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        if not self.metrics:
            raise ValueError("`metrics` must name at least one metric")
        self.constraints: tuple[Constraint, ...] = (
            *space.constraints,
            *as_constraints(constraints or ()),
        )
        self.soft_constraints = as_constraints(soft_constraints or ())
        if max_latency is not None and not max_latency > 0:
            raise ValueError(f"`max_latency` must be above 0 seconds but got {max_latency}")
        self.max_latency = max_latency
        self.epochs = epochs
        self.seed = seed
        self.device = device
        self.value = value
        self.artifact_store = artifact_store
        self._memory = MemoryLimits()
        self._known = KnownValues(reuse)
        # By reference: an identity is given anew once a study is gone.
        self._announced: weakref.WeakSet[optuna.Study] = weakref.WeakSet()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_announced"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._announced = weakref.WeakSet()

    @property
    def directions(self) -> tuple[str, ...]:
        """Where each metric improves: what to create the study with."""
        return tuple(
            "minimize" if metric in COST_METRICS else direction_of(metric)
            for metric in self.metrics
        )

    def longest_training(self) -> int:
        """Return the most epochs that any trial of this objective trains."""
        if self.epochs is not None:
            return self.epochs
        of_evaluator = getattr(self.evaluator, "epochs", None)
        return int(of_evaluator or self.space.longest_training())

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Run one trial.

        Returns:
            The metric; a tuple where there are several.

        Raises:
            optuna.TrialPruned: The architecture is infeasible, or the pruner gave it up.
            StudyError: The study was begun with another space, data or metric, or optimises the
                metric in the wrong direction.
        """
        self._announce(trial.study)
        try:
            return self._evaluate(trial, self._suggest(trial))
        except optuna.TrialPruned:
            raise
        except KeyboardInterrupt:
            trial.set_user_attr("interrupted", True)
            raise
        except Exception as error:
            # Recorded where the study keeps it, then left to Optuna: a failure is data.
            trial.set_user_attr("error", "".join(traceback.format_exception(error)))
            raise

    # --- before training ----------------------------------------------------------------------

    def terms(self) -> Terms:
        """Return what all trials of a study of this objective share."""
        return Terms(
            space=self.space.to_dsl(),
            metrics=",".join(self.metrics),
            value=self.value,
            epochs=self.longest_training(),
            data_fingerprint=getattr(self.evaluator, "data_fingerprint", ""),
            evaluator_settings=self._evaluator_settings(),
        )

    def _evaluator_settings(self) -> str:
        settings = getattr(self.evaluator, "fingerprint", type(self.evaluator).__qualname__)
        return str(settings)

    def _announce(self, study: optuna.Study) -> None:
        """Come to terms with a study, once in this process."""
        if study not in self._announced:
            agree(study, self.terms())
            self._memory.read(study)
            self._known.open(study)
            self._announced.add(study)

    def _suggest(self, trial: Trial) -> Architecture:
        try:
            architecture = self.space.suggest(trial)
            cost = architecture.cost
        except SpaceError as error:
            raise infeasible(trial, {"shape": 1.0}, str(error)) from error
        record: dict[str, Any] = {
            "architecture_key": architecture.key,
            "params": cost.params,
            "macs": cost.macs,
            "peak_memory_bytes": cost.peak_memory_bytes,
            "depth": cost.depth,
        }
        for name, value in record.items():
            trial.set_user_attr(name, value)
        excesses = {str(limit): limit.excess(cost) for limit in self.constraints}
        broken = [
            f"{name} (is {cost.value(name.split()[0]):,})"
            for name in excesses
            if excesses[name] > 0
        ]
        if broken:
            raise infeasible(trial, excesses, f"breaks {', '.join(broken)}")
        excess = self._memory.excess(architecture, self._device_name())
        if excess > 0:
            reason = "an architecture no larger found no memory on this device"
            raise infeasible(trial, {**excesses, "memory": excess}, reason)
        excesses |= {str(limit): limit.excess(cost) for limit in self.soft_constraints}
        for name, value in excesses.items():
            trial.set_constraint(name, value)
        return architecture

    def _check_latency(self, trial: Trial, architecture: Architecture) -> None:
        if self.max_latency is None:
            return
        device = self._device_name()
        latency = measure_latency(architecture, device="cpu" if device == "auto" else device)
        trial.set_user_attr("latency", latency.median)
        trial.set_user_attr("latency_iqr", latency.iqr)
        trial.set_user_attr("latency_noisy", latency.is_noisy)
        excess = latency.median - self.max_latency
        if excess > 0:
            reason = f"takes {latency.median:.3g} s a sample, above {self.max_latency:.3g} s"
            raise infeasible(trial, {"latency": excess}, reason)
        trial.set_constraint("latency", excess)

    def _device_name(self) -> str:
        choose = getattr(self.evaluator, "choose_device", None)
        return str(choose()) if self.device == "auto" and choose is not None else self.device

    # --- training -----------------------------------------------------------------------------

    def _evaluate(self, trial: Trial, architecture: Architecture) -> float | tuple[float, ...]:
        """Answer from an equal training, or train."""
        epochs = self._epochs(architecture)
        prints = self._fingerprints(epochs)
        for name, value in prints.items():
            trial.set_user_attr(name, value)
        claim = "/".join((identity_of(architecture), *prints.values()))
        claim = hashlib.sha256(claim.encode()).hexdigest()[:32]
        with Lease(trial, own_name()):
            known = self._known.find_or_claim(trial, claim)
            if known is not None:
                return self._values(architecture, take_over(trial, known))
            self._check_latency(trial, architecture)
            return self._train(trial, architecture, epochs)

    def _train(
        self, trial: Trial, architecture: Architecture, epochs: int
    ) -> float | tuple[float, ...]:
        run = TrialRun(trial, self.metrics, self.value)
        context = EvaluationContext(
            epochs=epochs,
            seed=trial_seed(self.seed, trial.number),
            device=self.device,
            report=run.report,
            should_stop=run.should_stop,
            keep_weights=run.keep_weights,
        )
        trial.set_user_attr("max_epochs", epochs)
        trial.set_user_attr("seed", context.seed)
        trial.set_user_attr("device", self._device_name())
        try:
            metrics = as_floats(self.evaluator.evaluate(architecture, context))
            self._check_finite(metrics)
        except DivergenceError as error:
            run.record(run.last)
            raise infeasible(trial, {"divergence": 1.0}, f"diverged: {error}") from error
        except OutOfMemoryError as error:
            self._memory.remember(trial.study, architecture, self._device_name())
            raise infeasible(trial, {"memory": 1.0}, str(error)) from error
        except EvaluationError as error:
            run.record(run.last)
            raise infeasible(trial, {"training": 1.0}, str(error)) from error
        run.record(metrics)
        if run.stopped:
            raise optuna.TrialPruned(f"stopped after epoch {run.epoch}")
        store = (
            artifact_store_of(trial.study) if self.artifact_store == "auto" else self.artifact_store
        )
        if store is not None:
            save_artifacts(store, trial, architecture, run.weights, run.curve)
        return self._values(architecture, metrics)

    def _check_finite(self, metrics: Mapping[str, float]) -> None:
        for metric in self.metrics:
            if not math.isfinite(metrics.get(metric, 0.0)):
                raise DivergenceError(f"{metric} became {metrics[metric]}")

    def _epochs(self, architecture: Architecture) -> int:
        if self.epochs is not None:
            return self.epochs
        of_evaluator = getattr(self.evaluator, "epochs", None)
        settings = check_parameters("training", TRAINING, architecture.training)
        return int(of_evaluator or settings["epochs"])

    def _fingerprints(self, epochs: int) -> dict[str, str]:
        # A study may go on with another backend, but no result of one is taken for the other's.
        backend = getattr(self.evaluator, "backend", None)
        text = json.dumps([self._evaluator_settings(), backend, epochs, self.metrics, self.value])
        prints = {"evaluator_fingerprint": hashlib.sha256(text.encode()).hexdigest()[:32]}
        of_data = getattr(self.evaluator, "data_fingerprint", None)
        if of_data is not None:
            prints["data_fingerprint"] = of_data
        return prints

    def _values(
        self, architecture: Architecture, metrics: Mapping[str, float]
    ) -> float | tuple[float, ...]:
        values = []
        for metric in self.metrics:
            if metric in COST_METRICS:
                values.append(float(getattr(architecture.cost, metric)))
                continue
            values.append(float(metrics[_metric_key(metric, metrics, self.value)]))
        return values[0] if len(values) == 1 else tuple(values)


def _metric_key(metric: str, metrics: Mapping[str, float], value: str) -> str:
    key = f"{metric}.best" if value == "best" else metric
    if key not in metrics:
        listed = ", ".join(name for name in metrics if "." not in name)
        raise ValueError(f"the evaluator gave no metric {metric!r}; it gave {listed}")
    return key


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a trial: it follows from the study's seed and the trial's number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
