from __future__ import annotations

from contextlib import contextmanager

import pytest

import sklearn_align.alignment._mini_vec2vec as module
from sklearn_align.alignment._convergence import Convergence


@contextmanager
def no_convergence_check():
    """Leave out the convergence check, which takes most of a fit and does not change the map."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "check_convergence", lambda *_, **__: Convergence(0.8, 0.9, 0.85))
        yield


@pytest.fixture
def unjudged():
    with no_convergence_check():
        yield


@pytest.fixture(scope="module")
def unjudged_module():
    """Do the same in all of a file, also for what its tests share."""
    with no_convergence_check():
        yield
