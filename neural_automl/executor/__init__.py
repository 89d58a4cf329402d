"""Executors: where trials run, beside each other."""

from neural_automl.executor._base import BaseExecutor, Result
from neural_automl.executor._create import EXECUTOR_NAMES, create_executor, register_executor
from neural_automl.executor._local import SequentialExecutor, ThreadExecutor
from neural_automl.executor._process import ProcessExecutor

__all__ = [
    "EXECUTOR_NAMES",
    "BaseExecutor",
    "ProcessExecutor",
    "Result",
    "SequentialExecutor",
    "ThreadExecutor",
    "create_executor",
    "register_executor",
]
