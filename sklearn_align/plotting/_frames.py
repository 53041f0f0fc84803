"""Samples of the source space as an aligner sees them before it applies its map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sklearn_align._linalg import unit_rows
from sklearn_align._typing import FloatArray


def unmapped_source(aligner: Any, X: ArrayLike) -> FloatArray:
    """Return source samples (n_samples, n_features) centred and scaled as an aligner does."""
    values = np.asarray(check_array(X, dtype=[np.float64, np.float32]))
    if getattr(aligner, "source_normalized_", False):
        values = unit_rows(values)
    return unit_rows(values, aligner.source_mean_.astype(values.dtype))
