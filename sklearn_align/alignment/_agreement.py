"""Agreement of two maps."""

from __future__ import annotations

import numpy as np

from sklearn_align._linalg import scale_to_unit_length
from sklearn_align._typing import FloatArray


def map_agreement(X: FloatArray, W: FloatArray, V: FloatArray) -> float:
    """Fraction of unit samples whose image under `W` is nearest to their own image under `V`.

    1 for equal maps, about ``1 / n_samples`` for unrelated ones.
    """
    images = X @ V
    scale_to_unit_length(images)
    nearest = ((X @ W) @ images.T).argmax(axis=1)
    return float((nearest == np.arange(len(X))).mean())
