"""The evaluator: owns the data and the device, and trains what it is given."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from neural_automl.cost import training_bytes
from neural_automl.data import DataSplits, Task, hash_arrays
from neural_automl.evaluation._checks import (
    check_at_least_one,
    check_backend,
    check_choice,
    no_mixed_precision,
)
from neural_automl.evaluation._context import EvaluationContext
from neural_automl.evaluation._fit import (
    DATA_LAYOUTS,
    DataLayout,
    check_ids,
    check_targets,
    find_move,
    lookup_size,
)
from neural_automl.evaluation._names import DEFAULT_METRICS, check_names, qualified_name
from neural_automl.evaluation._settings import TrainingSettings, resolve_loss, task_of
from neural_automl.exceptions import DataError
from neural_automl.graph import Graph

if TYPE_CHECKING:
    import torch

    from neural_automl.architecture import Architecture, Backend
    from neural_automl.evaluation._batches import Batches, Form
    from neural_automl.evaluation._sources import Source
    from neural_automl.evaluation._training import Measure

MetricFunction = Callable[[Any, Any], Any]

_SPLIT_SEED: Final = 0
# Changed when the same inputs begin to lead to other results.
_VERSION: Final = 1


class ArchitectureEvaluator:
    """Trains architectures on data of its own and measures them.

    Data is a pair of arrays (NumPy or torch), a torch ``Dataset`` or ``DataLoader``, any iterable
    of (inputs, targets) batches that can be gone through again and again, or, for everything at
    once, the ``DataSplits`` of ``load_data``. Arrays are kept on the device if they fit and are
    never changed; images may lie with their channels last or first, and those in uint8 are scaled
    to [0, 1]. A loader keeps its own batch size, and an ``IterableDataset`` gives batches of 32.
    Integer targets are class labels, others values.

    One evaluation at a time in a process is reproducible: on the CPU, equal seeds give equal bits.

    Args:
        train_data: What networks are trained on; or all data, as ``DataSplits``.
        validation_data: What they are measured on after each epoch; None holds out a share of the
            training data.
        test_data: Read by ``measure_test`` alone.
        validation_split: Share that is held out, in (0, 1); None takes the architecture's own,
            which is 0.2 where it says nothing.
        task: ``classification``, ``regression``, or ``auto``: what the loss and the targets say.
        metrics: Names among accuracy, f1, precision, recall, auroc (macro means over the classes)
            or mse, mae, r2, rmse; or functions ``(outputs, targets) -> number`` by name, of all
            logits and targets at once. A name with ``loss`` or ``error`` in it is better when
            small. The first one decides which epoch is the best. Default: accuracy, or mse, mae
            and r2.
        backend: ``pytorch`` or ``tensorflow``.
        device: ``auto`` (the first of cuda, mps, cpu) or a device's name.
        epochs: Longest training, where it is not the architecture's own to say.
        mixed_precision: ``auto`` uses it on CUDA, and it exists there alone.
        threads: On the CPU; None leaves them alone. TensorFlow takes them once in a process.
        keep: Whether the weights of the ``last`` or of the ``best`` epoch are kept.
        data_layout: ``channels_last`` or ``channels_first`` images; ``auto`` compares shapes.
        data_fingerprint: Name for the data, where reading it to make one takes too long.
        monitor: The metric that says which epoch is the best, as ``val_loss``; None is the first.
        clock: Returns seconds.

    Raises:
        DataError: The data cannot be used.
        ValueError: An option is out of its range.

    Example:
        >>> from neural_automl.data import load_data
        >>> evaluator = ArchitectureEvaluator(load_data("digits"), device="cpu")
        >>> evaluator.task
        'classification'
    """

    def __init__(
        self,
        train_data: Any,
        validation_data: Any = None,
        *,
        test_data: Any = None,
        validation_split: float | None = None,
        task: Task | Literal["auto"] = "auto",
        metrics: Sequence[str] | Mapping[str, MetricFunction] | None = None,
        backend: Backend = "pytorch",
        device: str = "auto",
        epochs: int | None = None,
        mixed_precision: bool | Literal["auto"] = "auto",
        threads: int | None = None,
        keep: Literal["last", "best"] = "last",
        data_layout: DataLayout = "auto",
        data_fingerprint: str | None = None,
        monitor: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        from neural_automl.evaluation._sources import open_source, scaling_in

        check_backend(backend)
        check_choice("task", task, ("auto", "classification", "regression"))
        check_choice("keep", keep, ("last", "best"))
        check_choice("data_layout", data_layout, DATA_LAYOUTS)
        check_choice("mixed_precision", mixed_precision, ("auto", True, False))
        check_at_least_one("epochs", epochs)
        check_at_least_one("threads", threads)
        if validation_split is not None and not 0 < validation_split < 1:
            raise ValueError(
                f"`validation_split` must be between 0 and 1 but got {validation_split}."
            )
        self.scaling = scaling_in(train_data)
        if isinstance(train_data, DataSplits):
            if validation_data is not None or test_data is not None:
                raise ValueError("`DataSplits` hold all data; give no other beside them.")
            validation_data, test_data = train_data.validation, train_data.test
            train_data = train_data.train
        self._train = open_source(train_data, "training")
        self._validation = (
            None if validation_data is None else open_source(validation_data, "validation")
        )
        self._test_data = test_data
        self._task: Task | None = None if task == "auto" else task
        self._own = dict(metrics) if isinstance(metrics, Mapping) else {}
        self._names = None if metrics is None else () if self._own else tuple(metrics)
        check_names(self._names or (), self._task)
        self._validation_split = validation_split
        self._mixed_precision = mixed_precision
        self._keep = keep
        self._data_layout = data_layout
        self._data_fingerprint = data_fingerprint
        self._monitor = monitor
        self._clock = clock
        self.backend = backend
        self.device = device
        self.epochs = epochs
        self.threads = threads
        self._placed: dict[Any, tuple[Batches, Batches]] = {}

    @property
    def task(self) -> Task:
        """What was asked for, or what the targets look like."""
        return self._task or self._train.description.task

    @property
    def has_test_data(self) -> bool:
        """Whether ``measure_test`` can be called."""
        return self._test_data is not None

    @property
    def fingerprint(self) -> str:
        """Hash of what changes a result, but for data, seed, epochs and backend."""
        held_out = None if self._validation is not None else self._validation_split
        settings = {
            "version": _VERSION,
            "task": self._task,
            "metrics": self._names,
            "own_metrics": {name: qualified_name(own) for name, own in self._own.items()},
            "keep": self._keep,
            "monitor": self._monitor,
            "mixed_precision": self._mixed_precision,
            "validation_split": held_out,
            "has_validation": self._validation is not None,
            "data_layout": self._data_layout,
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def data_fingerprint(self) -> str:
        """Hash of the training and validation data.

        Arrays are hashed whole, other data by its first samples or batches.
        """
        if self._data_fingerprint is None:
            parts = {"train": self._train, "validation": self._validation}
            self._data_fingerprint = hash_arrays(
                (f"{part}.{name}", array)
                for part, source in parts.items()
                if source is not None
                for name, array in source.arrays()
            )
        return self._data_fingerprint

    def epochs_for(self, architecture: Architecture) -> int:
        """Return the longest training of an architecture: the evaluator's own, or its own."""
        return self.epochs or TrainingSettings.of(architecture).epochs

    def check(self, target: Architecture | Graph) -> None:
        """Check that the data fits an architecture, without training anything.

        Raises:
            DataError: The shape of the samples, or the targets, do not fit; both are named.
            ValueError: A metric is for another task.
        """
        graph = target if isinstance(target, Graph) else target.graph
        loss = self._loss(target)
        check_names(self._names or (), task_of(loss))
        sources = {"training": self._train, "validation": self._validation}
        for name, source in sources.items():
            if source is not None:
                self._check_source(source, graph, loss, name)

    def metrics_for(self, target: Architecture | Graph) -> tuple[str, ...]:
        """Return the names of what is measured on the validation data, the loss last."""
        names = DEFAULT_METRICS[task_of(self._loss(target))] if self._names is None else self._names
        return tuple(f"val_{name}" for name in (*names, *self._own, "loss"))

    def choose_device(self) -> str:
        """Return the device that it trains on, and check that it, and mixed precision, is there.

        Raises:
            ValueError: They cannot be had.
        """
        from neural_automl.evaluation import _frameworks

        device = _frameworks.place(self.backend, self.device)
        if self._mixed_precision is True and device.type != "cuda":
            raise ValueError(no_mixed_precision(device))
        return _frameworks.device_name(self.backend, self.device)

    def evaluate(self, architecture: Architecture, context: EvaluationContext) -> dict[str, float]:
        """Train an architecture and return its metrics.

        Args:
            architecture: What to train.
            context: For how long, with which seed, and whom to tell.

        Returns:
            ``train_loss``, ``val_loss`` and ``val_<metric>`` of the last epoch, ``<name>.best``
            of each, ``best_epoch``, ``epochs`` trained and ``train_seconds``.

        Raises:
            DataError: The data does not fit.
            DivergenceError: The loss or a metric became NaN or infinite.
            OutOfMemoryError: There is no room for the network.
            ValueError: The device is not there, or a metric is for another task.
        """
        from neural_automl.backends import weights_for
        from neural_automl.evaluation import _device, _frameworks
        from neural_automl.evaluation._loop import run_epochs

        self.check(architecture)
        asked = self.device if context.device == "auto" else context.device
        device = _frameworks.place(self.backend, asked)
        framework = _frameworks.module_of(self.backend)
        settings = TrainingSettings.of(architecture)
        measure = self._measure(architecture, device)
        _device.check_memory(training_bytes(architecture.graph, settings.batch_size), device)

        def run() -> dict[str, float]:
            training, validation = self._place(architecture, settings, device)
            model = _frameworks.build(architecture, self.backend, device)
            start = context.load_weights()
            if start is not None:
                framework.load_weights(model, weights_for(self.backend, start, architecture))
            with framework.memory_errors():
                learner, progress = framework.begin(
                    model, validation, settings, measure, context.seed, device
                )
                outcome = run_epochs(
                    learner,
                    progress,
                    training,
                    settings,
                    context,
                    monitor=measure.monitor,
                    keep=self._keep,
                    clock=self._clock,
                )
            context.keep_weights(outcome.weights)
            return outcome.metrics

        with _frameworks.session(self.backend, asked, context.seed, self.threads):
            metrics = _device.guard_memory(run, device)
        _device.release(device)
        return metrics

    def measure_test(
        self, architecture: Architecture, weights: Mapping[str, Any], *, device: str = "auto"
    ) -> dict[str, float]:
        """Measure a trained architecture on the test data.

        Args:
            architecture: What was trained.
            weights: Tensors by name, as ``keep_weights`` got them, of either backend.
            device: ``auto`` is the evaluator's own.

        Returns:
            ``test_loss`` and ``test_<metric>``.

        Raises:
            DataError: There is no test data, or it does not fit.
            EvaluationError: The weights are another architecture's.
        """
        from neural_automl.backends import weights_for
        from neural_automl.evaluation import _device, _frameworks
        from neural_automl.evaluation._sources import open_source

        if self._test_data is None:
            raise DataError("there is no test data; give `test_data`")
        asked = self.device if device == "auto" else device
        place = _frameworks.place(self.backend, asked)
        test = open_source(self._test_data, "test")
        loss = self._loss(architecture)
        self._check_source(test, architecture.graph, loss, "test")
        settings = TrainingSettings.of(architecture)
        measure = self._measure(architecture, place)

        def run() -> dict[str, float]:
            framework = _frameworks.module_of(self.backend)
            model = _frameworks.build(architecture, self.backend, place)
            framework.load_weights(model, weights_for(self.backend, weights, architecture))
            batches = test.place(place, self._form(test, architecture.graph, loss))
            made = framework.validate(model, batches, settings.batch_size, measure, "test_", place)
            return dict(made)

        with _frameworks.session(self.backend, asked, 0, self.threads):
            metrics = _device.guard_memory(run, place)
        _device.release(place)
        return metrics

    def __getstate__(self) -> dict[str, Any]:
        # Tensors on a device are made again where they are needed.
        return {**self.__dict__, "_placed": {}}

    def _loss(self, target: Architecture | Graph) -> str:
        graph, loss = (target, None) if isinstance(target, Graph) else (target.graph, target.loss)
        data = self._train.description
        return resolve_loss(loss, graph, self._task, data.task, data.classes)

    def _measure(self, architecture: Architecture, device: torch.device) -> Measure:
        from neural_automl.evaluation._training import Measure

        loss = self._loss(architecture)
        task = task_of(loss)
        names = DEFAULT_METRICS[task] if self._names is None else self._names
        check_names(names, task)
        autocast = self._mixed_precision is not False and device.type == "cuda"
        if self._mixed_precision is True and not autocast:
            raise ValueError(no_mixed_precision(device))
        return Measure(loss, names, self._own, autocast, self._monitor)

    def _check_source(self, source: Source, graph: Graph, loss: str, name: str) -> None:
        find_move(source.description.sample_shape, graph.input_shape, self._data_layout)
        check_ids(source.description, graph, name)
        check_targets(source.description, graph.output_shape, loss, name)

    def _form(self, source: Source, graph: Graph, loss: str) -> Form:
        from neural_automl.evaluation._batches import Form

        return Form(
            move=find_move(source.description.sample_shape, graph.input_shape, self._data_layout),
            integers=lookup_size(graph) is not None,
            classes=graph.output_shape[0] if loss == "cross_entropy" else None,
            room=lookup_size(graph),
            sample=source.description.sample_shape,
        )

    def _place(
        self, architecture: Architecture, settings: TrainingSettings, device: torch.device
    ) -> tuple[Batches, Batches]:
        """Return training and validation data on a device; the last form made is kept."""
        graph, loss = architecture.graph, self._loss(architecture)
        share = self._validation_split or settings.validation_split
        if self._validation is not None:
            share = 0.0
        elif share == 0:
            raise DataError("there is no validation data, and a share of 0 to hold out")
        form = self._form(self._train, graph, loss)
        key = (str(device), form, share)
        placed = self._placed.get(key)
        if placed is None:
            training, validation = (
                self._train.split(share, _SPLIT_SEED)
                if self._validation is None
                else (self._train, self._validation)
            )
            placed = (
                training.place(device, form),
                validation.place(device, self._form(validation, graph, loss)),
            )
            self._placed = {key: placed}
        return placed
