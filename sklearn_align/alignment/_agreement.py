"""Agreement of two maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_align.alignment._problem import scale_to_unit_length

FloatArray = NDArray[np.floating[Any]]


def shared_retrieval(rows: FloatArray, W: FloatArray, V: FloatArray) -> float:
    """Share of rows whose image under `W` is nearest to their own image under `V`.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features_A)
        Unit rows of the source space.

    W, V : ndarray of shape (n_features_A, n_features_B)
        Maps.

    Returns
    -------
    float
        1 for equal maps, about ``1 / n_rows`` for unrelated ones.
    """
    images = rows @ V
    scale_to_unit_length(images)
    nearest = ((rows @ W) @ images.T).argmax(axis=1)
    return float((nearest == np.arange(len(rows))).mean())
