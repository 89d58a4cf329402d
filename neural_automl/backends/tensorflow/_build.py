from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl._imports import try_import
from neural_automl.backends._plan import class_name
from neural_automl.backends.tensorflow._plan import make_plan

if TYPE_CHECKING:
    import keras

    from neural_automl.architecture import Architecture


def build(architecture: Architecture) -> keras.Model:
    """Return the architecture as a functional Keras model with fresh weights.

    Its layers have the names that the source of the architecture gives them.

    Raises:
        ExportError: A user's layer has no Keras form.
        ImportError: TensorFlow is not installed.
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    # Here, so that planning and writing source load no Keras.
    with try_import() as imports:
        from neural_automl.backends.tensorflow._model import make_model
    imports.check()
    return make_model(plan, class_name(architecture.name))
