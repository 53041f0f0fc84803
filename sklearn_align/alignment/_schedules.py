"""Values that change from the first to the last iteration of a refinement."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator


def check_schedule(refinement: BaseEstimator, name: str, *, positive: bool) -> None:
    """Raise unless the parameter `name` of a refinement is a pair of numbers."""
    values = getattr(refinement, name)
    numbers = [v for v in values if isinstance(v, Real) and np.isfinite(float(v))]
    if len(values) != 2 or len(numbers) != 2 or (positive and min(numbers) <= 0):
        raise ValueError(
            f"The {name!r} parameter of {type(refinement).__name__} must be a tuple of two "
            f"{'positive ' if positive else ''}floats, the first and the last value, got "
            f"{values!r}."
        )
