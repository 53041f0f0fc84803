"""Threads of the workers of pytest-xdist, and examples that need an optional package."""

import os
from importlib.util import find_spec

# More than one thread for each worker would only wait for the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Examples in docstrings cannot be skipped one by one.
collect_ignore = [] if find_spec("pyarrow") else ["sklearn_align/io"]
