"""TensorFlow: Keras models and source code. Planning and source need no Keras; building does."""

from neural_automl.backends.tensorflow._build import build
from neural_automl.backends.tensorflow._plan import make_plan
from neural_automl.backends.tensorflow._source import source, user_modules

__all__ = ["build", "make_plan", "source", "user_modules"]
