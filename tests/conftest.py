"""What every test runs under."""

from __future__ import annotations

import os

# One thread in each worker: the workers already fill the cores. Numeric libraries read this when
# they load, so it comes before every other import.
if "PYTEST_XDIST_WORKER" in os.environ:
    for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_variable] = "1"

import pytest
from hypothesis import settings

VERIFY = os.environ.get("NEURAL_AUTOML_VERIFY") == "1"

# No deadline: a shared machine is slow now and then. Seeds are fixed, so that a run can be
# repeated; a verifying run draws new ones.
settings.register_profile("test", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("verify", max_examples=2000, deadline=None)
settings.load_profile("verify" if VERIFY else "test")


@pytest.fixture(scope="session")
def verify() -> bool:
    """Whether the run shall use the large counts of `make verify`."""
    return VERIFY
