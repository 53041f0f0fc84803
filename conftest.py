"""Threads of the workers of pytest-xdist, and examples that need an optional package."""

import os
from importlib.util import find_spec

# More than one thread for each worker would only wait for the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # Where a test asks for two threads, a waiting one would take the core of the other worker.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from threadpoolctl import threadpool_info

# Examples in docstrings cannot be skipped one by one.
collect_ignore = [] if find_spec("pyarrow") else ["sklearn_align/io"]


def pytest_configure(config):
    """Ignore skipped estimator checks."""
    # In the settings, the class would be imported, and NumPy with it, before the lines above.
    config.addinivalue_line("filterwarnings", "ignore::sklearn.exceptions.SkipTestWarning")


def _numbers_of_threads():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.fixture(scope="module", autouse=True)
def _threads_as_before():
    """Have every file of tests leave numbers of threads alone: more slow down all tests after it.

    Two workers with two threads each take many times as long on two cores.
    """
    before = _numbers_of_threads()
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ["OMP_NUM_THREADS"] == "1":
        assert set(before.values()) <= {1}, "A library was loaded before the number was set."
    yield
    after = _numbers_of_threads()
    assert {path: after[path] for path in before} == before
