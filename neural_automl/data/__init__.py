"""Data for a search: built-in sets and files, split and checked before anything trains on them."""

from neural_automl.data._columns import Column
from neural_automl.data._load import load_data
from neural_automl.data._prepare import (
    Array,
    Pair,
    Task,
    check_pair,
    describe_targets,
    prepare_inputs,
    prepare_targets,
    scaling_of,
)
from neural_automl.data._splits import DataSplits, hash_arrays, split_indices

__all__ = [
    "Array",
    "Column",
    "DataSplits",
    "Pair",
    "Task",
    "check_pair",
    "describe_targets",
    "hash_arrays",
    "load_data",
    "prepare_inputs",
    "prepare_targets",
    "scaling_of",
    "split_indices",
]
