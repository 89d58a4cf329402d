"""The bridge to Optuna: what ``study.optimize`` runs."""

from __future__ import annotations

import contextlib
import hashlib
import traceback
import weakref
from typing import TYPE_CHECKING, Any, Literal

import optuna

from neural_automl.architecture_space import ArchitectureSpace, Constraint, as_constraints
from neural_automl.early_stopping import check_pruner
from neural_automl.evaluation import (
    EvaluationContext,
    Evaluator,
    direction_of,
)
from neural_automl.exceptions import (
    SpaceError,
    StudyError,
)
from neural_automl.hyperparameters import TRAINING
from neural_automl.identity import identity_of
from neural_automl.known_values import KnownValues
from neural_automl.parameters import check_parameters
from neural_automl.prediction import Adviser, PerformancePredictor
from neural_automl.tracking import Tracker
from neural_automl.tracking._create import TrackFunction, make_tracker
from neural_automl.tracking._live import Tracking
from neural_automl.trials._attributes import write_attributes
from neural_automl.trials._keeping import Keeping, check_kept
from neural_automl.trials._ledger import Stopwatch
from neural_automl.trials._memory import MemoryLimits
from neural_automl.trials._run import COST_METRICS as COST_METRICS
from neural_automl.trials._run import TrialRun, infeasible, take_over, values_of
from neural_automl.trials._rung_start import Start, check_rungs
from neural_automl.trials._rung_start import trial_seed as trial_seed
from neural_automl.trials._rungs import Ladder, Rungs
from neural_automl.trials._scores import TrialScores
from neural_automl.trials._screen import check_latency, screen
from neural_automl.trials._terms import Terms, agree, fingerprints, settings_of
from neural_automl.workers._leases import Lease, Watch
from neural_automl.workers._recovery import own_name, recover

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.artifacts._protocol import ArtifactStore
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture


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
        checkpoints: Whether the state of a training is kept there after each epoch, so that a trial
            whose worker dies goes on from its last one.
        checkpoint_quota: Bytes that the checkpoints of all trainings under way may take together.
        keep_weights: Of how many of the best trials the weights are kept; None keeps all. Of
            several metrics, see ``remove_weights``.
        fidelity: What is less on a lower rung: ``epochs``.
        rungs: Epochs of short trainings, rising, and of the whole one at the end. Every network
            is trained for the first; the best go on to the next from their weights, in a trial of
            their own (``resumed_from``), with a schedule of its own. Trials of lower rungs end
            PRUNED; the study's pruner is not asked. See ``finish``.
        reduction_factor: Of the networks of a rung, one in so many goes on to the next.
        zero_cost: Proxies whose scores each trial that trains keeps (``zero_cost.<name>``).
        predictor: Whether likely poor networks are skipped, or what predicts them.
        tracking: Where each training is a run, which is written while it trains: see
            ``tracking.create_tracker``. A tracker that fails costs the run, not the training: a
            ``FallbackWarning`` says so, and the trial keeps why (``no_tracking``).

    Raises:
        SpaceError: A constraint breaks a rule.
        ValueError: An option is out of its range, or does not go with another.
        ImportError: The tracker's package is not installed.

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
        checkpoints: bool = True,
        checkpoint_quota: int | None = None,
        keep_weights: int | None = None,
        fidelity: Literal["epochs"] = "epochs",
        rungs: Sequence[int] | None = None,
        reduction_factor: int = 3,
        zero_cost: Sequence[str] = (),
        predictor: PerformancePredictor | bool = False,
        tracking: str | Tracker | TrackFunction | None = None,
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
        if fidelity != "epochs":
            raise ValueError(f"`fidelity` must be 'epochs' but got {fidelity!r}")
        self.rungs = None if rungs is None else Rungs(tuple(rungs), reduction_factor)
        if self.rungs is not None:
            check_rungs(self.rungs, self.metrics, COST_METRICS, epochs, reuse)
            epochs = self.rungs.epochs[-1]
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
        check_kept(keep_weights, checkpoint_quota, rungs)
        self.keeping = Keeping(
            artifact_store, checkpoints=checkpoints, quota=checkpoint_quota, weights=keep_weights
        )
        self.tracker = make_tracker(tracking)
        self.adviser = Adviser.of(predictor, space, self.metrics, seed)
        self._finishing = False
        self._scores = TrialScores(zero_cost, evaluator, seed)
        self._memory = MemoryLimits()
        self._known = KnownValues(reuse)
        # By reference: an identity is given anew once a study is gone.
        self._announced: weakref.WeakKeyDictionary[optuna.Study, Watch]
        self._announced = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_announced"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._announced = weakref.WeakKeyDictionary()

    @property
    def directions(self) -> tuple[str, ...]:
        """Where each metric improves: what to create the study with."""
        return tuple(
            "minimize" if metric in COST_METRICS else direction_of(metric)
            for metric in self.metrics
        )

    def longest_training(self) -> int:
        """Return the most epochs that any trial of this objective trains."""
        return self._asked_epochs() or self.space.longest_training()

    def _asked_epochs(self) -> int | None:
        asked: int | None = self.epochs or getattr(self.evaluator, "epochs", None)
        return asked

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Run one trial.

        Returns:
            The metric; a tuple where there are several.

        Raises:
            optuna.TrialPruned: The architecture is infeasible, or the pruner gave it up.
            StudyError: The study was begun with another space, data or metric, optimises the
                metric in the wrong direction, or has several and a pruner that is for one.
        """
        self._announce(trial.study)
        self.tidy()
        watch = Stopwatch()
        try:
            with watch.on("storing"):
                start = Start.of(trial, self.rungs, finish=self._finishing)
            return self._evaluate(trial, self._suggest(trial, watch), start, watch)
        except optuna.TrialPruned as pruned:
            reason = str(pruned)
        except KeyboardInterrupt:
            trial.set_user_attr("interrupted", True)
            raise
        except Exception as error:
            # Recorded where the study keeps it, then left to Optuna: a failure is data.
            trial.set_user_attr("error", "".join(traceback.format_exception(error)))
            raise
        finally:
            watch.write(trial)
        # Raised anew, and from nothing: Optuna keeps what is raised in a cycle of references, and
        # the frames of the first one's traceback hold the weights.
        raise optuna.TrialPruned(reason)

    def tidy(self) -> None:
        """Remove the checkpoints of this objective's trials that have ended since.

        They are needed until a trial is told, which is after this objective has returned. Each call
        tidies up after the one before; ``AutoMLEngine`` does so at the end.
        """
        self.keeping.tidy()

    def remove_weights(self, study: optuna.Study) -> None:
        """Remove the weights of trials that fell out of the best ``keep_weights``.

        For the end of a ``study.optimize``; ``AutoMLEngine`` does so by itself. With several
        metrics a trial is among the best where fewer than so many others dominate it.
        """
        self.keeping.remove_weights(study)

    def finish(self, study: optuna.Study) -> None:
        """Bring the best network to the last rung, where none has got there yet.

        For the end of a short ``study.optimize``; ``AutoMLEngine`` does so by itself. Without rungs
        there is nothing to do.
        """
        if self.rungs is not None:
            self._announce(study)
            self._finishing = True
            try:
                while Ladder(study, self.rungs).next(finish=True) is not None:
                    study.optimize(self, n_trials=1)
            finally:
                self._finishing = False

    # --- before training ----------------------------------------------------------------------

    def terms(self) -> Terms:
        """Return what all trials of a study of this objective share."""
        return Terms(
            space=self.space.to_dsl(),
            metrics=",".join(self.metrics),
            value=self.value,
            epochs=self.longest_training(),
            data_fingerprint=getattr(self.evaluator, "data_fingerprint", ""),
            evaluator_settings=settings_of(self.evaluator),
            rungs="" if self.rungs is None else self.rungs.text,
        )

    def _announce(self, study: optuna.Study) -> None:
        """Come to terms with a study, once in this process."""
        if study not in self._announced:
            agree(study, self.terms())
            check_pruner(study)
            if self.rungs is not None and self.keeping.store_of(study) is None:
                raise StudyError(
                    "rungs keep weights from one training to the next: give `artifact_store`, as "
                    "there is none beside this study's storage"
                )
            self._memory.read(study)
            self._known.open(study)
            self._announced[study] = Watch()

    def _suggest(self, trial: Trial, watch: Stopwatch) -> Architecture:
        try:
            with watch.on("proposing"):
                architecture = self.space.suggest(trial)
            _ = architecture.cost
        except SpaceError as error:
            raise infeasible(trial, {"shape": 1.0}, str(error)) from error
        screen(
            trial,
            architecture,
            self.constraints,
            self.soft_constraints,
            self._memory,
            self._device_name(),
            watch,
        )
        return architecture

    def _device_name(self) -> str:
        choose = getattr(self.evaluator, "choose_device", None)
        return str(choose()) if self.device == "auto" and choose is not None else self.device

    # --- training -----------------------------------------------------------------------------

    def _evaluate(
        self, trial: Trial, architecture: Architecture, start: Start, watch: Stopwatch
    ) -> float | tuple[float, ...]:
        """Answer from an equal training, or train."""
        epochs = start.epochs or self._epochs(architecture)
        prints = fingerprints(self.evaluator, [epochs, self.metrics, self.value])
        claim = "/".join((identity_of(architecture), *prints.values(), start.text))
        claim = hashlib.sha256(claim.encode()).hexdigest()[:32]
        watcher = self._announced[trial.study]
        with Lease(trial, own_name(), look=lambda: recover(trial.study, watcher)) as lease:
            with watch.on("storing"):
                write_attributes(trial, prints)
                known = self._known.find_or_claim(trial, claim, watch)
            if known is not None:
                return values_of(self.metrics, self.value, architecture, take_over(trial, known))
            if self.max_latency is not None:
                check_latency(trial, architecture, self.max_latency, self._device_name())
            with watch.on("proposing"):
                self._scores.write(trial, architecture)
            if self.adviser is not None:
                with watch.on("proposing"):
                    self.adviser.advise(trial, architecture, epochs, may_skip=start.is_new)
            return self._train(trial, architecture, epochs, start, watch, lease)

    def _train(
        self,
        trial: Trial,
        architecture: Architecture,
        epochs: int,
        start: Start,
        watch: Stopwatch,
        lease: Lease,
    ) -> float | tuple[float, ...]:
        checkpoints = self.keeping.checkpoints_of(trial)
        run = TrialRun(trial, self.metrics, epochs, watch, lease, checkpoints, before=start.before)
        tracking = Tracking(self.tracker, trial, self.metrics, architecture, run, watch)
        context = EvaluationContext(
            epochs=epochs,
            seed=start.seed(self.seed),
            device=self.device,
            report=tracking.report,
            should_stop=run.should_stop,
            load_checkpoint=run.load_checkpoint,
            save_checkpoint=run.save_checkpoint,
            load_weights=lambda: start.load(trial.study, self.keeping.store_of(trial.study)),
            keep_weights=run.keep_weights,
        )
        with watch.on("storing"):
            write_attributes(
                trial, {"max_epochs": epochs, "seed": context.seed, "device": self._device_name()}
            )
        with tracking:
            with checkpoints or contextlib.nullcontext():
                metrics = run.evaluate(self.evaluator, architecture, context, self._memory)
            run.check_lease()
            with watch.on("storing"):
                run.record(metrics)
                if run.stopped:
                    raise run.stop()
                values = values_of(self.metrics, self.value, architecture, metrics)
                start.check(run.weights)
                self.keeping.save(trial, architecture, run, values)
                start.end(run, values)
                tracking.values = values
        return values

    def _epochs(self, architecture: Architecture) -> int:
        settings = check_parameters("training", TRAINING, architecture.training)
        return int(self._asked_epochs() or settings["epochs"])
