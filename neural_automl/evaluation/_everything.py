"""What comes after a search: training on all data but the test, and predicting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import expit, softmax

from neural_automl.data import Array, prepare_inputs
from neural_automl.evaluation._settings import TrainingSettings, task_of
from neural_automl.exceptions import EvaluationError

if TYPE_CHECKING:
    import torch

    from neural_automl.architecture import Architecture, Backend
    from neural_automl.evaluation._batches import Batches
    from neural_automl.evaluation._evaluator import ArchitectureEvaluator

#: Held out where nothing was, to have something that is measured after each epoch.
_SHARE: Final = 0.2


def on_everything(evaluator: ArchitectureEvaluator) -> ArchitectureEvaluator:
    """Return an evaluator that trains on the training and the validation data.

    It keeps the last epoch's weights. What it calls ``val_`` is of data that it trained on.

    Raises:
        DataError: There is no validation data and none can be held out.
    """
    from neural_automl.evaluation._joined import JoinedSource

    made = copy(evaluator)
    train, validation = made._train, made._validation
    if validation is None:
        # All of it is training data already.
        made._validation = train.split(_SHARE, 0)[1]
    else:
        made._train = JoinedSource((train, validation))
    made._keep = "last"
    made._placed = {}
    # Hashed anew: it is other data.
    made._data_fingerprint = None
    return made


def trained_model(architecture: Architecture, backend: Backend, weights: Mapping[str, Any]) -> Any:
    """Return a network with its weights, on the CPU, set to predict.

    Args:
        architecture: The network.
        backend: ``pytorch``, for an ``nn.Module``, or ``tensorflow``, for a ``keras.Model``.
        weights: Tensors by name, of either backend.

    Raises:
        EvaluationError: The weights are another network's.
    """
    from neural_automl.backends import weights_for
    from neural_automl.evaluation._frameworks import module_of

    model = architecture.build(backend)
    module_of(backend).load_weights(model, weights_for(backend, weights, architecture))
    return model.eval() if backend == "pytorch" else model


class Predictor:
    """A trained network that answers for new data.

    Args:
        evaluator: That trained it, or one like it: backend, device, layout of images and loss.
        architecture: What was trained.
        weights: Tensors by name, of either backend; several are averaged, by their
            probabilities or values.
    """

    def __init__(
        self,
        evaluator: ArchitectureEvaluator,
        architecture: Architecture,
        weights: Sequence[Mapping[str, Any]],
    ) -> None:
        self._evaluator = evaluator
        self._architecture = architecture
        self._weights = weights
        self._loss = evaluator._loss(architecture)

    def predict(self, inputs: Any) -> Array:
        """Return labels (N,), for several yes-or-no outputs (N, K), or values (N,) or (N, K).

        Args:
            inputs: Shape (N, ...), prepared as the data that it was trained on.

        Raises:
            DataError: The inputs do not fit the network.
            EvaluationError: The weights are another network's.
        """
        if task_of(self._loss) == "regression":
            values = np.mean([self._outputs(inputs, each) for each in self._weights], axis=0)
            return np.asarray(values[:, 0] if values.shape[1:] == (1,) else values)
        probabilities = self.predict_proba(inputs)
        if self._loss == "cross_entropy" or self._architecture.graph.output_shape == (1,):
            return np.asarray(probabilities.argmax(axis=1))
        return np.asarray((probabilities >= 0.5).astype(np.int64))

    def predict_proba(self, inputs: Any) -> Array:
        """Return the probability of each class, (N, K).

        Of one yes-or-no output: of no and of yes, (N, 2); of several: of each one's yes.

        Raises:
            DataError: The inputs do not fit the network.
            EvaluationError: The network predicts values; or the weights are another network's.
        """
        if task_of(self._loss) == "regression":
            raise EvaluationError(
                f"a network with the loss {self._loss} predicts values, which have no "
                "probabilities; use `predict`"
            )
        found = [self._probabilities(self._outputs(inputs, each)) for each in self._weights]
        return np.asarray(np.mean(found, axis=0))

    def _probabilities(self, outputs: Array) -> Array:
        if self._loss == "cross_entropy":
            return np.asarray(softmax(outputs, axis=1))
        yes = expit(outputs)
        return np.hstack([1 - yes, yes]) if yes.shape[1:] == (1,) else np.asarray(yes)

    def _outputs(self, inputs: Any, weights: Mapping[str, Any]) -> Array:
        """Return the logits of a network with these weights."""
        from neural_automl.backends import weights_for
        from neural_automl.evaluation import _device, _frameworks
        from neural_automl.evaluation._sources import to_array

        evaluator, architecture = self._evaluator, self._architecture
        place = _frameworks.place(evaluator.backend, evaluator.device)
        batches = self._batches(prepare_inputs(to_array(inputs), "inputs"), place)

        def run() -> Array:
            framework = _frameworks.module_of(evaluator.backend)
            model = _frameworks.build(architecture, evaluator.backend, place)
            framework.load_weights(model, weights_for(evaluator.backend, weights, architecture))
            size = TrainingSettings.of(architecture).batch_size
            return np.asarray(framework.outputs(model, batches, size).float().cpu().numpy())

        with _frameworks.session(evaluator.backend, evaluator.device, 0, evaluator.threads):
            made = _device.guard_memory(run, place)
        _device.release(place)
        return np.asarray(made)

    def _batches(self, x: Array, place: torch.device) -> Batches:
        from neural_automl.evaluation._sources import ArraySource

        evaluator, graph = self._evaluator, self._architecture.graph
        targets = np.zeros((len(x), *graph.output_shape), np.float32)
        if self._loss == "cross_entropy":
            targets = np.zeros(len(x), np.int64)
        source = ArraySource(x, targets)
        evaluator._check_source(source, graph, self._loss, "new")
        return source.place(place, evaluator._form(source, graph, self._loss))
