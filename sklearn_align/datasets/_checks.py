"""Checks of the sizes of what the makers draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_finite(value: ArrayLike, name: str) -> None:
    """Raise if a parameter, a number or several, is infinite or NaN."""
    if not np.isfinite(np.asarray(value, dtype=np.float64)).all():
        raise ValueError(f"{name} must be finite, got {value!r}.")


def check_result(*arrays: NDArray[Any], names: str) -> None:
    """Raise if samples (n_samples, n_features) left the range of float64."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"the samples exceed the range of float64: reduce {names}.")
