"""What the tests of the TensorFlow backend run under; they are the only ones that load it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# Read when TensorFlow loads, which no other test does.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # It warns, on standard error, of models that are called once each.
    tf.get_logger().setLevel("ERROR")


@pytest.fixture(autouse=True, scope="module")
def _names_begin_anew() -> Iterator[None]:
    yield
    import keras

    # Keras counts the layers of a process and keeps what it has named.
    keras.utils.clear_session()
