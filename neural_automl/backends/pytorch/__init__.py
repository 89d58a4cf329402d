"""PyTorch: models and source code. Planning and source need no torch; building does."""

from neural_automl.backends._plan import Plan, Step
from neural_automl.backends.pytorch._build import build
from neural_automl.backends.pytorch._plan import make_plan
from neural_automl.backends.pytorch._source import source, user_modules

__all__ = ["Plan", "Step", "build", "make_plan", "source", "user_modules"]
