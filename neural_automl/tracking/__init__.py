"""Trackers of experiments: MLflow, Weights & Biases and TensorBoard, one run a trained trial."""

from __future__ import annotations

from neural_automl.tracking._callback import TrackingCallback as TrackingCallback
from neural_automl.tracking._create import TRACKER_NAMES as TRACKER_NAMES
from neural_automl.tracking._create import create_tracker as create_tracker
from neural_automl.tracking._tracker import TrackedEnd as TrackedEnd
from neural_automl.tracking._tracker import TrackedRun as TrackedRun
from neural_automl.tracking._tracker import TrackedTrial as TrackedTrial
from neural_automl.tracking._tracker import Tracker as Tracker
